"""Whatever happens to connections, frames and processes: a window ends with exactly the stored text."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests import environment
from tests.browser.corpus import MARKDOWN
from tests.browser.line import Line
from tests.browser.window import columns, send, until, wait_for_end
from tests.chaos.browsers import check_window, newest_answers, open_window
from tests.chaos.cast import all_of
from tests.chaos.form import form
from tests.chaos.hosts import Site, process_of, site
from tests.chaos.lossy import LOST
from tests.integration.authors import LAST, group
from tests.integration.visitors import Visitor
from tests.loopback import LoopbackProvider, Script

RECONNECTS = form(short=15, long=100)
NAMES = [agent.name for agent in group(3)]
CHAINS = {"three": [*group(3), LAST], "again": [*group(3), LAST]}

pytestmark = pytest.mark.timeout(form(short=180, long=900))


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file with a line for each frame that was lost."""
    path = tmp_path_factory.mktemp("lost") / "frames"
    path.touch()
    return path


@pytest.fixture(scope="module")
def hosts(loopback: LoopbackProvider, lost: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    losing: dict[str, Any] = {"DJANGO_SETTINGS_MODULE": "tests.chaos.lossy_settings", LOST: str(lost)}
    losing |= loopback.environment()
    folder = tmp_path_factory.mktemp("viewers")
    with site(folder, **losing) as running:
        yield running


@pytest.fixture
def elsewhere(hosts: Site) -> Iterator[str]:
    """The address of a web process on another host, where the set-up has several."""
    if not environment.has_services():
        yield hosts.web.url
        return
    other = hosts.another_host("other-web")
    try:
        other.start_web()
        yield other.url
    finally:
        other.stop()


class Watcher:
    """Somebody at a window whose line breaks, and who reloads the page."""

    def __init__(self, page: Page, line: Line) -> None:
        self.page, self.line = page, line

    def loses_the_line(self) -> None:
        """Lose the connection for a moment; the page comes back by itself."""
        banner = self.page.locator("#connection-lost")

        def is_told() -> bool:
            # A page just opened may have no line yet, and one that comes back at once is hardly seen.
            self.line.snap()
            return bool(banner.is_visible())

        until(self.page, is_told)
        expect(banner).to_be_hidden()

    def reloads(self) -> None:
        self.page.reload()


def plays(loopback: LoopbackProvider, dice: random.Random) -> None:
    """Let three agents answer in Markdown for some seconds, each at a pace of its own."""
    for name in NAMES:
        text = f"{MARKDOWN}\n\n" * dice.randint(1, 3)
        loopback.script(name, Script(text=text, tps=len(text.split(" ")) / dice.uniform(3.0, 6.0)))


def test_windows_that_reconnect_again_and_again_while_frames_are_lost_end_with_the_stored_text(
    alice: Visitor,
    hosts: Site,
    elsewhere: str,
    loopback: LoopbackProvider,
    lost: Path,
    dice: random.Random,
    new_context: Callable[..., BrowserContext],
) -> None:
    session = alice.opens("three")
    with ExitStack() as lines:
        watchers = []
        for address in (hosts.web.url, hosts.web.url, elsewhere):
            line = lines.enter_context(Line())
            page = open_window(new_context, alice, session, address, proxy={"server": line.url})
            watchers.append(Watcher(page, line))
        pages = [watcher.page for watcher in watchers]
        reconnects = 0
        while reconnects < RECONNECTS:
            plays(loopback, dice)
            run = alice.sent(session)
            while reconnects < RECONNECTS and not alice.sees(session)[-1].has_ended:
                pages[0].wait_for_timeout(dice.uniform(0.0, 300.0))
                for watcher in dice.sample(watchers, dice.randint(1, 3)):
                    dice.choice([watcher.loses_the_line, watcher.reloads])()
                    reconnects += 1
            newest = run.id
            alice.waits(session, lambda shown: shown.id == newest and shown.has_ended)  # noqa: B023 - at once
        for page in pages:
            wait_for_end(page)
        assert newest_answers(pages[0]) == newest_answers(pages[1]) == newest_answers(pages[2])
        for page in pages:
            check_window(page)
    assert len(lost.read_text().splitlines()) > RECONNECTS, "hardly a frame was lost"


def test_a_window_follows_a_run_through_the_death_of_its_process(
    alice: Visitor,
    hosts: Site,
    loopback: LoopbackProvider,
    new_context: Callable[..., BrowserContext],
) -> None:
    tokens = 120
    ends = Event()  # the second tries last until they were seen
    for name in NAMES:
        loopback.script(name, Script(tps=40, tokens=tokens, ends=ends))
    session = alice.opens("again")
    page = open_window(new_context, alice, session)
    send(page, "What happens to you?")
    until(page, lambda: len(columns(page)) == 4 and all(len(one.text) > 50 for one in columns(page)[:3]))
    for host in hosts.runners:
        process_of(hosts, host).end(signal.SIGKILL)
    for host in hosts.runners:
        hosts.begin(host)
    # What had begun is tried again, and the window shows the second try from its first word on.
    second = page.locator("article[data-status=streaming] [data-answer][data-attempt='2']")
    expect(second).to_have_count(3, timeout=60_000)
    ends.set()
    wait_for_end(page)
    assert [one.text.split() for one in columns(page)[:3]] == [all_of(name, tokens).split() for name in NAMES]
    check_window(page)
