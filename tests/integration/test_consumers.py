"""The socket of a session's page: who may watch, what a window is told, and how little it may hold up."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import pytest_asyncio
from asgiref.testing import ApplicationCommunicator
from channels.auth import AuthMiddlewareStack
from channels.layers import get_channel_layer
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.test import Client
from django.urls import path

from chains import actions, frames, health
from chains.chainfile import ChainFile, ChainFileAgent
from chains.consumers import (
    MAX_UNACKNOWLEDGED,
    MAX_UNACKNOWLEDGED_BYTES,
    RESTART,
    SessionConsumer,
    at_the_door,
    sockets,
)
from chains.engine.plan import ConnectionType
from chains.hosting import RunHost
from chains.live import RUN_CHANNEL
from chains.management.site_server import close_sockets
from chains.models import AgentStep, ChatSession, LanguageModel, Provider, StepAttempt, User
from chains.rendering.markdown import MarkdownStream
from chains.routing import channel, websocket
from tests.integration.answer_cast import Answering, digest, make_answering
from tests.integration.run_cast import Agent, finished_run, in_db, make_run, until
from tests.unit.engine_cast import says

pytestmark = pytest.mark.django_db(transaction=True)

PARALLEL = ConnectionType.PARALLEL
ORIGIN = b"http://127.0.0.1:8000"


class Impatient(SessionConsumer):
    """Looks often whether its user may still watch."""

    access_check_s = 0.05


class Lively(SessionConsumer):
    """Says often that it is there; what it said when is noted."""

    heartbeat_s = 0.2
    said: ClassVar[list[tuple[float, bytes]]] = []

    async def _say(self, data: bytes) -> None:
        self.said.append((asyncio.get_running_loop().time(), data))
        await super()._say(data)


def routed(consumer: type[SessionConsumer]) -> Any:
    return AuthMiddlewareStack(URLRouter([path("ws/sessions/<int:session_id>/", consumer.as_asgi())]))


impatient, lively = routed(Impatient), routed(Lively)


class Socket(WebsocketCommunicator):
    """Lets threads close their connections, as a served process does; Channels' own keeps them open."""

    send_input = ApplicationCommunicator.send_input
    receive_output = ApplicationCommunicator.receive_output
    receive_nothing = ApplicationCommunicator.receive_nothing


class Window:
    """A browser's window on a session."""

    def __init__(self, session_id: int, cookie: str, *, origin: bytes = ORIGIN, app: Any = websocket) -> None:
        headers = [(b"origin", origin), (b"cookie", f"sessionid={cookie}".encode())]
        self.socket = Socket(app, f"/ws/sessions/{session_id}/", headers=headers)
        self.frames: list[dict[str, Any]] = []

    async def open(self) -> tuple[bool, Any]:
        accepted, code = await self.socket.connect(timeout=5)
        return accepted, code

    async def hello(self, runs: dict[int, str] | None = None, steps: dict[int, str] | None = None) -> None:
        await self.socket.send_json_to({"type": "hello", "runs": runs or {}, "steps": steps or {}})

    async def hear(self, key: str) -> dict[str, Any]:
        """Take frames, acknowledging each, until one has this key; return that one."""
        while True:
            frame = await self.next()
            if "seq" in frame:
                await self.acknowledge(frame["seq"])
            if key in frame:
                return frame

    async def next(self) -> dict[str, Any]:
        message = await self.socket.receive_output(timeout=10)
        assert message["type"] == "websocket.send", message
        self.frames.append(json.loads(message["text"]))
        return self.frames[-1]

    async def acknowledge(self, seq: int) -> None:
        await self.socket.send_json_to({"type": "ack", "seq": seq})

    async def closed(self) -> int:
        """Take what comes until the socket is closed, and return the code."""
        while True:
            message = await self.socket.receive_output(timeout=10)
            if message["type"] == "websocket.close":
                return int(message["code"])
            self.frames.append(json.loads(message["text"]))


OpenWindow = Callable[..., Awaitable[Window]]


@pytest_asyncio.fixture
async def window_of() -> AsyncIterator[OpenWindow]:
    """Open windows of people, or of whoever has a cookie; all are closed at the end."""
    opened: list[Window] = []

    async def open_window(user: User | str | None, session_id: int, **how: Any) -> Window:
        cookie = await in_db(cookie_of, user) if isinstance(user, User) else user
        window = Window(session_id, cookie or "", **how)
        opened.append(window)
        return window

    yield open_window
    # A window that a failed test waited for in vain is cancelled already.
    await asyncio.gather(*(window.socket.disconnect() for window in opened), return_exceptions=True)
    left = set(sockets)
    sockets.clear()
    assert not left
    # The PubSub layer keeps a connection for each loop.
    if hasattr(get_channel_layer(), "flush"):
        await get_channel_layer().flush()


def cookie_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


@pytest.fixture
def answer(alice: User) -> Answering:
    return make_answering(alice)[0]


async def watching(window_of: OpenWindow, alice: User, answer: Answering, **how: Any) -> Window:
    """Have alice watch an answer on a page that was loaded before it had text."""
    window = await window_of(alice, answer.session.pk, **how)
    assert (await window.open())[0]
    await window.hello({answer.run.pk: "running"}, {answer.step.pk: "running"})
    # Everything that is live comes in full, here a column that is still empty: from now on frames are heard.
    await window.hear("columns")
    await answer.send(answer.streams())
    await window.hear("status")
    return window


def html_of(text: str) -> str:
    live = MarkdownStream(text).snapshot()
    return "".join(live.blocks) + live.tail


class TestWhoMayWatch:
    async def test_the_owner_may(self, alice: User, answer: Answering, window_of: OpenWindow):
        window = await window_of(alice, answer.session.pk)
        assert await window.open() == (True, None)

    async def test_nobody_else_may_and_what_does_not_exist_looks_the_same(
        self, bob: User, answer: Answering, window_of: OpenWindow
    ):
        for window in (await window_of(bob, answer.session.pk), await window_of(bob, 999_999)):
            await window.open()
            assert await window.closed() == 4003
            assert window.frames == []

    async def test_nobody_may_who_is_not_logged_in(self, answer: Answering, window_of: OpenWindow):
        for session_id in (answer.session.pk, 999_999):
            window = await window_of(None, session_id)
            await window.open()
            assert await window.closed() == 4001
            assert window.frames == []

    @pytest.mark.parametrize(
        "origin", [b"http://evil.example", b"https://127.0.0.1:8000", b"http://127.0.0.1:1"]
    )
    async def test_a_page_of_another_origin_gets_no_socket(
        self, alice: User, answer: Answering, window_of: OpenWindow, origin: bytes
    ):
        window = await window_of(alice, answer.session.pk, origin=origin)
        accepted, _ = await window.open()
        assert not accepted

    async def test_who_logs_out_elsewhere_is_cut_off(
        self, alice: User, answer: Answering, window_of: OpenWindow
    ):
        cookie = await in_db(cookie_of, alice)
        window = await window_of(cookie, answer.session.pk, app=impatient)
        await window.open()
        await window.hello()
        await asyncio.sleep(Impatient.access_check_s * 4)
        assert len(sockets) == 1

        def log_out() -> None:
            client = Client()
            client.cookies["sessionid"] = cookie
            client.logout()

        await in_db(log_out)
        # It comes back at once, and is told then who it is.
        assert await window.closed() == 4002
        again = await window_of(cookie, answer.session.pk)
        await again.open()
        assert await again.closed() == 4001

    async def test_who_is_deactivated_is_cut_off(self, alice: User, answer: Answering, window_of: OpenWindow):
        window = await window_of(alice, answer.session.pk, app=impatient)
        await window.open()
        await in_db(lambda: User.objects.filter(pk=alice.pk).update(is_active=False))
        assert await window.closed() == 4002


class TestText:
    async def test_nothing_comes_before_the_greeting(
        self, alice: User, answer: Answering, window_of: OpenWindow
    ):
        window = await window_of(alice, answer.session.pk)
        await window.open()
        await answer.send(answer.text(0, "Hello"))
        assert await window.socket.receive_nothing(timeout=0.2)

    async def test_a_greeting_is_answered_with_the_live_columns_in_full(
        self, alice: User, answer: Answering, window_of: OpenWindow
    ):
        await answer.checkpoint("First.\n\nSecond.\n\nThi")
        window = await window_of(alice, answer.session.pk)
        await window.open()
        await window.hello({answer.run.pk: "running"}, {answer.step.pk: "streaming"})
        (column,) = (await window.hear("columns"))["columns"]
        assert (column["run"], column["step"], column["attempt"]) == (answer.run.pk, *answer.key)
        assert column["first_block"] == 0
        assert "".join(column["closed"]) + column["tail"] == html_of("First.\n\nSecond.\n\nThi")

    async def test_text_follows_as_it_comes(self, alice: User, answer: Answering, window_of: OpenWindow):
        window = await watching(window_of, alice, answer)
        await answer.send(answer.text(0, "Hel"))
        assert (await window.hear("columns"))["columns"][0]["tail"] == html_of("Hel")
        await answer.send(answer.text(3, "lo"))
        assert (await window.hear("columns"))["columns"][0]["tail"] == html_of("Hello")

    async def test_frames_are_numbered_without_a_gap(
        self, alice: User, answer: Answering, window_of: OpenWindow
    ):
        window = await watching(window_of, alice, answer)
        for offset, letter in enumerate("letters"):
            await answer.send(answer.text(offset, letter))
            await window.hear("columns")
        assert [frame["seq"] for frame in window.frames] == list(range(1, len(window.frames) + 1))

    async def test_the_end_brings_digest_state_and_the_rendered_parts(
        self, alice: User, answer: Answering, window_of: OpenWindow
    ):
        window = await watching(window_of, alice, answer)
        await answer.store_end("Hello")
        await answer.send(answer.text(0, "Hello"), answer.end("Hello"))
        frame = await window.hear("final")
        step, number = answer.key
        assert frame["final"] == [{"step": step, "attempt": number, "length": 5, "sha256": digest("Hello")}]
        assert frame["status"][0]["status"] == "completed"
        parts = (await window.hear("html"))["html"]
        assert set(parts) == {f"step-{step}-head", f"step-{step}-foot"}
        assert "Completed" in parts[f"step-{step}-head"]
        await answer.end_run()
        await answer.send(["run", answer.run.pk, "completed"])
        assert (await window.hear("runs"))["runs"] == [{"run": answer.run.pk, "status": "completed"}]
        assert f"run-{answer.run.pk}-summary" in (await window.hear("html"))["html"]

    async def test_a_skipped_column_says_so(self, alice: User, answer: Answering, window_of: OpenWindow):
        window = await watching(window_of, alice, answer)
        await in_db(
            lambda: AgentStep.objects.filter(pk=answer.step.pk).update(
                status="skipped", skip_reason="not_reached"
            )
        )
        await answer.send(["skip", answer.run.pk, [answer.step.pk]])
        parts = (await window.hear("html"))["html"]
        assert "Not reached" in parts[f"step-{answer.step.pk}-foot"]


class TestSlowWindows:
    async def test_beyond_32_unread_frames_nothing_more_comes_then_one_full_column(
        self, alice: User, answer: Answering, window_of: OpenWindow
    ):
        window = await watching(window_of, alice, answer)
        already = len(window.frames)
        text = ""
        for number in range(MAX_UNACKNOWLEDGED * 2):
            piece = f"Line {number}.\n\n"
            await answer.send(answer.text(len(text), piece))
            text += piece
            await asyncio.sleep(0.03)
        unread = []
        while not await window.socket.receive_nothing(timeout=0.1):
            unread.append(await window.next())
        assert len(unread) == MAX_UNACKNOWLEDGED
        await window.acknowledge(already + len(unread) // 4)
        assert await window.socket.receive_nothing(timeout=0.2)
        await window.acknowledge(already + len(unread))
        (column,) = (await window.hear("columns"))["columns"]
        assert column["first_block"] == 0
        assert "".join(column["closed"]) + column["tail"] == html_of(text)
        await answer.send(answer.text(len(text), "More."))
        (column,) = (await window.hear("columns"))["columns"]
        assert column["tail"] == html_of("More.")

    async def test_large_frames_count_by_their_bytes(
        self, alice: User, answer: Answering, window_of: OpenWindow
    ):
        window = await watching(window_of, alice, answer)
        pieces = [f"{letter * (MAX_UNACKNOWLEDGED_BYTES // 3)}\n\n" for letter in "abcdefgh"]
        unread: list[dict[str, Any]] = []
        for number, piece in enumerate(pieces):
            await answer.send(answer.text(len("".join(pieces[:number])), piece))
            if number < 3:
                unread.append(await window.next())
            else:
                assert await window.socket.receive_nothing(timeout=0.2)
        await window.acknowledge(unread[0]["seq"])
        assert await window.socket.receive_nothing(timeout=0.2)
        await window.acknowledge(unread[-1]["seq"])
        (column,) = (await window.hear("columns"))["columns"]
        assert column["first_block"] == 0
        assert "".join(column["closed"]) + column["tail"] == html_of("".join(pieces))

    async def test_what_has_to_be_rendered_waits_until_a_full_window_has_room(
        self, alice: User, answer: Answering, window_of: OpenWindow
    ):
        await answer.checkpoint("x" * MAX_UNACKNOWLEDGED_BYTES)
        window = await window_of(alice, answer.session.pk)
        await window.open()
        await window.hello()
        whole = await window.next()
        assert whole["columns"]
        assert await window.socket.receive_nothing(timeout=0.5)
        await window.acknowledge(whole["seq"])
        (band,) = (await window.hear("bands"))["bands"]
        assert band["run"] == answer.run.pk

    async def test_a_slow_window_does_not_hold_up_another(
        self, alice: User, answer: Answering, window_of: OpenWindow
    ):
        await watching(window_of, alice, answer)
        quick = await watching(window_of, alice, answer)
        for number in range(MAX_UNACKNOWLEDGED + 10):
            await answer.send(answer.text(number, "x"))
            await quick.hear("columns")
        assert quick.frames[-1]["columns"][0]["tail"] == html_of("x" * (MAX_UNACKNOWLEDGED + 10))

    async def test_the_end_of_a_run_that_a_slow_window_missed_is_shown_when_it_catches_up(
        self, alice: User, answer: Answering, window_of: OpenWindow
    ):
        window = await watching(window_of, alice, answer)
        for number in range(MAX_UNACKNOWLEDGED * 2):
            await answer.send(answer.text(number, "x"))
            await asyncio.sleep(0.03)
        whole = "x" * (MAX_UNACKNOWLEDGED * 2)
        await answer.store_end(whole)
        await answer.end_run()
        await answer.send(answer.end(whole), ["run", answer.run.pk, "completed"])
        await asyncio.sleep(0.2)
        (band,) = (await window.hear("bands"))["bands"]
        assert band["run"] == answer.run.pk
        assert digest(whole) in band["html"]


class TestPages:
    async def test_a_page_without_a_run_gets_its_band(
        self, alice: User, answer: Answering, window_of: OpenWindow
    ):
        window = await window_of(alice, answer.session.pk)
        await window.open()
        await window.hello()
        (band,) = (await window.hear("bands"))["bands"]
        assert f'data-run="{answer.run.pk}"' in band["html"]
        assert f'data-step="{answer.step.pk}"' in band["html"]

    async def test_a_new_run_comes_to_every_window(
        self, alice: User, answer: Answering, window_of: OpenWindow
    ):
        await answer.end_run()
        window = await window_of(alice, answer.session.pk)
        await window.open()
        await window.hello({answer.run.pk: "completed"})
        run = await in_db(make_run, answer.session, Agent("a", says()))
        await answer.send(["look"])
        (band,) = (await window.hear("bands"))["bands"]
        assert band["run"] == run.pk

    async def test_a_page_that_slept_through_the_end_is_shown_it(
        self, alice: User, answer: Answering, window_of: OpenWindow
    ):
        await answer.store_end("The whole answer.")
        await answer.end_run()
        window = await window_of(alice, answer.session.pk)
        await window.open()
        await window.hello({answer.run.pk: "running"}, {answer.step.pk: "completed"})
        (band,) = (await window.hear("bands"))["bands"]
        assert 'data-run-status="completed"' in band["html"]
        assert digest("The whole answer.") in band["html"]

    @pytest.mark.parametrize("shown", ["pending", "incomplete"])
    async def test_a_page_that_lags_behind_the_rows_is_shown_the_run_anew(
        self, alice: User, answer: Answering, window_of: OpenWindow, shown: str
    ):
        window = await window_of(alice, answer.session.pk)
        await window.open()
        await window.hello({answer.run.pk: "running"}, {answer.step.pk: shown})
        assert (await window.hear("bands"))["bands"][0]["run"] == answer.run.pk

    async def test_a_page_that_heard_of_the_end_of_a_run_but_not_of_its_columns_is_shown_them(
        self, answer: Answering
    ):
        await answer.store_end("The whole answer.")
        await answer.end_run()
        # The frame came between the greeting and the look at the rows.
        page = frames.Page(runs={answer.run.pk: "completed"}, steps={answer.step.pk: "pending"})
        shown = await in_db(frames.render, answer.session.pk, frames.Todo(look=True), page)
        assert digest("The whole answer.") in shown["bands"][0]["html"]
        assert not await in_db(frames.render, answer.session.pk, frames.Todo(look=True), page)

    async def test_a_page_that_is_ahead_of_the_rows_is_left_alone(
        self, alice: User, answer: Answering, window_of: OpenWindow
    ):
        window = await watching(window_of, alice, answer)
        await answer.send(["look"])
        await answer.send(answer.text(0, "Hello"))
        await window.hear("columns")
        assert await window.socket.receive_nothing(timeout=0.2)
        assert not [frame for frame in window.frames if "bands" in frame]

    async def test_old_runs_that_the_page_does_not_show_are_not_sent(
        self, alice: User, answer: Answering, window_of: OpenWindow
    ):
        await answer.end_run()
        newer = await in_db(finished_run, answer.session, "later", "later")
        window = await window_of(alice, answer.session.pk)
        await window.open()
        await window.hello({newer.pk: "completed"})
        assert await window.socket.receive_nothing(timeout=0.3)

    async def test_the_window_of_a_deleted_session_is_let_go(
        self, alice: User, answer: Answering, window_of: OpenWindow
    ):
        window = await watching(window_of, alice, answer)
        await answer.end_run()
        await in_db(lambda: actions.delete_session(session=answer.session))
        assert await window.closed() == 4003

    async def test_what_no_page_of_ours_sends_does_no_harm(
        self, alice: User, answer: Answering, window_of: OpenWindow
    ):
        window = await watching(window_of, alice, answer)
        for words in ("no json", "[]", "7", "{}", '{"type": "ack"}', '{"type": "ack", "seq": "x"}',
                      '{"type": "hello", "runs": 5}', '{"type": "hello", "runs": {"x": "y"}}',
                      '{"type": "ack", "seq": 999999}', '{"type": "else"}',
                      '{"type": "shows", "steps": [1]}'):  # fmt: skip
            await window.socket.send_to(text_data=words)
        await window.socket.send_to(bytes_data=b"\x00\xff")
        await answer.send(answer.text(0, "still here"))
        assert (await window.hear("columns"))["columns"][0]["tail"] == html_of("still here")

    async def test_at_a_restart_every_socket_is_told_to_come_back(
        self, alice: User, answer: Answering, window_of: OpenWindow
    ):
        window = await window_of(alice, answer.session.pk)
        await window.open()
        await until(lambda: sockets)
        await asyncio.gather(*(socket.restart(spread_ms=70) for socket in tuple(sockets)))
        assert await window.closed() == RESTART
        assert window.frames == [{"spread": 70}]

    async def test_a_window_that_comes_while_the_server_begins_to_go_is_told_too(
        self, alice: User, answer: Answering, window_of: OpenWindow, monkeypatch: pytest.MonkeyPatch
    ):
        def goes_meanwhile(_: SessionConsumer) -> bool:
            monkeypatch.setattr(health, "_is_leaving", True)
            return True

        monkeypatch.setattr(SessionConsumer, "_may_watch", goes_meanwhile)
        window = await window_of(alice, answer.session.pk)
        await window.open()
        assert await window.closed() == RESTART

    async def test_a_server_that_goes_waits_for_a_window_that_is_being_let_in(
        self, alice: User, answer: Answering, window_of: OpenWindow, monkeypatch: pytest.MonkeyPatch
    ):
        knows = threading.Event()

        def knows_at_last(_: SessionConsumer) -> bool:
            return knows.wait(10)

        monkeypatch.setattr(SessionConsumer, "_may_watch", knows_at_last)
        window = await window_of(alice, answer.session.pk)
        await window.open()
        await until(lambda: at_the_door)
        monkeypatch.setattr(health, "_is_leaving", True)
        going = asyncio.create_task(close_sockets())
        await asyncio.sleep(0.05)
        assert not going.done()
        knows.set()
        assert await window.closed() == RESTART
        await window.socket.disconnect()
        await going
        assert not at_the_door


class TestSignsOfLife:
    async def test_when_nothing_else_is_said_one_comes_and_asks_for_no_receipt(
        self, alice: User, answer: Answering, window_of: OpenWindow
    ):
        window = await window_of(alice, answer.session.pk, app=lively)
        await window.open()
        assert [await window.next() for _ in range(3)] == [{}] * 3

    async def test_a_window_that_lags_behind_hears_them_too(
        self, alice: User, answer: Answering, window_of: OpenWindow
    ):
        window = await watching(window_of, alice, answer, app=lively)
        for number in range(MAX_UNACKNOWLEDGED * 2):
            await answer.send(answer.text(number, "x"))
            await asyncio.sleep(0.03)
        # Everything that was sent before it stopped is taken, then nothing but signs of life comes.
        taken = 0
        while taken < MAX_UNACKNOWLEDGED:
            taken += bool(await window.next())
            assert len(window.frames) < 4 * MAX_UNACKNOWLEDGED
        assert [await window.next() for _ in range(3)] == [{}] * 3

    async def test_none_comes_while_text_does(self, alice: User, answer: Answering, window_of: OpenWindow):
        window = await watching(window_of, alice, answer, app=lively)
        Lively.said.clear()
        for number in range(20):
            await answer.send(answer.text(number, "x"))
            await window.hear("columns")
            await asyncio.sleep(Lively.heartbeat_s / 10)
        assert len(Lively.said) >= 20
        for (before, _), (at, data) in itertools.pairwise(Lively.said):
            assert data != b"{}" or at - before >= Lively.heartbeat_s


def short_answers(owner: User) -> ChatSession:
    """Make a session on a chain of two simulated agents that say little."""
    Provider.objects.get_or_create(slug="simulated", name="Simulated", kind="simulated")
    fast = LanguageModel.objects.create(
        provider=Provider.objects.get(slug="simulated"), model_id="fast", name="Fast"
    )
    agents = tuple(
        ChainFileAgent(name=name, slug=name, model=fast.label, connection_type=PARALLEL, max_output_tokens=30)
        for name in ("one", "two")
    )
    chain = actions.create_chain(owner=owner, file=ChainFile(name="Short", agents=agents))
    return actions.start_session(owner=owner, chain=chain)


@pytest.mark.parametrize("hint", [{"type": "run.unheard_of", "run": 6}, {"type": "run.execute"}])
async def test_a_hint_that_is_of_a_newer_release_or_broken_takes_nothing_from_the_next(
    monkeypatch: pytest.MonkeyPatch, hint: dict[str, Any]
):
    taken: list[int] = []
    monkeypatch.setattr("chains.runtime.current", lambda: SimpleNamespace(execute=taken.append))
    worker = ApplicationCommunicator(channel, {"type": "channel", "channel": RUN_CHANNEL})
    await worker.send_input(hint)
    await worker.send_input({"type": "run.execute", "run": 7})
    await until(lambda: taken)
    worker.stop()
    assert taken == [7]
    if hasattr(get_channel_layer(), "flush"):
        await get_channel_layer().flush()


async def test_a_message_is_answered_from_the_hint_to_the_last_frame(alice: User, window_of: OpenWindow):
    session = await in_db(short_answers, alice)
    host = RunHost()
    await host.start()
    try:
        window = await window_of(alice, session.pk)
        await window.open()
        await window.hello()
        # A PubSub subscription has to stand before something is said.
        await asyncio.sleep(0.3)
        message = {"chain": session.chain, "text": "Hello?", "request_id": "one"}
        run = await in_db(lambda: actions.start_run(session=session, **message))
        ended = {"run": run.pk, "status": "completed"}
        while ended not in (await window.hear("runs"))["runs"]:
            pass
        while not await window.socket.receive_nothing(timeout=0.5):
            await window.next()
    finally:
        await host.stop()
    kinds = {key for frame in window.frames for key in frame}
    assert {"bands", "columns", "status", "final", "html", "runs"} <= kinds
    told = {one["step"]: one["sha256"] for frame in window.frames for one in frame.get("final", [])}
    stored = await in_db(
        lambda: dict(StepAttempt.objects.filter(step__run=run).values_list("step", "text_sha256"))
    )
    assert told == stored
    assert len(stored) == 2
