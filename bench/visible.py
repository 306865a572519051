"""Measure when text is to be seen: from the provider's byte to the picture that Chromium shows, 8 columns.

    python -m bench.visible [--columns 8] [--repeats 3] [--save FILE]

The page itself notes, in the frame after each change of an answer, which token is the newest in it. Provider
and page are told apart by nothing but this machine's wall clock.
"""

from __future__ import annotations

import argparse
import statistics
from bisect import bisect_left

from playwright.sync_api import Browser, Page

from bench import machine, results
from bench.provider import Call, Script
from bench.results import Figures
from bench.runs import span
from bench.site import Site, site
from tests.browser.conftest import running_chromium
from tests.browser.window import open_chain, send

SCRIPT = Script(tokens=150, tps=50, first=0.2)
LIMIT_MS = 60_000
# A frame is drawn after its callbacks: the callback of a message that is posted in one runs when it is done.
WATCH = """() => {
  window.noted = [];
  const changed = new Set();
  const note = () => {
    const now = performance.timeOrigin + performance.now();
    for (const answer of changed) {
      const words = answer.textContent.slice(-40).match(/w\\d+x-\\d+/g);
      if (words) noted.push([now, words.at(-1)]);
    }
    changed.clear();
  };
  const drawn = new MessageChannel();
  drawn.port1.onmessage = note;
  new MutationObserver((changes) => {
    if (!changed.size) requestAnimationFrame(() => drawn.port2.postMessage(0));
    for (const { target } of changes) {
      const answer = (target.closest ? target : target.parentElement)?.closest("[data-answer]");
      if (answer) changed.add(answer);
    }
  }).observe(document.getElementById("runs"), { childList: true, characterData: true, subtree: true });
}"""


def open_page(place: Site, browser: Browser) -> Page:
    """Open a window of the visitor's."""
    context = browser.new_context(base_url=place.server.url, viewport={"width": 1440, "height": 900})
    for name, value in place.visitor.http.cookies.items():
        context.add_cookies([{"name": name, "value": value, "url": place.server.url}])
    return context.new_page()


def run_once(place: Site, browser: Browser, columns: int) -> tuple[list[tuple[float, str]], list[Call]]:
    """Let a group stream into a fresh window; return what it showed when, and what the provider saw."""
    page = open_page(place, browser)
    open_chain(page, f"group-{columns}")
    page.evaluate(WATCH)
    place.provider.play(SCRIPT)
    send(page, "a message")
    page.wait_for_selector("[data-run-status=completed]", timeout=LIMIT_MS)
    noted: list[tuple[float, str]] = page.evaluate("() => noted")
    page.context.close()
    return noted, place.provider.calls()


def lags(noted: list[tuple[float, str]], calls: list[Call]) -> tuple[list[float], float]:
    """Return each token's lag in ms, and when the last one was seen by the wall clock, in seconds."""
    found: list[float] = []
    seen: dict[str, list[tuple[int, float]]] = {}
    for now, word in noted:
        model, _, newest = word.partition("-")
        shown = seen.setdefault(model, [])
        if not shown or int(newest) > shown[-1][0]:
            shown.append((int(newest), now / 1e3))
    for call in calls:
        for number, sent in enumerate(call.sent):
            _, moment = seen[call.model][bisect_left(seen[call.model], (number, 0.0))]
            found.append((moment - (sent - call.arrived + call.wall)) * 1e3)
    return found, max(shown[-1][1] for shown in seen.values())


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.visible", description=__doc__)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--save", help="a JSON file that gets the figures too")
    said = parser.parse_args()
    print(machine.facts())
    figures = Figures(f"visible in Chromium, {said.columns} columns at {SCRIPT.tps:g} tokens/s")
    with site() as place, running_chromium() as browser:
        run_once(place, browser, said.columns)
        for _ in range(said.repeats):
            noted, calls = run_once(place, browser, said.columns)
            late, last = lags(noted, calls)
            begun = min(call.wall for call in calls)
            figures.add("lag p50, ms", statistics.median(late))
            figures.add("lag p99, ms", statistics.quantiles(late, n=100, method="inclusive")[98])
            figures.add("last token visible / slowest", (last - begun) / span(calls).slowest)
    print(figures)
    results.keep(said.save, figures)


if __name__ == "__main__":
    main()
