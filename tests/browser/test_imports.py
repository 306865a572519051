"""Bad chain files in a browser: each is refused with the path of its fault, and its text can be mended."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.once

OpenPage = Callable[..., Page]
ADA: dict[str, object] = {"name": "Ada", "model": "default"}


def written(*agents: dict[str, object], **changes: object) -> str:
    return json.dumps({"format": "chainchat/1", "name": "Tissue", "agents": [*agents]} | changes)


def gate(condition: str) -> dict[str, object]:
    return ADA | {"name": "Gate", "connection_type": "conditional", "condition": condition}


# text, the paths of its faults, what is said
BAD = [
    ('{"format": "chainchat/1",\n oops}', [], "the file is not JSON: "),
    ("[1, 2]", [], "must be a JSON object"),
    ("A letter, and no chain at all", [], "the file is not JSON: "),
    (written(ADA, format="chainchat/9"), ["format"], 'must be "chainchat/1"'),
    (written(ADA | {"temprature": 1}), ["agents[0].temprature"], "unknown key; did you mean temperature?"),
    (written(ADA, name=5), ["name"], "must be text, not 5"),
    (written(ADA, agents="none"), ["agents"], "must be"),
    (written(), ["agents"], "The chain has no agents: add one."),
    (written(ADA | {"model": "simulated/fats"}), ["agents[0].model"], "did you mean simulated/fast?"),
    (written(ADA, gate("contains(")), ["agents[1].condition"], "expected a quoted text"),
    (written(ADA, gate("otherwise")), ["agents[1].condition"], "outside a parallel group"),
    (
        written(ADA | {"temperature": 9, "prompt": "{{agents.ghost}}"}, colour=1),
        ["colour", "agents[0].temperature", "agents[0].prompt"],
        "must be at most 2",
    ),
]
UNREADABLE = [
    (b"", "The file is empty: pick another one."),
    ("Größe".encode("latin-1"), "the file is not UTF-8 text"),
    (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "the file is not UTF-8 text"),
    (b"x" * 1_000_001, "The file has 1,000,001 bytes: at most 1,000,000 are read."),
]


@pytest.fixture
def page(page_of: OpenPage) -> Page:
    page = page_of("importer")
    page.goto("/chains/import")
    return page


def expect_faults(page: Page, paths: list[str], words: str) -> None:
    expect(page.locator(".import-faults")).to_contain_text(words)
    expect(page.locator(".import-faults code")).to_have_text(paths)
    expect(page.get_by_role("button", name="Import", exact=True)).to_have_count(0)


def upload(page: Page, content: bytes) -> None:
    """Choose a file, and wait until what was said of the last one is gone."""
    page.locator("#import-looked").evaluate("(part) => part.toggleAttribute('data-of-the-last')")
    page.get_by_label("Chain file").set_input_files(
        {"name": "chain.json", "mimeType": "application/json", "buffer": content}
    )
    expect(page.locator("#import-looked[data-of-the-last]")).to_have_count(0)


def no_chain_came(page: Page) -> None:
    page.goto("/chains/")
    expect(page.locator(".chain-row")).to_have_count(0)


def test_each_bad_text_that_is_pasted_is_refused_in_its_place(page: Page):
    field = page.get_by_label("Or paste JSON")
    for text, paths, words in BAD:
        field.click()
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(text)
        # It is looked at by itself too, a moment later.
        page.get_by_role("button", name="Preview").click()
        expect_faults(page, paths, words)
        expect(field).to_have_value(text)
    field.fill("")
    page.get_by_role("button", name="Preview").click()
    expect_faults(page, [], "Choose a chain file, or paste one.")
    field.fill(written(ADA))
    expect(page.get_by_role("heading", name="Tissue")).to_be_visible()
    expect(page.locator(".import-faults")).to_have_count(0)
    no_chain_came(page)


def test_each_bad_file_that_is_chosen_is_refused_and_its_text_stands_there_to_be_mended(page: Page):
    field = page.get_by_label("Or paste JSON")
    for text, paths, words in BAD:
        upload(page, text.encode())
        expect_faults(page, paths, words)
        expect(field).to_have_value(text)
    mended = written(ADA)
    field.fill(mended)
    expect(page.get_by_role("heading", name="Tissue")).to_be_visible()
    for content, words in UNREADABLE:
        upload(page, content)
        expect_faults(page, [], words)
        # What was typed before is still there.
        expect(field).to_have_value(mended)
    no_chain_came(page)
