"""Sessions: begin one, name it, let it go."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from chains import live
from chains.actions.chains import delete_chain
from chains.actions.errors import ActionError, SessionGone
from chains.models import Chain, ChatSession, Run, User
from chains.models.run import RunStatus

MAX_TITLE = 120  # characters


def start_session(*, owner: User, chain: Chain) -> ChatSession:
    """Begin an empty session whose first message will run this chain."""
    return ChatSession.objects.create(owner=owner, chain=chain, active_at=timezone.now())


def rename_session(*, session: ChatSession, title: str) -> None:
    """Give a session another title. Raises ``ActionError`` for one that is empty or too long."""
    title = " ".join(title.split())
    if not title:
        raise ActionError("A session needs a title.", field="title")
    if len(title) > MAX_TITLE:
        raise ActionError(f"A title may have {MAX_TITLE} characters.", field="title")
    session.title = title
    ChatSession.objects.filter(pk=session.pk).update(title=title)


def delete_session(*, session: ChatSession) -> None:
    """Delete a session with all its runs; a live one loses its lease first, which ends its calls."""
    with transaction.atomic():
        # Whoever starts a run meanwhile waits for this lock, and then finds the session gone.
        if not ChatSession.objects.select_for_update().filter(pk=session.pk).exists():
            raise SessionGone
        _revoke_live_run(session)
        leftover = list(Chain.objects.filter(is_unnamed=True, versions__runs__session=session).distinct())
        session_id = session.pk
        session.delete()
        for chain in leftover:
            delete_chain(chain=chain)
    transaction.on_commit(lambda: live.hint_session(session_id))


def _revoke_live_run(session: ChatSession) -> None:
    """Take a live run away from whoever carries it out: that process writes nothing any more."""
    Run.objects.filter(session=session).live().update(
        status=RunStatus.CANCELLED, epoch=F("epoch") + 1, finished_at=timezone.now(), lease_owner=""
    )
