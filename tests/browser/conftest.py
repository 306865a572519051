"""A real Chromium, with a fresh profile for each page."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.servers import Server

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    # Without it Chromium does not start as root.
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Run the system's Chromium for the tests of this folder.

    No longer than that: while Playwright is started an event loop counts as running in this thread, where
    asynchronous tests and Django's database need none.
    """
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    assert program, "Chromium is missing: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def new_context(chromium: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Open a fresh browser profile, with Playwright's options such as ``viewport`` and ``color_scheme``."""
    opened: list[BrowserContext] = []

    def open_context(**options: object) -> BrowserContext:
        context = chromium.new_context(**options)  # type: ignore[arg-type]
        opened.append(context)
        return context

    yield open_context
    for context in opened:
        context.close()


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
