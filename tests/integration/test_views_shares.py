"""Links to a run: nobody guesses one, they show no more than the run, and a revoked one never was."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from chains import actions
from chains.actions.shares import MAX_LINKS
from chains.models import ChatSession, Run, RunShare, StepAttempt, User
from tests.integration.pages_cast import (
    SETUP,
    attempt,
    chain_of,
    complete,
    fail_by_setup,
    run_in,
    session_of,
)
from tests.pictures import picture

pytestmark = pytest.mark.django_db

ClientFor = Callable[[User], Client]
HTMX = {"HX-Request": "true"}
SECRET = "You are a secret critic."
MESSAGES = [
    {"role": "system", "content": SECRET},
    {"role": "user", "content": "A message of another run"},
    {"role": "assistant", "content": "An answer of another run"},
    {"role": "user", "content": "The whole prompt"},
]


@pytest.fixture
def session(alice: User) -> ChatSession:
    return session_of(alice)


@pytest.fixture
def run(session: ChatSession) -> Run:
    run = complete(run_in(session), answer="It is **so**.")
    StepAttempt.objects.update(messages=MESSAGES)
    return run


@pytest.fixture
def client(alice: User, client_for: ClientFor) -> Client:
    return client_for(alice)


def address_of(share: RunShare) -> str:
    return reverse("shared_run", args=[share.token])


def opened(share: RunShare, client: Client | None = None) -> HttpResponse:
    """Open a link, without a cookie unless somebody does."""
    return (client or Client()).get(address_of(share))  # type: ignore[return-value]


def shown(share: RunShare) -> str:
    response = opened(share)
    assert response.status_code == 200
    return response.content.decode()


class TestWhoeverHasALink:
    def test_reads_the_message_the_answers_and_the_figures(self, run: Run):
        page = shown(actions.share_run(run=run))
        for words in ("Is it so?", "Critics v1", "It is <strong>so</strong>.", "Ada", "Timeline", "tok/s"):
            assert words in page

    def test_reads_nothing_else(self, run: Run, session: ChatSession, alice: User):
        actions.rename_session(session=session, title="A title of mine")
        complete(run_in(session, text="Another message"), answer="Another answer")
        page = shown(actions.share_run(run=run))
        for words in ("A title of mine", "nother", "alice", alice.email, "/sessions/", "/steps/", SECRET):
            assert words not in page

    def test_is_told_which_files_the_message_carried_and_cannot_have_them(
        self, run: Run, session: ChatSession
    ):
        files = [("cat.png", picture(size=(64, 48))), ("notes.txt", b"secret line")]
        for place, (name, data) in enumerate(files):
            file = actions.attach(session=session, name=name, data=data)
            run.carried.create(attachment=file, position=place)
        actions.attach(session=session, name="unsent.txt", data=b"mine")
        page = shown(actions.share_run(run=run, shows_prompts=True))
        for words in ("cat.png", "Picture · 64 × 48", "notes.txt", "Text · 11 bytes"):
            assert words in page
        for words in ("/attachments/", "<img", "base64", "secret line", "unsent"):
            assert words not in page
        for use in run.carried.all():
            for name in ("attachment_show", "attachment_thumbnail"):
                answer = Client().get(reverse(name, args=[use.attachment_id]))
                assert answer.headers["Location"].startswith(reverse("account_login"))

    def test_needs_no_cookie_and_gets_none(self, run: Run):
        response = opened(actions.share_run(run=run))
        assert not response.cookies
        assert "csrf" not in response.content.decode()

    def test_is_told_to_pass_nothing_on_and_robots_are_sent_away(self, run: Run):
        response = opened(actions.share_run(run=run))
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert "noindex" in response.headers["X-Robots-Tag"]
        assert "no-store" in response.headers["Cache-Control"]
        assert '<meta name="robots" content="noindex, nofollow">' in response.content.decode()

    def test_can_change_nothing(self, run: Run):
        assert Client().post(address_of(actions.share_run(run=run))).status_code == 405

    def test_loads_no_script(self, run: Run):
        assert "<script" not in shown(actions.share_run(run=run))

    def test_sees_how_far_a_live_run_is_and_the_page_comes_back_by_itself(self, session: ChatSession):
        run = run_in(session)
        attempt(run.steps.all()[0], text="It begins", status="streaming", finished_at=None)
        share = actions.share_run(run=run)
        response = opened(share)
        assert "It begins" in response.content.decode()
        assert "still going on" in response.content.decode()
        assert int(response.headers["Refresh"]) > 0
        Run.objects.filter(pk=run.pk).update(status="completed", finished_at=run.created_at)
        assert "Refresh" not in opened(share).headers

    def test_is_not_told_what_a_provider_said_which_may_repeat_a_prompt(self, session: ChatSession):
        run = run_in(session)
        error = "Acme did not accept the request (400): change it. It said: “the secret prompt”"
        attempt(run.steps.all()[0], status="failed", error=error)
        Run.objects.filter(pk=run.pk).update(
            status="failed", error=f"Ada: {error}", finished_at=run.created_at
        )
        page = shown(actions.share_run(run=run))
        assert "change it." in page
        assert "secret prompt" not in page
        assert "secret prompt" in shown(actions.share_run(run=run, shows_prompts=True))

    def test_is_not_told_how_the_site_is_set_up(self, session: ChatSession):
        run = fail_by_setup(run_in(session))
        for shows_prompts in (False, True):
            page = shown(actions.share_run(run=run, shows_prompts=shows_prompts))
            for words in ("The provider refused the key.", "The provider could not be reached."):
                # Of the run, of the agent, and in what the next one was told.
                assert page.count(words) == 2 + shows_prompts
            assert not [words for words in SETUP if words in page]


class TestPrompts:
    def test_are_there_if_the_owner_wants_it_without_what_other_runs_said(self, run: Run):
        page = shown(actions.share_run(run=run, shows_prompts=True))
        assert SECRET in page
        assert "The whole prompt" in page
        assert "another run" not in page
        assert "2 earlier messages of the conversation, left out" in page

    def test_of_somebody_elses_chain_never_are(self, alice: User, bob: User):
        run = complete(run_in(actions.start_session(owner=bob, chain=chain_of(alice))))
        StepAttempt.objects.update(messages=MESSAGES)
        share = actions.share_run(run=run, shows_prompts=True)
        assert not share.shows_prompts
        RunShare.objects.update(shows_prompts=True)
        assert SECRET not in shown(share)


class TestALink:
    def test_cannot_be_guessed(self, run: Run):
        tokens = {actions.share_run(run=run).token for _ in range(10)}
        assert len(tokens) == 10
        assert all(re.fullmatch(r"[\w-]{43}", token) for token in tokens)  # 256 bits

    def test_is_there_once(self, run: Run):
        share = actions.share_run(run=run)
        with pytest.raises(IntegrityError):
            RunShare.objects.create(run=run, token=share.token)

    def test_that_was_revoked_is_one_that_never_was(self, run: Run, client: Client):
        share = actions.share_run(run=run)
        assert client.post(reverse("share_revoke", args=[share.pk])).status_code == 302
        gone = opened(share)
        never = Client().get(reverse("shared_run", args=["x" * 43]))
        assert gone.status_code == never.status_code == 404
        assert gone.content == never.content

    def test_can_be_made_again_and_is_another_one(self, run: Run):
        first = actions.share_run(run=run)
        actions.revoke_share(share=first)
        assert actions.share_run(run=run).token != first.token

    def test_goes_with_the_session(self, run: Run, session: ChatSession):
        share = actions.share_run(run=run)
        actions.delete_session(session=session)
        assert opened(share).status_code == 404

    def test_reads_the_same_for_somebody_who_is_logged_in(self, run: Run, bob: User, client_for: ClientFor):
        share = actions.share_run(run=run)
        assert opened(share, client_for(bob)).content == opened(share).content


class TestTheDialog:
    def test_makes_a_link_and_lists_it_with_its_address(self, run: Run, client: Client):
        response = client.post(reverse("run_share", args=[run.pk]), headers=HTMX)
        [share] = RunShare.objects.all()
        page = response.content.decode()
        assert f'value="http://testserver{address_of(share)}"' in page
        assert reverse("share_revoke", args=[share.pk]) in page
        assert not share.shows_prompts

    def test_shares_prompts_only_when_that_is_ticked(self, run: Run, client: Client):
        client.post(reverse("run_share", args=[run.pk]), {"prompts": "1"}, headers=HTMX)
        assert RunShare.objects.get().shows_prompts

    def test_lists_the_links_of_this_run_alone(self, run: Run, session: ChatSession, client: Client):
        other = actions.share_run(run=complete(run_in(session)))
        mine = actions.share_run(run=run)
        page = client.get(reverse("run_share", args=[run.pk]), headers=HTMX).content.decode()
        assert mine.token in page
        assert other.token not in page

    def test_works_without_a_script(self, run: Run, client: Client):
        address = reverse("run_share", args=[run.pk])
        assert client.post(address).headers["Location"] == address
        page = client.get(address).content.decode()
        assert "<title>Share a run" in page
        assert RunShare.objects.get().token in page

    def test_does_not_offer_prompts_that_are_anothers(self, alice: User, bob: User, client_for: ClientFor):
        run = complete(run_in(actions.start_session(owner=bob, chain=chain_of(alice))))
        page = client_for(bob).get(reverse("run_share", args=[run.pk]), headers=HTMX).content.decode()
        assert "Make a link" in page
        assert 'name="prompts"' not in page

    def test_says_when_there_are_too_many(self, run: Run, client: Client):
        RunShare.objects.bulk_create(RunShare(run=run) for _ in range(MAX_LINKS))
        response = client.post(reverse("run_share", args=[run.pk]), headers=HTMX)
        assert response.status_code == 422
        assert "revoke one first" in response.content.decode()
        assert RunShare.objects.count() == MAX_LINKS

    def test_revoking_leaves_the_others(self, run: Run, client: Client):
        first, second = actions.share_run(run=run), actions.share_run(run=run)
        response: Any = client.post(reverse("share_revoke", args=[first.pk]), headers=HTMX)
        page = response.content.decode()
        assert second.token in page
        assert first.token not in page
