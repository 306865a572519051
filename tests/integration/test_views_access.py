"""Another person's objects answer exactly like what does not exist, at every address."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse, QueryDict
from django.test import Client
from django.urls import URLPattern, reverse

from chains import actions
from chains.models import Attachment, Chain, ChatSession, Run, RunShare, User
from chains.urls import urlpatterns
from tests.integration.pages_cast import complete, run_in, session_of
from tests.pictures import picture

pytestmark = pytest.mark.django_db

ClientFor = Callable[[User], Client]
NOWHERE = 999_999

Page = tuple[str, str, dict[str, Any]]

SESSION_PAGES: list[Page] = [
    ("get", "session_detail", {}),
    ("get", "session_delete", {}),
    ("get", "session_older", {"before": 5}),
    ("get", "session_send", {}),
    ("post", "session_send", {"input": "Hello", "request_id": "r1"}),
    ("post", "session_rename", {"title": "Mine now"}),
    ("post", "session_delete", {}),
    ("get", "session_composer", {}),
    ("get", "session_outlook", {}),
    ("get", "session_files", {}),
    ("post", "session_attach", {}),
    ("post", "session_keep", {"name": "Mine now"}),
]
RUN_PAGES: list[Page] = [
    ("post", "run_stop", {}),
    ("post", "run_keep", {"kept": "1"}),
    ("get", "run_edit", {}),
]
STEP_PAGES: list[Page] = [
    ("post", "step_stop", {}),
    ("get", "step_text", {}),
    ("post", "step_choose", {"chosen": "1"}),
]
ATTACHMENT_PAGES: list[Page] = [
    ("get", "attachment_show", {}),
    ("get", "attachment_thumbnail", {}),
    ("post", "attachment_remove", {}),
]
RUN_PAGES += [("get", "run_answers", {}), ("get", "run_share", {}), ("post", "run_share", {})]
STEP_PAGES += [("get", name, {}) for name in ("step_seen", "step_seen_json", "step_seen_curl")]
CHAIN_PAGES: list[Page] = [("post", "chain_start", {})]


# All that stand for one object of somebody's, whatever may be added to them.
OWNED = ("sessions/<", "runs/<", "steps/<", "attachments/<", "shares/<", "chains/<")
ADDRESSES = {
    pattern.name: str(pattern.pattern)
    for pattern in urlpatterns
    if isinstance(pattern, URLPattern) and str(pattern.pattern).startswith(OWNED)
}


@pytest.fixture
def session(alice: User) -> ChatSession:
    session = session_of(alice)
    complete(run_in(session))
    return session


def answers_like_nothing(client: Client, page: Page, existing: object, missing: object) -> bool:
    """Ask for somebody's object and for none: the same status and the same page."""
    method, name, data = page
    there = getattr(client, method)(reverse(name, args=[existing]), data)
    nowhere = getattr(client, method)(reverse(name, args=[missing]), data)
    return there.status_code == nowhere.status_code == 404 and words(there) == words(nowhere)


def words(response: HttpResponse) -> str:
    """Return a page without what differs from request to request anyway."""
    return re.sub(r'(X-CSRFToken": |name="csrfmiddlewaretoken" value=)"\w+"', "", response.content.decode())


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("name", ADDRESSES)
def test_no_address_tells_another_persons_object_from_none(
    name: str, method: str, session: ChatSession, bob: User, client_for: ClientFor
) -> None:
    run, chain = Run.objects.get(session=session), Chain.objects.get()
    file = actions.attach(session=session, name="cat.png", data=picture())
    kinds = {
        "sessions": session,
        "runs": run,
        "steps": run.steps.all()[0],
        "attachments": file,
        "shares": actions.share_run(run=run),
        "chains": chain.versions.get().agents.all()[0],
    }
    kind = ADDRESSES[name].partition("/")[0]
    client, answers = client_for(bob), []
    for pk, slug in ((kinds[kind].pk, chain.slug), (NOWHERE, "no-such-chain")):
        given = {"pk": pk, "slug": slug, "number": 1, "ending": "md"}
        address = reverse(name, kwargs={key: given[key] for key in given if f":{key}>" in ADDRESSES[name]})
        answers.append(getattr(client, method)(address, {"index": "0", "revision": "0"}))
    assert answers[0].status_code == answers[1].status_code
    assert answers[0].status_code in (404, 405)
    assert words(answers[0]) == words(answers[1])


@pytest.mark.parametrize("page", SESSION_PAGES)
def test_another_persons_session_does_not_exist(
    page: Page, session: ChatSession, bob: User, client_for: ClientFor
) -> None:
    assert answers_like_nothing(client_for(bob), page, session.pk, NOWHERE)
    session.refresh_from_db()
    assert (session.runs.count(), session.title) == (1, "Is it so?")


@pytest.mark.parametrize("page", RUN_PAGES)
def test_another_persons_run_does_not_exist(
    page: Page, session: ChatSession, bob: User, client_for: ClientFor
) -> None:
    run = Run.objects.get(session=session)
    assert answers_like_nothing(client_for(bob), page, run.pk, NOWHERE)


@pytest.mark.parametrize("ending", ["md", "json", "html", "exe"])
def test_another_persons_run_cannot_be_exported(
    ending: str, session: ChatSession, bob: User, client_for: ClientFor
) -> None:
    run, client = Run.objects.get(session=session), client_for(bob)
    addresses = [reverse("run_export", args=[pk, ending]) for pk in (run.pk, NOWHERE)]
    answers = [client.get(address) for address in addresses]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert words(answers[0]) == words(answers[1])  # type: ignore[arg-type]  # a test client's response


def test_another_persons_link_cannot_be_revoked(
    session: ChatSession, bob: User, client_for: ClientFor
) -> None:
    share = actions.share_run(run=Run.objects.get(session=session))
    assert answers_like_nothing(client_for(bob), ("post", "share_revoke", {}), share.pk, NOWHERE)
    assert RunShare.objects.filter(pk=share.pk).exists()


@pytest.mark.parametrize("page", STEP_PAGES)
def test_another_persons_step_does_not_exist(
    page: Page, session: ChatSession, bob: User, client_for: ClientFor
) -> None:
    step = Run.objects.get(session=session).steps.all()[0]
    assert answers_like_nothing(client_for(bob), page, step.pk, NOWHERE)


@pytest.mark.parametrize("page", ATTACHMENT_PAGES)
def test_another_persons_file_does_not_exist(
    page: Page, session: ChatSession, bob: User, client_for: ClientFor
) -> None:
    file = actions.attach(session=session, name="cat.png", data=picture())
    assert answers_like_nothing(client_for(bob), page, file.pk, NOWHERE)
    assert Attachment.objects.filter(pk=file.pk).exists()


@pytest.mark.parametrize("page", CHAIN_PAGES)
def test_another_persons_chain_does_not_exist(
    page: Page, session: ChatSession, bob: User, client_for: ClientFor
) -> None:
    chain = Chain.objects.get()
    assert answers_like_nothing(client_for(bob), page, chain.slug, "no-such-chain")
    assert not ChatSession.objects.visible_to(bob).exists()


def test_another_persons_chain_cannot_be_sent_to_or_started_with(
    session: ChatSession, bob: User, client_for: ClientFor
) -> None:
    own = session_of(bob)
    chain = session.chain_id
    client = client_for(bob)
    sent = client.post(
        reverse("session_send", args=[own.pk]), {"input": "Hello", "request_id": "r1", "chain": chain}
    )
    assert sent.status_code == 422
    assert client.post(reverse("session_new"), {"chain": chain}).headers["Location"] == reverse("home")
    assert not Run.objects.visible_to(bob).exists()


def test_the_start_page_and_the_search_show_only_ones_own(
    session: ChatSession, bob: User, client_for: ClientFor
) -> None:
    client = client_for(bob)
    for address in (reverse("home"), reverse("session_search") + "?q=so"):
        page = client.get(address).content.decode()
        assert "Is it so?" not in page
        assert "Critics" not in page


@pytest.mark.parametrize("name", ["home", "session_search"])
def test_a_page_needs_a_login(name: str, client: Client, db: None) -> None:
    assert client.get(reverse(name)).headers["Location"].startswith(reverse("account_login"))


def test_a_session_page_needs_a_login(session: ChatSession, client: Client) -> None:
    response = client.get(reverse("session_detail", args=[session.pk]))
    assert response.headers["Location"].startswith(reverse("account_login"))


@pytest.mark.parametrize(
    ("came_from", "back"),
    [
        ("http://testserver/sessions/7/older?before=3", "/sessions/7/older?before=3"),
        ("http://elsewhere.example/sessions/7/", "/"),
        ("", "/"),
    ],
)
def test_a_form_that_was_sent_after_the_log_in_leads_back_to_its_page(
    came_from: str, back: str, session: ChatSession, client: Client
) -> None:
    address = reverse("session_send", args=[session.pk])
    response = client.post(address, {"input": "Late"}, headers={"Referer": came_from})
    login, _, query = response.headers["Location"].partition("?")
    assert login == reverse("account_login")
    assert QueryDict(query)["next"] == back


@pytest.mark.parametrize(
    "page",
    [
        SESSION_PAGES[5],
        *SESSION_PAGES[-2:],
        *RUN_PAGES[:2],
        STEP_PAGES[0],
        STEP_PAGES[2],
        ATTACHMENT_PAGES[2],
        *CHAIN_PAGES,
        ("post", "demo_open", {}),
    ],
)
def test_what_changes_something_is_a_post(page: Page, alice: User, client_for: ClientFor) -> None:
    assert client_for(alice).get(reverse(page[1], args=[1])).status_code == 405


def test_a_post_without_the_csrf_token_is_refused(session: ChatSession, alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    address = reverse("session_send", args=[session.pk])
    assert client.post(address, {"input": "Hello", "request_id": "r1"}).status_code == 403
    assert Run.objects.count() == 1
