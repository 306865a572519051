"""Sockets and the worker: authorise, join, forward."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from importlib import import_module
from typing import Any
from weakref import WeakSet

import orjson
from channels.auth import get_user
from channels.consumer import AsyncConsumer, get_handler_name
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError

from chains import frames, health, runtime
from chains.models import ChatSession
from chains.viewer import Change, Viewer, Viewers

logger = logging.getLogger("chains.live")

# Parts are drawn in threads of this interpreter: the requests of the next stage leave first, and what ends
# within this time is drawn together. A run that came, ended or was decided about is drawn at once.
PARTS_PAUSE_S = 0.03
# What cannot be drawn without the database is tried again after this pause.
PAINT_AGAIN_S = 1.0
# What a browser may leave unacknowledged, in frames and in bytes: long answers make large frames.
MAX_UNACKNOWLEDGED, MAX_UNACKNOWLEDGED_BYTES = 32, 256 * 1024
ACCESS_CHECK_S = 30.0
# A page cannot tell silence from a dead line: it gives a line up that says nothing for 45 s.
HEARTBEAT_S = 20.0
# How long a run may wait for the page that sent its message to show it.
OWN_BAND_S = 3.0
LOGGED_OUT, ASK_AGAIN, NOT_YOURS, RESTART = 4001, 4002, 4003, 4012

viewers = Viewers()
sockets: set[SessionConsumer] = set()  # those that watch
# Accepted, and not yet told whether they may watch. One that breaks in that moment is never heard of again.
at_the_door: WeakSet[SessionConsumer] = WeakSet()


class DirectConsumer(AsyncConsumer):
    """Calls its handlers at once.

    Channels looks after the database connections of a thread before each message, even for a receipt, which
    comes for every frame. Handlers here ask the database in threads only, and those look after their own.
    """

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Call the handler of a message. One of a kind that only a newer release knows is passed over."""
        if handler := getattr(self, get_handler_name(message), None):
            await handler(message)
        else:
            logger.warning("A message of an unknown kind came: %s", message["type"])


class RunConsumer(DirectConsumer):
    """Hears hints on the channel ``chain-runs``. The lease decides who runs, the sweep finds the rest."""

    # The worker hears the channel for it, and keeps one instance for all hints. With a channel of its own
    # that would be dead for good if Redis went away while it was opened.
    channel_layer_alias = ""

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Call the handler of a hint. One that breaks it must not take the next ones with it."""
        try:
            await super().dispatch(message)
        except Exception:
            logger.exception("A hint was lost: %s", message["type"])

    async def run_execute(self, message: dict[str, Any]) -> None:
        """Take a run that waits."""
        runtime.current().execute(message["run"])

    async def run_stop(self, message: dict[str, Any]) -> None:
        """Look at the stop flags of a run."""
        runtime.current().look_for_stops(message["run"])


class Unacknowledged:
    """The frames that a browser was sent and has not acknowledged yet."""

    def __init__(self) -> None:
        self._sizes: deque[int] = deque()
        self._bytes = self._acknowledged = 0

    def next(self) -> int:
        """Return the number of the next frame, from 1."""
        return self._acknowledged + len(self._sizes) + 1

    def add(self, size: int) -> None:
        """Note a frame that goes out, in bytes."""
        self._sizes.append(size)
        self._bytes += size

    def acknowledge(self, seq: int) -> None:
        """Forget the frames up to this one."""
        while self._sizes and self._acknowledged < seq:
            self._bytes -= self._sizes.popleft()
            self._acknowledged += 1

    def fills(self, part: float = 1.0) -> bool:
        """Whether they take this part of what they may."""
        many = len(self._sizes) >= MAX_UNACKNOWLEDGED * part
        return many or self._bytes >= MAX_UNACKNOWLEDGED_BYTES * part


class SessionConsumer(DirectConsumer, AsyncWebsocketConsumer):
    """One window on one session. The browser only watches: what it sends is how far its page has come."""

    access_check_s = ACCESS_CHECK_S
    heartbeat_s = HEARTBEAT_S
    own_band_s = OWN_BAND_S
    paint_again_s = PAINT_AGAIN_S
    # Its viewer hears the channel layer. A channel of its own would keep it out while Redis is away.
    channel_layer_alias = ""

    async def connect(self) -> None:
        """Accept the session's owner, and nobody else."""
        self.session_id = int(self.scope["url_route"]["kwargs"]["session_id"])
        self._viewer: Viewer | None = None
        self._page = frames.Page()
        self._todo = frames.Todo()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._unacknowledged = Unacknowledged()
        self._said_at = asyncio.get_running_loop().time()
        # Changes build upon each other: before its first full columns a window can use none.
        self._is_behind = True
        self._is_asking = False
        # Clear while the page sends a message: the answer brings the run as well.
        self._is_shown = asyncio.Event()
        self._is_shown.set()
        at_the_door.add(self)
        await self.accept()
        if code := await self._reason_to_close():
            await self.close(code=code)
            return
        at_the_door.discard(self)
        sockets.add(self)
        self._tasks["access"] = asyncio.create_task(self._watch_access(), name="socket-access")
        self._tasks["beat"] = asyncio.create_task(self._beat(), name="socket-beat")

    async def disconnect(self, code: int) -> None:
        """Leave the viewer and end what this socket began."""
        sockets.discard(self)
        at_the_door.discard(self)
        for task in self._tasks.values():
            task.cancel()
        if self._viewer:
            await viewers.leave(self.session_id, self)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Take a greeting (what the page shows), a receipt, or that a message is sent and what came of it."""
        try:
            message = orjson.loads(text_data or "")
            kind = message["type"]
            page = frames.Page.read(message) if kind in ("hello", "shows") else frames.Page()
            seq = int(message["seq"]) if kind == "ack" else 0
        except (ValueError, TypeError, AttributeError, LookupError):
            # Not from a page of ours.
            return
        if kind == "ack":
            await self._take_receipt(seq)
        elif kind == "sends":
            self._is_shown.clear()
        elif kind == "shows" and not self._is_shown.is_set():
            self._page.learn(page)
            self._is_shown.set()
        elif kind == "hello" and self in sockets:
            await self._greet(page)

    async def changed(self, change: Change) -> None:
        """Send what the viewer saw. A browser that does not keep up gets nothing until it does."""
        self._is_asking = self._is_asking and not change.is_whole
        if self._unacknowledged.fills():
            self._is_behind = True
        elif change.is_whole:
            self._is_behind = False
        if self._is_behind:
            return
        await self._push(frames.from_change(change, self._page))
        self._todo.add(change)
        self._paint_soon()

    async def restart(self, *, spread_ms: int) -> None:
        """Say that the server goes away for a moment, and over which time all its windows shall come back."""
        await self._say(orjson.dumps({"spread": spread_ms}))
        await self.close(code=RESTART)

    async def _greet(self, page: frames.Page) -> None:
        self._page = page
        self._is_shown.set()
        self._is_asking = True
        if self._viewer is None:
            self._viewer = await viewers.join(self.session_id, self)
        else:
            await self._viewer.refresh(self)

    async def _take_receipt(self, seq: int) -> None:
        self._unacknowledged.acknowledge(seq)
        self._paint_soon()
        has_room = not self._unacknowledged.fills(0.5)
        if self._viewer and self._is_behind and has_room and not self._is_asking:
            self._is_asking = True
            # What was left out may be anything: show every column of a live run anew.
            self._page.forget()
            await self._viewer.refresh(self)

    def _paint_soon(self) -> None:
        if "paint" not in self._tasks or self._tasks["paint"].done():
            self._tasks["paint"] = asyncio.create_task(self._paint(), name="socket-paint")

    async def _paint(self) -> None:
        # What is left to do waits for a receipt.
        while self._todo and not self._unacknowledged.fills():
            if self._todo.look:
                await self._let_page_draw()
            elif self._todo.steps and not self._todo.runs:
                await asyncio.sleep(PARTS_PAUSE_S)
            todo, self._todo = self._todo, frames.Todo()
            try:
                render = database_sync_to_async(frames.render, thread_sensitive=False)
                await self._push(await render(self.session_id, todo, self._page))
            except ChatSession.DoesNotExist:
                await self.close(code=NOT_YOURS)
            except DatabaseError as error:
                await self._put_off(todo, error)
            except Exception:
                logger.exception("A part of session %d could not be rendered", self.session_id)

    async def _put_off(self, todo: frames.Todo, error: Exception) -> None:
        logger.warning("A part of session %d is rendered again in a moment: %s", self.session_id, error)
        # Nothing else will ask for it: the page counts as told of what ended.
        self._todo.merge(todo)
        await asyncio.sleep(self.paint_again_s)

    async def _let_page_draw(self) -> None:
        try:
            async with asyncio.timeout(self.own_band_s):
                await self._is_shown.wait()
        except TimeoutError:
            self._is_shown.set()

    async def _push(self, message: dict[str, Any]) -> None:
        if not message or self not in sockets:
            return
        data = orjson.dumps({"seq": self._unacknowledged.next(), **message})
        self._unacknowledged.add(len(data))
        await self._say(data)

    async def _say(self, data: bytes) -> None:
        self._said_at = asyncio.get_running_loop().time()
        with contextlib.suppress(Exception):
            await self.send(text_data=data.decode())

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._said_at + self.heartbeat_s - loop.time())
            if loop.time() - self._said_at >= self.heartbeat_s:
                # Without a number: nobody has to acknowledge it, and it comes to those who lag behind too.
                await self._say(b"{}")

    async def _watch_access(self) -> None:
        while True:
            await asyncio.sleep(self.access_check_s)
            try:
                if await self._is_logged_in():
                    continue
            except DatabaseError as error:
                logger.warning("A socket's right to watch could not be checked: %s", error)
                continue
            # A new password gives the browser a new session: only the page's next handshake tells who it is.
            await self.close(code=ASK_AGAIN)
            return

    async def _is_logged_in(self) -> bool:
        # The handshake's session is a copy of that moment: read it anew.
        key = self.scope["session"].session_key
        user = await get_user({"session": import_module(settings.SESSION_ENGINE).SessionStore(key)})
        return bool(user.is_authenticated and user.is_active)

    async def _reason_to_close(self) -> int | None:
        if health.is_leaving():
            return RESTART
        if not self.scope["user"].is_authenticated:
            return LOGGED_OUT
        if not await database_sync_to_async(self._may_watch, thread_sensitive=False)():
            return NOT_YOURS
        # Who was let in only now would not be among those that are told.
        return RESTART if health.is_leaving() else None

    def _may_watch(self) -> bool:
        return bool(ChatSession.objects.visible_to(self.scope["user"]).filter(pk=self.session_id).exists())
