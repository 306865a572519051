"""The plain admin: every page opens for staff, lists ask once, and what is published cannot be edited."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

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
from tests.integration.pages_cast import complete, model, run_in, session_of

pytestmark = pytest.mark.django_db

TABLES = [
    AgentStep, ApiToken, Chain, ChainVersion, ChatSession, LanguageModel, Provider, Run, StepAttempt, User,
]  # fmt: skip


@pytest.fixture
def staff(db: None, client_for: Callable[[User], Client]) -> Client:
    return client_for(User.objects.create_superuser("carol", "carol@example.org", "tall green lamp"))


@pytest.fixture(autouse=True)
def content(alice: User) -> None:
    complete(run_in(session_of(alice)))
    ApiToken.objects.issue(user=alice)


def page(table: type[Model], name: str, *arguments: object) -> str:
    return reverse(f"admin:{table._meta.app_label}_{table._meta.model_name}_{name}", args=arguments)


@pytest.mark.parametrize("table", TABLES)
def test_every_list_and_every_row_opens(staff: Client, table: type[Model]):
    row = table._default_manager.first()
    assert row is not None
    assert staff.get(page(table, "changelist")).status_code == 200
    assert staff.get(page(table, "change", row.pk)).status_code == 200


@pytest.mark.parametrize("table", [AgentStep, ChainVersion, ChatSession, LanguageModel, Run, StepAttempt])
def test_a_longer_list_takes_no_more_queries(staff: Client, alice: User, table: type[Model]):
    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert staff.get(page(table, "changelist")).status_code == 200
        return len(captured)

    few = count()
    for number in range(3):
        model(f"more-{number}")
        complete(run_in(session_of(alice)))
    assert count() == few


@pytest.mark.parametrize("table", [Chain, ChatSession, Run, AgentStep, StepAttempt])
def test_what_happened_can_only_be_read(staff: Client, table: type[Model]):
    row = table._default_manager.first()
    assert row is not None
    assert staff.get(page(table, "add")).status_code == 403
    assert staff.post(page(table, "change", row.pk), {}).status_code == 403
    assert staff.post(page(table, "delete", row.pk), {"post": "yes"}).status_code == 403


def test_a_publication_cannot_be_edited(staff: Client):
    version = ChainVersion.objects.get()
    assert staff.post(page(ChainVersion, "change", version.pk), {}).status_code == 403


def test_a_drafts_agents_can_be_edited(staff: Client):
    draft = ChainVersion.objects.create(chain=Chain.objects.get())
    form = {
        "on_failure": "continue",
        "on_interruption": "wait",
        "agents-TOTAL_FORMS": "1",
        "agents-INITIAL_FORMS": "0",
        "agents-0-index": "0",
        "agents-0-name": "New",
        "agents-0-slug": "new",
        "agents-0-connection_type": "direct",
    }
    assert staff.post(page(ChainVersion, "change", draft.pk), form).status_code == 302
    assert Agent.objects.get(version=draft).name == "New"


def test_a_tokens_secret_is_nowhere(staff: Client, alice: User):
    token, secret = ApiToken.objects.issue(user=alice, name="laptop")
    for address in (page(ApiToken, "changelist"), page(ApiToken, "change", token.pk)):
        shown = staff.get(address).content.decode()
        assert secret not in shown
        assert token.digest not in shown


def test_a_person_with_chains_is_not_deleted(staff: Client, alice: User):
    staff.post(page(User, "delete", alice.pk), {"post": "yes"})
    assert User.objects.filter(pk=alice.pk).exists()


def test_the_admin_is_for_staff(alice: User, client_for: Callable[[User], Client]):
    response = client_for(alice).get(page(Run, "changelist"))
    assert response.status_code in (302, 403)


def test_every_table_of_ours_is_there():
    registered = set(admin.site._registry)
    assert set(TABLES) <= registered
