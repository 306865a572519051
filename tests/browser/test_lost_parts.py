"""A line that breaks between a run's end and what is drawn of it: the next line brings the rest."""

from __future__ import annotations

import re
from collections.abc import Callable
from threading import Event

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.stage import Stage
from tests.browser.window import open_chain, send, until, wait_for_end
from tests.loopback.script import Script

pytestmark = pytest.mark.once

# They come as a part of the run, or with all of it where the server read of its end before it was told.
FIGURES = re.compile('"html":{"run-|"bands":')


def test_figures_that_a_lost_line_left_out_come_with_the_next_one(window: Callable[..., Page], stage: Stage):
    page = window(viewport={"width": 1440, "height": 900})
    ends = Event()
    lines: list[WebSocketRoute] = []
    lost: list[str | bytes] = []
    said: list[str] = []

    def meet(line: WebSocketRoute) -> None:
        server = line.connect_to_server()
        lines.append(line)

        def pass_on(message: str | bytes) -> None:
            if not lost and ends.is_set() and FIGURES.search(str(message)):
                lost.append(message)
            elif not lost or len(lines) > 1:
                line.send(message)

        def hear(message: str | bytes) -> None:
            said.append(str(message))
            server.send(message)

        server.on_message(pass_on)
        line.on_message(hear)

    page.route_web_socket(re.compile("/ws/sessions/"), meet)
    stage.play(Ada=Script(tokens=20, ends=ends))
    open_chain(page, "Solo")
    until(page, lambda: any('"hello"' in message for message in said))
    send(page, "What did it take?")
    until(page, lambda: page.locator("[data-waterfall][data-live]").count())
    # Of a run that the server does not know to be shown, it sends everything and no parts.
    until(page, lambda: any('"shows"' in message for message in said))
    ends.set()
    until(page, lambda: lost)
    if '"bands"' not in str(lost[0]):
        expect(page.locator("[data-run]")).to_have_attribute("data-run-status", "completed")
    lines[0].close(code=1001)
    wait_for_end(page)
    expect(page.locator("[data-waterfall][data-live]")).to_have_count(0)
