"""What axe-core finds wrong with a page, in both themes, at a desk and on a phone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

SIZES = {"desk": (1440, 900), "phone": (390, 844)}
THEMES = ("light", "dark")
# One that axe leaves out unless it is asked: fingers need 24 pixels (WCAG 2.2, level AA).
RULES = {"target-size": {"enabled": True}}
RUN = "rules => axe.run({ resultTypes: ['violations'], preload: false, rules }).then((found) => found.violations)"


class Findings(list[str]):
    """Collects what is wrong with the states of pages; a test asserts at its end that it is empty."""

    def look(self, page: Page, state: str, again: Callable[[], object] | None = None) -> None:
        """Let axe look at a page as it is. ``again`` restores what another size of the window closes."""
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            for theme in THEMES:
                page.emulate_media(color_scheme=theme, reduced_motion="reduce")
                if again:
                    again()
                self += [f"{state}, {theme} {size}: {fault}" for fault in faults(page)]


def faults(page: Page) -> list[str]:
    """Return a line for each element that breaks a rule."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate(RUN, RULES)
    return [_line(violation, node) for violation in found for node in violation["nodes"]]


def _line(violation: dict[str, Any], node: dict[str, Any]) -> str:
    why = [check["message"] for kind in ("any", "all", "none") for check in node[kind]]
    where = " ".join(str(part) for part in node["target"])
    return f"{violation['id']} ({violation['impact']}) {where}: {'; '.join(why)}"
