"""Versions: publish a draft, bring an old version back as the draft."""

from __future__ import annotations

from django.db import transaction

from chains.actions.chains import lock_person, next_number, write_version
from chains.actions.content import says_the_same
from chains.actions.drafts import copies, edit_draft, lock_draft, open_draft, take_over
from chains.actions.errors import ActionError, NotPublishable
from chains.engine.drafts import VERSION_FIELDS, draft_faults
from chains.engine.plan import Fault, Severity
from chains.models import Chain, ChainVersion


def check_draft(draft: ChainVersion) -> list[Fault]:
    """List what is wrong with a draft, agent by agent."""
    agents = draft.agents.select_related("model__provider").order_by("index")
    return draft_faults(list(agents))


@transaction.atomic
def publish_draft(*, chain: Chain) -> tuple[ChainVersion, bool]:
    """Publish a copy of the draft. Returns the newest version, and whether this made it.

    Raises ``NotPublishable``.
    """
    lock_person(chain.owner)
    draft = open_draft(chain=chain)
    # What is checked here is what is copied: no edit comes between.
    lock_draft(draft)
    newest = chain.versions.published().first()
    if newest and says_the_same(draft, newest):
        return newest, False
    faults = [fault for fault in check_draft(draft) if fault.severity is Severity.FAULT]
    if faults:
        raise NotPublishable(faults)
    said = {name: getattr(draft, name) for name in VERSION_FIELDS}
    version = ChainVersion(chain=chain, number=next_number(chain), **said)
    write_version(version, copies(draft.agents.order_by("index"), version))
    chain.save(update_fields=["updated_at"])
    return version, True


def restore_version(*, chain: Chain, number: int) -> ChainVersion:
    """Make the draft say what a version said, as an edit that can be undone. Raises ``ActionError``."""
    version = chain.versions.published().filter(number=number).first()
    if version is None:
        raise ActionError(f"“{chain}” has no version {number}: pick one from the list.")
    draft = open_draft(chain=chain)
    return edit_draft(
        draft=draft,
        revision=draft.revision,
        change=lambda agents: take_over(draft, agents, version),
    )
