"""The start page: quick compare, demo chains, own chains."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chains.models import Chain, ChatSession, LanguageModel, Run, User
from tests.integration.pages_cast import chain_of, model

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(alice: User, client_for: Callable[[User], Client]) -> Client:
    return client_for(alice)


def compare(client: Client, models: list[int], text: str = "Which is it?") -> Any:
    return client.post(reverse("compare"), {"models": models, "input": text, "request_id": "r1"})


def models(number: int) -> list[int]:
    return [model(f"m{index}").pk for index in range(number)]


def test_two_models_answer_one_message_in_a_session_of_their_own(client: Client) -> None:
    response = compare(client, models(2))
    run = Run.objects.get()
    assert response.headers["Location"] == f"{reverse('session_detail', args=[run.session_id])}#run-{run.pk}"
    assert [step.connection_type for step in run.steps.all()] == ["parallel", "parallel"]
    assert run.chain_version.chain.is_unnamed


def test_a_comparison_that_is_sent_twice_is_one_run(client: Client) -> None:
    first, again = compare(client, models(2)), compare(client, models(2))
    assert Run.objects.count() == ChatSession.objects.count() == 1
    assert first.headers["Location"] == again.headers["Location"]


@pytest.mark.parametrize("number", [0, 1, 9])
def test_too_few_or_too_many_models_are_refused_and_everything_typed_stays(
    number: int, client: Client
) -> None:
    picked = models(9)[:number]
    response = compare(client, picked)
    page = response.content.decode()
    assert response.status_code == 422
    assert re.search(r'class="field-error" id="compare-hint" role="alert"[^>]*>Pick at ', page)
    # The hint itself has become the error: one line says it.
    assert "Pick 2 to 8 models." not in page
    assert page.count("Pick at ") == 1
    assert re.search(r"<textarea[^>]*>Which is it\?</textarea>", page)
    assert len(re.findall(r'name="models"[^>]* checked>', page)) == number
    assert not Run.objects.exists()


def test_what_was_picked_stands_first_when_the_page_comes_back(client: Client) -> None:
    *_, last = models(9)
    page = compare(client, [last]).content.decode()
    assert re.findall(r'name="models" value="(\d+)"', page)[0] == str(last)


def test_prices_say_their_unit_once(client: Client) -> None:
    models(2)
    unit = "USD per million tokens, in / out"
    assert unit not in client.get(reverse("home")).content.decode()
    paid = model("paid")
    paid.provider.kind = "openai"
    paid.provider.save()
    assert client.get(reverse("home")).content.decode().count(unit) == 1


def test_demo_chains_stand_under_a_heading_of_their_own(client: Client) -> None:
    model()
    page = client.get(reverse("home")).content.decode()
    headings = re.findall(r"<h([2-4])[^>]*>(?:<button[^>]*>)?([^<]+)<", page)
    demos = headings.index(("2", "Demo chains"))
    assert [level for level, _ in headings[demos + 1 : demos + 3]] == ["3", "4"]


def test_a_model_that_is_not_there_is_refused_and_the_message_stays(client: Client) -> None:
    response = compare(client, [*models(2), 999_999])
    assert response.status_code == 422
    assert "Which is it?" in response.content.decode()
    assert not Run.objects.exists()


def test_a_comparison_of_nothing_is_refused_and_the_models_stay_picked(client: Client) -> None:
    response = compare(client, models(3), text=" ")
    assert response.status_code == 422
    assert "Type a message first." in response.content.decode()
    assert len(re.findall(r'name="models"[^>]* checked>', response.content.decode())) == 3


def test_with_only_the_simulated_provider_the_page_says_how_to_add_a_key(client: Client) -> None:
    models(2)
    assert "OPENAI_API_KEY" in client.get(reverse("home")).content.decode()


def keep(client: Client, name: str, **chosen: object) -> str:
    """Keep the one comparison; return what its session's page then says."""
    session = ChatSession.objects.get()
    form = {"chain": session.chain_id, "name": name, **chosen}
    response = client.post(reverse("session_keep", args=[session.pk]), form, follow=True)
    assert response.redirect_chain[-1][0] == reverse("session_detail", args=[session.pk])
    return response.content.decode()


def test_a_comparison_can_be_kept_as_a_chain(client: Client) -> None:
    compare(client, models(2))
    assert "Quick compare" not in client.get(reverse("home")).content.decode()
    assert "Kept as “My two”" in keep(client, "My two")
    assert "My two" in client.get(reverse("home")).content.decode()


def test_a_comparison_that_another_window_kept_is_not_named_anew(client: Client) -> None:
    compare(client, models(2))
    keep(client, "My two")
    page = keep(client, "My other two")
    assert "Another window kept it as “My two”: it was not named “My other two”." in page
    assert "Kept as “My two”" in keep(client, "My two")
    assert Chain.objects.get().name == "My two"


def test_a_comparison_is_kept_though_the_session_went_on_with_another_chain(
    client: Client, alice: User
) -> None:
    compare(client, models(2))
    compared = Chain.objects.get()
    ChatSession.objects.update(chain=chain_of(alice))
    assert "Kept as “My two”" in keep(client, "My two", chain=compared.pk)
    assert not Chain.objects.get(pk=compared.pk).is_unnamed


@pytest.mark.parametrize(
    ("name", "chain", "said"),
    [("", None, "Give the chain a name."), ("My two", 0, "That chain is not there any more.")],
)
def test_a_chain_is_not_kept_without_a_name_or_once_it_has_gone(
    client: Client, name: str, chain: int | None, said: str
) -> None:
    compare(client, models(2))
    assert said in keep(client, name, **({} if chain is None else {"chain": chain}))
    assert Chain.objects.get().is_unnamed


def test_somebody_elses_chain_is_not_kept(client: Client, bob: User) -> None:
    compare(client, models(2))
    theirs = chain_of(bob)
    assert "not there any more" in keep(client, "Mine now", chain=theirs.pk)
    assert Chain.objects.get(pk=theirs.pk).name == "Critics"


def test_a_demo_is_copied_once_and_opens_a_session(client: Client, alice: User) -> None:
    model()
    page = client.get(reverse("home")).content.decode()
    demo = re.search(r'action="(/demos/[^"]+/open)"', page)
    assert demo is not None
    opened = [client.post(demo[1]) for _ in range(2)]
    assert Chain.objects.visible_to(alice).count() == 1
    session = ChatSession.objects.latest("pk")
    assert opened[1].headers["Location"] == reverse("session_detail", args=[session.pk])
    assert session.chain is not None
    assert session.chain.demo_slug


def test_a_demo_that_is_not_there_is_not_found(client: Client) -> None:
    model()
    assert client.post(reverse("demo_open", args=["no-such-demo"])).status_code == 404


def test_the_address_of_a_comparison_leads_to_the_start_page(client: Client) -> None:
    assert client.get(reverse("compare")).headers["Location"] == reverse("home")


def test_a_demo_without_any_model_says_what_to_do(client: Client) -> None:
    model()
    LanguageModel.objects.update(enabled=False)
    demo = reverse("demo_open", args=["three-critics"])
    response = client.post(demo, follow=True)
    assert "No model can be used: set the key of a provider" in response.content.decode()
    assert not ChatSession.objects.exists()


def test_own_chains_start_sessions(client: Client, alice: User) -> None:
    chain = chain_of(alice)
    start = reverse("chain_start", args=[chain.slug])
    assert start in client.get(reverse("home")).content.decode()
    response = client.post(start)
    session = ChatSession.objects.get()
    assert session.chain == chain
    assert response.headers["Location"] == reverse("session_detail", args=[session.pk])


def test_a_new_session_is_for_one_of_ones_chains(client: Client, alice: User) -> None:
    chain = chain_of(alice)
    client.post(reverse("session_new"), {"chain": chain.pk})
    assert ChatSession.objects.get().chain == chain
    assert client.post(reverse("session_new")).headers["Location"] == reverse("home")
    assert ChatSession.objects.count() == 1


def test_who_has_no_chain_yet_is_led_to_the_first_one(client: Client, alice: User) -> None:
    page = client.get(reverse("home")).content.decode()
    assert "Your published chains appear here." in page
    assert f'action="{reverse("chain_new")}"' in page
    chain_of(alice)
    assert "Your published chains appear here." not in client.get(reverse("home")).content.decode()
