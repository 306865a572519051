"""Queries that are built once say what the ORM says, for every row and key."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import models
from django.test.utils import CaptureQueriesContext

from chains.engine.prepared import read
from chains.models import LanguageModel, Run, User
from tests.integration.run_cast import Agent, make_run, make_session, model_of
from tests.unit.engine_cast import says

pytestmark = pytest.mark.django_db

COLUMNS = (
    "id",
    "name",
    "vision",
    "enabled",
    "context_window",
    "input_price",
    "output_price",
    "provider__slug",
)


def some(*ids: int) -> models.QuerySet[LanguageModel, tuple[Any, ...]]:
    return LanguageModel.objects.filter(pk__in=ids, enabled=True).order_by("name").values_list(*COLUMNS)


def sent_along(run: int) -> models.QuerySet[Run, tuple[Any, ...]]:
    return Run.objects.filter(pk=run, status__in=["queued", "running"]).values_list("earlier", "created_at")


def numbers(provider: int, window: int) -> models.QuerySet[LanguageModel, tuple[Any, ...]]:
    return LanguageModel.objects.filter(context_window=window, provider_id=provider).values_list("id")


@pytest.fixture
def cast(db: None) -> list[LanguageModel]:
    cast = [model_of(name) for name in ("a", "b", "c")]
    for place, model in enumerate(cast):
        model.vision, model.input_price, model.context_window = place == 1, Decimal("1.250000"), place or None
        model.save()
    return cast


def test_rows_are_those_of_the_orm_with_their_types(cast: list[LanguageModel]):
    for models_ in (cast, cast[:2], cast[1:], cast[1:2], cast):
        keys = [model.pk for model in models_]
        rows = read(some, *keys)
        assert rows == list(some(*keys))
        assert [list(map(type, row)) for row in rows] == [list(map(type, row)) for row in some(*keys)]
        assert {row[5] for row in rows} == {Decimal("1.25")}


def test_what_was_switched_off_meanwhile_is_seen(cast: list[LanguageModel]):
    keys = [model.pk for model in cast]
    assert len(read(some, *keys)) == 3
    LanguageModel.objects.filter(pk=keys[0]).update(enabled=False)
    assert [row[0] for row in read(some, *keys)] == keys[1:]


def test_each_key_stands_in_its_place(cast: list[LanguageModel]):
    a, b, c = cast
    assert read(numbers, b.provider_id, 1) == [(b.pk,)]
    assert read(numbers, c.provider_id, 2) == [(c.pk,)]
    assert not read(numbers, a.provider_id, 7)


def test_structured_values_and_moments_come_as_such(alice: User):
    run = make_run(make_session(alice), Agent("a", says()), earlier=[["hello", "hi"]])
    assert read(sent_along, run.pk) == [([["hello", "hi"]], run.created_at)]
    assert not read(sent_along, run.pk + 1)


def test_it_asks_once_and_nothing_else(cast: list[LanguageModel], django_assert_num_queries: Any):
    read(some, cast[0].pk)
    with django_assert_num_queries(1) as captured:
        read(some, cast[1].pk)
    assert isinstance(captured, CaptureQueriesContext)
    assert "%s" not in captured.captured_queries[0]["sql"]


def test_a_key_that_the_query_does_not_use_is_refused(cast: list[LanguageModel]):
    def ignores(provider: int, other: int) -> models.QuerySet[LanguageModel, tuple[Any, ...]]:
        return LanguageModel.objects.filter(provider_id=provider).values_list("id")

    with pytest.raises(ValueError, match="provider_id"):
        read(ignores, 1, 2)
