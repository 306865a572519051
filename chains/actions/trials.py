"""Trying a draft: publish it, and send it one message in a session of its own."""

from __future__ import annotations

from django.db import transaction

from chains.actions.errors import ActionError
from chains.actions.runs import start_run, title_of
from chains.actions.sessions import rename_session, start_session
from chains.actions.versions import publish_draft
from chains.models import Chain, Run, User


@transaction.atomic
def try_draft(*, owner: User, chain: Chain, text: str, request_id: str) -> Run:
    """Run a chain as it is drafted on a message, without any history; the same ``request_id`` runs once.

    Raises ``NotPublishable`` for a draft with faults, or another ``ActionError``.
    """
    mine = Run.objects.filter(session__owner=owner, request_id=request_id)
    if existing := mine.select_related("session").first():
        return existing
    if not text.strip():
        raise ActionError("Type a message first.", field="input")
    publish_draft(chain=chain)
    session = start_session(owner=owner, chain=chain)
    rename_session(session=session, title=f"Test: {title_of(text)}")
    return start_run(session=session, chain=chain, text=text, request_id=request_id)
