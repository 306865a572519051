"""What a page knows of live answers: whatever happens to the frames, it ends with exactly the stored text."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from channels.layers import get_channel_layer
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chains.live import REASONING_LIMIT, hint_run
from chains.models import Run, User
from chains.rendering.answer import HELD_LIMIT, LiveAnswer
from chains.rendering.markdown import MarkdownStream, render_blocks
from chains.viewer import Change, Patience, Viewer, Viewers
from tests.integration.answer_cast import Answering, digest, make_answering
from tests.integration.run_cast import Agent, add_attempt, in_db, make_run, step_of, until
from tests.unit.engine_cast import says

pytestmark = pytest.mark.django_db(transaction=True)

QUICK = Patience(hole=0.02, silence=0.05, idle=0.1)
# Nothing but frames can bring text within a test.
PATIENT = Patience(hole=60, silence=60, idle=60)
ANSWER = "# Title\n\nFirst **paragraph**.\n\n- one\n- two\n\n```python\nprint('Grüße 🌍')\n```\n\nThe end."


@dataclass
class Column:
    """One answer as a browser keeps it."""

    blocks: list[str] = field(default_factory=list)
    tail: str = ""
    rev: int = -1
    reasoning: str = ""

    @property
    def html(self) -> str:
        return "".join(self.blocks) + self.tail

    def take(self, update: dict[str, Any]) -> None:
        assert update["first_block"] <= len(self.blocks), "a block is missing before this update"
        self.blocks[update["first_block"] :] = update["closed"]
        self.tail, self.rev = update["tail"], update["rev"]
        if thought := update.get("reasoning"):
            assert thought["start"] in (0, len(self.reasoning)), "a piece is missing before this one"
            self.reasoning = self.reasoning[: thought["start"]] + thought["text"]
            assert thought["end"] == len(self.reasoning)


class Window:
    """A browser's window: applies changes as the page's script does."""

    def __init__(self) -> None:
        self.columns: dict[tuple[int, int], Column] = {}
        self.ended: dict[tuple[int, int], tuple[int, str]] = {}
        self.statuses: dict[int, str] = {}
        self.skipped: list[int] = []
        self.runs: dict[int, str] = {}
        self.changes: list[Change] = []

    async def changed(self, change: Change) -> None:
        self.changes.append(change)
        for update in change.columns:
            key = (update["step"], update["attempt"])
            self.columns.setdefault(key, Column()).take(update)
        self.statuses.update({step: status for _, step, _, status in change.steps})
        self.ended.update({(step, number): (length, sha) for step, number, length, sha in change.ended})
        self.skipped += change.skipped
        self.runs.update(change.runs)

    def shows(self, key: tuple[int, int], text: str) -> bool:
        """Whether this is what is seen: as one that is finished if it has ended, else as one that goes on."""
        return key in self.columns and self.columns[key].html == html_of(text, has_ended=key in self.ended)

    def thinks(self, key: tuple[int, int], reasoning: str) -> bool:
        """Whether this reasoning is seen."""
        return key in self.columns and self.columns[key].reasoning == reasoning


class BusyWindow(Window):
    """Takes nothing before it may, and then takes its time: longer than the pause between two frames."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked, self.may_go = asyncio.Event(), asyncio.Event()

    async def changed(self, change: Change) -> None:
        self.is_asked.set()
        await self.may_go.wait()
        await asyncio.sleep(0.05)
        await super().changed(change)


def html_of(text: str, *, has_ended: bool) -> str:
    if has_ended:
        return "".join(render_blocks(text))
    live = MarkdownStream(text).snapshot()
    return "".join(live.blocks) + live.tail


@pytest.fixture
def answer(alice: User) -> Answering:
    return make_answering(alice)[0]


Watch = Callable[..., Awaitable[tuple[Viewer, Window]]]


@asynccontextmanager
async def watching() -> AsyncIterator[Watch]:
    viewers: list[Viewer] = []

    async def watch(answer: Answering, patience: Patience = PATIENT) -> tuple[Viewer, Window]:
        viewer = Viewer(answer.session.pk, patience)
        viewers.append(viewer)
        return viewer, await join(viewer)

    try:
        yield watch
    finally:
        for viewer in viewers:
            await viewer.close()
        # The PubSub layer keeps a connection for each loop.
        if hasattr(get_channel_layer(), "flush"):
            await get_channel_layer().flush()


async def join(viewer: Viewer) -> Window:
    window = Window()
    viewer.listeners.add(window)
    await viewer.refresh(window)
    await until(lambda: any(change.is_whole for change in window.changes))
    return window


@pytest_asyncio.fixture
async def watch() -> AsyncIterator[Watch]:
    async with watching() as watch:
        yield watch


class TestFrames:
    async def test_text_is_shown_as_it_comes_without_a_look_at_the_rows(
        self, answer: Answering, watch: Watch
    ):
        _, window = await watch(answer)
        await answer.send(answer.streams(), answer.text(0, "Hello"))
        await until(lambda: window.shows(answer.key, "Hello"))
        assert window.statuses[answer.step.pk] == "streaming"
        await answer.send(answer.text(5, " world"))
        await until(lambda: window.shows(answer.key, "Hello world"))

    async def test_what_closed_is_not_sent_again(self, answer: Answering, watch: Watch):
        _, window = await watch(answer)
        begun = "First.\n\nSecond.\n\nThi"
        await answer.send(answer.text(0, begun))
        await until(lambda: window.shows(answer.key, begun))
        await answer.send(answer.text(len(begun), "rd."))
        await until(lambda: window.shows(answer.key, begun + "rd."))
        update = window.changes[-1].columns[0]
        assert (update["first_block"], update["closed"]) == (2, [])

    async def test_a_piece_that_came_already_changes_nothing(self, answer: Answering, watch: Watch):
        _, window = await watch(answer)
        await answer.send(answer.text(0, "Hello"), answer.text(0, "Hello"), answer.text(2, "llo"))
        await answer.send(answer.text(0, "Hello"), answer.text(5, "!"))
        await until(lambda: window.shows(answer.key, "Hello!"))

    async def test_of_a_piece_that_overlaps_only_the_rest_is_taken(self, answer: Answering, watch: Watch):
        _, window = await watch(answer)
        await answer.send(answer.text(0, "Hello"), answer.text(3, "lo wor"), answer.text(7, "orld"))
        await until(lambda: window.shows(answer.key, "Hello world"))

    async def test_pieces_out_of_turn_wait_for_what_is_missing(self, answer: Answering, watch: Watch):
        _, window = await watch(answer)
        await answer.send(answer.text(10, "c"), answer.text(5, "world"))
        await answer.send(answer.text(0, "Hello"))
        await until(lambda: window.shows(answer.key, "Helloworldc"))

    async def test_the_closing_frame_ends_the_column(self, answer: Answering, watch: Watch):
        _, window = await watch(answer)
        await answer.send(answer.text(0, ANSWER))
        await answer.send(answer.end(ANSWER))
        await until(lambda: window.ended)
        assert window.ended == {answer.key: (len(ANSWER), digest(ANSWER))}
        assert window.statuses[answer.step.pk] == "completed"
        assert window.shows(answer.key, ANSWER)
        assert window.columns[answer.key].tail == ""

    async def test_an_attempt_that_is_tried_again_begins_from_nothing(self, answer: Answering, watch: Watch):
        _, window = await watch(answer)
        await answer.send(["end", answer.run.pk, *answer.key, "running", 0, digest("")])
        again = Answering(answer.session, answer.run, answer.step, number=2)
        await again.send(["step", again.run.pk, *again.key, "running"], again.text(0, "Second try"))
        await until(lambda: window.shows(again.key, "Second try"))
        assert window.ended == {answer.key: (0, digest(""))}

    async def test_what_is_said_late_of_an_attempt_before_the_newest_is_not_shown(
        self, answer: Answering, watch: Watch
    ):
        _, window = await watch(answer)
        await answer.send(["text", answer.run.pk, answer.step.pk, 2, 0, "taken over"])
        await until(lambda: window.shows((answer.step.pk, 2), "taken over"))
        await answer.send(answer.text(0, "from a process that was only asleep"))
        await answer.send(["text", answer.run.pk, answer.step.pk, 2, 10, " and on"])
        await until(lambda: window.shows((answer.step.pk, 2), "taken over and on"))
        assert not any("asleep" in column.html for column in window.columns.values())

    async def test_runs_and_skipped_steps_are_passed_on(self, answer: Answering, watch: Watch):
        _, window = await watch(answer)
        await answer.send(["skip", answer.run.pk, [7, 8]], ["run", answer.run.pk, "completed"])
        await until(lambda: window.runs)
        assert (window.skipped, window.runs) == ([7, 8], {answer.run.pk: "completed"})
        assert window.changes[-1].look

    async def test_what_was_decided_about_a_run_is_passed_on(self, answer: Answering, watch: Watch):
        _, window = await watch(answer)
        await in_db(hint_run, answer.session.pk, answer.run.pk)
        await until(lambda: any(change.decided == [answer.run.pk] for change in window.changes))

    async def test_a_column_that_races_does_not_hold_up_another(self, alice: User, watch: Watch):
        first, second = await in_db(make_answering, alice, "ab")
        _, window = await watch(first)
        await first.send(first.text(5, "held"), second.text(0, "shown"))
        await until(lambda: window.shows(second.key, "shown"))
        assert window.shows(first.key, "")

    async def test_what_waited_while_it_was_busy_is_drawn_in_one_go(self, answer: Answering, watch: Watch):
        viewer, _ = await watch(answer)
        busy = BusyWindow()
        viewer.listeners = {busy}
        await answer.send(answer.text(0, "0"))
        await until(busy.is_asked.is_set)
        for place in range(1, 21):
            await answer.send(answer.text(place, "x"))
        await until(lambda: viewer._inbox.qsize() == 20)
        busy.may_go.set()
        await until(lambda: busy.shows(answer.key, "0" + "x" * 20))
        assert len(busy.changes) == 2


class TestHoles:
    async def test_a_lost_piece_is_read_from_the_row_once_that_has_it(self, answer: Answering, watch: Watch):
        _, window = await watch(answer, Patience(hole=0.02, silence=60, idle=60))
        await answer.send(answer.text(0, "one "), answer.text(8, "three "))
        await until(lambda: window.shows(answer.key, "one "))
        await answer.checkpoint("one two ")
        await until(lambda: window.shows(answer.key, "one two three "))

    async def test_rows_that_lag_behind_take_nothing_away(self, answer: Answering, watch: Watch):
        _, window = await watch(answer, QUICK)
        await answer.send(answer.text(0, "one two three"))
        await answer.checkpoint("one ")
        await until(lambda: window.shows(answer.key, "one two three"))
        await asyncio.sleep(QUICK.silence * 4)
        assert window.shows(answer.key, "one two three")

    async def test_what_is_held_is_bounded_and_the_row_brings_the_rest(self, answer: Answering, watch: Watch):
        _, window = await watch(answer, Patience(hole=0.02, silence=60, idle=60))
        whole = ("word " * 400 + "\n\n") * (HELD_LIMIT // 1000)
        pieces = [(place, whole[place : place + 10_000]) for place in range(0, len(whole), 10_000)]
        await answer.send(*[answer.text(*piece) for piece in pieces[1:]])
        await answer.store_end(whole)
        await answer.send(answer.end(whole))
        await until(lambda: window.ended)
        assert window.shows(answer.key, whole)

    def test_no_more_than_the_limit_is_held(self):
        live = LiveAnswer(1, (1, 1))
        for number in range(100):
            live.text.take(1 + number * 1000, "x" * 1000)
        assert sum(map(len, live.text.held.values())) <= HELD_LIMIT


class TestReasoning:
    async def test_it_is_shown_as_it_comes(self, answer: Answering, watch: Watch):
        _, window = await watch(answer)
        await answer.send(answer.reasons(0, "Let me see 🌍"))
        await until(lambda: window.thinks(answer.key, "Let me see 🌍"))
        await answer.send(answer.reasons(12, ", yes."), answer.text(0, "Yes."))
        await until(lambda: window.thinks(answer.key, "Let me see 🌍, yes."))
        assert window.shows(answer.key, "Yes.")

    async def test_a_lost_piece_is_read_from_the_row(self, answer: Answering, watch: Watch):
        _, window = await watch(answer, Patience(hole=0.02, silence=60, idle=60))
        await answer.send(answer.reasons(0, "one "), answer.reasons(8, "three"))
        await until(lambda: window.thinks(answer.key, "one "))
        await answer.checkpoint("", reasoning="one two ")
        await until(lambda: window.thinks(answer.key, "one two three"))

    async def test_whoever_comes_late_gets_all_of_it(self, answer: Answering, watch: Watch):
        await answer.checkpoint("", reasoning="From the row")
        viewer, window = await watch(answer)
        assert window.thinks(answer.key, "From the row")
        await answer.send(answer.reasons(9, "row, and on"))
        await until(lambda: window.thinks(answer.key, "From the row, and on"))
        assert (await join(viewer)).thinks(answer.key, "From the row, and on")

    async def test_from_a_row_no_more_is_shown_live_than_from_frames(self, answer: Answering, watch: Watch):
        await answer.checkpoint("", reasoning="h" * (REASONING_LIMIT + 1))
        _, window = await watch(answer)
        assert window.thinks(answer.key, "h" * REASONING_LIMIT)


class TestTruth:
    async def test_when_the_closing_frame_does_not_match_the_row_replaces_the_text(
        self, answer: Answering, watch: Watch
    ):
        _, window = await watch(answer)
        await answer.send(answer.text(0, "Wrong and\n\nlonger than\n\nthe truth."))
        await until(lambda: answer.key in window.columns)
        await answer.store_end("The truth.")
        await answer.send(answer.end("The truth."))
        await until(lambda: window.ended)
        assert window.shows(answer.key, "The truth.")

    async def test_frames_that_come_after_the_end_change_nothing(self, answer: Answering, watch: Watch):
        _, window = await watch(answer)
        await answer.send(answer.text(0, "Done."), answer.end("Done."))
        await until(lambda: window.ended)
        await answer.send(answer.text(5, " Not"), answer.streams())
        await asyncio.sleep(0.1)
        assert window.shows(answer.key, "Done.")
        assert window.statuses[answer.step.pk] == "completed"

    async def test_frames_on_their_way_while_the_rows_told_the_end_change_nothing(
        self, answer: Answering, watch: Watch
    ):
        _, window = await watch(answer, QUICK)
        await answer.store_end("Done.")
        await answer.end_run()
        await until(lambda: window.ended)
        seen = len(window.changes)
        await answer.send(answer.streams(), answer.text(0, "Do"), answer.text(2, "ne."), answer.end("Done."))
        await asyncio.sleep(QUICK.idle * 2)
        assert window.shows(answer.key, "Done.")
        assert not [change for change in window.changes[seen:] if change.columns or change.steps]

    async def test_whoever_comes_late_gets_what_the_row_has_and_follows_from_there(
        self, answer: Answering, watch: Watch
    ):
        await answer.checkpoint("The beginning, ")
        _, window = await watch(answer)
        assert window.shows(answer.key, "The beginning, ")
        await answer.send(answer.text(11, "ng, and more."))
        await until(lambda: window.shows(answer.key, "The beginning, and more."))

    async def test_a_second_window_gets_everything_and_the_first_nothing_again(
        self, answer: Answering, watch: Watch
    ):
        viewer, window = await watch(answer)
        await answer.send(answer.streams(), answer.text(0, ANSWER[:60]))
        await until(lambda: window.shows(answer.key, ANSWER[:60]))
        before = len(window.changes)
        second = await join(viewer)
        assert second.shows(answer.key, ANSWER[:60])
        assert second.statuses == {answer.step.pk: "streaming"}
        assert not [change for change in window.changes[before:] if change.columns]
        await answer.send(answer.text(60, ANSWER[60:]))
        await until(lambda: window.shows(answer.key, ANSWER) and second.shows(answer.key, ANSWER))

    async def test_in_silence_the_rows_are_followed(self, answer: Answering, watch: Watch):
        _, window = await watch(answer, QUICK)
        for length in (10, 30, 60):
            await answer.checkpoint(ANSWER[:length])
            await until(partial(window.shows, answer.key, ANSWER[:length]))
        assert window.statuses == {answer.step.pk: "streaming"}
        await answer.store_end(ANSWER)
        await answer.end_run()
        await until(lambda: window.ended)
        assert window.shows(answer.key, ANSWER)
        assert window.statuses == {answer.step.pk: "completed"}
        await until(lambda: window.changes[-1].look)

    async def test_a_run_of_which_nothing_was_heard_is_found(self, alice: User, watch: Watch):
        idle = (await in_db(make_answering, alice))[0]
        await idle.end_run()
        _, window = await watch(idle, QUICK)
        assert window.columns == {}

        def another() -> Answering:
            run = make_run(idle.session, Agent("a", says()), status="running")
            add_attempt(step_of(run, "a"), text="found", status="streaming")
            return Answering(idle.session, run, step_of(run, "a"))

        answer = await in_db(another)
        await until(lambda: window.shows(answer.key, "found"))

    async def test_text_of_a_run_whose_start_was_not_heard_is_polled_too(self, alice: User, watch: Watch):
        answer = (await in_db(make_answering, alice))[0]
        await answer.end_run()
        _, window = await watch(answer, Patience(hole=60, silence=0.05, idle=60))
        await in_db(lambda: Run.objects.filter(pk=answer.run.pk).update(status="running"))
        await answer.send(answer.text(0, "one "))
        await until(lambda: window.shows(answer.key, "one "))
        await answer.store_end("one two")
        await until(lambda: window.shows(answer.key, "one two"))

    async def test_a_run_that_somebody_else_ended_is_shown_as_ended(self, answer: Answering, watch: Watch):
        _, window = await watch(answer)
        await answer.send(answer.text(0, "half an ans"))
        await until(lambda: window.shows(answer.key, "half an ans"))
        await answer.store_end("half an", status="interrupted")
        await answer.end_run("interrupted")
        await answer.send(["look"])
        await until(lambda: window.ended)
        assert window.shows(answer.key, "half an")
        assert window.statuses[answer.step.pk] == "interrupted"

    async def test_a_database_that_fails_once_is_asked_again(self, answer: Answering, watch: Watch):
        _, window = await watch(answer, Patience(hole=0.05, silence=60, idle=60))
        await answer.store_end("right")
        await in_db(rename_attempts, "chains_stepattempt", "away")
        await answer.send(answer.text(0, "wrong"), answer.end("right"))
        await asyncio.sleep(0.2)
        assert not window.ended
        await in_db(rename_attempts, "away", "chains_stepattempt")
        await until(lambda: window.shows(answer.key, "right"))


def rename_attempts(old: str, new: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")


class TestViewers:
    async def test_windows_of_one_session_share_a_viewer_which_ends_with_the_last(self, answer: Answering):
        viewers = Viewers()
        first, second = Window(), Window()
        viewer = await viewers.join(answer.session.pk, first)
        assert await viewers.join(answer.session.pk, second) is viewer
        names = {f"viewer-{answer.session.pk}-listen", f"viewer-{answer.session.pk}-work"}
        await viewers.leave(answer.session.pk, first)
        assert names <= {task.get_name() for task in asyncio.all_tasks()}
        await viewers.leave(answer.session.pk, second)
        assert not names & {task.get_name() for task in asyncio.all_tasks()}
        await viewers.leave(answer.session.pk, second)


@dataclass(frozen=True)
class Weather:
    """What a channel layer does to the frames of one answer, and how far the rows were when."""

    cuts: list[int]
    fates: list[str]
    checkpoints: list[int]
    seed: int
    is_end_heard: bool

    def pieces(self, text: str) -> list[tuple[int, str]]:
        places = sorted({0, *(cut for cut in self.cuts if cut < len(text))})
        return [(at, text[at:to]) for at, to in zip(places, [*places[1:], len(text)], strict=True)]

    def delivered(self, text: str) -> list[tuple[int, str]]:
        pieces = self.pieces(text)
        fates = [self.fates[place % len(self.fates)] for place in range(len(pieces))]
        heard = [piece for piece, fate in zip(pieces, fates, strict=True) if fate != "drop"]
        heard += [piece for piece, fate in zip(pieces, fates, strict=True) if fate == "twice"]
        if "late" in self.fates:
            random.Random(self.seed).shuffle(heard)
        return heard


weathers = st.builds(
    Weather,
    cuts=st.lists(st.integers(0, len(ANSWER)), max_size=12),
    fates=st.lists(st.sampled_from(["arrive", "drop", "twice", "late"]), min_size=1, max_size=8),
    checkpoints=st.lists(st.integers(0, len(ANSWER)), max_size=3),
    seed=st.integers(0, 999),
    is_end_heard=st.booleans(),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(weather=weathers)
async def test_whatever_is_lost_doubled_or_late_the_window_ends_with_the_stored_text(
    alice: User, weather: Weather
):
    answer = (await in_db(make_answering, alice))[0]
    async with watching() as watch:
        _, window = await watch(answer, QUICK)
        checkpoints = sorted(weather.checkpoints)
        for place, piece in enumerate(weather.delivered(ANSWER)):
            await answer.send(answer.text(*piece))
            if place % 3 == 2 and checkpoints:
                await answer.checkpoint(ANSWER[: checkpoints.pop(0)])
        await answer.store_end(ANSWER)
        await answer.end_run()
        if weather.is_end_heard:
            await answer.send(answer.end(ANSWER), ["run", answer.run.pk, "completed"])
        await until(lambda: window.ended)
        assert window.shows(answer.key, ANSWER)
        assert window.ended == {answer.key: (len(ANSWER), digest(ANSWER))}


@settings(max_examples=200, deadline=None)
@given(weather=weathers)
def test_an_answer_never_shows_what_was_not_said(weather: Weather):
    live = LiveAnswer(1, (1, 1))
    for offset, text in weather.delivered(ANSWER):
        live.text.take(offset, text)
        assert ANSWER.startswith(live.stream.text)
        assert live.length == len(live.stream.text)
    live.text.catch_up(ANSWER)
    assert live.stream.text == ANSWER
    assert live.matches(len(ANSWER), digest(ANSWER))
