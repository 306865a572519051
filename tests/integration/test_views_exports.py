"""A run to take along: as Markdown, JSON or one HTML file, with prompts only if that is asked for."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chains import actions, queries
from chains.models import Run, StepAttempt, User
from tests.integration.pages_cast import (
    CONDITIONAL,
    PARALLEL,
    SETUP,
    agent,
    attempt,
    chain_of,
    complete,
    end,
    fail_by_setup,
    run_in,
    session_of,
)
from tests.pictures import picture

pytestmark = pytest.mark.django_db

ClientFor = Callable[[User], Client]
SECRET = "You are a secret critic."
MESSAGES = [
    {"role": "system", "content": SECRET},
    {"role": "user", "content": "An earlier message"},
    {"role": "assistant", "content": "An earlier answer"},
    {"role": "user", "content": "Weigh this:\n```\ncode\n```"},
]


@pytest.fixture
def client(alice: User, client_for: ClientFor) -> Client:
    return client_for(alice)


@pytest.fixture
def run(alice: User) -> Run:
    """One answered, one failed, one was skipped."""
    agents = (agent("Ada", PARALLEL), agent("Ben", PARALLEL), agent("Cleo", CONDITIONAL, 'contains("no")'))
    run = run_in(session_of(alice, *agents), text="Is it\nso?")
    ada, ben, cleo = run.steps.all()
    attempt(ada, text="# Yes\n\nIt is **so** <b>.", reasoning="Hm <i>", messages=MESSAGES, cost_usd="0.5")
    error = "Acme did not accept the request (400): change it. It said: “secret words”"
    attempt(ben, status="failed", error=error, http_status=400, cost_usd=None, input_tokens=None)
    cleo.status, cleo.skip_reason = "skipped", "condition"
    cleo.tested_subject, cleo.tested_excerpt, cleo.decided_by = "previous output", "Yes", 'contains("no")'
    cleo.save()
    run.started_at = run.created_at
    return end(run)


def export(client: Client, run: Run, ending: str, **query: str) -> str:
    response = client.get(reverse("run_export", args=[run.pk, ending]), query)
    assert response.status_code == 200
    assert response.headers["Content-Disposition"] == f'attachment; filename="run-{run.pk}.{ending}"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    return response.content.decode()


def test_all_answers_are_one_text_under_their_names(client: Client, run: Run) -> None:
    response = client.get(reverse("run_answers", args=[run.pk]))
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.content.decode() == "## Ada\n\n# Yes\n\nIt is **so** <b>.\n"


def test_markdown_has_the_message_the_answers_and_why_others_have_none(client: Client, run: Run) -> None:
    text = export(client, run, "md")
    assert text.startswith("# Critics v1\n\n> Is it\n> so?\n\nCompleted · ")
    for words in (
        "## Ada\n\n*simulated/fast · simulated · parallel · completed · 1.0 s · 12 → 30 tokens · ",
        "# Yes\n\nIt is **so** <b>.",
        "**Failed:** Acme did not accept the request (400): change it. It said: “secret words”",
        '**Skipped:** contains("no") was false. Tested on previous output: “Yes”',
    ):
        assert words in text
    assert SECRET not in text


def test_prompts_are_in_fences_that_they_cannot_close(client: Client, run: Run) -> None:
    text = export(client, run, "md", prompts="1")
    assert f"```text\n{SECRET}\n```" in text
    assert "````text\nWeigh this:\n```\ncode\n```\n````" in text
    assert "(2 earlier messages left out)" in text
    assert "An earlier" not in text


def test_json_has_the_documented_shape_and_the_figures_of_the_command(client: Client, run: Run) -> None:
    document = json.loads(export(client, run, "json"))
    assert list(document) == ["format", "run", "message", "files", "steps"]
    assert document["files"] == []
    assert (document["format"], document["message"]) == ("chainchat-run/1", "Is it\nso?")
    told = {key: document["run"][key] for key in ("id", "status", "chain", "version", "cost_usd")}
    assert told == {"id": run.pk, "status": "completed", "chain": "Critics", "version": 1, "cost_usd": 0.5}
    assert document["run"]["calls_without_cost"] == 1
    reported = queries.run_report(run)
    assert document["run"]["wall_ms"] == reported["wall_ms"]
    for step, report in zip(document["steps"], reported["steps"], strict=True):
        assert report.items() <= step.items()
        assert "prompts" not in step
    ada, ben, cleo = document["steps"]
    assert (ada["text"], ada["reasoning"], ada["is_simulated"]) == (
        "# Yes\n\nIt is **so** <b>.",
        "Hm <i>",
        True,
    )
    assert (ben["status"], ben["http_status"], ben["input_tokens"]) == ("failed", 400, None)
    assert cleo["skip"] == {
        "reason": "condition",
        "condition": 'contains("no")',
        "subject": "previous output",
        "excerpt": "Yes",
        "decided_by": 'contains("no")',
    }


def test_json_with_prompts_has_those_of_the_run_and_counts_what_was_before_it(
    client: Client, run: Run
) -> None:
    ada, ben, _ = json.loads(export(client, run, "json", prompts="1"))["steps"]
    assert ada["prompts"] == {
        "system": SECRET,
        "earlier_messages": 2,
        "prompt": "Weigh this:\n```\ncode\n```",
    }
    assert "prompts" not in ben


def carry_files(run: Run) -> None:
    """Let the run's message carry a picture and a text."""
    files = {"a *cat* <b>.png": picture(size=(640, 480)), "notes.txt": b"secret line"}
    for place, (name, data) in enumerate(files.items()):
        file = actions.attach(session=run.session, name=name, data=data)
        run.carried.create(attachment=file, position=place)


def test_files_of_the_message_are_named_after_it_in_every_form(client: Client, run: Run) -> None:
    carry_files(run)
    cat, _ = (use.attachment for use in run.carried.all())
    size = queries.size_text(cat.size)
    named = f"- `a *cat* <b>.png` (picture, 640 × 480, {size})\n- `notes.txt` (text, 11 bytes)\n\n"
    assert f"> so?\n\n{named}Completed · " in export(client, run, "md")
    assert json.loads(export(client, run, "json"))["files"] == [
        {
            "name": "a *cat* <b>.png",
            "kind": "image",
            "media_type": "image/png",
            "size": cat.size,
            "width": 640,
            "height": 480,
        },
        {
            "name": "notes.txt",
            "kind": "text",
            "media_type": "text/plain",
            "size": 11,
            "width": None,
            "height": None,
        },
    ]
    page = export(client, run, "html")
    assert "a *cat* &lt;b&gt;.png</span>" in page
    assert f"Picture · 640 × 480 · {size}<" in page
    assert "Text · 11 bytes<" in page


def test_files_themselves_are_in_no_export(client: Client, run: Run) -> None:
    carry_files(run)
    for ending in ("md", "json", "html"):
        text = export(client, run, ending, prompts="1")
        for words in ("secret line", "/attachments/", "base64", "<img"):
            assert words not in text, (ending, words)


def test_how_the_site_is_set_up_is_in_no_export(client: Client, alice: User) -> None:
    run = fail_by_setup(run_in(session_of(alice)))
    for ending in ("md", "json", "html"):
        text = export(client, run, ending, prompts="1")
        assert "The provider refused the key." in text
        assert not [words for words in SETUP if words in text]


class Reader(HTMLParser):
    """Collects what a file asks a browser for."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.policy = self.style = ""
        self.addresses: list[str] = []
        self.places: set[str] = set()
        self._in_style = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        self.attributes |= said.keys()
        self._in_style = tag == "style"
        if said.get("http-equiv") == "Content-Security-Policy":
            self.policy = said["content"]
        if "id" in said:
            self.places.add(f"#{said['id']}")
        self.addresses += [said[name] for name in ("href", "src", "action", "xlink:href") if name in said]

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.style += data

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False


def test_the_html_file_needs_nothing_else_and_permits_nothing_else(client: Client, run: Run) -> None:
    seen = Reader(export(client, run, "html"))
    assert not seen.tags & {"script", "link", "img", "iframe", "form", "object", "use", "base"}
    assert not {name for name in seen.attributes if name.startswith("on")} | (seen.attributes & {"style"})
    # Lanes of the timeline lead to their columns.
    assert set(seen.addresses) == {f"#step-{step.pk}" for step in run.steps.all()} <= seen.places
    assert "url(" not in seen.style
    assert "@import" not in seen.style
    digest = base64.b64encode(hashlib.sha256(seen.style.encode()).digest()).decode()
    assert seen.policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def test_the_html_file_shows_the_run_with_its_timeline_in_both_themes(client: Client, run: Run) -> None:
    page = export(client, run, "html")
    for words in (
        "<title>Is it so? · chain-chat</title>",
        ">Yes</h1>",
        "<strong>so</strong> &lt;b&gt;",
        "Hm &lt;i&gt;",
        "change it.",
        "contains(&quot;no&quot;)",
        "Timeline",
        "<rect",
        "light-dark(",
        '<meta name="color-scheme" content="light dark">',
    ):
        assert words in page
    assert SECRET not in page
    assert SECRET in export(client, run, "html", prompts="1")


def test_nothing_of_the_session_is_in_an_export(client: Client, run: Run, alice: User) -> None:
    actions.rename_session(session=run.session, title="A title of mine")
    complete(run_in(run.session, text="Another message"), answer="Another answer")
    for ending in ("md", "json", "html"):
        text = export(client, run, ending, prompts="1")
        for words in ("A title of mine", "Another", "An earlier", alice.email, "csrf", "/sessions/"):
            assert words not in text, (ending, words)


def test_a_run_that_goes_on_is_exported_as_far_as_it_is(client: Client, alice: User) -> None:
    run = run_in(session_of(alice))
    step = run.steps.all()[0]
    attempt(step, text="It begins", status="streaming", finished_at=None)
    assert "It begins" in export(client, run, "md")
    assert json.loads(export(client, run, "json"))["steps"][0]["duration_ms"] is None
    assert "still going on" in export(client, run, "html")


@pytest.mark.parametrize("ending", ["md", "json", "html"])
def test_the_prompts_of_a_shared_chain_are_not_exported_by_who_only_runs_it(
    ending: str, alice: User, bob: User, client_for: ClientFor
) -> None:
    chain = chain_of(alice)
    run = run_in(actions.start_session(owner=bob, chain=chain))
    complete(run)
    StepAttempt.objects.update(messages=MESSAGES)
    text = export(client_for(bob), run, ending, prompts="1")
    assert "It is" in text
    assert SECRET not in text
    assert "Weigh this" not in text


def test_the_menu_offers_prompts_to_their_owner_alone(
    client: Client, run: Run, alice: User, bob: User, client_for: ClientFor
) -> None:
    address = reverse("session_detail", args=[run.session_id])
    assert 'name="prompts"' in client.get(address).content.decode()
    others = run_in(actions.start_session(owner=bob, chain=run.chain_version.chain))
    page = client_for(bob).get(reverse("session_detail", args=[others.session_id])).content.decode()
    assert reverse("run_export", args=[others.pk, "md"]) in page
    assert 'name="prompts"' not in page


def test_it_takes_as_many_queries_for_many_agents(
    client: Client, alice: User, django_assert_max_num_queries: Any
) -> None:
    run = complete(run_in(session_of(alice, *[agent(f"A{number}", PARALLEL) for number in range(12)])))
    for ending in ("md", "json", "html"):
        with django_assert_max_num_queries(8):
            export(client, run, ending, prompts="1")


def test_an_unknown_form_does_not_exist(client: Client, run: Run) -> None:
    assert client.get(reverse("run_export", args=[run.pk, "pdf"])).status_code == 404
