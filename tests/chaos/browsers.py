"""Windows of a real browser on the sessions of an installation that dies and comes back."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page

from chains.queries.runs import NEWEST_RUNS
from tests.browser.window import assert_shows_what_is_stored
from tests.integration.visitors import Visitor

NEWEST = """(count) => Object.fromEntries(
  [...document.querySelectorAll("section[data-run]")].slice(-count)
    .flatMap((run) => [...run.querySelectorAll("[data-answer]")])
    .map((answer) => [answer.dataset.step, answer.innerHTML]))"""


def open_window(
    new_context: Callable[..., BrowserContext],
    visitor: Visitor,
    session: int,
    host: str = "",
    **options: object,
) -> Page:
    """Open a session's page in a profile of its own, logged in as the visitor, at their host or another."""
    host = host or visitor.site.url
    context = new_context(base_url=host, **options)
    cookie = {"name": "sessionid", "value": visitor.http.cookies["sessionid"], "url": host}
    context.add_cookies([cookie])  # type: ignore[list-item]
    page = context.new_page()
    page.goto(f"/sessions/{session}/")
    return page


def check_window(page: Page) -> None:
    """The live page shows what is stored, and is the page that a reload gives."""
    assert_shows_what_is_stored(page)
    live = newest_answers(page)
    page.reload()
    assert newest_answers(page) == live


def newest_answers(page: Page) -> dict[str, str]:
    """Return the HTML of every answer, by step, of the runs that each page shows: a fresh one no more."""
    found: dict[str, str] = page.evaluate(NEWEST, NEWEST_RUNS)
    assert found
    return found
