"""Sessions: show one, send to it, rename it, delete it, find one."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from chains import actions, queries
from chains.forms import KeepForm, MessageForm, StartForm, TitleForm
from chains.models import ChatSession, Run
from chains.models.run import RunStatus
from chains.views import access
from chains.views.access import Request

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
    return _session_page(request, session, MessageForm(session=session))


@require_POST
def session_send(request: Request, pk: int) -> HttpResponse:
    """Send a message: what was typed stays whenever it could not be sent."""
    session = access.session_for(request, pk)
    form = MessageForm(request.POST, session=session)
    if not form.is_valid():
        return _not_sent(request, session, form, UNPROCESSABLE)
    sent = form.cleaned_data
    try:
        run = actions.start_run(
            session=session, chain=sent["chain"], text=sent["input"], request_id=sent["request_id"]
        )
    except actions.ActionError as error:
        form.add_error(error.field if error.field in form.fields else "input", str(error))
        status = CONFLICT if isinstance(error, actions.RunInProgress) else UNPROCESSABLE
        return _not_sent(request, session, form, status)
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
        return render(request, template, {"session": session, "groups": queries.sidebar(request.user)})
    actions.delete_session(session=session)
    messages.success(request, f"“{session}” was deleted.")
    return HttpResponseClientRedirect("/") if request.htmx else redirect("home")


@require_GET
def session_search(request: Request) -> HttpResponse:
    """Find sessions by words of their titles, messages and answers."""
    words = request.GET.get("q", "").strip()[:200]
    context = {"groups": queries.sidebar(request.user, words=words), "words": words}
    return render(request, "sessions/list.html" if request.htmx else "sessions/search.html", context)


@require_GET
def session_find(request: Request, pk: int) -> HttpResponse:
    """Find words in a session's messages and answers."""
    session = access.session_for(request, pk)
    found = queries.find_in_session(session=session, words=request.GET.get("q", "").strip()[:200])
    context = {"session": session, "found": found, "groups": queries.sidebar(request.user)}
    return render(request, "find/hits.html" if request.htmx else "find/page.html", context)


@require_GET
def session_older(request: Request, pk: int) -> HttpResponse:
    """Show the runs that came before one."""
    session = access.session_for(request, pk)
    before = access.row_id(request, "before")
    if not request.htmx:
        return _session_page(request, session, MessageForm(session=session), before=before)
    until = access.row_id(request, "until") if "until" in request.GET else None
    page = queries.session_page(session=session, before=before, until=until)
    return render(request, "sessions/older.html", {"page": page, "session": session})


def _session_page(
    request: Request, session: ChatSession, form: MessageForm, *, before: int | None = None, status: int = 200
) -> HttpResponse:
    page = queries.session_page(session=session, before=before)
    context = {
        "session": session,
        "page": page,
        "plan": queries.chain_plan(session.chain) if session.chain else (),
        "form": form,
        "live_run": page.live_run,
        "keep_form": KeepForm(),
        "groups": queries.sidebar(request.user),
        "run_labels": dict(RunStatus.choices),
    }
    return render(request, "sessions/detail.html", context, status=status)


def _sent(request: Request, run: Run) -> HttpResponse:
    if not request.htmx:
        return redirect(f"{_address(run.session)}#run-{run.pk}")
    context = {
        "session": run.session,
        "bands": queries.bands(session=run.session, run_ids=[run.pk]),
        "live_run": run if run.is_live else None,
        "form": MessageForm(session=run.session),
        "groups": queries.sidebar(request.user),
        "plan": queries.chain_plan(run.session.chain) if run.session.chain else (),
    }
    return render(request, "sessions/sent.html", context)


def _not_sent(request: Request, session: ChatSession, form: MessageForm, status: int) -> HttpResponse:
    if not request.htmx:
        return _session_page(request, session, form, status=status)
    live_run = session.runs.live().first()
    context = {"session": session, "form": form, "live_run": live_run}
    return render(request, "sessions/composer.html", context, status=status)


def _address(session: ChatSession) -> str:
    return redirect("session_detail", session.pk).url
