"""The editor: a chain's draft, and every edit of it. Each edit is a form; scripts only send it sooner."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from chains import actions, queries
from chains.engine.places import Place, Step, place_of
from chains.engine.plan import ConnectionType
from chains.models import Chain, ChainVersion, is_row_id
from chains.views import access
from chains.views.access import Request
from chains.views.editor_page import Refusal, editor_context, editor_page, two_texts
from chains.views.sidebar import sidebar

CONFLICT, UNPROCESSABLE = 409, 422
AGENT_FIELDS = (
    "name",
    "model",
    "system_prompt",
    "prompt",
    "connection_type",
    "condition",
    "temperature",
    "max_output_tokens",
)
SETTINGS_FIELDS = ("name", "description", "tags", "on_failure", "on_interruption")
Act = Callable[[ChainVersion, int], object]


@require_POST
def chain_new(request: Request) -> HttpResponse:
    """Make a chain with one agent, and go on to its editor."""
    chain = actions.create_empty_chain(
        owner=request.user, name=request.POST.get("name", "").strip() or "New chain"
    )
    return redirect("chain_edit", chain.slug)


@require_GET
def chain_edit(request: Request, slug: str) -> HttpResponse:
    """Show a chain's draft to edit, and a place to try it."""
    chain = access.chain_for(request, slug)
    actions.open_draft(chain=chain)
    if request.htmx.target == "canvas":
        return render(request, "editor/redrawn.html", editor_context(chain))
    return editor_page(request, chain)


@require_POST
def agent_save(request: Request, slug: str, pk: int) -> HttpResponse:
    """Save some fields of an agent."""
    fields = _fields(request, AGENT_FIELDS)
    return _edit(
        request,
        slug,
        lambda draft, revision: actions.save_agent(
            draft=draft, agent_id=pk, fields=fields, revision=revision
        ),
        fields=fields,
        agent=pk,
    )


@require_POST
def settings_save(request: Request, slug: str) -> HttpResponse:
    """Save what a draft says about the whole chain."""
    fields = _fields(request, SETTINGS_FIELDS)
    return _edit(
        request,
        slug,
        lambda draft, revision: actions.save_settings(
            chain=draft.chain,
            draft=draft,
            fields=fields,
            revision=revision,
            known_tags=request.POST.get("known_tags"),
        ),
        fields=fields,
    )


@require_POST
def agent_add(request: Request, slug: str) -> HttpResponse:
    """Add an agent: an empty one, or a copy of one from another chain."""
    source = (
        queries.reusable_agent(request.user, _number(request, "source")) if "source" in request.POST else None
    )
    connection = source.connection_type if source else request.POST.get("connection_type", "direct")
    index, beside = _number(request, "index"), _optional_number(request, "beside")
    return _edit(
        request,
        slug,
        lambda draft, revision: actions.add_agent(
            draft=draft,
            revision=revision,
            index=index,
            connection_type=connection,
            source=source,
            beside=beside,
        ),
    )


@require_POST
def agent_duplicate(request: Request, slug: str, pk: int) -> HttpResponse:
    """Put a copy of an agent behind it."""
    return _edit(
        request,
        slug,
        lambda draft, revision: actions.duplicate_agent(draft=draft, agent_id=pk, revision=revision),
    )


@require_POST
def agent_remove(request: Request, slug: str, pk: int) -> HttpResponse:
    """Take an agent out of the draft. Undo brings it back."""
    return _edit(
        request,
        slug,
        lambda draft, revision: actions.remove_agent(draft=draft, agent_id=pk, revision=revision),
    )


@require_POST
def agent_move(request: Request, slug: str, pk: int) -> HttpResponse:
    """Move an agent: by one step, into a group or out of it, or to where it was dropped."""

    def move(draft: ChainVersion, revision: int) -> None:
        place = _step(request, draft, pk) if "to" in request.POST else _dropped(request)
        actions.move_agent(
            draft=draft,
            agent_id=pk,
            index=place.index,
            connection_type=place.connection,
            beside=place.beside,
            revision=revision,
        )

    return _edit(request, slug, move)


@require_POST
def draft_undo(request: Request, slug: str) -> HttpResponse:
    """Take the last edit back."""
    return _edit(request, slug, lambda draft, revision: actions.undo(draft=draft, revision=revision))


@require_POST
def draft_redo(request: Request, slug: str) -> HttpResponse:
    """Make an edit again that was taken back."""
    return _edit(request, slug, lambda draft, revision: actions.redo(draft=draft, revision=revision))


@require_GET
def agent_reuse(request: Request, slug: str) -> HttpResponse:
    """Offer the agents of the user's other chains."""
    chain = access.chain_for(request, slug)
    words = access.words(request.GET)
    context = {
        "chain": chain,
        "draft": actions.open_draft(chain=chain),
        "index": access.row_id(request, "index"),
        "searched": words,
        "found": queries.reusable_agents(request.user, leave_out=chain, words=words),
        "groups": sidebar(request),
    }
    parts = {"dialog": "editor/reuse.html", "reuse-list": "editor/reuse_list.html"}
    return render(request, parts.get(request.htmx.target or "", "editor/reuse_page.html"), context)


def _edit(
    request: Request,
    slug: str,
    act: Act,
    *,
    fields: dict[str, object] | None = None,
    agent: int | None = None,
) -> HttpResponse:
    """Do one edit of a chain's draft, and answer with what it changed or why it was refused."""
    draft = _draft(request, slug)
    chain = draft.chain
    try:
        act(draft, _number(request, "revision"))
    except actions.StaleDraft as error:
        return _stale(request, chain, error, fields or {}, agent)
    except actions.ActionError as error:
        return _refused(request, chain, error, fields or {}, agent)
    chain = draft.chain
    if not request.htmx:
        return redirect(reverse("chain_edit", args=[chain.slug]) + (f"#agent-{agent}" if agent else ""))
    if request.htmx.target == "canvas":
        return render(request, "editor/redrawn.html", editor_context(chain, draft))
    is_titled = fields is not None and agent is None and "name" in fields
    is_renamed = agent is not None and "name" in (fields or {})
    said = {"renamed": is_renamed, "titled": is_titled}
    return render(request, "editor/saved.html", editor_context(chain, draft) | said)


def _draft(request: Request, slug: str) -> ChainVersion:
    """Return the draft of one of the user's chains, with one query once it was opened. Raises ``Http404``."""
    chains = Chain.objects.visible_to(request.user).active().filter(slug=slug)
    opened = ChainVersion.objects.drafts().filter(chain__in=chains).select_related("chain").first()
    return opened or actions.open_draft(chain=access.chain_for(request, slug))


def _stale(
    request: Request,
    chain: Chain,
    error: actions.StaleDraft,
    fields: dict[str, object],
    agent: int | None,
) -> HttpResponse:
    """Tell a window that another one was first, with both texts where there are two."""
    if request.htmx.target == "canvas" or not fields:
        messages.warning(request, "Another window changed this draft: this is how it stands now.")
        if not request.htmx:
            return redirect("chain_edit", chain.slug)
        return render(request, "editor/redrawn.html", editor_context(chain), status=CONFLICT)
    if request.htmx:
        return JsonResponse({"revision": error.revision, "theirs": error.theirs}, status=CONFLICT)
    address = (
        reverse("agent_save", args=[chain.slug, agent])
        if agent
        else reverse("settings_save", args=[chain.slug])
    )
    context = {
        "chain": chain,
        "error": error,
        "save_address": address,
        "texts": two_texts(fields, error.theirs),
        "groups": sidebar(request),
    }
    return render(request, "editor/conflict_page.html", context, status=CONFLICT)


def _refused(
    request: Request,
    chain: Chain,
    error: actions.ActionError,
    fields: dict[str, object],
    agent: int | None,
) -> HttpResponse:
    """Say what an edit cannot be. A page that is shown anew keeps what was typed."""
    if request.htmx and request.htmx.target != "canvas":
        return JsonResponse({"field": error.field, "message": str(error)}, status=UNPROCESSABLE)
    if request.htmx or not fields:
        messages.error(request, str(error))
    if request.htmx:
        return render(request, "editor/redrawn.html", editor_context(chain), status=UNPROCESSABLE)
    refusal = Refusal(fields, agent, error.field, str(error)) if fields else None
    return editor_page(request, chain, refusal=refusal, status=UNPROCESSABLE)


def _fields(request: Request, names: tuple[str, ...]) -> dict[str, object]:
    # Browsers send two characters for the end of a line; a text has one.
    return {name: request.POST[name].replace("\r\n", "\n") for name in names if name in request.POST}


def _step(request: Request, draft: ChainVersion, pk: int) -> Place:
    rows = list(draft.agents.order_by("index").values_list("pk", "connection_type"))
    index = next((place for place, (agent, _) in enumerate(rows) if agent == pk), None)
    step = next((step for step in Step if step == request.POST["to"]), None)
    if index is None or step is None:
        raise actions.ActionError("That agent is not there any more: this is how the draft stands now.")
    place = place_of([connection for _, connection in rows], index, step)
    if place is None:
        raise actions.ActionError("The agent cannot go there.")
    beside = None if place.beside is None else rows[place.beside][0]
    return Place(place.index, place.connection, beside)


def _dropped(request: Request) -> Place:
    connection = request.POST.get("connection_type", "")
    chosen = ConnectionType(connection) if connection in list(ConnectionType) else None
    return Place(_number(request, "index"), chosen, _optional_number(request, "beside"))


def _number(request: Request, name: str) -> int:
    value = request.POST.get(name, "")
    if not is_row_id(value):
        raise BadRequest(f"{name} is not a number")
    return int(value)


def _optional_number(request: Request, name: str) -> int | None:
    return _number(request, name) if request.POST.get(name) else None
