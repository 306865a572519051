"""The API's requests: who may ask, which chains exist for whom, and errors in OpenAI's form."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from django.db import connections
from django.test import AsyncClient
from django.utils import timezone

from chains.actions import import_chain
from chains.api.auth import BAD_TOKENS
from chains.chainfile import ChainFile
from chains.engine.loading import load_run
from chains.models import ApiToken, Chain, ChatSession, Provider, Run, User
from tests.integration.pages_cast import agent, chain_of
from tests.integration.run_cast import in_db

pytestmark = pytest.mark.django_db(transaction=True)

HELLO = [{"role": "user", "content": "Is it so?"}]


@pytest_asyncio.fixture(autouse=True)
async def no_connection_left() -> AsyncIterator[None]:
    """Close what Django's own async queries opened, or PostgreSQL could not drop the test database."""
    yield
    await sync_to_async(connections.close_all)()


async def caller(user: User) -> dict[str, str]:
    """Issue a token for somebody and return the header that carries it."""
    _, secret = await in_db(ApiToken.objects.issue, user=user)
    return {"Authorization": f"Bearer {secret}"}


async def get(path: str, headers: dict[str, str]) -> Any:
    return await AsyncClient().get(path, headers=headers)


async def post(body: Any, headers: dict[str, str]) -> Any:
    return await AsyncClient().post("/v1/chat/completions", body, "application/json", headers=headers)


async def begin(headers: dict[str, str], model: str = "chain/critics", **fields: Any) -> Run:
    """Ask for a stream, hang up after its first event, and return the run that it was about."""
    response = await post({"model": model, "messages": HELLO, "stream": True, **fields}, headers)
    assert response.status_code == 200, response.content
    events = response.streaming_content
    await anext(events)
    await events.aclose()
    return await Run.objects.select_related("session", "chain_version").alatest("id")


def error_of(response: Any) -> tuple[int, str | None, str | None]:
    """Return a refusal's status, code and param; it must be a whole error object."""
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"].endswith((".", "makes a token."))
    return response.status_code, error["code"], error["param"]


class TestTokens:
    @pytest.mark.parametrize(
        "header", ["", "Bearer", "Bearer ", "Basic YWxpY2U6", "Bearer cc-nobody-has-this"]
    )
    @pytest.mark.parametrize(
        "path", ["/v1/models", "/v1/models/chain/critics", "/v1/chat/completions", "/v1/x"]
    )
    async def test_without_a_good_one_nothing_is_said(self, db: None, path: str, header: str):
        response = await get(path, {"Authorization": header})

        assert error_of(response) == (401, "invalid_api_key", None)
        assert response.headers["WWW-Authenticate"] == "Bearer"

    async def test_a_bad_one_is_not_repeated(self, db: None):
        response = await get("/v1/models", {"Authorization": "Bearer cc-nobody-has-this"})

        assert "nobody-has-this" not in response.content.decode()

    async def test_a_browser_that_is_logged_in_needs_one_too(self, alice: User):
        client = AsyncClient()
        await client.aforce_login(alice)

        assert (await client.get("/v1/models")).status_code == 401

    async def test_that_of_a_person_who_may_not_log_in_any_more_is_void(self, alice: User):
        headers = await caller(alice)
        await User.objects.aupdate(is_active=False)

        assert (await get("/v1/models", headers)).status_code == 401

    async def test_its_use_is_noted_for_its_owner(self, alice: User):
        headers = await caller(alice)
        begun = timezone.now()
        await get("/v1/models", headers)

        token = await ApiToken.objects.aget()
        assert token.last_used_at
        assert token.last_used_at >= begun

    async def test_many_bad_ones_are_throttled_and_hold_up_no_good_one(self, alice: User):
        headers = await caller(alice)
        bad = {"Authorization": "Bearer cc-nobody-has-this"}
        answers = [(await get("/v1/models", bad)).status_code for _ in range(BAD_TOKENS + 1)]

        assert answers == [401] * BAD_TOKENS + [429]
        assert "Retry-After" in (await get("/v1/models", bad)).headers
        assert (await get("/v1/models", headers)).status_code == 200


class TestModels:
    @pytest.fixture(autouse=True)
    def chains(self, alice: User, bob: User) -> None:
        chain_of(alice, name="Critics")
        chain_of(alice, name="Open to all")
        chain_of(bob, name="Bobs own")
        old = chain_of(alice, name="Old")
        draft = Chain.objects.create(owner=alice, name="Only a draft", slug="only-a-draft")
        draft.versions.create()
        Chain.objects.filter(pk=old.pk).update(archived_at=timezone.now())
        Chain.objects.filter(slug="open-to-all").update(is_shared=True)

    async def test_they_are_ones_own_chains_and_those_that_others_share(self, alice: User, bob: User):
        listed = (await get("/v1/models", await caller(bob))).json()

        assert listed["object"] == "list"
        assert [model["id"] for model in listed["data"]] == ["chain/bobs-own", "chain/alice/open-to-all"]
        assert [model["owned_by"] for model in listed["data"]] == ["bob", "alice"]
        mine = (await get("/v1/models", await caller(alice))).json()["data"]
        assert [model["id"] for model in mine] == ["chain/critics", "chain/open-to-all"]

    @pytest.mark.parametrize(
        "name", ["chain/critics", "chain/critics@1", "chain/alice/critics", "chain/alice/critics@1"]
    )
    async def test_one_is_described_under_the_name_that_was_asked_for(self, alice: User, name: str):
        model = (await get(f"/v1/models/{name}", await caller(alice))).json()

        assert (model["id"], model["object"], model["owned_by"]) == (name, "model", "alice")

    @pytest.mark.parametrize(
        "name",
        [
            "chain/alice/critics",  # not shared
            "chain/alice/critics@1",
            "chain/critics",
            "chain/open-to-all",  # shared, but not bob's own
            "chain/alice/open-to-all@2",  # no such version
            "chain/alice/old",
            "chain/alice/only-a-draft",
            "chain/nobody/critics",
            "chain/nothing",
            "gpt-4o",
            "chain/",
        ],
    )
    async def test_anothers_chain_answers_like_one_that_does_not_exist(self, bob: User, name: str):
        headers = await caller(bob)
        nothing = (await get("/v1/models/chain/missing", headers)).json()["error"]["message"]
        described = await get(f"/v1/models/{name}", headers)
        asked = await post({"model": name, "messages": HELLO}, headers)

        assert error_of(described) == error_of(asked) == (404, "model_not_found", "model")
        assert described.json()["error"]["message"] == nothing.replace("chain/missing", name)
        assert not await Run.objects.aexists()
        assert not await ChatSession.objects.aexists()

    async def test_archived_and_unpublished_ones_are_gone_for_their_owner_too(self, alice: User):
        headers = await caller(alice)

        for slug in ("old", "only-a-draft"):
            assert (await get(f"/v1/models/chain/{slug}", headers)).status_code == 404


class TestAsking:
    @pytest.fixture
    def headers(self, alice: User) -> dict[str, str]:
        chain_of(alice)
        return {"Authorization": f"Bearer {ApiToken.objects.issue(user=alice)[1]}"}

    async def test_each_request_has_a_session_of_its_own_that_its_user_can_open(
        self, alice: User, headers: dict[str, str]
    ):
        system = {"role": "system", "content": "Be brief."}
        first = await begin(headers, messages=[system, *HELLO])
        second = await begin(headers)

        assert first.session_id != second.session_id
        assert first.session.owner_id == alice.pk
        assert first.session.title == "Is it so?"
        assert first.input == "Be brief.\n\nIs it so?"

    async def test_earlier_turns_become_the_runs_history(self, headers: dict[str, str]):
        turns = [{"role": "user", "content": "One"}, {"role": "assistant", "content": "1"}]
        run = await begin(headers, messages=[*turns, *HELLO])
        spec = await in_db(load_run, run.pk)

        assert [(turn.input, turn.output) for turn in spec.history] == [("One", "1")]

    async def test_the_newest_version_runs_unless_one_is_named(self, alice: User, headers: dict[str, str]):
        newer = ChainFile(name="Critics", slug="critics", agents=(await in_db(agent, "Newcomer"),))
        await in_db(import_chain, owner=alice, file=newer)

        assert (await begin(headers)).chain_version.number == 2
        assert (await begin(headers, "chain/critics@1")).chain_version.number == 1

    async def test_a_shared_chain_runs_in_a_session_of_whoever_asks(
        self, alice: User, bob: User, headers: dict[str, str]
    ):
        await Chain.objects.aupdate(is_shared=True)
        run = await begin(await caller(bob), "chain/alice/critics")

        assert run.session.owner_id == bob.pk
        assert not await ChatSession.objects.filter(owner=alice).aexists()

    async def test_a_chain_that_cannot_run_says_why_and_leaves_no_session(self, headers: dict[str, str]):
        await Provider.objects.aupdate(enabled=False)
        response = await post({"model": "chain/critics", "messages": HELLO}, headers)

        assert error_of(response) == (400, "chain_not_runnable", "model")
        assert "Ada uses simulated/fast, which is switched off" in response.json()["error"]["message"]
        assert not await ChatSession.objects.aexists()

    async def test_a_faulty_body_names_its_fault(self, headers: dict[str, str]):
        assert error_of(await post({"model": "chain/critics"}, headers)) == (400, None, "messages")

    async def test_a_body_that_is_too_long_is_refused(self, headers: dict[str, str], settings: Any):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
        long = [{"role": "user", "content": "x" * 2000}]

        assert error_of(await post({"model": "chain/critics", "messages": long}, headers))[0] == 413

    async def test_a_wrong_method_and_a_wrong_address_say_what_there_is(self, headers: dict[str, str]):
        assert error_of(await get("/v1/chat/completions", headers))[0] == 405
        assert error_of(await get("/v1/embeddings", headers))[:2] == (404, "unknown_url")
