"""The library of chains: file them, copy them, put them away, and look at a file before it comes in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from chains.actions.chains import create_chain, free_slug, import_chain, lock_person, slug_for
from chains.actions.content import content_of, file_content, read_chain_file
from chains.actions.errors import ActionError
from chains.chainfile import ChainFile
from chains.engine.plan import Severity, check_chain
from chains.models import Agent, Chain, ChainTag, ChainVersion, User

MAX_TAGS = 10
MAX_TAG = 40  # characters
MAX_NAME = 100


class OtherTags(ActionError):
    """A chain has other ``tags`` than somebody has seen."""

    field = "tags"

    def __init__(self, tags: Iterable[str]) -> None:
        super().__init__("These tags were changed in another window meanwhile: look at both.")
        self.tags = ", ".join(sorted(tags, key=str.casefold))


@dataclass(frozen=True, slots=True)
class ImportPreview:
    """What an import would do. ``chain`` is the one that the file's slug names, ``newest`` its version.

    ``models`` are the names of what its agents call, each once.
    """

    file: ChainFile
    models: tuple[str, ...]
    warnings: tuple[str, ...]
    chain: Chain | None
    newest: ChainVersion | None
    changed: bool

    @property
    def next_number(self) -> int:
        """The number that the version would get."""
        return (self.newest.number or 0) + 1 if self.newest else 1

    @property
    def renames(self) -> bool:
        """Whether the chain would get another name or description."""
        chain, file = self.chain, self.file
        return chain is not None and (chain.name, chain.description) != (file.name, file.description)


@transaction.atomic
def set_tags(*, chain: Chain, names: Iterable[str]) -> list[str]:
    """File a chain under these tags and no others; return them. Raises ``ActionError`` for a bad one.

    A tag that differs from one of the owner's only in its capitals takes the spelling that is there.
    """
    lock_person(chain.owner)
    return file_under(chain, names)


def file_under(chain: Chain, names: Iterable[str], *, known: Iterable[str] | None = None) -> list[str]:
    """Do what ``set_tags`` does, inside a transaction that has a lock of its own already.

    ``known`` are the tags that somebody has seen: raises ``OtherTags`` if the chain has others by now.
    """
    wanted = _tidy(names)
    _refuse_tags(list(wanted.values()))
    rows = ChainTag.objects.filter(chain__owner=chain.owner_id).values_list("chain", "name").distinct()
    spellings = {name.casefold(): name for pk, name in rows if pk != chain.pk}
    tags = sorted((spellings.get(key, name) for key, name in wanted.items()), key=str.casefold)
    kept = {name for pk, name in rows if pk == chain.pk}
    if known is not None and _tidy(kept).keys() not in (_tidy(known).keys(), wanted.keys()):
        raise OtherTags(kept)
    if not kept <= set(tags):
        chain.tags.exclude(name__in=tags).delete()
    new = (ChainTag(chain=chain, name=name) for name in tags if name not in kept)
    # The other lock may be that of another act, which files it under the same tag.
    ChainTag.objects.bulk_create(new, ignore_conflicts=True)
    return tags


@transaction.atomic
def duplicate_chain(*, chain: Chain) -> Chain:
    """Copy a chain as it stands: its newest version, its draft, its tags. Nothing of its history."""
    owner = chain.owner
    lock_person(owner)
    name = _copy_name(chain)
    copy = Chain.objects.create(
        owner=owner, name=name, slug=free_slug(owner, slug_for(name)), description=chain.description
    )
    if newest := chain.versions.published().first():
        _copy_version(newest, copy, number=1)
    if draft := chain.versions.drafts().first():
        _copy_version(draft, copy, number=None)
    ChainTag.objects.bulk_create(ChainTag(chain=copy, name=tag.name) for tag in chain.tags.all())
    return copy


def archive_chain(*, chain: Chain) -> None:
    """Put a chain away. Its sessions stay readable; it starts no more of them."""
    _set_archived(chain, to=True)


def bring_back_chain(*, chain: Chain) -> None:
    """Take a chain out of the archive."""
    _set_archived(chain, to=False)


def preview_import(*, owner: User, data: bytes | str) -> ImportPreview:
    """Read a chain file and say what importing it would do. Writes nothing.

    Raises ``ChainFileError`` with every fault, or ``ActionError`` when no model can be used.
    """
    file = read_chain_file(data)
    content = file_content(file)
    chain = Chain.objects.visible_to(owner).filter(slug=file.slug or slug_for(file.name)).first()
    newest = chain.versions.published().first() if chain else None
    found = check_chain([agent.spec for agent in file.agents])
    return ImportPreview(
        file=file,
        models=tuple(dict.fromkeys(agent.model.name for agent in content.agents if agent.model)),
        warnings=tuple(fault.message for fault in found if fault.severity is Severity.WARNING),
        chain=chain,
        newest=newest,
        changed=newest is None or content_of(newest) != content,
    )


def import_text(*, owner: User, data: bytes | str, as_new: bool) -> Chain:
    """Bring in a chain file that was looked at: into the chain that has its slug, or as a new one.

    Raises ``ChainFileError`` or ``ActionError``, and has changed nothing then.
    """
    file = read_chain_file(data)
    if as_new:
        return create_chain(owner=owner, file=file)
    return import_chain(owner=owner, file=file).chain


def _tidy(names: Iterable[str]) -> dict[str, str]:
    """Return each name once, by what it is compared with; the first spelling counts."""
    tidy: dict[str, str] = {}
    for name in (" ".join(name.split()).removeprefix("#") for name in names):
        if name:
            tidy.setdefault(name.casefold(), name)
    return tidy


def _refuse_tags(names: list[str]) -> None:
    if long := next((name for name in names if len(name) > MAX_TAG), None):
        raise ActionError(
            f"The tag “{long[:20]}…” is too long: use at most {MAX_TAG} characters.", field="tags"
        )
    if any("\0" in name for name in names):
        raise ActionError("A tag holds a character that cannot be stored: remove it.", field="tags")
    if len(names) > MAX_TAGS:
        raise ActionError(f"A chain may have {MAX_TAGS} tags, not {len(names)}: remove some.", field="tags")


def _copy_name(chain: Chain) -> str:
    taken = set(Chain.objects.filter(owner=chain.owner).values_list("name", flat=True))
    suffix, number = " (copy)", 2
    while (name := chain.name[: MAX_NAME - len(suffix)] + suffix) in taken:
        suffix = f" (copy {number})"
        number += 1
    return name


def _copy_version(version: ChainVersion, chain: Chain, *, number: int | None) -> None:
    copy = ChainVersion.objects.create(
        chain=chain,
        number=number,
        on_failure=version.on_failure,
        on_interruption=version.on_interruption,
    )
    agents = list(version.agents.all())
    for agent in agents:
        agent.pk, agent.version = None, copy
    Agent.objects.bulk_create(agents)
    if number:
        # Last, because the database lets nobody add an agent to what is published.
        copy.published_at = timezone.now()
        copy.save(update_fields=["published_at"])


def _set_archived(chain: Chain, *, to: bool) -> None:
    chain.archived_at = timezone.now() if to else None
    chain.save(update_fields=["archived_at", "updated_at"])
