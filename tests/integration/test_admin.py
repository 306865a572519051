"""The admin: every page opens for staff, what happened can only be read, and providers can be tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from chains.models import (
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
from tests.integration.admin_cast import carol, page, shown
from tests.integration.pages_cast import complete, model, run_in, session_of
from tests.loopback.script import Script
from tests.loopback.server import LoopbackProvider

pytestmark = pytest.mark.django_db

TABLES = [
    AgentStep, ApiToken, Chain, ChainVersion, ChatSession, LanguageModel, Provider, Run, StepAttempt, User,
]  # fmt: skip


@pytest.fixture
def staff(db: None) -> Client:
    return carol()


@pytest.fixture(autouse=True)
def content(alice: User) -> None:
    complete(run_in(session_of(alice)))
    ApiToken.objects.issue(user=alice)


@pytest.mark.parametrize("table", TABLES)
def test_every_list_and_every_row_opens(staff: Client, table: type[Model]):
    row = table._default_manager.first()
    assert row is not None
    shown(staff, page(table, "changelist"))
    shown(staff, page(table, "change", row.pk))


@pytest.mark.parametrize("table", [Chain, ChatSession, Run, AgentStep, StepAttempt, Provider, LanguageModel])
def test_every_list_can_be_searched(staff: Client, table: type[Model]):
    shown(staff, page(table, "changelist") + "?q=critics")
    shown(staff, page(table, "changelist") + "?q=1")


@pytest.mark.parametrize("table", [ChainVersion, ChatSession, Run, AgentStep, StepAttempt])
def test_what_happened_can_only_be_read(staff: Client, table: type[Model]):
    row = table._default_manager.first()
    assert row is not None
    assert staff.get(page(table, "add")).status_code == 403
    assert staff.post(page(table, "change", row.pk), {}).status_code == 403
    assert staff.post(page(table, "delete", row.pk), {"post": "yes"}).status_code == 403


def test_a_step_shows_its_attempts_and_what_was_sent(staff: Client):
    step = AgentStep.objects.earliest("index")
    attempt = StepAttempt.objects.get(step=step)
    StepAttempt.objects.update(messages=[{"role": "user", "content": "Is <b>it</b> so?"}])
    assert page(StepAttempt, "change", attempt.pk) in shown(staff, page(AgentStep, "change", step.pk))
    assert "Is &lt;b&gt;it&lt;/b&gt; so?" in shown(staff, page(StepAttempt, "change", attempt.pk))


def test_a_session_leads_to_its_runs(staff: Client, alice: User):
    other = run_in(session_of(alice))
    session = ChatSession.objects.earliest("id")
    address = f"{page(Run, 'changelist')}?session__id__exact={session.pk}"
    assert address in shown(staff, page(ChatSession, "change", session.pk))
    assert f">{other.pk}<" not in shown(staff, address)


def test_one_run_is_no_runs(staff: Client, alice: User):
    session = ChatSession.objects.get(owner=alice)
    assert ">1 run</a>" in shown(staff, page(ChatSession, "change", session.pk))
    complete(run_in(session))
    assert ">2 runs</a>" in shown(staff, page(ChatSession, "change", session.pk))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (Chain, "<summary>Shared</summary>"),
        (Chain, "<summary>Unnamed</summary>"),
        (Chain, "<summary>Archived</summary>"),
        (Run, "<summary>Kept</summary>"),
        (User, "<summary>Staff status</summary>"),
        (StepAttempt, "HTTP status"),
        (Provider, "Base URL"),
        (Provider, "Variable with the key"),
        (LanguageModel, "Input price ($ per million tokens)"),
        (LanguageModel, "Context window (tokens)"),
        (LanguageModel, "<summary>Price known</summary>"),
    ],
)
def test_fields_have_names_for_people(staff: Client, table: type[Model], words: str):
    assert words in " ".join(shown(staff, page(table, "changelist")).split())


@pytest.mark.parametrize("table", [Run, Chain, LanguageModel, ApiToken, User])
def test_a_list_offers_the_others_only_where_some_are_left_out(staff: Client, table: type[Model]):
    address = page(table, "changelist")
    for query in ("", "?o=1"):
        assert " result" not in search_of(staff, address + query)
    assert "0 results (<a" in search_of(staff, f"{address}?q=nothing-is-called-this")


def test_a_filtered_list_offers_the_others(staff: Client, alice: User):
    session = ChatSession.objects.get(owner=alice)
    assert "1 result (<a" in search_of(staff, f"{page(Run, 'changelist')}?session__id__exact={session.pk}")
    assert "0 results (<a" in search_of(staff, f"{page(Chain, 'changelist')}?is_shared__exact=1")


def test_a_filter_for_what_is_there_says_yes_and_no(staff: Client):
    priced = model("fast")
    priced.input_price = Decimal(2)
    priced.save()
    address, others = page(LanguageModel, "changelist"), LanguageModel.objects.count() - 1
    for query, words, found in (("0", "Yes (1)", True), ("1", f"No ({others})", False)):
        html = shown(staff, f"{address}?input_price__isempty={query}&_facets=True")
        assert f'aria-current="true">{words}</a>' in html
        assert (f">{priced.label}</a>" in html) is found


def test_a_tokens_secret_is_nowhere(staff: Client, alice: User):
    token, secret = ApiToken.objects.issue(user=alice, name="laptop")
    for address in (page(ApiToken, "changelist"), page(ApiToken, "change", token.pk)):
        html = shown(staff, address)
        assert secret not in html
        assert token.digest not in html


def test_a_person_with_chains_is_not_deleted(staff: Client, alice: User):
    staff.post(page(User, "delete", alice.pk), {"post": "yes"})
    assert User.objects.filter(pk=alice.pk).exists()


def test_the_admin_is_for_staff(alice: User, client_for: Callable[[User], Client]):
    response = client_for(alice).get(page(Run, "changelist"))
    assert response.status_code in (302, 403)


def test_every_table_of_ours_is_there():
    assert set(TABLES) <= set(admin.site._registry)


def test_every_page_leads_back_to_the_site_and_to_the_live_runs(staff: Client):
    html = shown(staff, reverse("admin:index"))
    assert f'<a href="{reverse("home")}">View site</a>' in html
    assert reverse("admin:chains_run_live") in html


def search_of(staff: Client, address: str) -> str:
    """Return a list's search, which says how many rows were found."""
    return shown(staff, address).partition('id="changelist-search"')[2].partition("</form>")[0]


class TestModels:
    def form(self, *models: LanguageModel, **columns: object) -> dict[str, object]:
        rows: dict[str, object] = {"form-TOTAL_FORMS": len(models), "form-INITIAL_FORMS": len(models)}
        for place, one in enumerate(models):
            values = {"id": one.pk, "rank": one.rank, "enabled": "on", "temperature_allowed": "on"} | columns
            rows |= {f"form-{place}-{name}": value for name, value in values.items()}
        return rows | {"_save": "Save"}

    def test_prices_of_many_are_set_at_once(self, staff: Client):
        few = [model("fast"), model("slow")]
        form = self.form(*few, input_price="1.5", output_price="6")
        assert staff.post(page(LanguageModel, "changelist"), form).status_code == 302
        prices = LanguageModel.objects.values_list("input_price", "output_price")
        assert list(prices) == [(Decimal("1.5"), Decimal(6))] * 2

    def test_the_list_is_sorted_by_the_rank_alone_as_it_says(self, staff: Client):
        rows = staff.get(page(LanguageModel, "changelist")).context["cl"].result_list
        ranks = [row.rank for row in rows]
        assert ranks == sorted(ranks)

    def test_prices_stand_there_as_people_write_them(self, staff: Client):
        one = model("fast")
        one.input_price, one.output_price = Decimal("0.25"), Decimal(10)
        one.save()
        html = shown(staff, page(LanguageModel, "changelist"))
        assert 'name="form-0-input_price" value="0.25"' in html
        assert 'name="form-0-output_price" value="10"' in html

    def test_a_negative_price_is_refused_beside_its_field(self, staff: Client):
        response = staff.post(page(LanguageModel, "changelist"), self.form(model("fast"), input_price="-1"))
        assert "greater than or equal to 0" in response.content.decode()
        assert model("fast").input_price is None

    def test_the_chosen_ones_are_switched_off(self, staff: Client):
        one, other = model("fast"), model("slow")
        staff.post(page(LanguageModel, "changelist"), {"action": "disable", "_selected_action": [other.pk]})
        assert list(LanguageModel.objects.filter(enabled=True)) == [one]


class TestProviders:
    @pytest.fixture
    def loopback(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackProvider]:
        with LoopbackProvider() as running:
            for variable, value in running.environment().items():
                monkeypatch.setenv(variable, value)
            yield running

    @pytest.fixture
    def openai(self, db: None) -> Provider:
        return Provider.objects.create(
            slug="openai", name="OpenAI", kind="openai", key_variable="OPENAI_API_KEY"
        )

    def try_it(self, staff: Client, provider: Provider) -> str:
        response = staff.post(reverse("admin:chains_provider_test", args=[provider.pk]), follow=True)
        return " ".join(str(message) for message in response.context["messages"])

    def test_a_connection_that_works_says_so(
        self, staff: Client, loopback: LoopbackProvider, openai: Provider
    ):
        assert "OpenAI answered: it lists" in self.try_it(staff, openai)

    def test_a_missing_key_names_its_variable(self, staff: Client, openai: Provider):
        assert "set OPENAI_API_KEY" in self.try_it(staff, openai)

    def test_a_provider_that_is_not_there_says_where_it_was_looked_for_and_never_the_key(
        self, staff: Client, openai: Provider, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
        Provider.objects.update(base_url="http://127.0.0.1:1/v1")
        said = self.try_it(staff, openai)
        assert "could not be reached at 127.0.0.1" in said
        assert "sk-very-secret" not in said

    def test_what_a_provider_says_in_broken_characters_can_be_shown(
        self, staff: Client, loopback: LoopbackProvider, openai: Provider
    ):
        loopback.refuse_lists("no lists today \ud83d")
        assert "“no lists today \ufffd”" in self.try_it(staff, openai)
        response = staff.post(reverse("admin:chains_languagemodel_sync"), follow=True)
        assert "no lists today \ufffd" in response.content.decode()

    def test_trying_needs_a_button_and_the_right_to_change(self, staff: Client, openai: Provider):
        address = reverse("admin:chains_provider_test", args=[openai.pk])
        assert address in shown(staff, page(Provider, "change", openai.pk))
        assert staff.get(address).status_code == 405

    def test_a_variable_that_may_hold_another_secret_is_refused(self, staff: Client, openai: Provider):
        form = {
            "name": "OpenAI", "slug": "openai", "kind": "openai", "key_variable": "SECRET_KEY",
            "connect_limit": 5, "first_token_limit": 60, "idle_limit": 30, "total_limit": 900,
        }  # fmt: skip
        response = staff.post(page(Provider, "change", openai.pk), form)
        assert "ends in _API_KEY" in response.content.decode()

    def test_models_are_synced_from_all_that_are_ready(self, staff: Client, loopback: LoopbackProvider):
        loopback.script("listed-by-itself", Script())
        response = staff.post(reverse("admin:chains_languagemodel_sync"), follow=True)
        assert "new are" in response.content.decode()
        assert LanguageModel.objects.labelled("openai/listed-by-itself").exists()

    def test_models_are_synced_from_chosen_providers(
        self, staff: Client, loopback: LoopbackProvider, openai: Provider
    ):
        loopback.script("listed-by-itself", Script())
        form = {"action": "add_listed_models", "_selected_action": [openai.pk]}
        staff.post(page(Provider, "changelist"), form)
        listed = LanguageModel.objects.filter(model_id="listed-by-itself")
        assert {one.provider.slug for one in listed} == {"openai"}
