"""What a page is told when things happen at once: nothing that it lacks is taken for shown."""

from __future__ import annotations

from typing import Any

import pytest

from chains import frames
from chains.models import User
from chains.viewer import Change
from tests.integration.answer_cast import Answering, digest, make_answering
from tests.integration.run_cast import finished_run, in_db

WHOLE = Change(look=True, is_whole=True)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def answer(alice: User) -> Answering:
    return make_answering(alice)[0]


def ended(answer: Answering) -> Change:
    return Change(runs=[(answer.run.pk, "completed")], look=True)


def told(answer: Answering, page: frames.Page, *changes: Change) -> dict[str, Any]:
    """Return what is rendered when these changes came before there was time to render any."""
    todo = frames.Todo()
    for change in changes:
        frames.from_change(change, page)
        todo.add(change)
    return frames.render(answer.session.pk, todo, page)


async def test_the_end_of_a_run_does_not_hide_that_a_page_lacks_a_text(answer: Answering):
    await answer.store_end("The whole answer.")
    await answer.end_run()
    page = frames.Page(runs={answer.run.pk: frames.INCOMPLETE}, steps={answer.step.pk: "completed"})
    (band,) = (await in_db(lambda: told(answer, page, WHOLE, ended(answer))))["bands"]
    assert digest("The whole answer.") in band["html"]


async def test_the_end_of_a_run_does_not_hide_what_a_slow_window_was_not_told(answer: Answering):
    await answer.store_end("The whole answer.")
    await answer.end_run()
    page = frames.Page(runs={answer.run.pk: "running"}, steps={answer.step.pk: "streaming"})
    # Its text and its end were left out: the window had much to read.
    page.forget()
    (band,) = (await in_db(lambda: told(answer, page, WHOLE, ended(answer))))["bands"]
    assert digest("The whole answer.") in band["html"]
    assert not await in_db(lambda: told(answer, page, Change(look=True)))


async def test_a_page_of_older_runs_is_not_sent_those_that_it_leaves_out(answer: Answering):
    await answer.end_run()
    between, newest = [await in_db(finished_run, answer.session, "again", "yes") for _ in range(2)]
    told = {"runs": {answer.run.pk: "completed"}, "gap": [between.pk, newest.pk]}
    page = frames.Page.read(told)
    look = frames.Todo(look=True)
    assert not await in_db(frames.render, answer.session.pk, look, page)
    # One that comes now is shown.
    later = await in_db(finished_run, answer.session, "later", "yes")
    (band,) = (await in_db(frames.render, answer.session.pk, look, page))["bands"]
    assert band["run"] == later.pk


async def test_a_run_that_goes_on_is_sent_also_to_a_page_of_older_ones(alice: User, answer: Answering):
    before, live = answer.run.pk - 1, answer.run.pk
    page = frames.Page.read({"runs": {}, "gap": [before, live]})
    look = frames.Todo(look=True)
    (band,) = (await in_db(frames.render, answer.session.pk, look, page))["bands"]
    assert band["run"] == live
    # It stays where it is, and its end is told.
    await answer.store_end("Done.")
    await answer.end_run()
    (band,) = (await in_db(frames.render, answer.session.pk, look, page))["bands"]
    assert digest("Done.") in band["html"]


def test_what_frames_told_meanwhile_is_not_taken_back():
    page = frames.Page(runs={1: "running"}, steps={2: "streaming", 3: "running"})
    known = page.copy()
    page.runs[1], page.steps[2] = "completed", "completed"
    page.update(frames.Page(runs={1: "running"}, steps={2: "streaming", 3: "streaming", 4: "pending"}), known)
    assert page.runs == {1: "completed"}
    assert page.steps == {2: "completed", 3: "streaming", 4: "pending"}


@pytest.mark.parametrize("gap", [["x", 1], [1], 7, None, [1, 2, 3]])
def test_a_gap_that_is_none_is_not_from_a_page_of_ours(gap: object):
    with pytest.raises((ValueError, TypeError)):
        frames.Page.read({"gap": gap})


@pytest.mark.parametrize(
    ("status", "label"),
    [("streaming", None), ("cancelled", "Stopped"), ("completed", "Completed"), ("failed", "Failed")],
)
def test_the_last_word_on_a_step_comes_with_its_status(status: str, label: str | None):
    """A page that was rendered by a request has the words of live states with it, and no others."""
    page = frames.Page(runs={1: "running"}, steps={2: "streaming"})
    [told] = frames.from_change(Change(steps=[(1, 2, 1, status)]), page)["status"]
    assert told.get("label") == label
