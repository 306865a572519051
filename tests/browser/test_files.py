"""Files of a message: dropped, pasted, picked; seen by agents as each provider wants; opened without harm."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import APIResponse, BrowserContext, FilePayload, Locator, Page, Route, expect

from tests.browser.stage import Stage
from tests.browser.test_without_scripts import reload_until_ended
from tests.browser.window import composer, follow, open_chain, press_copy, send, until, wait_for_end
from tests.loopback.script import Script
from tests.pictures import picture

pytestmark = pytest.mark.once

RUN = "section[data-run]"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
FENCED = b"# Plan\n\n```py\nprint(1)\n```\n"
# Let something carry files as a drag or a paste does.
CARRY = """([event, target, files, words]) => {
  const carried = new DataTransfer();
  for (const [name, type, data] of files) {
    carried.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name, { type }));
  }
  if (words) carried.setData("text/plain", words);
  const options = { bubbles: true, cancelable: true };
  const happens = event === "paste"
    ? new ClipboardEvent(event, { ...options, clipboardData: carried })
    : new DragEvent(event, { ...options, dataTransfer: carried });
  document.querySelector(target).dispatchEvent(happens);
}"""
DROP_HUGE = """() => {
  const carried = new DataTransfer();
  carried.items.add(new File([new Uint8Array(10 * 1024 * 1024 + 1)], "huge.log"));
  document.body.dispatchEvent(new DragEvent("drop", { bubbles: true, dataTransfer: carried }));
}"""
MARKED = "() => document.querySelector('#composer').dataset.drop !== undefined"


@pytest.fixture
def page(window: Callable[..., Page]) -> Page:
    return window()


def payload(name: str, data: bytes, kind: str = "text/plain") -> FilePayload:
    return {"name": name, "mimeType": kind, "buffer": data}


def pick(page: Page, *files: FilePayload) -> None:
    """Choose files in the dialogue of the field."""
    page.locator("[data-composer] input[type=file]").set_input_files(list(files))


def carry(page: Page, event: str, target: str, *files: FilePayload, words: str = "") -> None:
    packed = [(one["name"], one["mimeType"], base64.b64encode(one["buffer"]).decode()) for one in files]
    page.evaluate(CARRY, [event, target, packed, words])


def chips(page: Page) -> Locator:
    return page.locator("#composer [data-file]")


def message_to(stage: Stage, agent: str) -> Any:
    return stage.calls_of(agent)[-1].body["messages"][-1]["content"]


def test_a_file_that_is_dropped_anywhere_becomes_part_of_the_input(stage: Stage, page: Page):
    open_chain(page, "Solo")
    plan = payload("plan.md", FENCED, "text/markdown")
    carry(page, "dragover", "#main", plan)
    assert page.evaluate(MARKED)
    carry(page, "drop", "#main", plan)
    assert not page.evaluate(MARKED)
    expect(chips(page)).to_have_count(1)
    expect(chips(page)).to_contain_text("plan.md")
    expect(chips(page)).to_contain_text(f"{len(FENCED)} bytes")
    send(page, "Is it sound?")
    wait_for_end(page)
    assert message_to(stage, "Ada") == (
        "Is it sound?\n\nFile: plan.md\n\n````md\n# Plan\n\n```py\nprint(1)\n```\n````"
    )
    expect(chips(page)).to_have_count(0)


def test_a_picture_reaches_every_provider_in_its_own_form(stage: Stage, page: Page):
    open_chain(page, "Trio")
    pick(page, payload("cat.png", picture(size=(64, 48)), "image/png"), payload("a.txt", b"words"))
    expect(chips(page)).to_have_count(2)
    expect(page.locator("#composer-outlook")).to_contain_text("Pictures are shown to Ada, Ben, Cleo.")
    send(page, "What do you see?")
    wait_for_end(page)
    for agent in ("Ada", "Ben", "Cleo"):
        [call] = stage.calls_of(agent)
        assert [(seen.media_type, seen.width, seen.height) for seen in call.pictures] == [
            ("image/png", 64, 48)
        ]
    assert {stage.calls_of(agent)[0].wire for agent in ("Ada", "Ben", "Cleo")} == {
        "openai",
        "anthropic",
        "gemini",
    }
    # Dan works on what the others said: the message is no part of it, and so no picture.
    assert stage.calls_of("Dan")[0].pictures == []


def test_what_an_agent_saw_names_the_picture_and_the_file(stage: Stage, window: Callable[..., Page]):
    page = window(permissions=["clipboard-read", "clipboard-write"])
    open_chain(page, "Solo")
    pick(page, payload("cat.png", picture(size=(64, 48)), "image/png"), payload("a.txt", b"words"))
    expect(chips(page)).to_have_count(2)
    send(page, "What do you see?")
    wait_for_end(page)
    page.get_by_role("link", name="What Ada saw").click()
    shown = page.get_by_role("dialog", name="What")
    files = shown.get_by_role("list", name="Files of this message").get_by_role("link")
    expect(files).to_contain_text(["cat.png", "a.txt"])
    expect(files).to_contain_text(["sent as a picture", "sent as text"])
    until(page, lambda: files.first.locator("img").evaluate("(image) => image.naturalWidth > 0"))
    assert press_copy(page, shown.get_by_role("button", name="Copy as curl")) == "Copied"
    command = page.evaluate("navigator.clipboard.readText()")
    address = f"{stage.server.url}{files.first.get_attribute('href')}"
    assert f"#   ./cat.png {address}\n" in command
    assert page.request.get(address).body() == base64.b64decode(sent_picture(stage))
    assert sent_picture(stage) not in command + page.content()


def sent_picture(stage: Stage) -> str:
    """Return the data of the picture that Ada's provider got last."""
    [part] = [part for part in message_to(stage, "Ada") if part["type"] == "image_url"]
    return str(part["image_url"]["url"]).partition(",")[2]


def test_a_follow_up_still_shows_the_picture(stage: Stage, page: Page):
    open_chain(page, "Solo")
    pick(page, payload("cat.png", picture(), "image/png"))
    expect(chips(page)).to_have_count(1)
    send(page, "What is it?")
    wait_for_end(page)
    send(page, "And on the left?")
    expect(page.locator(RUN)).to_have_count(2)
    wait_for_end(page)
    assert len(stage.calls_of("Ada")[1].pictures) == 1
    assert message_to(stage, "Ada") == "And on the left?"


def test_a_sent_message_shows_its_files_and_they_open_as_plain_text(stage: Stage, page: Page):
    open_chain(page, "Solo")
    evil = b"<script>document.title = 'taken over'</script>"
    pick(page, payload("page.html", evil, "text/html"), payload("cat.png", picture(), "image/png"))
    expect(chips(page)).to_have_count(2)
    send(page, "Look.")
    wait_for_end(page)
    files = page.get_by_role("list", name="Files of this message")
    shown = files.locator("img")
    until(page, lambda: shown.evaluate("(image) => image.complete && image.naturalWidth > 0"))
    with page.context.expect_page() as opened:
        files.get_by_role("link", name="page.html").click()
    opened.value.wait_for_load_state()
    assert opened.value.locator("body").inner_text() == evil.decode()
    assert opened.value.title() != "taken over"
    with page.context.expect_page() as opened:
        files.get_by_role("link", name="cat.png").click()
    opened.value.wait_for_load_state()
    assert opened.value.evaluate("() => document.images[0].naturalWidth") == 8


def test_a_picture_is_pasted_and_text_stays_text(page: Page):
    open_chain(page, "Solo")
    cells = payload("image.png", picture(), "image/png")
    # A table program offers a picture of its cells beside their text: the text is what is meant.
    carry(page, "paste", "#composer-input", cells, words="a\tb")
    carry(page, "paste", "#composer-input", payload("image.png", picture(size=(9, 9)), "image/png"))
    expect(chips(page)).to_have_count(1)
    expect(chips(page)).to_contain_text("9 × 9")


def test_what_cannot_be_attached_is_said_beside_the_others(stage: Stage, page: Page):
    open_chain(page, "Solo")
    pick(
        page,
        payload("old.txt", "naïve".encode("latin-1")),
        payload("good.txt", b"fine"),
        payload("tool.exe", b"MZ\0\0"),
    )
    page.evaluate(DROP_HUGE)
    faults = page.locator("#composer [data-fault]")
    expect(faults).to_have_count(3)
    for number, words in enumerate(("save it as UTF-8", "neither text nor a picture", "may have 10 MB")):
        expect(faults.nth(number)).to_contain_text(words)
    expect(chips(page)).to_have_count(1)
    faults.nth(2).get_by_role("button").click()
    expect(faults).to_have_count(2)
    # What is wrong with them holds nothing up.
    send(page, "Read the good one.")
    wait_for_end(page)
    assert "File: good.txt" in message_to(stage, "Ada")
    assert "old.txt" not in message_to(stage, "Ada")


def test_files_survive_a_reload_and_are_taken_away_by_keyboard(page: Page):
    open_chain(page, "Solo")
    pick(page, payload("a.txt", b"a"), payload("b.txt", b"b"))
    expect(chips(page)).to_have_count(2)
    page.reload()
    expect(chips(page)).to_have_count(2)
    page.get_by_role("button", name="Remove a.txt").focus()
    with page.expect_response("**/remove"):
        page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove b.txt")).to_be_focused()
    with page.expect_response("**/remove"):
        page.keyboard.press("Enter")
    expect(composer(page)).to_be_focused()
    page.reload()
    expect(composer(page)).to_be_visible()
    expect(chips(page)).to_have_count(0)


def test_what_is_attached_while_a_message_leaves_waits_for_the_next_one(stage: Stage, page: Page):
    open_chain(page, "Solo")
    held: list[tuple[Route, APIResponse]] = []
    page.route("**/send", lambda route: held.append((route, route.fetch())))
    send(page, "Without it.")
    until(page, lambda: held)
    pick(page, payload("late.txt", b"late"))
    expect(chips(page)).to_contain_text("late.txt")
    [(route, answer)] = held
    route.fulfill(response=answer)
    wait_for_end(page)
    expect(chips(page)).to_contain_text("late.txt")
    assert "late.txt" not in message_to(stage, "Ada")

    page.unroute("**/send")
    send(page, "With it.")
    expect(page.locator(RUN)).to_have_count(2)
    wait_for_end(page)
    assert "File: late.txt" in message_to(stage, "Ada")
    expect(chips(page)).to_have_count(0)


def test_a_second_window_shows_the_same_files(stage: Stage, page: Page):
    open_chain(page, "Solo")
    other = page.context.new_page()
    other.goto(page.url)
    pick(page, payload("a.txt", b"a"))
    expect(chips(other)).to_contain_text("a.txt")
    send(page, "Look.")
    wait_for_end(page)
    expect(chips(other)).to_have_count(0)


def test_a_message_waits_for_its_files(stage: Stage, page: Page):
    open_chain(page, "Solo")
    held: list[Route] = []
    page.route("**/attach", lambda route: held.append(route))
    pick(page, payload("slow.txt", b"slowly"))
    until(page, lambda: held)
    expect(page.locator("#composer")).to_contain_text("slow.txt, sending…")
    send(page, "Look.")
    page.wait_for_timeout(300)
    expect(page.locator(RUN)).to_have_count(0)
    held[0].continue_()
    wait_for_end(page)
    assert "File: slow.txt" in message_to(stage, "Ada")


def test_a_file_that_meets_no_server_says_so_and_the_message_stays(page: Page):
    open_chain(page, "Solo")
    page.route("**/attach", lambda route: route.abort())
    pick(page, payload("lost.txt", b"lost"))
    expect(page.locator("[data-fault]")).to_contain_text("“lost.txt” could not be sent")
    expect(page.get_by_role("button", name="Send")).to_be_enabled()


def test_a_chain_that_cannot_see_is_warned_of(stage: Stage, page: Page):
    page.goto("/")
    page.locator(".compare textarea").fill("Hello")
    for name in ("Simulated, flaky", "Simulated, broken"):
        page.get_by_label(name).check()
    page.locator(".compare").get_by_role("button", name="Run").click()
    expect(page.locator("main[data-session]")).to_be_visible()
    page.wait_for_load_state()
    pick(page, payload("cat.png", picture(), "image/png"))
    expect(page.locator("#composer-outlook")).to_contain_text("No agent of this chain can see pictures")
    page.locator("select[name=chain]").select_option(label="Solo")
    expect(page.locator("#composer-outlook")).to_contain_text("Pictures are shown to Ada.")
    page.get_by_role("button", name="Remove cat.png").click()
    expect(page.locator("#composer-outlook")).not_to_contain_text("Pictures")


def test_on_a_phone_files_are_picked_and_taken_away(stage: Stage, window: Callable[..., Page]):
    page = window(**PHONE)
    open_chain(page, "Solo")
    names = ["a-rather-long-name-of-a-file-that-somebody-has.txt", "b.txt"]
    pick(page, *(payload(name, b"words") for name in names))
    expect(chips(page)).to_have_count(2)
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Remove b.txt").tap()
    expect(chips(page)).to_have_count(1)
    composer(page).fill("Look.")
    page.get_by_role("button", name="Send").tap()
    wait_for_end(page)
    expect(page.get_by_role("list", name="Files of this message")).to_contain_text("a-rather-long-name")
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_without_scripts_files_come_with_the_form(stage: Stage, new_context: Callable[..., BrowserContext]):
    stage.play(Ada=Script(tokens=2))
    context = new_context(base_url=stage.server.url, java_script_enabled=False)
    cookie = {"name": "sessionid", "value": stage.cookie_of("alice"), "url": stage.server.url}
    context.add_cookies([cookie])  # type: ignore[list-item]
    page = context.new_page()
    page.goto("/")
    follow(page, page.get_by_role("button", name="Solo", exact=True))
    page.locator("textarea[name=input]").fill("Read this.")
    pick(page, payload("good.txt", b"fine"), payload("bad.exe", b"\0"))
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#composer-error")).to_contain_text("“bad.exe” is neither text nor a picture")
    expect(page.locator("textarea[name=input]")).to_have_value("Read this.")
    expect(chips(page)).to_contain_text("good.txt")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("list", name="Files of this message")).to_contain_text("good.txt")
    call = stage.loopback.wait_for_calls(1)[0]
    assert "File: good.txt" in call.body["messages"][-1]["content"]
    reload_until_ended(page)
    # Nothing but white space is no message: so the file waits.
    page.locator("textarea[name=input]").fill(" ")
    pick(page, payload("other.txt", b"other"))
    page.get_by_role("button", name="Send").click()
    page.get_by_role("button", name="Remove other.txt").click()
    expect(chips(page)).to_have_count(0)
