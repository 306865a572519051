"""Measure what a page costs its browser while answers stream: main thread, longest task, click to paint.

    python -m bench.browser [--columns 8] [--tps 50] [--seconds 20] [--rounds 3] [--save FILE]

A group of agents streams Markdown (headings, lists, tables, code) from the loopback provider through the
shipped server into Chromium, while somebody clicks and types. Each round is a run of its own in a fresh
page; medians are shown. After them an answer of 100,000 characters is opened and scrolled.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, CDPSession, Page

from bench import machine, results
from bench.results import Figures
from tests.browser.conftest import running_chromium
from tests.loopback.script import Script
from tests.loopback.server import LoopbackProvider
from tests.servers import Server, installation

OWNER = "alice"
MODEL = "openai/gpt-4.1"
CLICK_EVERY_S = 0.7
LONG_CHARACTERS = 100_000
# What the page itself notes: long frames, shifts of the layout, how long each interaction took to its paint.
WATCH = """() => {
  window.noted = { shifts: [], events: [] };
  const watch = (type, note, options = {}) =>
    new PerformanceObserver((list) => list.getEntries().forEach(note))
      .observe({ type, buffered: true, ...options });
  watch("layout-shift", (entry) => entry.hadRecentInput || noted.shifts.push(entry.value));
  watch("event", ({ name, duration, interactionId }) => interactionId && noted.events.push([name, duration]),
    { durationThreshold: 16 });
}"""
PARAGRAPH = (
    "The inspection of the northern span found *hairline* cracks at bearings 4 to 7, each **below** the "
    "limit, none of which had grown since `spring`."
)
SECTION = f"""## Section {{number}}

{PARAGRAPH} {PARAGRAPH}

- First point: {PARAGRAPH}
- Second point, with [a link](https://example.org/{{number}})
  - nested once

| Bearing | Crack | Limit |
|---|---|---|
| {{number}} | 0.2 mm | 0.9 mm |
| five | 0.3 mm | 0.9 mm |

```python
for bearing in range(4, 8):
    inspect(bearing, limit=0.3)  # millimetres
```

"""


def named(name: str) -> Any:
    """Give a field the name of its figure."""
    return field(metadata={"name": name})


@dataclass
class Measured:
    """One round. An interaction is measured to the paint that shows what it did."""

    busy: float = named("main thread, ms/s")
    script: float = named("its scripts, ms/s")
    layout: float = named("its layout, ms/s")
    style: float = named("its styles, ms/s")
    longest: float = named("longest task, ms")
    click: float = named("click to paint, ms")
    click_worst: float = named("slowest click to paint, ms")
    key_worst: float = named("slowest key to paint, ms")
    shift: float = named("shift of the layout")


def markdown(characters: int) -> str:
    """Write Markdown of at least this length."""
    sections: list[str] = []
    while sum(map(len, sections)) < characters:
        sections.append(SECTION.format(number=len(sections) + 1))
    return "".join(sections)


class Stage:
    """An installation, the provider behind it, and a browser."""

    def __init__(self, server: Server, loopback: LoopbackProvider, browser: Browser) -> None:
        self._server, self._loopback, self._browser = server, loopback, browser
        self._cookie = server.session_cookie(OWNER)

    def play(self, script: Script) -> None:
        """Let the model answer so from now on."""
        self._loopback.script(MODEL.partition("/")[2], script)

    def import_group(self, columns: int) -> None:
        """Give somebody a chain of one group."""
        agents = [
            {"name": f"Agent {number}", "model": MODEL, "connection_type": "parallel"}
            for number in range(1, columns + 1)
        ]
        path = self._server.folder / "chain.json"
        path.write_text(
            json.dumps({"format": "chainchat/1", "name": f"Group of {columns}", "agents": agents})
        )
        done = self._server.manage("import_chain", str(path), "--owner", OWNER)
        assert done.returncode == 0, done.stderr

    def open(self, columns: int) -> Page:
        """Open a session with such a group."""
        context: BrowserContext = self._browser.new_context(
            base_url=self._server.url, viewport={"width": 1440, "height": 900}
        )
        context.add_cookies([{"name": "sessionid", "value": self._cookie, "url": self._server.url}])
        page = context.new_page()
        page.goto("/")
        page.get_by_role("button", name=f"Group of {columns}", exact=True).click()
        page.wait_for_selector("main[data-session]")
        page.wait_for_load_state()
        return page

    def trace(self, page: Page) -> None:
        """Begin to note every task of the page."""
        self._browser.start_tracing(page=page, categories=["toplevel", "__metadata"])

    def longest_task_ms(self) -> float:
        """End the trace; return its longest task of a page's main thread."""
        return longest_task_ms(self._browser.stop_tracing())


def longest_task_ms(trace: bytes) -> float:
    """Read a trace: the longest task of the busiest main thread of a page."""
    events = json.loads(trace)["traceEvents"]
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event.get("name") == "thread_name" and event["args"].get("name") == "CrRendererMain"
    }
    tasks: dict[tuple[int, int], list[float]] = {}
    for event in events:
        if event.get("name") == "ThreadControllerImpl::RunTask" and (event["pid"], event["tid"]) in mains:
            tasks.setdefault((event["pid"], event["tid"]), []).append(event.get("dur", 0) / 1e3)
    return max(max(tasks.items(), key=lambda item: sum(item[1]))[1]) if tasks else 0.0


def send(page: Page, text: str) -> None:
    """Send a message and wait until all columns stream."""
    field = page.locator("form[data-composer] textarea[name=input]")
    field.fill(text)
    field.press("Enter")
    page.wait_for_selector("[data-status=streaming]")


def use(page: Page, seconds: float) -> None:
    """Click through the columns and type, as somebody who reads would."""
    field = page.locator("form[data-composer] textarea[name=input]")
    tabs = page.locator("[data-tab]")
    until, turn = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        turn += 1
        if turn % 4 == 0:
            page.locator(".column [data-focus]:visible").first.click()
        elif turn % 4 == 2:
            field.press_sequentially("word ", delay=20)
        else:
            tabs.nth(turn % tabs.count()).click()
        page.wait_for_timeout(CLICK_EVERY_S * 1e3)


def metrics(session: CDPSession) -> dict[str, float]:
    """Return Chromium's own counters of the main thread, in seconds."""
    found = session.send("Performance.getMetrics")["metrics"]
    return {one["name"]: one["value"] for one in found}


def one_round(stage: Stage, columns: int, tps: float, seconds: float) -> Measured:
    """Stream into a fresh page for so long, and use it meanwhile."""
    stage.play(Script(text=markdown(int(tps * (seconds + 15) * 8)), tps=tps, first=0.2))
    page = stage.open(columns)
    page.evaluate(WATCH)
    send(page, "Stream")
    stage.trace(page)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    before, begun = metrics(session), time.monotonic()
    use(page, seconds)
    lasted, after = time.monotonic() - begun, metrics(session)
    longest = stage.longest_task_ms()
    noted = page.evaluate("() => noted")
    page.locator("[data-stop=run]").click()
    page.context.close()
    spent = {name: (after[name] - before[name]) * 1e3 / lasted for name in after}
    clicks = [ms for name, ms in noted["events"] if name in ("pointerdown", "pointerup", "click")] or [0]
    keys = [ms for name, ms in noted["events"] if name.startswith("key")] or [0]
    return Measured(
        busy=spent["TaskDuration"],
        script=spent["ScriptDuration"],
        layout=spent["LayoutDuration"],
        style=spent["RecalcStyleDuration"],
        longest=longest,
        click=statistics.median(clicks),
        click_worst=max(clicks),
        key_worst=max(keys),
        shift=sum(noted["shifts"]),
    )


def long_answer(stage: Stage) -> Figures:
    """Open two answers of 100,000 characters and scroll through one."""
    figures = Figures(f"two answers of {LONG_CHARACTERS:,} characters")
    stage.play(Script(text=markdown(LONG_CHARACTERS)))
    page = stage.open(2)
    send(page, "At length")
    page.wait_for_selector("[data-run-status=completed]", timeout=120_000)
    stage.trace(page)
    page.reload()
    figures.add("longest task while opening, ms", stage.longest_task_ms())
    figures.add(
        "loaded, ms", page.evaluate("() => performance.getEntriesByType('navigation')[0].loadEventEnd")
    )
    stage.trace(page)
    page.locator("[data-answer]").first.hover()
    for _ in range(40):
        page.mouse.wheel(0, 2_000)
        page.wait_for_timeout(50)
    figures.add("longest task while scrolling, ms", stage.longest_task_ms())
    page.context.close()
    return figures


@contextmanager
def set_up() -> Iterator[Stage]:
    """Have a server, its provider and a browser."""
    with (
        tempfile.TemporaryDirectory(prefix="chain-chat-bench-") as folder,
        LoopbackProvider() as loopback,
        installation(Path(folder), loopback.environment()) as server,
        running_chromium() as browser,
    ):
        yield Stage(server, loopback, browser)


def gathered(rounds: list[Measured], said: argparse.Namespace) -> Figures:
    """Name the figures of the rounds."""
    figures = Figures(
        f"a page while {said.columns} columns stream {said.tps:g} tokens/s of Markdown for {said.seconds:g} s"
    )
    for one in rounds:
        for figure in fields(Measured):
            figures.add(figure.metadata["name"], getattr(one, figure.name))
    return figures


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.browser", description=__doc__)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--tps", type=float, default=50, help="tokens a second in each column")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--save", help="a JSON file that gets the figures too")
    said = parser.parse_args()
    # First, so that the load is that of others.
    print(machine.facts())
    with set_up() as stage:
        for columns in {said.columns, 2}:
            stage.import_group(columns)
        rounds = [one_round(stage, said.columns, said.tps, said.seconds) for _ in range(said.rounds)]
        shown = [gathered(rounds, said), long_answer(stage)]
    for figures in shown:
        print(figures)
        results.keep(said.save, figures)


if __name__ == "__main__":
    main()
