"""Clients that stop reading while eight columns stream fast: the server does not remember for them."""

from __future__ import annotations

import base64
import json
import os
import random
import socket
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import psutil
import pytest

from tests.chaos.cast import all_of
from tests.chaos.form import form
from tests.chaos.hosts import Site, process_of
from tests.integration.authors import group
from tests.integration.visitors import Visitor, Window
from tests.loopback import LoopbackProvider, Script

CLIENTS = 20
SECONDS = form(short=8, long=30)
TPS = 200
# Longer words in the short form: either way each answer comes to about 45 kB.
WORD = form(short="wwwwwwwwwwwwwwwwwwwwwwww", long="www")
# Promised.
MAY_GROW = 20 * 1024 * 1024
NAMES = [agent.name for agent in group(8)]
CHAINS = {"eight": group(8)}
WORKERS = 1
LIST = NAMES[0]
# As little as the kernel gives: it would hear megabytes in the client's place.
HEARS = 4096

pytestmark = pytest.mark.timeout(240)


class DeafClient:
    """A window that greets and then reads nothing any more, and gives no receipts."""

    def __init__(self, visitor: Visitor, session: int) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, HEARS)
        self._socket.connect(("127.0.0.1", visitor.site.port))
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET /ws/sessions/{session}/ HTTP/1.1",
            f"Host: 127.0.0.1:{visitor.site.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            f"Origin: {visitor.site.url}",
            f"Cookie: sessionid={visitor.http.cookies['sessionid']}",
        ]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._socket.recv(1)
        assert answer.startswith(b"HTTP/1.1 101"), answer
        self._send(json.dumps({"type": "hello", "runs": {}}))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def _send(self, text: str) -> None:
        """Send a short text frame (RFC 6455); a client masks what it sends."""
        data = text.encode()
        assert len(data) < 126
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))
        self._socket.sendall(bytes([0x81, 0x80 | len(data)]) + mask + masked)


def plays(loopback: LoopbackProvider, seconds: float) -> None:
    """Let eight columns stream at full speed, one of them a single list that goes on and on."""
    tokens = int(TPS * seconds)
    loopback.reset()
    for name in NAMES:
        loopback.script(name, Script(tps=TPS, tokens=tokens, tag=WORD))
    items = "".join(f"- {WORD} {number} of the list\n" for number in range(tokens // 5))
    loopback.script(LIST, Script(text=items, tps=TPS))


def test_clients_that_stop_reading_cost_the_server_no_memory(
    hosts: Site, alice: Visitor, loopback: LoopbackProvider, dice: random.Random
) -> None:
    process = psutil.Process(process_of(hosts, hosts.web).process.pid)
    # Warm: what a first run loads and caches, and what clients cost that read, is not what deaf ones cost.
    plays(loopback, 2)
    session = alice.opens("eight")
    with ExitStack() as stack:
        for _ in range(CLIENTS):
            stack.enter_context(Window(alice, session))
        alice.sent(session)
        alice.waits(session)
    plays(loopback, SECONDS)
    session = alice.opens("eight")
    # Some are deaf from the start, others come when the answers are long already.
    comings = sorted(dice.uniform(0.0, 0.8 * SECONDS) for _ in range(CLIENTS))
    with ExitStack() as stack:
        window = stack.enter_context(Window(alice, session))
        before = most = process.memory_info().rss
        run = alice.sent(session)
        began = time.monotonic()
        while not window.has_heard_the_end_of(run.id):
            while comings and time.monotonic() >= began + comings[0]:
                comings.pop(0)
                stack.enter_context(DeafClient(alice, session))
            most = max(most, process.memory_info().rss)
            time.sleep(0.05)
        assert comings == []
        assert most - before < MAY_GROW, f"it grew by {(most - before) / 2**20:.1f} MB"
    shown = alice.waits(session)
    assert shown.status == "completed"
    assert alice.text_of(shown.columns[1]) == all_of(WORD, TPS * SECONDS)
