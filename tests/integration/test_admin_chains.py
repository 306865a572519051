"""Chains in the admin: saving one publishes a version, and each fault stands beside its field."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from chains import actions
from chains.chainfile import ChainFile
from chains.models import Agent, Chain, ChainVersion, User
from tests.integration.admin_cast import carol, page, queries_of, shown
from tests.integration.pages_cast import CONDITIONAL, agent, chain_of, complete, model, run_in, session_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(db: None) -> Client:
    return carol()


@pytest.fixture
def chain(alice: User) -> Chain:
    return chain_of(alice, agent("Ada"), agent("Ben"))


def opened(staff: Client, chain: Chain) -> dict[str, Any]:
    """Open a chain's page and return what its form holds, as a browser would send it."""
    response = staff.get(page(Chain, "change", chain.pk))
    (inline,) = response.context["inline_admin_formsets"]
    forms = [response.context["adminform"].form, inline.formset.management_form, *inline.formset.forms]
    fields = [form[name] for form in forms for name in form.fields]
    values = {field.html_name: field.value() for field in fields}
    return {name: value for name, value in values.items() if value is not None and value is not False}


def save(staff: Client, chain: Chain, form: dict[str, Any]) -> HttpResponse:
    return staff.post(page(Chain, "change", chain.pk), form)  # type: ignore[return-value]


def add(form: dict[str, Any], **columns: object) -> None:
    """Add an agent to a form."""
    number = int(form["agents-TOTAL_FORMS"])
    values = {"model": model().label, "connection_type": "direct"} | columns
    form |= {f"agents-{number}-{name}": value for name, value in values.items()}
    form["agents-TOTAL_FORMS"] = number + 1


def agents_of(chain: Chain) -> list[str]:
    newest = chain.versions.published().first()
    assert newest is not None
    return [one.name for one in newest.agents.all()]


def faults(response: HttpResponse, number: int) -> dict[str, list[str]]:
    assert response.status_code == 200
    (inline,) = response.context["inline_admin_formsets"]  # type: ignore[attr-defined]
    return dict(inline.formset.forms[number].errors)


def test_saving_publishes_a_version_and_leaves_the_others_alone(staff: Client, chain: Chain):
    form = opened(staff, chain)
    form["agents-1-prompt"] = "Improve {{agents.ada}}"
    assert save(staff, chain, form).status_code == 302
    prompts = Agent.objects.filter(slug="ben").order_by("version__number").values_list("prompt", flat=True)
    assert list(prompts) == ["", "Improve {{agents.ada}}"]
    assert [version.number for version in chain.versions.published()] == [2, 1]


def test_saving_what_is_there_already_publishes_nothing(staff: Client, chain: Chain):
    assert save(staff, chain, opened(staff, chain)).status_code == 302
    assert chain.versions.count() == 1


def test_name_description_and_sharing_are_saved_without_a_version(staff: Client, chain: Chain):
    form = opened(staff, chain) | {"name": "Judges", "description": "They judge.", "is_shared": "on"}
    save(staff, chain, form)
    chain.refresh_from_db()
    assert (chain.name, chain.description, chain.is_shared) == ("Judges", "They judge.", True)
    assert chain.slug == "critics"
    assert chain.versions.count() == 1


def test_agents_are_put_into_another_order(staff: Client, chain: Chain):
    form = opened(staff, chain) | {"agents-0-ORDER": 2, "agents-1-ORDER": 1}
    save(staff, chain, form)
    assert agents_of(chain) == ["Ben", "Ada"]


def test_agents_are_added_at_the_end_and_left_out(staff: Client, chain: Chain):
    form = opened(staff, chain) | {"agents-0-DELETE": "on"}
    add(form, name="Cleo", slug="")
    save(staff, chain, form)
    assert agents_of(chain) == ["Ben", "Cleo"]
    assert Agent.objects.get(name="Cleo").slug == "cleo"


def test_an_agent_that_is_left_out_may_be_faulty(staff: Client, chain: Chain):
    form = opened(staff, chain) | {"agents-0-DELETE": "on", "agents-0-model": "nobody/nothing"}
    assert save(staff, chain, form).status_code == 302
    assert agents_of(chain) == ["Ben"]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "required"),
        ("model", "simulated/fas", "did you mean simulated/fast?"),
        ("model", "simulated/off", "switched off"),
        ("condition", 'contains("x")', "is direct and has a rule"),
        ("prompt", "Use {{agents.nobody}}", "no agent of this chain"),
        ("temperature", "warm", "Enter a number"),
        ("temperature", "9", "less than or equal to 2"),
        ("max_output_tokens", "0", "greater than or equal to 1"),
        ("slug", "ada", "slug"),
    ],
)
def test_each_fault_stands_beside_its_field(staff: Client, chain: Chain, field: str, value: str, words: str):
    off = model("off")
    off.enabled = False
    off.save()
    response = save(staff, chain, opened(staff, chain) | {f"agents-1-{field}": value})
    assert words in " ".join(faults(response, 1)[field])
    assert value in response.content.decode().replace("&quot;", '"')
    assert chain.versions.count() == 1


def test_a_rule_that_is_wrong_says_where(staff: Client, chain: Chain):
    form = opened(staff, chain)
    form |= {"agents-1-connection_type": CONDITIONAL, "agents-1-condition": "contains(x)"}
    assert "wrong at character" in " ".join(faults(save(staff, chain, form), 1)["condition"])


def test_a_chain_without_agents_is_refused(staff: Client, chain: Chain):
    form = opened(staff, chain) | {"agents-0-DELETE": "on", "agents-1-DELETE": "on"}
    assert "no agents: add one" in save(staff, chain, form).content.decode()


def test_a_version_published_meanwhile_is_not_run_over(staff: Client, chain: Chain, alice: User):
    form = opened(staff, chain) | {"agents-0-name": "Mine"}
    newer = ChainFile(name="Critics", slug=chain.slug, agents=(agent("Theirs"),))
    actions.import_chain(owner=alice, file=newer)
    response = save(staff, chain, form)
    assert "Version 2 was published while you were editing" in response.content.decode()
    assert "Mine" in response.content.decode()
    assert agents_of(chain) == ["Theirs"]


def test_a_chain_is_made_for_somebody(staff: Client, alice: User):
    form = {"owner": alice.pk, "name": "New", "on_failure": "continue", "agents-TOTAL_FORMS": 0}
    form |= {"agents-INITIAL_FORMS": 0}
    add(form, name="Ada")
    assert "agents-0-name" in shown(staff, page(Chain, "add"))
    assert staff.post(page(Chain, "add"), form).status_code == 302
    made = Chain.objects.get(slug="new")
    assert (made.owner, agents_of(made)) == (alice, ["Ada"])
    assert made.versions.get().on_failure == "continue"


def test_fifty_agents_take_no_more_queries_than_two(staff: Client, chain: Chain, alice: User):
    many = chain_of(alice, *(agent(f"Agent{number}") for number in range(50)), name="Many")
    few, more = (queries_of(staff, page(Chain, "change", one.pk)) for one in (chain, many))
    assert few == more


def test_published_versions_show_their_agents_and_have_no_fields(staff: Client, chain: Chain):
    version = ChainVersion.objects.get(chain=chain)
    html = shown(staff, page(ChainVersion, "change", version.pk))
    assert "Ada" in html
    assert "<textarea" not in html
    assert page(ChainVersion, "change", version.pk) in shown(staff, page(Chain, "change", chain.pk))


def test_archived_chains_and_comparisons_nobody_kept_cannot_be_edited(staff: Client, alice: User):
    session = session_of(alice)
    complete(run_in(session))
    assert session.chain is not None
    actions.delete_chain(chain=session.chain)
    assert save(staff, session.chain, {}).status_code == 403
    compared = actions.quick_compare(owner=alice, models=[model("a"), model("b")], text="x", request_id="1")
    assert save(staff, compared.chain_version.chain, {}).status_code == 403


def test_chains_are_not_deleted_here(staff: Client, chain: Chain):
    assert staff.post(page(Chain, "delete", chain.pk), {"post": "yes"}).status_code == 403
