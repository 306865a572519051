"""A real Chromium, with a fresh profile for each page, and somebody who watches what pages do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Request,
    expect,
    sync_playwright,
)

from tests.browser import stage as stages
from tests.browser.editor import EDITOR, bring_in
from tests.browser.stage import OWNER, Stage
from tests.servers import Server

PATIENCE_MS = 15_000
# A machine that is busy with something else is no fault of the page.
expect.set_options(timeout=PATIENCE_MS)
PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FLAGS = [
    # Without it Chromium does not start as root.
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-gpu",
    # No other host is found: what is asked of one fails, and is noted.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Run the system's Chromium."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    assert program, "Chromium is missing: apt-get install chromium-headless-shell"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Run Chromium for the tests of this folder.

    No longer than that: while Playwright is started an event loop counts as running in this thread, where
    asynchronous tests and Django's database need none.
    """
    with running_chromium() as browser:
        yield browser


class Watchman:
    """Notes what no page of ours may do, whatever a model answers."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def watch(self, context: BrowserContext) -> None:
        """Watch all pages of a profile."""
        context.on("console", self._console)
        context.on("dialog", self._dialog)
        # Of all requests those that fail are told: telling every one costs a tenth of a page.
        context.on("requestfailed", self._failed)
        context.on("weberror", lambda fault: self.seen.append(f"uncaught: {fault.error}"))

    def _console(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.seen.append(f"{message.location}: {message.text}")

    def _dialog(self, dialog: Dialog) -> None:
        self.seen.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _failed(self, request: Request) -> None:
        address = urlsplit(request.url)
        # A file is one that a test has downloaded and opens; no page of ours can ask for it.
        if address.scheme not in ("data", "blob", "file") and address.hostname != "127.0.0.1":
            self.seen.append(f"request to {request.url}")


@pytest.fixture
def new_context(chromium: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Open a fresh browser profile, with Playwright's options such as ``viewport`` and ``color_scheme``.

    Whatever the test is about, it fails when a page breaks the content security policy, raises, opens a
    dialog or asks anything of another host.
    """
    opened: list[BrowserContext] = []
    watchman = Watchman()

    def open_context(**options: object) -> BrowserContext:
        context = chromium.new_context(**options)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        watchman.watch(context)
        opened.append(context)
        return context

    yield open_context
    for context in opened:
        context.close()
    assert watchman.seen == []


@pytest.fixture
def page(new_context: Callable[..., BrowserContext], server: Server) -> Page:
    """A page of somebody who has not logged in; relative addresses are the shared server's."""
    return new_context(base_url=server.url).new_page()


@pytest.fixture
def page_of(new_context: Callable[..., BrowserContext], server: Server) -> Callable[..., Page]:
    """Open a page of the shared server that is logged in as a person, made on first use."""

    def open_page(username: str, **options: object) -> Page:
        context = new_context(base_url=server.url, **options)
        cookie = {"name": "sessionid", "value": server.session_cookie(username), "url": server.url}
        context.add_cookies([cookie])  # type: ignore[list-item]
        return context.new_page()

    return open_page


@pytest.fixture(scope="package")
def installed_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One installation for all tests of this folder; use ``stage``, which forgets what other tests did."""
    with stages.set_up(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.fixture
def stage(installed_stage: Stage) -> Stage:
    """The installation whose models are scripted, with no script, no call and no live run yet."""
    installed_stage.clear()
    return installed_stage


@pytest.fixture
def window(new_context: Callable[..., BrowserContext], stage: Stage) -> Callable[..., Page]:
    """Open a window of the stage's installation, in a profile of its own that is logged in."""

    def open_window(person: str = OWNER, **options: object) -> Page:
        context = new_context(base_url=stage.server.url, **options)
        cookie = {"name": "sessionid", "value": stage.cookie_of(person), "url": stage.server.url}
        context.add_cookies([cookie])  # type: ignore[list-item]
        return context.new_page()

    return open_window


@pytest.fixture
def editor(window: Callable[..., Page]) -> Callable[..., Page]:
    """Open a chain of these agents, published as version 1, in its editor: ``editor({"name": "Ada"})``."""

    def open_editor(*agents: dict[str, object], name: str = "Draft", **options: object) -> Page:
        page = window(EDITOR, **options)
        page.goto(bring_in(page.context, name, *agents))
        return page

    return open_editor
