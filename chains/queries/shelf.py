"""The library's page: a person's chains, searched, filed under tags, sorted, a part at a time."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Exists, IntegerField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Concat, Lower
from django.utils import timezone
from django.utils.timesince import timesince

from chains.models import Agent, Chain, ChainTag, ChainVersion, ChatSession, Run, User
from chains.queries.library import ChainCard, PlanStage, last_use, matching_demos, newest_agents, plan

SHELF_PAGE = 24  # chains
MAX_WORDS = 8
SHELF_SORTS = {"used": "Last used", "name": "Name", "new": "Newest"}


@dataclass(frozen=True, slots=True)
class Shelf:
    """Which chains are looked at. Every word and every tag must be there."""

    words: str = ""
    tags: tuple[str, ...] = ()
    sort: str = "used"
    archived: bool = False

    @property
    def is_narrowed(self) -> bool:
        """Whether it leaves something out."""
        return bool(self.words or self.tags)

    @property
    def terms(self) -> tuple[str, ...]:
        """What is searched for: each of them by itself."""
        return tuple(self.words.split()[:MAX_WORDS])


@dataclass(frozen=True, slots=True)
class ChainRow:
    """A chain as the library lists it. ``number`` is that of its newest version, None: never published."""

    chain: Chain
    stages: tuple[PlanStage, ...]
    models: tuple[str, ...]
    tags: tuple[str, ...]
    number: int | None
    sessions: int
    is_used: bool
    used: str


@dataclass(frozen=True, slots=True)
class TagChip:
    """A tag to narrow the list by. ``tags`` are the chosen ones after a click on it."""

    name: str
    count: int
    is_chosen: bool
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LibraryPage:
    """A part of the library.

    ``elsewhere`` counts what the search found on the other shelf; ``is_bare``: there are no chains to search.
    """

    shelf: Shelf
    rows: list[ChainRow]
    total: int
    more: int | None
    elsewhere: int
    is_bare: bool
    chips: list[TagChip]
    demos: list[ChainCard]


def library_page(user: User, shelf: Shelf, *, start: int = 0, end: int = SHELF_PAGE) -> LibraryPage:
    """Return the chains of a shelf from place ``start`` to ``end``, and what stands around them."""
    found = _found(user, shelf)
    counts = found.aggregate(
        active=Count("pk", filter=Q(archived_at__isnull=True)),
        archived=Count("pk", filter=Q(archived_at__isnull=False)),
    )
    total, elsewhere = counts["active"], counts["archived"]
    if shelf.archived:
        total, elsewhere = elsewhere, total
    rows = chain_rows(_sorted(found.filter(archived_at__isnull=not shelf.archived), shelf.sort)[start:end])
    return LibraryPage(
        shelf=shelf,
        rows=rows,
        total=total,
        more=end if end < total else None,
        elsewhere=elsewhere,
        is_bare=not (total or elsewhere or Chain.objects.visible_to(user).named().exists()),
        chips=tag_chips(user, shelf),
        demos=[] if shelf.archived or shelf.tags else matching_demos(shelf.terms),
    )


def shelf_total(user: User, shelf: Shelf) -> int:
    """Return how many chains of a shelf the search finds."""
    return _found(user, shelf).filter(archived_at__isnull=not shelf.archived).count()


def chain_row(chain: Chain) -> ChainRow:
    """Return one chain as the library lists it."""
    return chain_rows(Chain.objects.filter(pk=chain.pk))[0]


def chain_rows(found: QuerySet[Chain]) -> list[ChainRow]:
    """Return these chains as the library lists them."""
    sessions = ChatSession.objects.filter(chain=OuterRef("pk")).order_by().values("chain")
    runs = Run.objects.filter(chain_version__chain=OuterRef("pk"))
    chains = list(
        found.annotate(
            number=_newest_number(),
            session_count=Subquery(sessions.annotate(n=Count("pk")).values("n"), output_field=IntegerField()),
            has_runs=Exists(runs),
        ).prefetch_related("tags")
    )
    agents = newest_agents(chains)
    return [_row(chain, plan(agents.get(chain.pk, []))) for chain in chains]


def tag_chips(user: User, shelf: Shelf) -> list[TagChip]:
    """Return the tags of a shelf's chains with how many have each, and the chosen ones in any case."""
    mine = Chain.objects.visible_to(user).named().filter(archived_at__isnull=not shelf.archived)
    tags = ChainTag.objects.filter(chain__in=mine).order_by(Lower("name")).values_list("name")
    counts: dict[str, int] = dict(tags.annotate(Count("pk")))
    counts |= {name: 0 for name in shelf.tags if name not in counts}
    return [TagChip(name, count, name in shelf.tags, _toggled(shelf, name)) for name, count in counts.items()]


def _toggled(shelf: Shelf, name: str) -> tuple[str, ...]:
    others = tuple(tag for tag in shelf.tags if tag != name)
    return others if name in shelf.tags else (*others, name)


def _row(chain: Chain, stages: tuple[PlanStage, ...]) -> ChainRow:
    models = dict.fromkeys(agent.model for stage in stages for agent in stage.agents if agent.model)
    sessions = getattr(chain, "session_count", None) or 0
    return ChainRow(
        chain=chain,
        stages=stages,
        models=tuple(models),
        tags=tuple(sorted((tag.name for tag in chain.tags.all()), key=str.casefold)),
        number=getattr(chain, "number", None),
        sessions=sessions,
        is_used=bool(sessions or getattr(chain, "has_runs", False)),
        used=_used(chain),
    )


def _used(chain: Chain) -> str:
    if chain.used_at is None:
        return ""
    if (timezone.now() - chain.used_at).total_seconds() < 60:
        return "just now"
    return f"{timesince(chain.used_at, depth=1)} ago"


def _newest_number(chain: str = "pk") -> Subquery:
    versions = ChainVersion.objects.published().filter(chain=OuterRef(chain))
    return Subquery(versions.values("number")[:1])


def _sorted(chains: QuerySet[Chain], sort: str) -> QuerySet[Chain]:
    if sort == "name":
        return chains.order_by(Lower("name"), "id")
    return chains.order_by("-created_at" if sort == "new" else last_use().desc(), "-id")


def _found(user: User, shelf: Shelf) -> QuerySet[Chain]:
    """Return the user's chains, archived or not, that have all words and tags."""
    chains: QuerySet[Chain] = Chain.objects.visible_to(user).named()
    for tag in shelf.tags:
        chains = chains.filter(Exists(ChainTag.objects.filter(chain=OuterRef("pk"), name=tag)))
    for word in shelf.terms:
        chains = chains.filter(_has_word(word, user))
    return chains


def _has_word(word: str, user: User) -> Q:
    """Say that a word stands in a chain's name, description or tags, or in what an agent of it says now.

    The lists are read once, and not again for each chain: without fresh statistics of its tables PostgreSQL
    took minutes for that.
    """
    mine = Chain.objects.visible_to(user)
    shown = Q(version__number__isnull=True) | Q(version__number=_newest_number("version__chain"))
    label = Concat("model__provider__slug", Value("/"), "model__model_id")
    agents = Agent.objects.filter(shown, version__chain__in=mine).annotate(label=label)
    columns = ("name", "prompt", "system_prompt", "model__name", "model__provider__name", "label")
    tags = ChainTag.objects.filter(_contains(word, "name"), chain__in=mine)
    return (
        _contains(word, "name", "description")
        | Q(pk__in=tags.values("chain"))
        | Q(pk__in=agents.filter(_contains(word, *columns)).values("version__chain"))
    )


def _contains(word: str, *columns: str) -> Q:
    # SQLite knows the capitals of the Latin alphabet alone: ask for the usual spellings of other words.
    spellings = {word} if word.isascii() else {word, word.lower(), word.upper(), word.capitalize()}
    condition = Q()
    for column in columns:
        for spelling in spellings:
            condition |= Q(**{f"{column}__icontains": spelling})
    return condition
