"""Costs, durations and labels in words."""

from __future__ import annotations

from decimal import Decimal

import pytest

from chains.queries import cost_text, duration_text, spoken_list, status_label

SOME, UNKNOWN = Decimal("0.0123"), None


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        ([SOME], "$0.0123"),
        ([SOME, UNKNOWN, UNKNOWN], "$0.0123 + unknown for 2 calls"),
        ([UNKNOWN, UNKNOWN], "unknown for 2 calls"),
        ([Decimal(0), Decimal(0)], "$0"),
        ([Decimal(0), UNKNOWN], "$0 + unknown for 1 call"),
        ([Decimal("0.00000012")], "< $0.0001"),
        ([Decimal("1234.5678")], "$1,234.57"),
        ([], "$0"),
    ],
)
def test_a_sum_says_how_much_of_it_is_unknown(costs: list[Decimal | None], said: str):
    assert cost_text(costs) == said


@pytest.mark.parametrize(
    ("ms", "said"),
    [(85, "85 ms"), (999, "999 ms"), (1000, "1.0 s"), (3600, "3.6 s"), (125_000, "2 min 05 s")],
)
def test_durations_read_as_people_say_them(ms: float, said: str):
    assert duration_text(ms) == said


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], ""),
        (["A"], "A"),
        (["A", "B"], "A and B"),
        (["A", "B", "C"], "A, B and C"),
        (["A", "B", "C", "D", "E"], "A, B and 3 more"),
    ],
)
def test_names_read_as_in_a_sentence(names: list[str], said: str):
    assert spoken_list(names) == said


@pytest.mark.parametrize(
    ("parallel", "status", "waiting_for", "label"),
    [
        (True, "pending", "Ada", "Preparing parallel execution…"),
        (True, "running", "Ada", "Preparing parallel execution…"),
        (True, "streaming", "Ada", "Parallel streaming…"),
        (False, "pending", "Ada", "Waiting for Ada…"),
        (False, "pending", "", "Preparing…"),
        (False, "running", "Ada", "Preparing…"),
        (False, "streaming", "Ada", "Streaming…"),
        (True, "completed", "", "Completed"),
        (False, "failed", "", "Failed"),
        (False, "cancelled", "", "Stopped"),
        (False, "skipped", "Ada", "Skipped"),
        (False, "interrupted", "", "Interrupted"),
    ],
)
def test_a_column_says_what_it_waits_for(parallel: bool, status: str, waiting_for: str, label: str):
    assert status_label(parallel=parallel, status=status, waiting_for=waiting_for) == label
