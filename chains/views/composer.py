"""The composer of a session: what it shows in each state of its form, and what it asks while one types."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from chains import queries
from chains.forms import MAX_MESSAGE, MessageForm, runnable_chains
from chains.models import ChatSession, is_row_id
from chains.models.run import RunStatus
from chains.views import access
from chains.views.access import Request
from chains.views.sidebar import sidebar

BIG = MAX_MESSAGE * 10


@require_GET
@never_cache
def session_composer(request: Request, pk: int) -> HttpResponse:
    """Show a fresh composer, in place of one that edits a message."""
    session = access.session_for(request, pk)
    return show_composer(request, session, MessageForm(session=session))


@require_GET
@never_cache
def session_files(request: Request, pk: int) -> HttpResponse:
    """Show the files that wait for the session's next message: another window may have changed them."""
    session = access.session_for(request, pk)
    return render(request, "composer/files.html", {"files": MessageForm(session=session).carried})


@require_GET
@never_cache
def session_outlook(request: Request, pk: int) -> HttpResponse:
    """Show what the message that is being written will do: the picked chain's plan, and a cost estimate."""
    session = access.session_for(request, pk)
    ids = [int(value) for value in request.GET.getlist("attachments")[:50] if is_row_id(value)]
    chain = runnable_chains(session).filter(pk=_count(request, "chain")).first() or session.chain
    look = queries.outlook(
        session=session,
        chain=chain,
        characters=min(_count(request, "characters"), BIG),
        files=list(session.attachments.described().filter(pk__in=ids)),
    )
    # What the head of the page says of its chain, it says of the one that is picked.
    session.chain = chain
    is_empty = "empty" in request.GET
    context = {"session": session, "outlook": look, "plan": look.stages, "is_empty": is_empty}
    return render(request, "composer/outlook_changed.html", context)


@require_GET
@never_cache
def run_edit(request: Request, pk: int) -> HttpResponse:
    """Put a sent message into the composer, to run it again with other words."""
    run = access.run_for(request, pk)
    session = access.session_for(request, run.session_id)
    return show_composer(request, session, MessageForm(session=session, editing=run))


def show_composer(
    request: Request, session: ChatSession, form: MessageForm, *, status: int = 200
) -> HttpResponse:
    """Render the composer in this state: alone for a script, else with its page."""
    if not request.htmx:
        return session_page(request, session, form, status=status)
    context = composer(session, form) | {"live_run": session.runs.live().first()}
    return render(request, "sessions/composer.html", context, status=status)


def composer(session: ChatSession, form: MessageForm) -> dict[str, Any]:
    """Return what the composer's template needs besides the live run."""
    text = str(form["input"].value() or "")
    look = queries.outlook(session=session, chain=form.picked, characters=len(text), files=form.carried)
    return {"session": session, "form": form, "outlook": look, "plan": look.stages}


def session_page(
    request: Request,
    session: ChatSession,
    form: MessageForm,
    *,
    before: int | None = None,
    status: int = 200,
) -> HttpResponse:
    """Render a session's page with this state of its composer."""
    page = queries.session_page(session=session, before=before)
    context = composer(session, form) | {
        "page": page,
        "live_run": page.live_run,
        "groups": sidebar(request),
        "run_labels": dict(RunStatus.choices),
    }
    return render(request, "sessions/detail.html", context, status=status)


def _count(request: Request, name: str) -> int:
    value = request.GET.get(name, "")
    return int(value) if is_row_id(value) else 0
