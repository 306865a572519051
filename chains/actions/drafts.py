"""Drafts: open one, edit it, undo and redo. Every edit is one compare-and-swap on the draft's revision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from chains.actions.content import says_the_same
from chains.actions.errors import ActionError, StaleDraft
from chains.engine.drafts import (
    CHAIN_FIELDS,
    FIELDS,
    VERSION_FIELDS,
    Document,
    agent_document,
    agents_of,
    document_of,
)
from chains.models import Agent, Chain, ChainVersion, DraftEdit, LanguageModel

HISTORY = 100  # edits that can be undone
MAX_LABEL = 200

# Changes the agents of the list, or what the draft and its chain say, and returns what it did in words.
Change = Callable[[list[Agent]], str]


def open_draft(*, chain: Chain) -> ChainVersion:
    """Return a chain's draft, made from its newest version on first opening."""
    drafts = chain.versions.drafts().select_related("chain")
    if draft := drafts.first():
        return draft
    try:
        with transaction.atomic():
            return _new_draft(chain)
    except IntegrityError:
        # Another window opened it at the same moment. A lock on the chain would be held while a publication
        # waits for the draft, and whoever has the draft may want the chain.
        return drafts.get()


def _new_draft(chain: Chain) -> ChainVersion:
    newest = chain.versions.published().first()
    said = {name: getattr(newest, name) for name in VERSION_FIELDS} if newest else {}
    draft = ChainVersion.objects.create(chain=chain, **said)
    Agent.objects.bulk_create(copies(newest.agents.all(), draft) if newest else [])
    return draft


def copies(agents: Iterable[Agent], version: ChainVersion) -> list[Agent]:
    """Return unsaved copies of agents for another version, numbered in their order."""
    return [
        Agent(version=version, index=index, **{name: getattr(agent, name) for name in FIELDS})
        for index, agent in enumerate(agents)
    ]


@transaction.atomic
def edit_draft(*, draft: ChainVersion, revision: int, change: Change) -> ChainVersion:
    """Make a change that can be undone, on what is stored now. A change that changes nothing is no edit.

    Raises ``StaleDraft`` when ``revision`` is not the stored one, after the change has seen what is stored.
    """
    lock_draft(draft)
    agents = list(draft.agents.order_by("index"))
    before = document_of(draft, agents)
    label = change(agents)
    if document_of(draft, agents) == before:
        return draft
    if draft.revision != revision:
        lock_draft(draft)
        raise StaleDraft(revision=draft.revision)
    position = (draft.undo_position or 0) + 1
    _write(draft, before, agents, position)
    _remember(draft, before, agents, label)
    # Known without asking: nothing stands behind the newest edit.
    draft.undo_bounds = (True, False)
    return draft


def undo(*, draft: ChainVersion, revision: int) -> ChainVersion:
    """Take the last edit back. Raises ``StaleDraft``, or ``ActionError`` when there is none."""
    return _travel(draft, revision, -1, "There is nothing to undo.")


def redo(*, draft: ChainVersion, revision: int) -> ChainVersion:
    """Make an edit again that was undone. Raises ``StaleDraft``, or ``ActionError`` when there is none."""
    return _travel(draft, revision, +1, "There is nothing to redo.")


def follow_published(*, chain: Chain, older: ChainVersion, newer: ChainVersion) -> None:
    """Bring a version that was published past the editor into a draft that has no edits of its own."""
    draft = chain.versions.drafts().select_related("chain").first()
    if draft and says_the_same(draft, older):
        edit_draft(
            draft=draft,
            revision=draft.revision,
            change=lambda agents: take_over(draft, agents, newer),
        )


def take_over(draft: ChainVersion, agents: list[Agent], version: ChainVersion) -> str:
    """Let a draft say what a version says; an agent of the same slug keeps its id."""
    ids = {agent.slug: agent.pk for agent in agents}
    for name in VERSION_FIELDS:
        setattr(draft, name, getattr(version, name))
    agents[:] = copies(version.agents.order_by("index"), draft)
    for agent in agents:
        agent.pk = ids.get(agent.slug)
    return f"Took over version {version.number}"


def lock_draft(draft: ChainVersion) -> None:
    """Read a draft as it is stored now, and let other edits of it wait until the transaction ends."""
    rows = ChainVersion.objects.drafts().select_for_update(of=("self",)).select_related("chain")
    stored = rows.filter(pk=draft.pk).first()
    if stored is None:
        raise ActionError("This draft is not there any more: open the chain anew.")
    draft.chain = stored.chain
    for name in ("revision", "undo_position", *VERSION_FIELDS):
        setattr(draft, name, getattr(stored, name))


@transaction.atomic
def _travel(draft: ChainVersion, revision: int, by: int, nothing: str) -> ChainVersion:
    lock_draft(draft)
    if draft.revision != revision:
        raise StaleDraft(revision=draft.revision)
    here = draft.undo_position or 0
    edits = {edit.position: edit for edit in draft.edits.filter(position__in=[here, here + by])}
    if here + by not in edits:
        raise ActionError(nothing)
    _restore(draft, edits[here].content, edits[here + by])
    return draft


def _restore(draft: ChainVersion, now: Document, edit: DraftEdit) -> None:
    """Let a draft say what it said after an edit."""
    then: Document = edit.content
    before = document_of(draft, list(draft.agents.order_by("index")))
    for name in VERSION_FIELDS:
        setattr(draft, name, then[name])
    for name in CHAIN_FIELDS:
        # They can change elsewhere too: only what this very edit changed goes back.
        if now[name] != then[name]:
            setattr(draft.chain, name, then[name])
    _write(draft, before, _with_known_models(agents_of(then)), edit.position)


def _with_known_models(agents: list[Agent]) -> list[Agent]:
    """Let no agent name a model that has gone from the catalogue since."""
    known = LanguageModel.objects.in_bulk({agent.model_id for agent in agents if agent.model_id})
    for agent in agents:
        agent.model = known.get(agent.model_id) if agent.model_id else None
    return agents


def _write(draft: ChainVersion, before: Document, agents: Sequence[Agent], position: int) -> None:
    """Store what a draft says now, as its next revision. The draft is locked."""
    draft.revision, draft.undo_position = draft.revision + 1, position
    vars(draft).pop("undo_bounds", None)
    said: dict[str, Any] = {name: getattr(draft, name) for name in VERSION_FIELDS}
    ChainVersion.objects.drafts().filter(pk=draft.pk, revision=draft.revision - 1).update(
        revision=draft.revision, undo_position=position, **said
    )
    chain = draft.chain
    if any(before[name] != getattr(chain, name) for name in CHAIN_FIELDS):
        chain_says = {name: getattr(chain, name) for name in CHAIN_FIELDS}
        Chain.objects.filter(pk=chain.pk).update(updated_at=timezone.now(), **chain_says)
    _write_agents(draft, before["agents"], agents)


def _write_agents(draft: ChainVersion, before: Sequence[Document], agents: Sequence[Agent]) -> None:
    stored = {said["id"]: (place, said) for place, said in enumerate(before)}
    changed = [
        agent
        for place, agent in enumerate(agents)
        if agent.pk is None or stored.get(agent.pk) != (place, agent_document(agent))
    ]
    kept = {agent.pk for agent in agents} - {agent.pk for agent in changed}
    # Away first and back again, because places and slugs are unique at every moment.
    if gone := stored.keys() - kept:
        Agent.objects.filter(pk__in=gone).delete()
    for place, agent in enumerate(agents):
        agent.version, agent.index = draft, place
    Agent.objects.bulk_create(changed)


def _remember(draft: ChainVersion, before: Document, agents: Sequence[Agent], label: str) -> None:
    """Keep what a draft says now as its newest edit; what had been undone is forgotten."""
    position = draft.undo_position or 0
    outdated = Q(position__gte=position) | Q(position__lt=position - HISTORY)
    edits = [DraftEdit(version=draft, position=position, content=document_of(draft, agents))]
    edits[0].label = label[:MAX_LABEL]
    if position == 1:
        # What the first edit started from.
        outdated |= Q(position=0)
        edits.append(DraftEdit(version=draft, position=0, content=before))
    draft.edits.filter(outdated).delete()
    DraftEdit.objects.bulk_create(edits)
