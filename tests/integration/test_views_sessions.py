"""The session page: what it shows, what sending does, and that every form works without a script."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from chains.forms import MAX_MESSAGE
from chains.models import ChatSession, Run, User
from tests.integration.pages_cast import (
    CONDITIONAL,
    agent,
    attempt,
    chain_of,
    complete,
    end,
    run_in,
    session_of,
)

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


@pytest.fixture
def client(alice: User, client_for: Callable[[User], Client]) -> Client:
    return client_for(alice)


@pytest.fixture
def session(alice: User) -> ChatSession:
    return session_of(alice)


def address(session: ChatSession) -> str:
    return reverse("session_detail", args=[session.pk])


def show(client: Client, session: ChatSession) -> str:
    response = client.get(address(session))
    assert response.status_code == 200
    return response.content.decode()


def send(client: Client, session: ChatSession, text: str = "Is it so?", **data: Any) -> Any:
    headers = data.pop("headers", {})
    form = {"input": text, "request_id": "r1", **data}
    return client.post(reverse("session_send", args=[session.pk]), form, headers=headers)


# Showing


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Pacific/Kiritimati", "Yesterday"),
        ("", "Today"),
        ("Europe", "Today"),
        ("Nowhere/At_All", "Today"),
        ("../../etc/passwd", "Today"),
    ],
)
def test_sessions_stand_under_the_days_of_their_reader(
    client: Client, session: ChatSession, monkeypatch: pytest.MonkeyPatch, zone: str, day: str
) -> None:
    # There it is half past one of the next day.
    monkeypatch.setattr(timezone, "now", lambda: datetime(2026, 5, 4, 11, 30, tzinfo=UTC))
    ChatSession.objects.update(active_at=datetime(2026, 5, 4, 9, 30, tzinfo=UTC))
    client.cookies["timezone"] = zone
    page = show(client, session)
    assert f'<section aria-label="{day}">' in page
    listed = client.get("/sessions/").content.decode()
    assert f'<section aria-label="{day}">' in listed
    assert "4 May 2026, 09:30 UTC" in listed


def test_an_empty_session_shows_its_plan_and_a_composer(client: Client, session: ChatSession) -> None:
    page = show(client, session)
    assert f'data-session="{session.pk}"' in page
    assert "data-composer" in page
    for name in ("Ada", "Ben", "Editor"):
        assert name in page
    assert "data-run=" not in page


def test_all_columns_of_a_run_stand_there_before_it_began(client: Client, session: ChatSession) -> None:
    run_in(session)
    page = show(client, session)
    assert re.findall(r'data-step-index="(\d+)"', page) == ["0", "1", "2"]
    assert re.findall(r'data-step-index="\d+" data-status="(\w+)"', page) == ["pending"] * 3
    assert page.count("Preparing parallel execution…") >= 2
    assert "Waiting for Ada, Ben…" in page or "Waiting for Ada and Ben…" in page
    assert 'data-run-status="queued"' in page


def test_a_group_stands_in_one_frame_that_says_how_many(client: Client, session: ChatSession) -> None:
    run_in(session)
    page = show(client, session)
    assert page.count("Parallel group · 3 agents") == 0
    assert page.count("Parallel group · 2 agents") == 1


def test_a_finished_answer_carries_its_text_its_length_and_its_digest(
    client: Client, session: ChatSession
) -> None:
    run = complete(run_in(session))
    page = show(client, session)
    first = run.steps.all()[0]
    assert f'id="step-{first.pk}-answer"' in page
    assert "<strong>so</strong>" in page
    digest = first.attempts.get().text_sha256
    assert re.search(rf'data-attempt="1" data-length="13" data-sha256="{digest}"', page)


def test_a_finished_run_shows_what_it_took_and_draws_it(client: Client, session: ChatSession) -> None:
    complete(run_in(session))
    page = show(client, session)
    for words in ("3 agents", "in all", "First token", "tok/s", "250 ms"):
        assert words in page
    assert "<rect" in page
    assert "Calls in the order of their start" in page


def test_a_live_run_shows_no_totals(client: Client, session: ChatSession) -> None:
    run_in(session)
    page = show(client, session)
    assert 'class="totals"' not in page
    assert "data-live" in page


def test_no_page_holds_a_style_or_a_script_in_itself(client: Client, session: ChatSession) -> None:
    complete(run_in(session))
    for page in (show(client, session), client.get(reverse("home")).content.decode()):
        assert " style=" not in page
        assert "<style" not in page
        assert not re.search(r"<script(?![^>]*(src=|application/json))", page)
        assert not re.search(r"\son\w+=", page)


def test_what_a_model_wrote_is_no_markup(client: Client, session: ChatSession) -> None:
    complete(run_in(session, text="<b>mine</b>"), answer='<img src=x onerror=alert(1)><form hx-post="/x">')
    page = show(client, session)
    assert "<img src=x" not in page
    assert '<form hx-post="/x">' not in page
    assert "&lt;b&gt;mine&lt;/b&gt;" in page
    assert re.search(r"data-answer[^>]* hx-disable", page)


def test_simulated_text_is_labelled_wherever_it_shows(client: Client, session: ChatSession) -> None:
    complete(run_in(session))
    assert show(client, session).count("pill-simulated") == 3


def test_a_failed_answer_says_who_said_what_with_which_status(client: Client, session: ChatSession) -> None:
    run = run_in(session)
    attempt(
        run.steps.all()[0],
        status="failed",
        error="Simulated is overloaded: try again later.",
        http_status=503,
        error_kind="overloaded",
    )
    end(run, "failed", "Ada failed: Simulated is overloaded.")
    page = show(client, session)
    assert "HTTP 503" in page
    assert "Simulated is overloaded: try again later." in page
    assert "Ada failed: Simulated is overloaded." in page
    assert "Keep it in the history" in page


def skipped_page(client: Client, alice: User, rule: str, **evidence: str) -> str:
    """Show a run whose second agent was skipped by its rule."""
    session = session_of(alice, agent("Ada"), agent("Fixer", CONDITIONAL, rule))
    run = run_in(session)
    first, second = run.steps.all()
    attempt(first, text="All good.")
    second.status, second.skip_reason = "skipped", "condition"
    for name, value in {"tested_subject": "previous output", **evidence}.items():
        setattr(second, name, value)
    second.save()
    end(run)
    return show(client, session)


def test_a_skipped_agent_shows_its_rule_and_what_it_was_tested_on(client: Client, alice: User) -> None:
    rule, part = 'contains("bad") and length > 900', 'contains("bad")'
    page = skipped_page(client, alice, rule, tested_excerpt="All <good>.", decided_by=part)
    assert '<mark class="decided">contains(&quot;bad&quot;)</mark> and length &gt; 900' in page
    assert "previous output" in page
    assert "<q>All &lt;good&gt;.</q>" in page


def test_the_passage_that_decided_stands_out_in_the_tested_text(client: Client, alice: User) -> None:
    rule = 'not contains("<GOOD>")'
    page = skipped_page(client, alice, rule, tested_excerpt="All <good>.", decided_by=rule)
    assert "<code>not contains(&quot;&lt;GOOD&gt;&quot;)</code>" in page
    assert '<q>All <mark class="decided">&lt;good&gt;</mark>.</q>' in page


def test_a_branch_that_another_one_left_without_work_says_so(client: Client, alice: User) -> None:
    evidence = {"tested_subject": "the other branches", "decided_by": 'contains("x")'}
    page = skipped_page(client, alice, "otherwise", **evidence)
    assert "The condition of another branch was true." in page
    assert "contains(&quot;x&quot;)" in page


def test_what_a_provider_said_stands_apart_from_what_to_do(client: Client, session: ChatSession) -> None:
    run = run_in(session)
    error = "Acme did not accept the request (400): change the agent’s settings. It said: “too <long>”"
    attempt(run.steps.all()[0], status="failed", error=error, http_status=400)
    end(run, "failed")
    page = show(client, session)
    assert "<p>Acme did not accept the request (400): change the agent’s settings.</p>" in page
    assert "It said: <q>too &lt;long&gt;</q>" in page


def test_a_truncated_answer_says_so(client: Client, session: ChatSession) -> None:
    run = run_in(session)
    attempt(run.steps.all()[0], text="It is", is_truncated=True, finish_reason="length")
    assert "Truncated" in show(client, session)


def test_reasoning_is_there_and_folded(client: Client, session: ChatSession) -> None:
    run = run_in(session)
    attempt(run.steps.all()[0], text="Yes.", reasoning="Let me <think>.")
    page = show(client, session)
    assert page.count('<details class="reasoning fold" data-reasoning><summary>') == 1
    assert page.count('<details class="reasoning fold" data-reasoning hidden><summary>') == 2
    assert "Let me &lt;think&gt;." in page


def test_the_newest_run_is_open_and_the_ones_before_it_are_folded(
    client: Client, session: ChatSession
) -> None:
    for text in ("First", "Second", "Third"):
        complete(run_in(session, text))
    folds = re.findall(r'<details class="band-fold"( open)?>', show(client, session))
    assert folds == ["", "", " open"]


# Sending


def test_a_visit_to_where_messages_are_sent_leads_to_the_session(
    client: Client, session: ChatSession
) -> None:
    response = client.get(reverse("session_send", args=[session.pk]), {"input": "Is it so?"})
    assert (response.status_code, response.headers["Location"]) == (302, address(session))
    assert not Run.objects.exists()


def test_sending_without_a_script_leads_back_to_the_run(client: Client, session: ChatSession) -> None:
    response = send(client, session)
    run = Run.objects.get()
    assert response.status_code == 302
    assert response.headers["Location"] == f"{address(session)}#run-{run.pk}"
    assert run.input == "Is it so?"


def test_sending_brings_the_band_and_a_fresh_composer(client: Client, session: ChatSession) -> None:
    response = send(client, session, headers=HTMX)
    page = response.content.decode()
    run = Run.objects.get()
    assert response.status_code == 200
    assert f'id="run-{run.pk}"' in page
    assert 'hx-swap-oob="beforeend:#runs"' in page
    assert "<html" not in page
    fresh = re.search(r'name="request_id" value="(\w+)"', page)
    assert fresh is not None
    assert fresh[1] != "r1"
    assert re.search(r"<textarea[^>]*></textarea>", page)
    assert reverse("run_stop", args=[run.pk]) in page


def test_a_message_that_is_sent_twice_is_one_run(client: Client, session: ChatSession) -> None:
    first = send(client, session)
    again = send(client, session)
    assert Run.objects.count() == 1
    assert first.headers["Location"] == again.headers["Location"]


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_message_during_a_run_waits_in_the_field(
    headers: dict[str, str], client: Client, session: ChatSession
) -> None:
    run_in(session)
    response = send(client, session, "And then?", headers=headers)
    page = response.content.decode()
    assert response.status_code == 409
    assert re.search(r"<textarea[^>]*aria-invalid[^>]*>And then\?</textarea>", page)
    assert re.search(r'id="composer-error" role="alert">[^<]+<', page)
    assert Run.objects.count() == 1


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize("text", ["", "  \n "])
def test_an_empty_message_is_refused_beside_the_field(
    text: str, headers: dict[str, str], client: Client, session: ChatSession
) -> None:
    response = send(client, session, text, headers=headers)
    assert response.status_code == 422
    assert "Type a message first." in response.content.decode()
    assert not Run.objects.exists()


def test_a_message_that_is_too_long_stays_in_the_field(client: Client, session: ChatSession) -> None:
    text = "x" * (MAX_MESSAGE + 1)
    response = send(client, session, text, headers=HTMX)
    assert response.status_code == 422
    assert "too long" in response.content.decode()
    assert text in response.content.decode()


def test_a_message_is_kept_as_it_was_typed(client: Client, session: ChatSession) -> None:
    send(client, session, "\n  def f():\r\n    return 1\n")
    assert Run.objects.get().input == "\n  def f():\n    return 1\n"


def test_another_chain_can_be_picked_for_a_message(client: Client, session: ChatSession, alice: User) -> None:
    other = chain_of(alice, agent("Solo"), name="Other")
    send(client, session, chain=other.pk)
    assert Run.objects.get().chain_version.chain == other
    assert re.search(rf'<option value="{other.pk}" selected>Other</option>', show(client, session))


def test_the_composer_offers_no_archived_chain(client: Client, session: ChatSession, alice: User) -> None:
    from django.utils import timezone

    chain_of(alice, agent("Solo"), name="Old")
    alice.chains.filter(name="Old").update(archived_at=timezone.now())
    assert ">Old</option>" not in show(client, session)


# Stopping and keeping


def test_a_run_that_nobody_took_is_stopped_at_once(client: Client, session: ChatSession) -> None:
    run = run_in(session)
    response = client.post(reverse("run_stop", args=[run.pk]))
    run.refresh_from_db()
    assert run.status == "cancelled"
    assert response.headers["Location"] == f"{address(session)}#run-{run.pk}"


def test_with_a_script_a_stop_answers_with_nothing(client: Client, session: ChatSession) -> None:
    run = run_in(session)
    step = run.steps.all()[0]
    assert client.post(reverse("step_stop", args=[step.pk]), headers=HTMX).status_code == 204
    assert client.post(reverse("run_stop", args=[run.pk]), headers=HTMX).status_code == 204


def test_one_column_can_be_stopped(client: Client, session: ChatSession) -> None:
    run = run_in(session)
    Run.objects.filter(pk=run.pk).update(status="running")
    step = run.steps.all()[0]
    client.post(reverse("step_stop", args=[step.pk]))
    assert [bool(step.stop_requested_at) for step in run.steps.all()] == [True, False, False]


def test_a_run_that_failed_can_be_kept_in_the_history_and_left_out_again(
    client: Client, session: ChatSession
) -> None:
    run = end(run_in(session), "failed")
    for kept in (True, False):
        client.post(reverse("run_keep", args=[run.pk]), {"kept": int(kept)})
        run.refresh_from_db()
        assert run.is_kept is kept


def test_keeping_a_run_in_place_brings_its_summary(client: Client, session: ChatSession) -> None:
    run = end(run_in(session), "failed")
    response = client.post(reverse("run_keep", args=[run.pk]), {"kept": 1}, headers=HTMX)
    page = response.content.decode()
    assert "Leave it out of the history" in page
    assert f'id="run-{run.pk}-summary"' in page
    assert "<html" not in page


# Renaming, deleting, finding


def test_a_session_is_renamed(client: Client, session: ChatSession) -> None:
    response = client.post(reverse("session_rename", args=[session.pk]), {"title": "Bridges"})
    assert response.headers["Location"] == address(session)
    assert "Bridges" in show(client, session)


def test_renaming_in_place_brings_the_title_and_the_side_bars_line(
    client: Client, session: ChatSession
) -> None:
    response = client.post(reverse("session_rename", args=[session.pk]), {"title": "Bridges"}, headers=HTMX)
    page = response.content.decode()
    assert 'value="Bridges"' in page
    assert f'id="session-link-{session.pk}"' in page


def test_an_empty_title_is_refused_beside_the_field(client: Client, session: ChatSession) -> None:
    response = client.post(reverse("session_rename", args=[session.pk]), {"title": " "}, headers=HTMX)
    assert response.status_code == 422
    assert "A session needs a title." in response.content.decode()


def test_a_session_goes_after_a_confirmation(client: Client, session: ChatSession) -> None:
    complete(run_in(session))
    confirmation = reverse("session_delete", args=[session.pk])
    assert "cannot be undone" in client.get(confirmation).content.decode()
    assert ChatSession.objects.exists()
    assert client.post(confirmation).headers["Location"] == reverse("home")
    assert not ChatSession.objects.exists()
    assert client.get(address(session)).status_code == 404


def test_the_confirmation_speaks_of_a_run_only_if_one_is_going_on(
    client: Client, session: ChatSession
) -> None:
    confirmation = reverse("session_delete", args=[session.pk])
    run = run_in(session)
    assert "run that is going on is stopped" in client.get(confirmation).content.decode()
    complete(run)
    assert "going on" not in client.get(confirmation).content.decode()


def test_the_confirmation_has_one_heading(client: Client, session: ChatSession) -> None:
    confirmation = reverse("session_delete", args=[session.pk])
    page = client.get(confirmation).content.decode()
    assert re.findall(r"<(h[12])[^>]*>Delete ", page) == ["h1"]
    part = client.get(confirmation, headers=HTMX).content.decode()
    assert re.findall(r"<(h[12])[^>]*>Delete ", part) == ["h2"]


def test_the_page_of_all_sessions_says_their_chain_and_time_with_one_query_for_all(
    client: Client, alice: User, session: ChatSession
) -> None:
    assert session.chain is not None
    address = reverse("session_search")
    with CaptureQueriesContext(connection) as one:
        page = client.get(address).content.decode()
    assert f"<span>{session.chain.name}</span>" in page
    assert f'<time datetime="{session.active_at:%Y-%m-%dT%H:%M}' in page
    for _ in range(4):
        session_of(alice)
    with CaptureQueriesContext(connection) as many:
        client.get(address)
    assert len(many) == len(one)


def test_a_search_on_the_page_keeps_what_its_rows_say(client: Client, session: ChatSession) -> None:
    address = reverse("session_search")
    assert f'hx-get="{address}?page"' in client.get(address).content.decode()
    assert "<time" in client.get(f"{address}?page&q=", headers=HTMX).content.decode()
    assert "<time" not in client.get(f"{address}?q=", headers=HTMX).content.decode()


def test_a_search_without_a_match_leads_back_to_all(client: Client, session: ChatSession) -> None:
    page = client.get(reverse("session_search"), {"q": "heron"}).content.decode()
    assert "No sessions match “heron”." in page
    assert f'<a href="{reverse("session_search")}">Show all</a>' in page


def test_the_confirmation_comes_as_a_part_for_the_dialog(client: Client, session: ChatSession) -> None:
    page = client.get(reverse("session_delete", args=[session.pk]), headers=HTMX).content.decode()
    assert "cannot be undone" in page
    assert "<html" not in page


def test_words_that_no_database_takes_are_no_fault(client: Client, alice: User) -> None:
    titled = session_of(alice)
    ChatSession.objects.filter(pk=titled.pk).update(title="On the heron")
    page = client.get(reverse("session_search"), {"q": "her\0on"}, headers=HTMX).content.decode()
    assert f'id="session-link-{titled.pk}"' in page
    assert client.get(reverse("session_find", args=[titled.pk]), {"q": "\0"}).status_code == 200


def test_a_page_of_older_runs_says_what_it_leaves_out_and_leads_there(
    client: Client, session: ChatSession
) -> None:
    first, second, third = [complete(run_in(session)) for _ in range(3)]
    older = reverse("session_older", args=[session.pk])
    page = client.get(older, {"before": second.pk}).content.decode()
    assert f'data-gap="{second.pk} {third.pk}"' in page
    assert re.search(rf'<a class="[^"]*newer" href="{address(session)}"', page)
    assert f'data-run="{first.pk}"' in page
    whole = client.get(older, {"before": third.pk + 1}).content.decode()
    for one in (whole, show(client, session)):
        assert "data-gap" not in one
        assert "Go to the newest runs" not in one


def test_sessions_are_found_by_titles_messages_and_answers(client: Client, alice: User) -> None:
    titled, asked, answered, other = (session_of(alice) for _ in range(4))
    complete(run_in(asked, "Which heron?"))
    complete(run_in(answered), answer="The heron.")
    complete(run_in(other, "Which crow?"))
    ChatSession.objects.filter(pk=titled.pk).update(title="On the heron")
    page = client.get(reverse("session_search"), {"q": "HERON"}, headers=HTMX).content.decode()
    found = {int(pk) for pk in re.findall(r'id="session-link-(\d+)"', page)}
    assert found == {titled.pk, asked.pk, answered.pk}
    assert "<html" not in page


def test_a_search_without_a_script_is_a_page(client: Client, session: ChatSession) -> None:
    assert "<html" in client.get(reverse("session_search"), {"q": "x"}).content.decode()


def test_older_runs_come_in_slices(client: Client, session: ChatSession) -> None:
    runs = [complete(run_in(session, f"Message {number}")) for number in range(25)]
    page = show(client, session)
    shown = [int(pk) for pk in re.findall(r'data-run="(\d+)"', page)]
    assert len(shown) == 5
    older = reverse("session_older", args=[session.pk])
    while link := re.search(rf'href="({older}\?before={shown[0]})"', page):
        page = client.get(link[1], headers=HTMX).content.decode()
        assert "<html" not in page
        shown = [*(int(pk) for pk in re.findall(r'data-run="(\d+)"', page)), *shown]
    assert shown == [run.pk for run in runs]
    assert "Show older runs" not in page
    assert "<html" in client.get(f"{older}?before={runs[5].pk}").content.decode()


@pytest.mark.parametrize("before", ["", "x", "-1", "²", "9" * 40])
def test_a_place_that_is_none_is_not_found(before: str, client: Client, session: ChatSession) -> None:
    response = client.get(reverse("session_older", args=[session.pk]), {"before": before})
    assert response.status_code == 404


# Answers' sources


def test_an_answers_source_is_plain_text_as_it_is_stored(client: Client, session: ChatSession) -> None:
    run = complete(run_in(session), answer="# Ünï <b>\n\ncode ✓")
    response = client.get(reverse("step_text", args=[run.steps.all()[0].pk]))
    assert response.content.decode() == "# Ünï <b>\n\ncode ✓"
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_the_source_is_that_of_the_newest_attempt(client: Client, session: ChatSession) -> None:
    step = run_in(session).steps.all()[0]
    attempt(step, text="", status="failed", number=1)
    attempt(step, text="Second try", number=2)
    assert client.get(reverse("step_text", args=[step.pk])).content == b"Second try"


def test_a_column_that_has_not_begun_has_an_empty_source(client: Client, session: ChatSession) -> None:
    step = run_in(session).steps.all()[0]
    assert client.get(reverse("step_text", args=[step.pk])).content == b""


# Cost


def test_a_page_of_two_hundred_steps_needs_no_more_queries_than_one_of_ten(
    client: Client, alice: User
) -> None:
    counts = []
    for agents in (1, 20):
        session = session_of(alice, *(agent(f"A{number}") for number in range(agents)))
        for number in range(10):
            complete(run_in(session, f"Message {number}"))
        with CaptureQueriesContext(connection) as captured:
            show(client, session)
        counts.append(len(captured))
    assert counts[0] == counts[1] <= 10
