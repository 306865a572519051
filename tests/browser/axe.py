"""What axe-core finds wrong with a page, in both themes, at a desk and on a phone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page, expect

Theme = Literal["light", "dark"]

# One that axe leaves out unless it is asked: fingers need 24 pixels (WCAG 2.2, level AA).
ALL_RULES: dict[str, Any] = {"rules": {"target-size": {"enabled": True}}}
# All that a theme changes.
COLOURS: dict[str, Any] = {"runOnly": ["color-contrast"]}
# As high as pages are long, so that nothing lies beneath a bar that stays in its place.
DESK, PHONE = (1440, 4_000), (390, 6_000)
LOOKS: tuple[tuple[tuple[int, int], Theme, dict[str, Any]], ...] = (
    (DESK, "light", ALL_RULES),
    (DESK, "dark", COLOURS),
    (PHONE, "light", COLOURS),
    (PHONE, "dark", ALL_RULES),
)
# The links of Django's admin take a moment to change from one theme's colour to the other's.
RUN = """async (options) => {
  const changes = document.getAnimations().filter((one) => one instanceof CSSTransition);
  await Promise.allSettled(changes.map((change) => change.finished));
  return (await axe.run({ resultTypes: ["violations"], preload: false, ...options })).violations;
}"""


class Findings(list[str]):
    """Collects what is wrong with the states of pages; a test asserts at its end that it is empty."""

    def look(self, page: Page, state: str, again: Callable[[], object] | None = None) -> None:
        """Let axe look at a page as it is. ``again`` restores what another size of the window closes."""
        for (width, height), theme, options in LOOKS:
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            if again:
                again()
            self += [f"{state}, {theme}, {width} pixels: {fault}" for fault in faults(page, options)]


def faults(page: Page, options: dict[str, Any]) -> list[str]:
    """Return a line for each element that breaks a rule."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate(RUN, options)
    return [_line(violation, node) for violation in found for node in violation["nodes"]]


def _line(violation: dict[str, Any], node: dict[str, Any]) -> str:
    why = [check["message"] for kind in ("any", "all", "none") for check in node[kind]]
    where = " ".join(str(part) for part in node["target"])
    return f"{violation['id']} ({violation['impact']}) {where}: {'; '.join(why)}"


def look_at(found: Findings, page: Page, *addresses: str) -> None:
    """Visit pages and look at each as it comes."""
    for address in addresses:
        page.goto(address)
        found.look(page, address)


def sit_down(page: Page) -> None:
    """Go back to the desk, where a column has all its buttons."""
    page.set_viewport_size({"width": 1440, "height": 900})


def import_chain(page: Page, text: str) -> None:
    """Give a chain file to the import page."""
    page.goto("/chains/import")
    page.get_by_label("Or paste JSON").fill(text)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("heading", name="Chains", exact=True)).to_be_visible()
