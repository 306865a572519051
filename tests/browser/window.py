"""What a session's window shows, read through the page's hooks, and what people do in it."""

from __future__ import annotations

import colorsys
import hashlib
import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Locator, Page

PATIENCE_MS = 20_000
LOOK_EVERY_MS = 60

# One look: everything is read in the same moment, so that columns can be compared with one another.
READ = """() => [...document.querySelectorAll("article[data-step-index]")].map((column) => {
  const answer = column.querySelector("[data-answer]");
  return {
    step: Number(column.dataset.step),
    index: Number(column.dataset.stepIndex),
    stage: Number(column.dataset.stage),
    name: column.querySelector("h3").textContent,
    status: column.dataset.status,
    connection: column.dataset.connection,
    label: column.querySelector(".state-label").textContent,
    length: answer.dataset.length === undefined ? null : Number(answer.dataset.length),
    sha256: answer.dataset.sha256 ?? null,
    text: answer.textContent,
    html: answer.innerHTML,
  };
})"""
# The newest run's status once it has ended and all is told of it: its message is answered (a quick run may
# overtake that), no answer waits for its digest, no head for its last word, no timeline for its last drawing.
ENDED = """() => {
  const run = [...document.querySelectorAll("section[data-run]")].at(-1);
  const answer = "article:not([data-status=skipped]) [data-answer]:not([data-sha256])";
  if (document.querySelector("form[data-composer].htmx-request")) return null;
  const untold = [answer, "[data-tail]", "[data-waterfall][data-live]"].join();
  if (!run || ["queued", "running"].includes(run.dataset.runStatus) || run.querySelector(untold)) return null;
  const isOld = (head) => head.dataset.stepStatus !== head.closest("[data-status]").dataset.status;
  if ([...run.querySelectorAll(".column-head")].some(isOld)) return null;
  return run.querySelector(".run-summary").childElementCount ? run.dataset.runStatus : null;
}"""
START_FORM = r'action="([^"]*)">\s*<input [^>]*value="([^"]*)">\s*<h3><button class="chain-card-open">{}<'
COLOUR = """(element, property) => {
  const canvas = document.createElement("canvas").getContext("2d");
  canvas.fillStyle = getComputedStyle(element)[property];
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
}"""
# Notes the steps that are on the page whenever something comes or goes.
NOTE_COLUMNS = """() => {
  window.seenColumns = [];
  new MutationObserver(() => {
    const columns = [...document.querySelectorAll("[data-step-index]")];
    window.seenColumns.push([...new Set(columns.map((column) => column.dataset.stepIndex))].join(" "));
  }).observe(document.getElementById("runs"), { childList: true, subtree: true });
}"""
# Notes what buttons say while they show that they have copied: it is gone again soon.
NOTE_COPIES = """() => {
  window.copied = [];
  new MutationObserver((changes) => {
    for (const { target } of changes) if ("copied" in target.dataset) copied.push(target.textContent.trim());
  }).observe(document.body, { attributes: true, attributeFilter: ["data-copied"], subtree: true });
}"""
# Notes what the heads of columns say of their state, one after the other.
NOTE_LABELS = """() => {
  window.labels = [];
  new MutationObserver((changes) => {
    for (const { target, addedNodes } of changes) {
      const column = target.closest(".state-label")?.closest("article[data-step-index]");
      const name = column?.querySelector("h3").textContent;
      for (const { data } of column ? addedNodes : []) window.labels.push(`${name}: ${data}`);
    }
  }).observe(document.getElementById("runs"), { childList: true, subtree: true });
}"""
# Notes the agents whose answers grew, in order.
NOTE_GROWTH = """() => {
  const lengths = new Map();
  window.grown = [];
  new MutationObserver(() => {
    for (const column of document.querySelectorAll("article[data-step-index]")) {
      const { length } = column.querySelector("[data-answer]").textContent;
      if (length <= (lengths.get(column.dataset.step) ?? 0)) continue;
      lengths.set(column.dataset.step, length);
      window.grown.push(column.querySelector("h3").textContent);
    }
  }).observe(document.getElementById("runs"), { childList: true, subtree: true, characterData: true });
}"""


@dataclass(frozen=True)
class Column:
    """One agent's column in one look."""

    step: int
    index: int
    stage: int
    name: str
    status: str
    connection: str
    label: str
    length: int | None
    sha256: str | None
    text: str
    html: str


def columns(page: Page) -> list[Column]:
    """Look at all columns of the page in one moment."""
    return [Column(**column) for column in page.evaluate(READ)]


def column(page: Page, name: str) -> Column:
    """Look at the newest column of an agent."""
    return [seen for seen in columns(page) if seen.name == name][-1]


def until(page: Page, holds: Callable[[], Any]) -> Any:
    """Look again and again until something holds, and return what it said."""
    for _ in range(PATIENCE_MS // LOOK_EVERY_MS):
        if found := holds():
            return found
        page.wait_for_timeout(LOOK_EVERY_MS)
    raise AssertionError(f"It did not come to hold. The columns: {columns(page)}")


def article(page: Page, name: str) -> Locator:
    """Return the newest column of an agent."""
    return page.locator("article[data-step-index]").filter(has=page.get_by_role("heading", name=name)).last


def composer(page: Page) -> Locator:
    """Return the field where the next message is written."""
    return page.locator("form[data-composer] textarea[name=input]")


def open_chain(page: Page, name: str) -> None:
    """Open a new session with one of the person's chains. The start page is read without being shown."""
    start = page.request.get("/").text()
    form = re.search(START_FORM.format(re.escape(html.escape(name))), start)
    assert form, f"no chain {name} to start from"
    address, token = form.groups()
    answer = page.request.post(html.unescape(address), form={"csrfmiddlewaretoken": token})
    assert answer.ok, answer.status_text
    page.goto(answer.url)


def press_copy(page: Page, button: Locator) -> str:
    """Press what copies, wait until it shows that it has, and return what it said then."""
    page.evaluate(NOTE_COPIES)
    button.click()
    return str(until(page, lambda: page.evaluate("copied[0]")))


def follow(page: Page, control: Locator) -> None:
    """Click on what leads to another page, and wait until that is there."""
    with page.expect_navigation():
        control.click()


def send(page: Page, message: str) -> None:
    """Type a message and send it by the keys that send everywhere, also where Enter makes a line."""
    composer(page).fill(message)
    composer(page).press("Control+Enter")


def wait_for_end(page: Page, status: str = "completed") -> None:
    """Wait until the page's newest run has ended like this, and all that it says of it is there."""
    ended = until(page, lambda: page.evaluate(ENDED))
    assert ended == status, columns(page)


def assert_shows_what_is_stored(page: Page) -> None:
    """Compare every answer's length and digest with the stored text, byte by byte."""
    seen = [one for one in columns(page) if one.status != "skipped"]
    assert seen
    for one in seen:
        source = page.request.get(f"/steps/{one.step}/text").body()
        assert one.sha256 == hashlib.sha256(source).hexdigest(), one
        assert one.length == len(source.decode()), one


def answers(page: Page) -> dict[int, str]:
    """Return the HTML of every answer of the page, by step."""
    return {one.step: one.html for one in columns(page)}


def hue(element: Locator, css_property: str) -> int:
    """Return the hue of a computed colour, in degrees: blue is about 217, amber 35, purple 262."""
    red, green, blue, _ = element.evaluate(COLOUR, css_property)
    return round(colorsys.rgb_to_hls(red / 255, green / 255, blue / 255)[0] * 360)


def is_purple(element: Locator, css_property: str) -> bool:
    """Whether a computed colour is purple."""
    return 250 <= hue(element, css_property) <= 285
