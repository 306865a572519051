"""Trying a draft: a rule on a text, the whole chain on a message."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from chains import actions, queries
from chains.forms import TrialForm
from chains.models import Agent, Chain, ChatSession, is_row_id
from chains.views import access
from chains.views.access import Request
from chains.views.editor_page import editor_page
from chains.views.runs import to_run
from chains.views.sidebar import sidebar

UNPROCESSABLE = 422


@require_http_methods(["GET", "POST"])
def rule_try(request: Request, slug: str, pk: int) -> HttpResponse:
    """Test a rule on a text that was pasted, or on the answer of an earlier run."""
    chain = access.chain_for(request, slug)
    agent = _agent(chain, pk)
    source = request.POST.get("condition", agent.condition)
    text = request.POST.get("text", "").replace("\r\n", "\n")
    context = {
        "chain": chain,
        "agent": agent,
        "source": source,
        "text": text,
        "answers": queries.answers_to_test(request.user, chain, 8),
        "result": queries.condition_try(source, text, input=request.POST.get("message", ""))
        if request.method == "POST"
        else None,
        "groups": sidebar(request),
    }
    parts = {f"try-{pk}": "editor/rule_try.html", f"verdict-{pk}": "editor/verdict.html"}
    return render(request, parts.get(request.htmx.target or "", "editor/rule_try_page.html"), context)


@require_POST
def chain_run(request: Request, slug: str) -> HttpResponse:
    """Publish the draft and run it on a message; the page goes on beside it."""
    chain = access.chain_for(request, slug)
    form = TrialForm(request.POST)
    if not form.is_valid():
        return _form_again(request, chain, form)
    sent = form.cleaned_data
    try:
        run = actions.try_draft(
            owner=request.user, chain=chain, text=sent["input"], request_id=sent["request_id"]
        )
    except actions.ActionError as error:
        form.add_error("input", str(error))
        return _form_again(request, chain, form)
    if not request.htmx:
        return to_run(run)
    fresh = TrialForm(initial={"input": sent["input"]})
    context = _context(request, chain, fresh) | {
        "session": run.session,
        "live_run": run if run.is_live else None,
        "bands": queries.bands(session=run.session, run_ids=[run.pk]),
        "page": queries.editor_page(chain),
    }
    return render(request, "editor/trial_sent.html", context)


@require_POST
def sample_save(request: Request, slug: str) -> HttpResponse:
    """Keep a message to try the chain on again."""
    chain = access.chain_for(request, slug)
    text = request.POST.get("input", "").replace("\r\n", "\n")
    form = TrialForm(initial={"input": text})
    try:
        actions.save_sample(chain=chain, name=request.POST.get("name", ""), text=text)
    except actions.ActionError as error:
        form = TrialForm({"input": text or " ", "request_id": form["request_id"].value()})
        form.add_error(None, str(error))
        return _form_again(request, chain, form)
    return _form(request, chain, form)


@require_POST
def sample_delete(request: Request, slug: str) -> HttpResponse:
    """Forget a sample message."""
    chain = access.chain_for(request, slug)
    actions.delete_sample(chain=chain, name=request.POST.get("name", ""))
    return _form(request, chain, TrialForm(initial={"input": request.POST.get("input", "")}))


def _form(request: Request, chain: Chain, form: TrialForm) -> HttpResponse:
    if not request.htmx:
        return redirect("chain_edit", chain.slug)
    return render(request, "editor/trial_form.html", _context(request, chain, form))


def _form_again(request: Request, chain: Chain, form: TrialForm) -> HttpResponse:
    if not request.htmx:
        for faults in form.errors.values():
            messages.error(request, str(faults[0]))
        return editor_page(request, chain, trial_form=form, status=UNPROCESSABLE)
    return render(request, "editor/trial_form.html", _context(request, chain, form), status=UNPROCESSABLE)


def _context(request: Request, chain: Chain, form: TrialForm) -> dict[str, object]:
    # The test run that stands beside goes on whatever happens to its message.
    number = request.POST.get("session", "")
    sessions = ChatSession.objects.visible_to(request.user).filter(chain=chain)
    session = sessions.filter(pk=number).first() if is_row_id(number) else None
    return {"chain": chain, "trial_form": form, "samples": list(chain.samples.all()), "session": session}


def _agent(chain: Chain, pk: int) -> Agent:
    agent = Agent.objects.filter(version__chain=chain, version__number=None, pk=pk).first()
    if agent is None:
        raise Http404
    return agent
