"""What an agent saw: the exact messages with their origins, whose prompts they are, and copies of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chains import actions, queries
from chains.models import AgentStep, Attachment, LanguageModel, Provider, Run, StepAttempt, User
from tests.integration.pages_cast import attempt, chain_of, run_in, session_of
from tests.pictures import picture

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
ClientFor = Callable[[User], Client]
SYSTEM = "You are Editor & <b>bold</b>."
PROMPT = "Weigh:\n\n**Ada** (m):\nyes\n\nfor: Is it so?"
SENT: list[dict[str, Any]] = [
    {"role": "system", "content": SYSTEM},
    {"role": "user", "content": "An earlier question"},
    {"role": "assistant", "content": "An earlier answer"},
    {
        "role": "user",
        "content": PROMPT,
        "passages": [["agents.ada", 8, 24], ["input", 31, 40]],
    },
]


@pytest.fixture
def run(alice: User) -> Run:
    return run_in(session_of(alice))


@pytest.fixture
def client(alice: User, client_for: ClientFor) -> Client:
    return client_for(alice)


def editor_of(run: Run) -> AgentStep:
    return run.steps.get(name="Editor")


def sent(step: AgentStep, messages: list[dict[str, Any]] = SENT, **columns: Any) -> StepAttempt:
    return attempt(step, text="Well.", messages=messages, **columns)


def show(client: Client, step: AgentStep, name: str = "step_seen", **query: str | int) -> str:
    response = client.get(reverse(name, args=[step.pk]), query, headers=HTMX)
    assert response.status_code == 200
    return response.content.decode()


def text_of(html: str) -> str:
    """Return a message's text as it is shown, without the labels of its origins."""
    [shown] = re.findall(r'<div class="seen-text">(.*?)</div>', html, re.DOTALL)
    return unescape(re.sub(r"<[^>]*>", "", re.sub(r"<a .*?</a>", "", shown)))


def test_all_messages_are_shown_as_they_were_sent(client: Client, run: Run) -> None:
    sent(editor_of(run))
    page = show(client, editor_of(run))
    sections = re.findall(r'<section class="seen-message".*?</section>', page, re.DOTALL)
    assert [text_of(section) for section in sections] == [message["content"] for message in SENT]
    assert re.findall(r'data-kind="(\w+)"', page) == ["system", "history", "history", "prompt"]
    assert "<b>bold</b>" not in page


def test_each_passage_is_marked_with_its_column_and_leads_there(client: Client, run: Run) -> None:
    sent(editor_of(run))
    ada = run.steps.get(name="Ada")
    page = show(client, editor_of(run))
    marks = re.findall(r'<span class="(passage[^"]*)"([^>]*)><a [^>]*href="([^"]*)"[^>]*>(.*?)</a>', page)
    session = reverse("session_detail", args=[run.session_id])
    assert marks == [
        ("passage passage-block", ' data-connection="parallel"', f"{session}#step-{ada.pk}", "Ada"),
        ("passage", "", f"{session}#run-{run.pk}", "Your message"),
    ]


def test_a_call_from_before_origins_were_kept_shows_its_text_and_says_so(client: Client, run: Run) -> None:
    sent(editor_of(run), [{"role": "user", "content": "Is it so?"}])
    page = show(client, editor_of(run))
    assert text_of(page) == "Is it so?"
    assert "before origins were kept" in page


def test_sizes_are_estimates_beside_what_the_provider_counted(client: Client, run: Run) -> None:
    sent(editor_of(run), [{"role": "user", "content": "x" * 4_001}], input_tokens=1_234)
    page = show(client, editor_of(run))
    assert "about 1,001 tokens (an estimate)" in page
    assert "1,234 tokens" in page
    StepAttempt.objects.update(input_tokens=None)
    assert "Counted by the provider" not in show(client, editor_of(run))


def test_of_several_attempts_one_is_chosen(client: Client, run: Run) -> None:
    step = editor_of(run)
    sent(step, [{"role": "user", "content": "the first"}], status="failed")
    sent(step, [{"role": "user", "content": "the second"}], number=2)
    page = show(client, step)
    assert text_of(page) == "the second"
    assert page.count("hx-get") == 2
    assert text_of(show(client, step, attempt=1)) == "the first"
    assert client.get(reverse("step_seen", args=[step.pk]), {"attempt": 3}).status_code == 404
    assert client.get(reverse("step_seen", args=[step.pk]), {"attempt": "x"}).status_code == 404


def test_a_long_message_is_cut_and_comes_whole_on_request(client: Client, run: Run) -> None:
    long = "".join(f"line {number}\n" for number in range(12_000))
    sent(
        editor_of(run),
        [
            {
                "role": "user",
                "content": long,
                "passages": [["agents.ada", 0, 100_000], ["input", 100_000, 100_005]],
            }
        ],
    )
    page = show(client, editor_of(run))
    assert len(page) < 12_000
    assert long.startswith(text_of(page))
    assert f"Show the other {len(long) - 6_000:,} characters" in page
    whole = show(client, editor_of(run), attempt=1, whole=0)
    assert text_of(whole) == long
    assert whole.count(" data-origin>") == 2
    assert whole.lstrip().startswith('<section class="seen-message"')


def test_an_agent_that_made_no_call_says_so(client: Client, run: Run) -> None:
    assert "made no call" in show(client, editor_of(run))


def test_without_a_script_it_is_a_page_of_its_own(client: Client, run: Run) -> None:
    sent(editor_of(run))
    page = client.get(reverse("step_seen", args=[editor_of(run).pk])).content.decode()
    assert "<title>What Editor saw" in page
    assert reverse("step_seen_json", args=[editor_of(run).pk]) in page


def test_it_takes_the_same_queries_whatever_the_number_of_agents(
    alice: User, client: Client, run: Run, django_assert_max_num_queries: Any
) -> None:
    sent(editor_of(run))
    with django_assert_max_num_queries(8):
        show(client, editor_of(run))


# Copies


def test_as_json_it_is_roles_and_contents_alone(client: Client, run: Run) -> None:
    sent(editor_of(run))
    response = client.get(reverse("step_seen_json", args=[editor_of(run).pk]))
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert json.loads(response.content) == [
        {"role": message["role"], "content": message["content"]} for message in SENT
    ]


def test_as_curl_it_speaks_the_wire_of_the_model_that_was_called_and_has_no_key(
    client: Client, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_KEY", "sk-acme-0123456789abcdef")
    provider = Provider.objects.create(
        slug="acme", name="Acme", kind="anthropic", base_url="http://127.0.0.1:9", key_variable="ACME_KEY"
    )
    called = LanguageModel.objects.create(provider=provider, model_id="acme-1", name="Acme 1")
    step = editor_of(run)
    AgentStep.objects.filter(pk=step.pk).update(temperature=0.25, max_output_tokens=77)
    sent(AgentStep.objects.get(pk=step.pk), model=called)
    assert "Copy as curl" in show(client, step)
    command = client.get(reverse("step_seen_curl", args=[step.pk])).content.decode()
    assert "sk-acme" not in command
    assert '"x-api-key: $ACME_KEY"' in command
    body = json.loads(command.partition("<<'JSON'\n")[2].removesuffix("JSON\n"))
    assert (body["model"], body["system"], body["temperature"], body["max_tokens"]) == (
        "acme-1", SYSTEM, 0.25, 77
    )  # fmt: skip
    assert body["messages"][-1] == {"role": "user", "content": PROMPT}


def test_the_simulated_provider_has_no_request_to_copy(client: Client, run: Run) -> None:
    sent(editor_of(run))
    assert "curl" not in show(client, editor_of(run))
    assert client.get(reverse("step_seen_curl", args=[editor_of(run).pk])).status_code == 404


# Files


@pytest.fixture
def with_files(run: Run) -> tuple[Attachment, Attachment]:
    """A picture and a text that the run's message carries."""
    cat = actions.attach(session=run.session, name="cat.gif", data=picture())
    notes = actions.attach(session=run.session, name="notes.txt", data=b"one")
    for place, file in enumerate((cat, notes)):
        run.carried.create(attachment=file, position=place)
    return cat, notes


def shown_to(step: AgentStep, *pictures: Attachment, **columns: Any) -> StepAttempt:
    """Let a step be sent a message with these pictures, as it is stored."""
    images = [{"attachment": one.pk, "name": one.name} for one in pictures]
    message = {"role": "user", "content": PROMPT, "passages": [["input", 31, 40]], "images": images}
    return sent(step, [*SENT[:3], message], **columns)


def files_shown(html: str) -> list[tuple[str, str, str]]:
    """Return the files that are listed: where each leads, its name, and how it was sent."""
    chip = r'<a class="chip chip-file" href="([^"]*)".*?chip-name">(.*?)<.*?seen-file-way">(.*?)<'
    return re.findall(chip, html, re.DOTALL)


def test_pictures_and_files_of_the_message_are_named_shown_and_linked(
    client: Client, run: Run, with_files: tuple[Attachment, Attachment]
) -> None:
    cat, notes = with_files
    shown_to(editor_of(run), cat)
    page = show(client, editor_of(run))
    assert files_shown(page) == [
        (reverse("attachment_show", args=[cat.pk]), "cat.gif", "sent as a picture"),
        (reverse("attachment_show", args=[notes.pk]), "notes.txt", "sent as text"),
    ]
    assert f'src="{reverse("attachment_thumbnail", args=[cat.pk])}"' in page
    assert page.count("and 1 picture<") == 2
    assert "base64" not in page


def test_a_picture_that_was_not_sent_is_not_listed(
    client: Client, run: Run, with_files: tuple[Attachment, Attachment]
) -> None:
    shown_to(editor_of(run))
    assert [name for _, name, _ in files_shown(show(client, editor_of(run)))] == ["notes.txt"]
    # An agent that was sent the answers alone got neither.
    StepAttempt.objects.update(messages=[{"role": "user", "content": PROMPT, "passages": []}])
    assert files_shown(show(client, editor_of(run))) == []


def test_a_picture_of_an_earlier_message_stands_with_that(
    client: Client, run: Run, with_files: tuple[Attachment, Attachment]
) -> None:
    cat, _ = with_files
    earlier = {**SENT[1], "images": [{"attachment": cat.pk, "name": cat.name}]}
    sent(editor_of(run), [earlier, *SENT[2:]])
    history, prompt = show(client, editor_of(run)).split('data-kind="prompt"')
    assert [name for _, name, _ in files_shown(history)] == ["cat.gif"]
    assert [name for _, name, _ in files_shown(prompt)] == ["notes.txt"]


def test_as_json_a_picture_is_described_in_the_place_of_its_data(
    client: Client, run: Run, with_files: tuple[Attachment, Attachment]
) -> None:
    cat, _ = with_files
    shown_to(editor_of(run), cat)
    address = f"http://testserver{reverse('attachment_show', args=[cat.pk])}"
    messages = json.loads(client.get(reverse("step_seen_json", args=[editor_of(run).pk])).content)
    assert "images" not in messages[0]
    assert messages[-1] == {
        "role": "user",
        "content": PROMPT,
        "images": [
            {
                "name": "cat.gif",
                "media_type": "image/png",
                "size": cat.size,
                "sha256": cat.sha256,
                "data": f"left out here: base64 of {address}",
            }
        ],
    }


def test_as_curl_a_picture_is_read_from_the_file_that_its_address_gives(
    client: Client, run: Run, with_files: tuple[Attachment, Attachment]
) -> None:
    cat, _ = with_files
    provider = Provider.objects.create(slug="acme", name="Acme", kind="openai", base_url="http://127.0.0.1:9")
    called = LanguageModel.objects.create(provider=provider, model_id="acme-1", name="Acme 1", vision=True)
    shown_to(editor_of(run), cat, model=called)
    command = client.get(reverse("step_seen_curl", args=[editor_of(run).pk])).content.decode()
    address = reverse("attachment_show", args=[cat.pk])
    assert f"#   ./cat.gif.png http://testserver{address}\n" in command
    assert "\"data:image/png;base64,$(base64 < ./cat.gif.png | tr -d '\\n')\"" in command
    assert "cat.gif.png" in client.get(address).headers["Content-Disposition"]


# Whose prompts


@pytest.fixture
def shared_run(alice: User, bob: User) -> Run:
    """A run of alice's shared chain that bob asked for over the API, in a session of his own."""
    chain = chain_of(alice)
    session = actions.start_session(owner=bob, chain=chain)
    run = actions.start_run(session=session, chain=chain, text="Is it so?", request_id="r1")
    sent(editor_of(run))
    return run


def test_the_prompts_of_a_shared_chain_are_kept_from_who_only_runs_it(
    shared_run: Run, bob: User, client_for: ClientFor
) -> None:
    client = client_for(bob)
    step = editor_of(shared_run)
    page = show(client, step)
    assert "belong to alice" in page
    sections = re.findall(r'<section class="seen-message".*?</section>', page, re.DOTALL)
    assert [text_of(section) for section in sections] == [
        "An earlier question",
        "An earlier answer",
        "Is it so?",
    ]
    for words in ("You are Editor", "Weigh", "Copy as"):
        assert words not in page
    for name in ("step_seen_json", "step_seen_curl"):
        assert client.get(reverse(name, args=[step.pk])).status_code == 404
    assert "You are Editor" not in client.get(reverse("step_seen", args=[step.pk])).content.decode()
    for whole in range(4):
        answer = client.get(reverse("step_seen", args=[step.pk]), {"whole": whole}, headers=HTMX).content
        assert b"You are Editor" not in answer
        assert b"Weigh" not in answer


def test_their_own_pictures_are_listed_to_who_only_runs_it(
    shared_run: Run, bob: User, client_for: ClientFor
) -> None:
    cat = actions.attach(session=shared_run.session, name="cat.png", data=picture())
    StepAttempt.objects.all().delete()
    shown_to(editor_of(shared_run), cat)
    page = show(client_for(bob), editor_of(shared_run))
    assert "belong to alice" in page
    assert [name for _, name, _ in files_shown(page)] == ["cat.png"]


def test_the_owner_of_the_chain_does_not_see_what_others_sent_through_it(
    shared_run: Run, alice: User, client_for: ClientFor
) -> None:
    response = client_for(alice).get(reverse("step_seen", args=[editor_of(shared_run).pk]))
    assert response.status_code == 404


def test_nothing_of_the_prompts_reaches_the_page_that_keeps_them(shared_run: Run, bob: User) -> None:
    seen = queries.seen(editor_of(shared_run), bob)
    assert seen
    shown = "".join(part.text for message in seen.messages for part in message.parts)
    assert SYSTEM not in shown
    assert not seen.has_curl
