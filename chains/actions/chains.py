"""Chains: make, import, export, open a demo, keep, delete. A version made of a file is published at once."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.text import slugify

from chains.actions.content import Content, content_of, exported, file_content
from chains.actions.drafts import follow_published
from chains.actions.errors import ActionError, NoSuchDemo, NotRunnable
from chains.actions.names import tidy_name
from chains.chainfile import ChainFile, agent_slugs, demo_chain_files
from chains.models import Agent, AgentStep, Chain, ChainVersion, ChatSession, LanguageModel, Run, User
from chains.models.chain import ConnectionType

MAX_SLUG = MAX_NAME = 100
COMPARE_NAME = "Quick compare"
# What an agent keeps that is asked alone.
_ALONE = ("name", "slug", "model", "system_prompt", "prompt", "temperature", "max_output_tokens")


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did; ``changed`` is whether it published a version."""

    chain: Chain
    version: ChainVersion
    changed: bool


@transaction.atomic
def create_chain(*, owner: User, file: ChainFile, demo_slug: str = "") -> Chain:
    """Make a chain of a chain file and publish it. A slug that is taken gets a number.

    Raises ``ChainFileError`` when the catalogue lacks one of its models.
    """
    lock_person(owner)
    content = file_content(file)
    chain = Chain.objects.create(
        owner=owner,
        name=file.name,
        slug=free_slug(owner, _slug_of(file)),
        description=file.description,
        demo_slug=demo_slug,
    )
    _publish(chain, content, number=1)
    return chain


def create_empty_chain(*, owner: User, name: str) -> Chain:
    """Make a chain that was never published: its draft has one agent. Raises ``ActionError``."""
    name = tidy_name(name)
    with transaction.atomic():
        lock_person(owner)
        chain = Chain.objects.create(owner=owner, name=name, slug=free_slug(owner, slug_for(name)))
        draft = ChainVersion.objects.create(chain=chain)
        model = LanguageModel.objects.default()
        Agent.objects.create(version=draft, index=0, name="Agent 1", slug="agent-1", model=model)
    return chain


@transaction.atomic
def import_chain(*, owner: User, file: ChainFile) -> ImportResult:
    """Bring a chain file in: a new chain, or for a slug that exists a new version if the agents differ.

    Name and description are those of the file afterwards. Raises ``ChainFileError`` when the catalogue lacks
    one of its models, and has changed nothing then.
    """
    lock_person(owner)
    content = file_content(file)
    chain = _chain_for(owner, file)
    newest = chain.versions.published().first()
    if newest and content_of(newest) == content:
        return ImportResult(chain, newest, changed=False)
    version = _publish(chain, content, number=next_number(chain), after=newest)
    if newest:
        follow_published(chain=chain, older=newest, newer=version)
    return ImportResult(chain, version, changed=True)


def export_chain(*, chain: Chain) -> ChainFile:
    """Return the chain file of a chain's newest version. Raises ``NotRunnable`` if it has none."""
    version = chain.versions.published().first()
    if version is None:
        raise NotRunnable(f"“{chain}” was never published: publish it first.")
    return exported(chain, version)


@transaction.atomic
def open_demo(*, owner: User, slug: str) -> Chain:
    """Return the user's copy of a demo chain, made with the site's default model when there is none.

    Raises ``NoSuchDemo``, or ``ActionError`` when no model can be used.
    """
    demo = next((demo for demo in demo_chain_files() if demo.slug == slug), None)
    if demo is None:
        raise NoSuchDemo(f"There is no demo chain “{slug}”: pick one from the start page.")
    lock_person(owner)
    mine = Chain.objects.visible_to(owner).active().filter(demo_slug=slug).order_by("id").first()
    return mine or create_chain(owner=owner, file=demo.chain, demo_slug=slug)


def keep_chain(*, chain: Chain, name: str) -> Chain:
    """Name the unnamed chain of a quick compare, which keeps it. Raises ``ActionError``."""
    name = " ".join(name.split())
    if not name:
        raise ActionError("Give the chain a name.", field="name")
    with transaction.atomic():
        lock_person(chain.owner)
        chain.refresh_from_db(fields=["name", "is_unnamed"])
        if not chain.is_unnamed:
            if chain.name == name:
                return chain
            raise ActionError(f"Another window kept it as “{chain.name}”: it was not named “{name}”.")
        chain.name = name[: Chain._meta.get_field("name").max_length]
        chain.slug = free_slug(chain.owner, slug_for(name), leave_out=chain)
        chain.is_unnamed = False
        chain.save(update_fields=["name", "slug", "is_unnamed", "updated_at"])
    return chain


@transaction.atomic
def delete_chain(*, chain: Chain) -> None:
    """Delete a chain; one that has runs, or sessions that stand on it, is archived instead."""
    # The draft first, as every edit does: whoever locks them the other way round meets it in a deadlock.
    list(ChainVersion.objects.drafts().select_for_update().filter(chain=chain).values_list("pk"))
    Chain.objects.select_for_update().filter(pk=chain.pk).first()
    has_runs = Run.objects.filter(chain_version__chain=chain).exists()
    now = timezone.now()
    if has_runs or ChatSession.objects.filter(chain=chain).exists():
        chain.archived_at = now
        chain.save(update_fields=["archived_at", "updated_at"])
        return
    # The mark lets the database part with published versions.
    Chain.objects.filter(pk=chain.pk).update(discarded_at=now)
    chain.delete()


def compare_chain(*, owner: User, names: Sequence[str], models: Sequence[LanguageModel]) -> Chain:
    """Make an unnamed chain: one parallel group that gives the bare message to each model."""
    chain = Chain.objects.create(
        owner=owner, name=COMPARE_NAME, slug=f"compare-{secrets.token_hex(6)}", is_unnamed=True
    )
    agents = tuple(
        Agent(index=place, name=name, slug=slug, model=model, connection_type=ConnectionType.PARALLEL)
        for place, (name, slug, model) in enumerate(zip(names, agent_slugs(names), models, strict=True))
    )
    _publish(chain, Content(on_failure="stop", agents=agents), number=1)
    return chain


def alone_chain(*, owner: User, session: ChatSession, step: AgentStep) -> Chain:
    """Return the unnamed chain that asks one agent of a session's run alone. Needs the person's lock."""
    slug = f"{alone_prefix(session)}{step.pk}"
    if made := Chain.objects.filter(owner=owner, slug=slug, is_unnamed=True).first():
        return made
    name = f"{step.name} alone"[:MAX_NAME]
    chain = Chain.objects.create(owner=owner, name=name, slug=free_slug(owner, slug), is_unnamed=True)
    agent = Agent(index=0, **{column: getattr(step, column) for column in _ALONE})
    _publish(chain, Content(on_failure="stop", agents=(agent,)), number=1)
    return chain


def alone_prefix(session: ChatSession) -> str:
    """Return how the slugs of such chains begin in a session."""
    return f"alone-{session.pk}-"


def lock_person(owner: User) -> None:
    """Let this person's other requests wait until the transaction ends: none makes the same thing twice."""
    User.objects.select_for_update().only("id").get(pk=owner.pk)


def slug_for(name: str) -> str:
    """Derive a chain's slug from its name."""
    # A name without Latin letters always gets the same slug too, so that a file finds its chain again.
    return slugify(name)[:MAX_SLUG].strip("-_") or f"chain-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def free_slug(owner: User, wanted: str, *, leave_out: Chain | None = None) -> str:
    """Return the slug, with a number if another chain of its owner has it. Needs the person's lock."""
    others = Chain.objects.filter(owner=owner, slug__startswith=wanted[: MAX_SLUG - 8])
    if leave_out:
        others = others.exclude(pk=leave_out.pk)
    taken = set(others.values_list("slug", flat=True))
    candidate, number = wanted, 2
    while candidate in taken:
        suffix = f"-{number}"
        candidate = wanted[: MAX_SLUG - len(suffix)] + suffix
        number += 1
    return candidate


def _publish(
    chain: Chain, content: Content, *, number: int, after: ChainVersion | None = None
) -> ChainVersion:
    version = ChainVersion(chain=chain, number=number, on_failure=content.on_failure)
    if after:
        # No file says it: it stays as it was chosen.
        version.on_interruption = after.on_interruption
    return write_version(version, content.agents)


def write_version(version: ChainVersion, agents: Sequence[Agent]) -> ChainVersion:
    """Store a version with its agents, none of them stored yet, and publish it."""
    version.save(force_insert=True)
    for agent in agents:
        agent.version = version
    Agent.objects.bulk_create(agents)
    # Last, because the database lets nobody add an agent to what is published.
    version.published_at = timezone.now()
    version.save(update_fields=["published_at"])
    return version


def next_number(chain: Chain) -> int:
    """Return the number of a chain's next version. Needs its owner's lock."""
    newest: int | None = chain.versions.aggregate(newest=Max("number"))["newest"]
    return (newest or 0) + 1


def _chain_for(owner: User, file: ChainFile) -> Chain:
    """Return the chain that a file is about, named and described as the file says."""
    said = {"name": file.name, "description": file.description, "archived_at": None, "is_unnamed": False}
    chain, created = Chain.objects.get_or_create(owner=owner, slug=_slug_of(file), defaults=said)
    if not created and any(getattr(chain, column) != value for column, value in said.items()):
        for column, value in said.items():
            setattr(chain, column, value)
        chain.save()
    return chain


def _slug_of(file: ChainFile) -> str:
    return file.slug or slug_for(file.name)
