"""The chain editor in a window: what it shows, and what people do in it."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

from playwright.sync_api import APIResponse, BrowserContext, Locator, Page, expect

# Somebody whose chains are all there to be edited, so that no other test counts them.
EDITOR = "erin"
MODEL = "openai/gpt-4.1"
# High enough that nothing has to be scrolled to while it is dragged.
TALL = {"viewport": {"width": 1440, "height": 2400}}
PATIENCE_MS = 15_000
LOOK_EVERY_MS = 60

_HAIKU = {"model": "anthropic/claude-haiku-4-5"}
# Two opinions at the same time, a router with exclusive branches, and a last agent with a rule.
DESK = [
    _HAIKU | {"name": "Ada", "connection_type": "parallel", "prompt": "Praise {{input}}"},
    _HAIKU | {"name": "Ben", "connection_type": "parallel", "prompt": "Doubt {{input}}"},
    _HAIKU | {"name": "Sorter", "prompt": "Sort {{previous}}"},
    _HAIKU | {"name": "Bug", "connection_type": "parallel", "condition": 'contains("bug")'},
    _HAIKU | {"name": "Idea", "connection_type": "parallel", "condition": "not empty and words > 20"},
    _HAIKU | {"name": "Rest", "connection_type": "parallel", "condition": "otherwise"},
    _HAIKU
    | {"name": "Judge", "connection_type": "conditional", "condition": 'agents.sorter.json("severity") >= 3'},
]

STAGES = """() => [...document.querySelectorAll(".editor-stage")].map(
  (stage) => [...stage.querySelectorAll(".agent-name")].map((name) => name.value)
)"""


def post(context: BrowserContext, address: str, **fields: str) -> APIResponse:
    """Send a form as another program of the same person would."""
    context.request.get("/chains/import")
    token = next(cookie["value"] for cookie in context.cookies() if cookie["name"] == "csrftoken")
    form: dict[str, str | float | bool] = {**fields}
    answer = context.request.post(address, form=form, headers={"X-CSRFToken": token})
    assert answer.ok, answer.text()
    return answer


def bring_in(context: BrowserContext, name: str, *agents: dict[str, Any], **chain: object) -> str:
    """Import a chain of these agents, published as version 1, and return the address of its editor."""
    slug = chain.get("slug") or uuid.uuid4().hex
    parts = [{"model": MODEL, **agent} for agent in agents]
    file = {"format": "chainchat/1", "name": name, "slug": slug, **chain, "agents": parts}
    post(context, "/chains/import", do="version", text=json.dumps(file))
    return f"/chains/{slug}/edit"


def new_chain(page: Page) -> None:
    """Make a chain in the library, with the mouse, and wait for its editor."""
    page.goto("/chains/")
    page.get_by_role("button", name="New chain").first.click()
    expect(cards(page)).to_have_count(1)
    page.wait_for_load_state()


def published(page: Page) -> dict[str, Any]:
    """Return the newest published version of the chain that is edited, as a chain file."""
    answer = page.request.get(re.sub(r"/edit.*", "/export", page.url))
    assert answer.ok, answer.text()
    file: dict[str, Any] = answer.json()
    return file


def cards(page: Page) -> Locator:
    """Return the cards in chain order."""
    return page.locator(".canvas .agent-card")


def control(page: Page, index: int, field: str) -> Locator:
    """Return the control of one field of a card."""
    return cards(page).nth(index).locator(f"[data-field={field}]")


def fault(page: Page, index: int, field: str) -> Locator:
    """Return what stands beside a field of a card."""
    return cards(page).nth(index).locator(f'[data-faults="{field}"]')


def setting(page: Page, field: str) -> Locator:
    """Return the control of something that the draft says about its whole chain."""
    return page.locator(f"#chain-settings [data-field={field}]")


def stages(page: Page) -> list[list[str]]:
    """Return the agents' names, stage by stage."""
    found: list[list[str]] = page.evaluate(STAGES)
    return found


def expect_stages(page: Page, *expected: list[str]) -> None:
    """Wait until the canvas shows these agents in these stages."""
    for _ in range(PATIENCE_MS // LOOK_EVERY_MS):
        if stages(page) == [*expected]:
            return
        page.wait_for_timeout(LOOK_EVERY_MS)
    assert stages(page) == [*expected]


def expect_saved(page: Page) -> None:
    """Wait until the bar says that nothing is unsaved."""
    expect(page.locator("#save-state")).to_have_attribute("data-state", "saved")


def type_over(page: Page, field: Locator, text: str) -> None:
    """Click into a field and type in the place of what stands there."""
    field.click()
    page.keyboard.press("Control+a")
    page.keyboard.type(text)


def publish(page: Page) -> None:
    """Publish what is drafted, with the mouse."""
    page.get_by_role("link", name="Publish…").click()
    page.get_by_role("dialog").get_by_role("button", name="Publish").click()
    expect(page.get_by_text(re.compile("Published as v"))).not_to_have_count(0)


def drag(page: Page, index: int, into: Locator, *, x: float = 0.5, y: float = 0.5) -> None:
    """Drag a card by its grip into a list of cards or a gap, and let go."""
    draw(page, index, into, x=x, y=y)
    page.mouse.up()


def draw(page: Page, index: int, into: Locator, *, x: float = 0.5, y: float = 0.5) -> None:
    """Draw a card by its grip into a list of cards or a gap until it has come to rest there, and hold it."""
    cards(page).nth(index).locator("[data-grip]").hover()
    page.mouse.down()
    rested = 0
    for attempt in range(60):
        box = into.bounding_box()
        assert box
        # A hand is never quite still, and the list opens only where something moves.
        place = box["x"] + box["width"] * x + attempt % 2 * 3, box["y"] + box["height"] * y + attempt % 2
        page.mouse.move(*place, steps=3)
        rested = rested + 1 if into.locator(".agent-ghost").count() else 0
        if rested == 4:
            break
        # The cards take 150 ms to make room.
        page.wait_for_timeout(60)
