"""Sessions: begin one, name it, let it go."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from chains import live
from chains.actions.chains import alone_prefix, delete_chain
from chains.actions.errors import ActionError, SessionGone
from chains.models import Chain, ChatSession, Run, User

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
    """Delete a session with all its runs. A live one loses its lease with its row, which ends its calls."""
    with transaction.atomic():
        # Whoever starts a run, or writes one, waits for these locks and then finds it gone.
        if not ChatSession.objects.select_for_update().filter(pk=session.pk).exists():
            raise SessionGone
        list(Run.objects.select_for_update().filter(session=session).values_list("pk"))
        leftover = _unnamed_chains(session)
        session_id = session.pk
        session.delete()
        for chain in leftover:
            delete_chain(chain=chain)
    transaction.on_commit(lambda: live.hint_session(session_id))


def _unnamed_chains(session: ChatSession) -> list[Chain]:
    """Return the chains that were made for this session only."""
    ran = Q(versions__runs__session=session)
    alone = Q(owner=session.owner_id, slug__startswith=alone_prefix(session))
    return list(Chain.objects.filter(ran | alone, is_unnamed=True).distinct())
