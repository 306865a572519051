"""Sessions: show one, send to it, rename it, delete it, find one."""

from __future__ import annotations

from contextlib import suppress

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from chains import actions, queries
from chains.forms import MessageForm, StartForm, TitleForm
from chains.models import ChatSession, Run
from chains.views import access
from chains.views.access import Request
from chains.views.attachments import take_files
from chains.views.composer import composer, session_page, show_composer
from chains.views.sidebar import sidebar

CONFLICT, UNPROCESSABLE = 409, 422


@require_POST
def session_new(request: Request) -> HttpResponse:
    """Start an empty session for one of the user's chains."""
    form = StartForm(request.POST, user=request.user)
    if not form.is_valid():
        messages.error(request, "That chain is not there any more: pick another one.")
        return redirect("home")
    session = actions.start_session(owner=request.user, chain=form.cleaned_data["chain"])
    return redirect("session_detail", session.pk)


@require_GET
def session_detail(request: Request, pk: int) -> HttpResponse:
    """Show a session's newest runs and the composer."""
    session = access.session_for(request, pk)
    return session_page(request, session, MessageForm(session=session))


@require_http_methods(["GET", "POST"])
def session_send(request: Request, pk: int) -> HttpResponse:
    """Send a message: what was typed stays whenever it could not be sent."""
    session = access.session_for(request, pk)
    if request.method == "GET":
        # A message that was refused has this address, and a log-in leads back to it.
        return redirect("session_detail", session.pk)
    form, faults = _read_message(request, session)
    for fault in faults:
        form.add_error("attachments", fault)
    if not form.is_valid():
        return show_composer(request, session, form, status=UNPROCESSABLE)
    sent = form.cleaned_data
    try:
        run = actions.start_run(
            session=session,
            chain=sent["chain"],
            text=sent["input"],
            request_id=sent["request_id"],
            attachments=list(sent["attachments"]),
            retry_of=sent["retry_of"],
        )
    except actions.ActionError as error:
        form.add_error(error.field if error.field in form.fields else "input", str(error))
        status = CONFLICT if isinstance(error, actions.RunInProgress) else UNPROCESSABLE
        return show_composer(request, session, form, status=status)
    return _sent(request, run)


@require_POST
def session_rename(request: Request, pk: int) -> HttpResponse:
    """Give a session another title."""
    session = access.session_for(request, pk)
    old_title = session.title
    form = TitleForm(request.POST, instance=session)
    if form.is_valid():
        actions.rename_session(session=session, title=form.cleaned_data["title"])
    elif not request.htmx:
        messages.error(request, str(form.errors["title"][0]))
    if not request.htmx:
        return redirect("session_detail", pk)
    context = {"session": session, "title_form": form, "title": form["title"].value() or old_title}
    return render(request, "sessions/renamed.html", context, status=200 if form.is_valid() else UNPROCESSABLE)


@require_http_methods(["GET", "POST"])
def session_delete(request: Request, pk: int) -> HttpResponse:
    """Ask before a session goes with all its runs, then let it go."""
    session = access.session_for(request, pk)
    if request.method == "GET":
        template = "sessions/delete_dialog.html" if request.htmx else "sessions/delete.html"
        is_live = session.runs.live().exists()
        context = {"session": session, "is_live": is_live, "groups": sidebar(request)}
        return render(request, template, context)
    with suppress(actions.SessionGone):  # a second press, or another window, was quicker
        actions.delete_session(session=session)
    messages.success(request, f"“{session}” was deleted.")
    return HttpResponseClientRedirect("/") if request.htmx else redirect("home")


@require_GET
def session_search(request: Request) -> HttpResponse:
    """Find sessions by words of their titles, messages and answers."""
    words = access.words(request.GET)
    # The page of its own says more of each session than the side bar has room for.
    is_page = not request.htmx or "page" in request.GET
    groups = sidebar(request, words=words, with_chains=is_page)
    context = {"groups": groups, "words": words, "is_page": is_page}
    return render(request, "sessions/list.html" if request.htmx else "sessions/search.html", context)


@require_GET
def session_find(request: Request, pk: int) -> HttpResponse:
    """Find words in a session's messages and answers."""
    session = access.session_for(request, pk)
    found = queries.find_in_session(session=session, words=access.words(request.GET))
    context = {"session": session, "found": found, "groups": sidebar(request)}
    return render(request, "find/hits.html" if request.htmx else "find/page.html", context)


@require_GET
def session_older(request: Request, pk: int) -> HttpResponse:
    """Show the runs that came before one."""
    session = access.session_for(request, pk)
    before = access.row_id(request, "before")
    if not request.htmx:
        return session_page(request, session, MessageForm(session=session), before=before)
    until = access.row_id(request, "until") if "until" in request.GET else None
    page = queries.session_page(session=session, before=before, until=until)
    return render(request, "sessions/older.html", {"page": page, "session": session})


def _read_message(request: Request, session: ChatSession) -> tuple[MessageForm, list[str]]:
    """Read a message; without a script its files come with it, and are stored before all else."""
    data = request.POST.copy()
    faults: list[str] = []
    if request.FILES and not session.runs.filter(request_id=data.get("request_id", "")).exists():
        files, faults = take_files(request, session)
        for file in files:
            data.appendlist("attachments", str(file.pk))
    return MessageForm(data, session=session), faults


def _sent(request: Request, run: Run) -> HttpResponse:
    if not request.htmx:
        return redirect(f"{_address(run.session)}#run-{run.pk}")
    context = composer(run.session, MessageForm(session=run.session)) | {
        "bands": queries.bands(session=run.session, run_ids=[run.pk]),
        "live_run": run if run.is_live else None,
        "groups": sidebar(request),
    }
    return render(request, "sessions/sent.html", context)


def _address(session: ChatSession) -> str:
    return redirect("session_detail", session.pk).url
