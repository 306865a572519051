"""The window that sends a message: its page has the run from the answer, so its socket need not draw it."""

from __future__ import annotations

import pytest

from chains import frames
from chains.consumers import SessionConsumer
from chains.models import User
from chains.models.run import Run
from tests.integration.answer_cast import Answering
from tests.integration.run_cast import Agent, finished_run, in_db, make_run
from tests.integration.test_consumers import OpenWindow, Window, answer, routed, window_of
from tests.unit.engine_cast import says

__all__ = ["answer", "window_of"]
pytestmark = pytest.mark.django_db(transaction=True)


class Patient(SessionConsumer):
    """Waits for a page longer than any test does."""

    own_band_s = 300


class Hasty(SessionConsumer):
    """Does not wait long for a page."""

    own_band_s = 0.2


patient, hasty = routed(Patient), routed(Hasty)


async def sending(window: Window, answer: Answering) -> Run:
    """Open a window whose page sends a message, and return the message's run."""
    await window.open()
    await window.hello({answer.run.pk: "completed"})
    await window.socket.send_json_to({"type": "sends"})
    # What this window was told of before is out of the way.
    await window.socket.receive_nothing(timeout=0.1)
    run: Run = await in_db(make_run, answer.session, Agent("a", says()))
    await answer.send(["look"])
    return run


async def shows(window: Window, *runs: Run) -> None:
    """Say that the page has these runs, as they were at their beginning."""
    steps = {step: "pending" for run in runs for step in await in_db(lambda run=run: steps_of(run))}
    await window.socket.send_json_to(
        {"type": "shows", "runs": {run.pk: "queued" for run in runs}, "steps": steps}
    )


def steps_of(run: Run) -> list[int]:
    return list(run.steps.values_list("pk", flat=True))


@pytest.fixture
async def window(alice: User, answer: Answering, window_of: OpenWindow) -> Window:
    await answer.end_run()
    return await window_of(alice, answer.session.pk, app=patient)


async def test_its_own_run_is_left_to_the_answer(window: Window, answer: Answering):
    run = await sending(window, answer)
    assert await window.socket.receive_nothing(timeout=0.3)
    await shows(window, run)
    assert await window.socket.receive_nothing(timeout=0.3)
    # Nor is it drawn later on, when something else is to be looked at.
    await answer.send(["look"])
    assert await window.socket.receive_nothing(timeout=0.3)


async def test_a_run_that_began_meanwhile_only_gets_its_new_status(window: Window, answer: Answering):
    run = await sending(window, answer)
    await in_db(lambda: Run.objects.filter(pk=run.pk).update(status="running"))
    await shows(window, run)
    frame = await window.hear("runs")
    assert frame["runs"] == [{"run": run.pk, "status": "running"}]
    assert "bands" not in frame


async def test_what_was_told_before_the_page_has_the_run_counts(window: Window, answer: Answering):
    run = await sending(window, answer)
    (step,) = await in_db(steps_of, run)
    await answer.send(["step", run.pk, step, 1, "streaming"])
    await window.hear("status")
    await in_db(lambda: run.steps.update(status="streaming", current_attempt=1))
    await shows(window, run)
    assert await window.socket.receive_nothing(timeout=0.3)


async def test_other_windows_get_it_at_once(
    alice: User, window: Window, answer: Answering, window_of: OpenWindow
):
    other = await window_of(alice, answer.session.pk)
    await other.open()
    await other.hello({answer.run.pk: "completed"})
    run = await sending(window, answer)
    assert (await other.hear("bands"))["bands"][0]["run"] == run.pk
    assert await window.socket.receive_nothing(timeout=0.1)


async def test_a_message_that_was_refused_lets_what_others_sent_come(window: Window, answer: Answering):
    run = await sending(window, answer)
    await shows(window)
    assert (await window.hear("bands"))["bands"][0]["run"] == run.pk


async def test_what_came_and_went_in_another_window_meanwhile_is_shown_as_well(
    window: Window, answer: Answering
):
    before = await in_db(finished_run, answer.session, "from elsewhere", "an answer")
    run = await sending(window, answer)
    await shows(window, run)
    (band,) = (await window.hear("bands"))["bands"]
    assert band["run"] == before.pk


async def test_a_run_is_never_taken_back_by_a_row_that_was_read_before_its_frame(
    window: Window, answer: Answering
):
    run = await sending(window, answer)
    page = frames.Page(runs={run.pk: "running"}, steps=dict.fromkeys(await in_db(steps_of, run), "running"))
    assert not await in_db(frames.render, answer.session.pk, frames.Todo(look=True), page)
    assert page.runs == {run.pk: "running"}


def test_what_a_socket_remembers_of_its_page_has_an_end():
    page = frames.Page()
    for number in range(0, 100_000, 10_000):
        page.learn(frames.Page(steps=dict.fromkeys(range(number, number + 10_000), "pending")))
    assert len(page.steps) == frames.MOST_KNOWN


async def test_a_page_that_never_says_what_came_of_it_is_shown_the_run(
    alice: User, answer: Answering, window_of: OpenWindow
):
    await answer.end_run()
    window = await window_of(alice, answer.session.pk, app=hasty)
    run = await sending(window, answer)
    assert (await window.hear("bands"))["bands"][0]["run"] == run.pk
