"""A session of many runs shows the newest, and brings the older ones as somebody scrolls up to them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.stage import Stage
from tests.browser.window import follow, open_chain, send, until, wait_for_end
from tests.loopback.script import Script

pytestmark = pytest.mark.once

RUN = "section[data-run]"
RUNS = 50
REPEAT = """
import uuid
from chains.models import Run
run = Run.objects.get(session_id={session})
steps = [(step, list(step.attempts.all())) for step in run.steps.all()]
for _ in range({times}):
    run.pk, run.request_id = None, uuid.uuid4()
    run.save(force_insert=True)
    for step, attempts in steps:
        step.pk, step.run = None, run
        step.save(force_insert=True)
        for attempt in attempts:
            attempt.pk, attempt.step = None, step
            attempt.save(force_insert=True)
"""
# Where the oldest run that is on the page stands, and which it is.
OLDEST = """() => {
  const run = document.querySelector("section[data-run]");
  return [Number(run.dataset.run), Math.round(run.getBoundingClientRect().top)];
}"""
PLACE = "(run) => Math.round(document.getElementById(`run-${run}`).getBoundingClientRect().top)"


def test_scrolling_up_brings_older_runs_and_moves_nothing_that_is_read(
    window: Callable[..., Page], stage: Stage
):
    page = window(viewport={"width": 1440, "height": 900})
    stage.play(Ada=Script(tokens=400))
    open_chain(page, "Solo")
    send(page, "Again and again")
    wait_for_end(page)
    session = page.url.rstrip("/").rpartition("/")[2]
    stage.server.do(REPEAT.format(session=session, times=RUNS - 1))
    page.reload()
    expect(page.locator(RUN)).to_have_count(5)

    shown = 5
    while shown < RUNS:
        oldest, _ = page.evaluate(OLDEST)
        page.locator("main").hover()
        page.mouse.wheel(0, -20_000)
        until(page, lambda: page.locator(RUN).count() > shown)  # noqa: B023 - at once
        # The link above it was in sight, and what stood below it still is.
        until(page, lambda: 0 < page.evaluate(PLACE, oldest) < 300)  # noqa: B023 - at once
        shown = page.locator(RUN).count()
    assert shown == RUNS
    expect(page.get_by_role("link", name="Show older runs")).to_have_count(0)
    ids = page.locator(RUN).evaluate_all("(runs) => runs.map((run) => Number(run.dataset.run))")
    assert ids == sorted(ids)


def test_a_page_that_opens_at_older_runs_stays_there_and_shows_what_comes(
    window: Callable[..., Page], stage: Stage
):
    page = window(viewport={"width": 1440, "height": 900})
    stage.play(Ada=Script(tokens=40))
    open_chain(page, "Solo")
    send(page, "Once")
    wait_for_end(page)
    session = page.url
    stage.server.do(REPEAT.format(session=session.rstrip("/").rpartition("/")[2], times=9))
    page.reload()
    third, *_ = page.locator(RUN).evaluate_all("(runs) => runs.map((run) => Number(run.dataset.run))")
    page.goto(f"{session}older?before={third - 2}")
    shown = page.locator(RUN).count()
    assert 0 < shown < 5

    send(page, "Now")
    wait_for_end(page)
    assert page.locator(RUN).count() == shown + 1
    # What stands in a run that this page leaves out is found all the same.
    page.locator("[data-find-open]").click()
    page.locator("#find input").fill("Ada-39")
    page.locator(f'[data-hit][data-run-id="{third}"]').click()
    expect(page.locator(f"#run-{third}")).to_be_visible()
    follow(page, page.get_by_role("link", name="Go to the newest runs"))
    assert page.url == session
    expect(page.locator(RUN)).to_have_count(5)
