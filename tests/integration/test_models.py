"""What the database itself holds: constraints, the immutability of publications, and who sees what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from chains.models import (
    Agent,
    AgentStep,
    ApiToken,
    Chain,
    ChainVersion,
    ChatSession,
    LanguageModel,
    Provider,
    Run,
    StepAttempt,
    User,
)
from chains.models.run import LIVE_RUN, RunStatus

pytestmark = pytest.mark.django_db

IMMUTABLE = "a published chain version cannot be changed"


@contextmanager
def refused(message: str | None = None) -> Iterator[None]:
    """Expect the database to refuse, inside a savepoint so that the test can go on."""
    with pytest.raises(IntegrityError, match=message), transaction.atomic():
        yield


@pytest.fixture
def model() -> LanguageModel:
    provider = Provider.objects.create(slug="acme", name="Acme", kind="simulated")
    return LanguageModel.objects.create(provider=provider, model_id="one", name="One")


@pytest.fixture
def chain(alice: User) -> Chain:
    return Chain.objects.create(owner=alice, name="Critics", slug="critics")


@pytest.fixture
def draft(chain: Chain) -> ChainVersion:
    return ChainVersion.objects.create(chain=chain)


@pytest.fixture
def version(chain: Chain, model: LanguageModel) -> ChainVersion:
    version = ChainVersion.objects.create(chain=chain, number=1)
    Agent.objects.create(version=version, index=0, name="Critic", slug="critic", model=model)
    version.published_at = timezone.now()
    version.save()
    return version


@pytest.fixture
def session(alice: User, chain: Chain) -> ChatSession:
    return ChatSession.objects.create(owner=alice, chain=chain, active_at=timezone.now())


@pytest.fixture
def start_run(session: ChatSession, version: ChainVersion) -> Callable[..., Run]:
    def start(**columns: object) -> Run:
        defaults = {"session": session, "chain_version": version, "request_id": "first", "input": "Hello"}
        return Run.objects.create(**defaults | columns)

    return start


@pytest.fixture
def step(start_run: Callable[..., Run], model: LanguageModel) -> AgentStep:
    return AgentStep.objects.create(
        run=start_run(), index=0, execution_group=1, name="Critic", slug="critic", model=model
    )


class TestChains:
    def test_a_slug_is_unique_for_its_owner(self, alice: User, chain: Chain):
        with refused():
            Chain.objects.create(owner=alice, name="Other", slug="critics")

    def test_another_owner_may_use_the_same_slug(self, bob: User, chain: Chain):
        Chain.objects.create(owner=bob, name="Critics", slug="critics")

    def test_a_chain_has_one_draft(self, chain: Chain, draft: ChainVersion):
        with refused():
            ChainVersion.objects.create(chain=chain)

    def test_a_version_number_is_given_once(self, chain: Chain, version: ChainVersion):
        with refused():
            ChainVersion.objects.create(chain=chain, number=1)

    def test_a_draft_cannot_be_published_without_a_number(self, draft: ChainVersion):
        with refused():
            ChainVersion.objects.filter(pk=draft.pk).update(published_at=timezone.now())

    def test_two_agents_of_a_version_cannot_share_a_slug_or_a_place(self, draft: ChainVersion):
        Agent.objects.create(version=draft, index=0, name="A", slug="a")
        with refused():
            Agent.objects.create(version=draft, index=1, name="A", slug="a")
        with refused():
            Agent.objects.create(version=draft, index=0, name="B", slug="b")

    def test_the_owner_of_a_chain_cannot_vanish(self, alice: User, chain: Chain):
        with pytest.raises(ProtectedError):
            alice.delete()


class TestPublishedVersions:
    def test_a_draft_and_its_agents_may_change_and_go(self, draft: ChainVersion):
        agent = Agent.objects.create(version=draft, index=0, name="A", slug="a")
        agent.prompt = "Say more."
        agent.save()
        agent.delete()
        draft.delete()

    def test_a_publication_cannot_be_changed(self, version: ChainVersion):
        with refused(IMMUTABLE):
            ChainVersion.objects.filter(pk=version.pk).update(on_failure="continue")

    def test_a_publication_cannot_be_taken_back(self, version: ChainVersion):
        with refused(IMMUTABLE):
            ChainVersion.objects.filter(pk=version.pk).update(published_at=None)

    def test_a_publication_cannot_be_deleted_alone(self, version: ChainVersion):
        with refused(IMMUTABLE):
            ChainVersion.objects.filter(pk=version.pk)._raw_delete(connection.alias)

    def test_an_agent_of_a_publication_cannot_be_changed(self, version: ChainVersion):
        with refused(IMMUTABLE):
            version.agents.update(prompt="Be kind.")

    def test_an_agent_cannot_be_added_to_a_publication(self, version: ChainVersion):
        with refused(IMMUTABLE):
            Agent.objects.create(version=version, index=1, name="Late", slug="late")

    def test_an_agent_cannot_be_moved_into_a_publication(self, version: ChainVersion, draft: ChainVersion):
        agent = Agent.objects.create(version=draft, index=5, name="A", slug="a")
        with refused(IMMUTABLE):
            Agent.objects.filter(pk=agent.pk).update(version=version)

    def test_an_agent_cannot_be_taken_out_of_a_publication(self, version: ChainVersion):
        with refused(IMMUTABLE):
            version.agents.all().delete()

    def test_a_publication_goes_with_its_discarded_chain(self, chain: Chain, version: ChainVersion):
        Chain.objects.filter(pk=chain.pk).update(discarded_at=timezone.now())
        chain.delete()
        assert not ChainVersion.objects.exists()
        assert not Agent.objects.exists()

    def test_a_chain_that_is_not_discarded_keeps_its_publications(self, chain: Chain, version: ChainVersion):
        with refused(IMMUTABLE):
            chain.delete()
        assert version.agents.count() == 1

    def test_newest_publications_come_first_and_drafts_are_left_out(
        self, chain: Chain, draft: ChainVersion, version: ChainVersion
    ):
        newer = ChainVersion.objects.create(chain=chain, number=2, published_at=timezone.now())
        assert list(ChainVersion.objects.published()) == [newer, version]


class TestRuns:
    def test_a_session_has_one_live_run(self, start_run: Callable[..., Run]):
        start_run()
        for status in LIVE_RUN:
            with refused():
                start_run(request_id="second", status=status)

    def test_a_session_takes_a_run_when_the_last_one_has_ended(self, start_run: Callable[..., Run]):
        start_run(status=RunStatus.FAILED, finished_at=timezone.now())
        assert start_run(request_id="second").is_live

    def test_a_request_starts_one_run(self, start_run: Callable[..., Run]):
        start_run(status=RunStatus.COMPLETED, finished_at=timezone.now())
        with refused():
            start_run()

    def test_a_run_that_ended_says_when(self, start_run: Callable[..., Run]):
        with refused():
            start_run(status=RunStatus.COMPLETED)

    def test_a_version_with_runs_cannot_vanish(
        self, chain: Chain, version: ChainVersion, start_run: Callable[..., Run]
    ):
        start_run()
        Chain.objects.filter(pk=chain.pk).update(discarded_at=timezone.now())
        with pytest.raises(ProtectedError):
            chain.delete()

    def test_a_place_in_a_run_is_taken_once(self, step: AgentStep):
        with refused():
            AgentStep.objects.create(
                run=step.run, index=0, execution_group=1, name="B", slug="b", model=step.model
            )

    def test_an_attempt_is_never_overwritten_by_another(self, step: AgentStep):
        StepAttempt.objects.create(step=step, number=1, started_at=timezone.now(), text="first")
        with refused():
            StepAttempt.objects.create(step=step, number=1, started_at=timezone.now(), text="second")
        assert StepAttempt.objects.get().text == "first"


class TestCatalogue:
    def test_a_provider_serves_a_model_once(self, model: LanguageModel):
        with refused():
            LanguageModel.objects.create(provider=model.provider, model_id="one", name="Again")

    @pytest.mark.parametrize("column", ["input_price", "output_price"])
    def test_a_price_is_not_negative(self, model: LanguageModel, column: str):
        with refused():
            LanguageModel.objects.filter(pk=model.pk).update(**{column: Decimal("-0.01")})

    def test_a_model_that_an_agent_uses_cannot_vanish(self, model: LanguageModel, version: ChainVersion):
        with pytest.raises(ProtectedError):
            model.delete()

    def test_a_provider_is_ready_when_its_key_is_set(self, monkeypatch: pytest.MonkeyPatch):
        Provider.objects.create(slug="acme", name="Acme", kind="openai", key_variable="ACME_API_KEY")
        assert not Provider.objects.ready().exists()
        monkeypatch.setenv("ACME_API_KEY", "  ")
        assert not Provider.objects.ready().exists()
        monkeypatch.setenv("ACME_API_KEY", "secret")
        assert Provider.objects.ready().exists()

    def test_a_model_can_be_used_when_it_and_its_provider_are_enabled(self, model: LanguageModel):
        assert list(LanguageModel.objects.usable()) == [model]
        Provider.objects.update(enabled=False)
        assert not LanguageModel.objects.usable().exists()
        Provider.objects.update(enabled=True)
        LanguageModel.objects.update(enabled=False)
        assert not LanguageModel.objects.usable().exists()

    def test_the_default_model_is_the_first_real_one(self, model: LanguageModel):
        assert LanguageModel.objects.default() == model
        provider = Provider.objects.create(slug="real", name="Real", kind="openai")
        later = LanguageModel.objects.create(provider=provider, model_id="b", name="B", rank=200)
        assert LanguageModel.objects.default() == later
        first = LanguageModel.objects.create(provider=provider, model_id="a", name="A", rank=150)
        assert LanguageModel.objects.default() == first

    def test_a_model_is_found_by_its_label_even_with_slashes_in_its_name(self, model: LanguageModel):
        nested = LanguageModel.objects.create(provider=model.provider, model_id="meta/llama", name="L")
        assert LanguageModel.objects.labelled(nested.label).get() == nested


class TestVisibility:
    """What is alice's is visible to alice, and to bob it does not exist."""

    def test_chains(self, alice: User, bob: User, chain: Chain):
        assert list(Chain.objects.visible_to(alice)) == [chain]
        assert not Chain.objects.visible_to(bob).exists()

    def test_a_shared_chain_is_not_listed_as_somebody_elses(self, bob: User, chain: Chain):
        Chain.objects.update(is_shared=True)
        assert list(Chain.objects.shared()) == [chain]
        assert not Chain.objects.visible_to(bob).exists()

    def test_sessions(self, alice: User, bob: User, session: ChatSession):
        assert list(ChatSession.objects.visible_to(alice)) == [session]
        assert not ChatSession.objects.visible_to(bob).exists()

    def test_runs_and_steps(self, alice: User, bob: User, step: AgentStep):
        assert list(Run.objects.visible_to(alice)) == [step.run]
        assert list(AgentStep.objects.visible_to(alice)) == [step]
        assert not Run.objects.visible_to(bob).exists()
        assert not AgentStep.objects.visible_to(bob).exists()

    def test_archived_and_unnamed_chains_are_left_out_where_asked(self, alice: User, chain: Chain):
        archived = Chain.objects.create(owner=alice, name="Old", slug="old", archived_at=timezone.now())
        unnamed = Chain.objects.create(owner=alice, name="Compare", slug="compare", is_unnamed=True)
        assert set(Chain.objects.active()) == {chain, unnamed}
        assert set(Chain.objects.named()) == {chain, archived}

    def test_an_archived_chain_is_not_shared(self, chain: Chain):
        Chain.objects.update(is_shared=True, archived_at=timezone.now())
        assert not Chain.objects.shared().exists()


class TestSearch:
    @pytest.mark.parametrize("words", ["WEATHER", "hello there", "sunny spells"])
    def test_words_are_found_in_titles_messages_and_answers(
        self, session: ChatSession, start_run: Callable[..., Run], model: LanguageModel, words: str
    ):
        ChatSession.objects.update(title="The weather")
        run = start_run(input="Hello there")
        for index in range(2):
            step = AgentStep.objects.create(
                run=run, index=index, execution_group=1, name="A", slug="a", model=model
            )
            StepAttempt.objects.create(
                step=step, number=1, started_at=timezone.now(), text="Sunny spells ahead"
            )
        assert list(ChatSession.objects.matching(words)) == [session]
        assert not ChatSession.objects.matching("thunder").exists()


class TestTokens:
    def test_a_token_is_found_by_its_secret_which_is_stored_nowhere(self, alice: User):
        token, secret = ApiToken.objects.issue(user=alice, name="script")
        assert ApiToken.objects.find(secret) == token
        assert secret not in str(ApiToken.objects.values().get())

    def test_a_wrong_secret_finds_nothing(self, alice: User):
        _, secret = ApiToken.objects.issue(user=alice)
        assert ApiToken.objects.find(secret + "x") is None

    def test_a_token_of_somebody_shut_out_finds_nothing(self, alice: User):
        _, secret = ApiToken.objects.issue(user=alice)
        User.objects.update(is_active=False)
        assert ApiToken.objects.find(secret) is None


@pytest.mark.django_db(transaction=True)
class TestRealTransactions:
    """Without the transaction that other tests run in, as the live parts need it."""

    @pytest.mark.parametrize("turn", ["first", "second"])
    def test_each_test_begins_with_empty_tables(self, version: ChainVersion, turn: str):
        assert Chain.objects.count() == 1
        assert User.objects.count() == 1
