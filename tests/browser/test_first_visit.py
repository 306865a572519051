"""The first minutes of somebody new, with nothing but the simulated provider."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.window import (
    NOTE_GROWTH,
    NOTE_LABELS,
    article,
    assert_shows_what_is_stored,
    columns,
    follow,
    is_purple,
    send,
    wait_for_end,
)

CRITICS = ("Evidence critic", "Devil's advocate", "Practitioner")
PASSWORD = "a long walk over the bridge"


def sign_up(page: Page, username: str) -> None:
    """Fill in the sign-up form as a newcomer does."""
    page.goto("/")
    page.get_by_role("link", name="Sign up").first.click()
    page.get_by_label("Username").fill(username)
    page.get_by_label("Email").fill(f"{username}@example.org")
    for field in page.locator("input[type=password]").all():
        field.fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading", name="New session")).to_be_visible()


def test_somebody_signs_up_and_watches_three_critics_write_side_by_side(page: Page):
    sign_up(page, "newcomer")
    page.get_by_role("button", name="Three critics and a synthesis").click()
    expect(page.locator("main[data-session]")).to_be_visible()
    page.wait_for_load_state()
    page.evaluate(NOTE_GROWTH)
    page.evaluate(NOTE_LABELS)
    send(page, "We should move the billing service to events.")
    expect(page.locator("article[data-step-index]")).to_have_count(4)
    synthesis = article(page, "Synthesis")
    expect(synthesis.locator(".state-label")).to_contain_text("Waiting for ")
    for name in CRITICS:
        assert is_purple(article(page, name), "borderBlockStartColor")
    wait_for_end(page)
    assert "Synthesis: Streaming…" in page.evaluate("labels")
    grown = page.evaluate("window.grown")
    firsts = [grown.index(name) for name in CRITICS]
    lasts = [len(grown) - grown[::-1].index(name) for name in CRITICS]
    # Side by side: all have begun before one is at its end, and none came at once.
    assert max(firsts) < min(lasts)
    assert min(map(grown.count, CRITICS)) > 2
    assert [one.label for one in columns(page)] == ["Completed"] * 4
    expect(page.get_by_text("Simulated", exact=True)).to_have_count(4)
    assert_shows_what_is_stored(page)


def test_a_page_that_needs_a_log_in_leads_there_and_back(page: Page):
    sign_up(page, "returning")
    page.get_by_role("button", name="Account of returning").click()
    follow(page, page.get_by_role("button", name="Log out"))
    page.goto("/sessions/?q=bridge")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.get_by_label("Username or email").fill("returning@example.org")
    page.get_by_label("Password").fill("not that one")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("not correct")).to_be_visible()

    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Sessions", exact=True)).to_be_visible()
    expect(page.get_by_label("Search sessions")).to_have_value("bridge")
