"""axe-core finds nothing wrong with any page in any state, in both themes, at a desk and on a phone.

The editor and the admin have a file of their own.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.axe import Findings, import_chain, look_at, sit_down
from tests.browser.corpus import MARKDOWN
from tests.browser.line import open_line
from tests.browser.stage import OWNER, Stage, chain_file
from tests.browser.test_first_visit import PASSWORD, sign_up
from tests.browser.window import article, follow, open_chain, send, until, wait_for_end
from tests.loopback.script import Fault, Script

pytestmark = pytest.mark.once

ENTRANCES = (
    "/welcome/",
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/password/reset/",
    "/accounts/password/reset/done/",
    "/accounts/password/reset/key/1-nonsense/",
    "/accounts/password/reset/key/done/",
    "/accounts/confirm-email/",
    "/accounts/inactive/",
    "/setup/nonsense/",
)
ACCOUNT = ("/accounts/email/", "/accounts/password/change/", "/accounts/2fa/", "/accounts/logout/")
SHORT = Script(tokens=12)
ENDLESS = Script(tokens=4_000, tps=40)
BREAK = "ALTER TABLE chains_sampleinput RENAME TO chains_away"
MEND = "ALTER TABLE chains_away RENAME TO chains_sampleinput"
NO_ADMINISTRATOR = (
    "from chains.models import User; User.objects.filter(is_superuser=True).update(is_superuser=False)"
)
SQL = "from django.db import connection; connection.cursor().execute({!r})"
HELPER = """
from chains.models import User
User.objects.filter(username={!r}).update(is_staff=True)
"""


@pytest.fixture
def found() -> Findings:
    return Findings()


@pytest.fixture
def window(window: Callable[..., Page]) -> Callable[..., Page]:
    """Open windows in which axe may measure: it sets styles of its own, which our policy refuses."""
    return partial(window, bypass_csp=True)


@pytest.fixture
def guest(new_context: Callable[..., BrowserContext], stage: Stage) -> Page:
    """A window of somebody who has not logged in."""
    return new_context(base_url=stage.server.url, bypass_csp=True).new_page()


# Coming in


def test_the_pages_that_everybody_sees(found: Findings, guest: Page) -> None:
    look_at(found, guest, *ENTRANCES)
    guest.goto("/accounts/signup/")
    guest.get_by_label("Username").fill("somebody")
    guest.get_by_label("Email").fill("somebody@example.org")
    for number, field in enumerate(guest.locator("input[type=password]").all()):
        field.fill(f"one thing and another {number}")
    guest.get_by_role("button", name="Sign up").click()
    expect(guest.locator("[aria-invalid=true]")).to_have_count(1)
    found.look(guest, "a faulty sign-up")
    assert found == []


def test_the_link_that_makes_the_administrator(found: Findings, guest: Page, stage: Stage) -> None:
    stage.server.do(NO_ADMINISTRATOR)
    link = re.search(r"/setup/\S+/", stage.server.manage("admin_link").stdout)
    assert link
    look_at(found, guest, link[0])
    assert found == []


def test_a_new_password_by_mail(found: Findings, guest: Page, stage: Stage) -> None:
    stage.cookie_of(OWNER)
    guest.goto("/accounts/password/reset/")
    guest.get_by_label("Email").fill(f"{OWNER}@example.org")
    guest.get_by_role("button").last.click()
    guest.wait_for_url("**/done/")
    letter = r"http\S+(/accounts/password/reset/key/\S+/)"
    link = until(guest, lambda: re.findall(letter, stage.server.log.read_text()))[-1]
    look_at(found, guest, link)
    assert found == []


def test_an_account_with_a_second_factor(found: Findings, guest: Page) -> None:
    sign_up(guest, "careful")
    look_at(found, guest, *ACCOUNT, "/accounts/reauthenticate/?next=/accounts/2fa/totp/activate/")
    guest.get_by_label("Password").fill(PASSWORD)
    guest.get_by_role("button", name="Confirm").click()
    expect(guest.get_by_role("heading", name="Activate an authenticator app")).to_be_visible()
    found.look(guest, "a second factor is made")
    guest.get_by_label("code").fill(code_of(guest))
    follow(guest, guest.get_by_role("button", name="Activate"))
    found.look(guest, "recovery codes")
    look_at(found, guest, "/accounts/2fa/", "/accounts/2fa/recovery-codes/generate/")
    look_at(found, guest, "/accounts/2fa/totp/deactivate/", "/accounts/2fa/reauthenticate/")

    guest.goto("/accounts/logout/")
    follow(guest, guest.get_by_role("main").get_by_role("button"))
    guest.goto("/accounts/login/")
    log_in(guest, "careful", "not that one")
    expect(guest.get_by_text("not correct")).to_be_visible()
    found.look(guest, "a refused log-in")
    log_in(guest, "careful", PASSWORD)
    expect(guest.get_by_role("heading", name="One more step")).to_be_visible()
    found.look(guest, "the second step")
    assert found == []


def log_in(page: Page, name: str, password: str) -> None:
    """Fill in the log-in form."""
    page.get_by_label("Username or email").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def code_of(page: Page) -> str:
    """Return what the app on somebody's phone would show now."""
    secret = page.get_by_label("Authenticator secret").input_value()
    # A code counts until its half minute is over: one that is about to end would come too late.
    until(page, lambda: time.time() % 30 < 15)
    return str(format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time())))))


# What went wrong


@contextmanager
def broken(stage: Stage) -> Iterator[None]:
    """Take away what the editor's page reads."""
    stage.server.do(SQL.format(BREAK))
    try:
        yield
    finally:
        stage.server.do(SQL.format(MEND))


def look_at_error(found: Findings, page: Page, status: int) -> None:
    """Look at a page that says what went wrong."""
    expect(page.locator(".error-code")).to_have_text(str(status))
    found.look(page, str(status))


def test_a_page_that_is_not_there_and_a_form_that_is_out_of_date(found: Findings, guest: Page) -> None:
    guest.goto("/no-such-page/")
    look_at_error(found, guest, 404)
    guest.goto("/accounts/login/")
    guest.context.clear_cookies()
    log_in(guest, "somebody", PASSWORD)
    look_at_error(found, guest, 403)
    assert found == []


def test_what_is_refused(found: Findings, window: Callable[..., Page], stage: Stage) -> None:
    page = window("helper")
    page.goto("/chains/")
    page.get_by_role("button", name="New chain").first.click()
    page.locator(".gap-add").first.evaluate("form => { form.elements.index.value = 'x'; form.submit() }")
    look_at_error(found, page, 400)
    stage.server.do(HELPER.format("helper"))
    page.goto("/admin/chains/provider/add/")
    look_at_error(found, page, 403)
    page.goto("/accounts/reauthenticate/")
    for _ in range(11):
        with page.expect_navigation():
            page.locator("main form").first.evaluate("form => form.submit()")
    look_at_error(found, page, 429)
    assert found == []


def test_a_database_that_is_away(found: Findings, window: Callable[..., Page], stage: Stage) -> None:
    page = window()
    with broken(stage):
        page.goto("/chains/solo/edit")
        look_at_error(found, page, 503)
    assert found == []


# Starting


def test_the_start_page(found: Findings, window: Callable[..., Page], stage: Stage) -> None:
    page = window("dora")
    look_at(found, page, "/", "/sessions/?q=nothing")
    page.goto("/")
    for name in ("GPT-4.1", "Claude Haiku 4.5"):
        page.get_by_role("checkbox", name=name, exact=False).first.check()
    found.look(page, "two models picked")
    page.get_by_role("checkbox", name="Claude Haiku 4.5").first.uncheck()
    page.get_by_label("Message to all models").fill("Alone?")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("alert").filter(has_text="Pick at least")).to_be_visible()
    found.look(page, "one model is not enough")
    page.get_by_role("button", name="Account of dora").click()
    found.look(page, "the menu of the account")

    page.goto("/")
    for name in ("GPT-4.1", "Claude Haiku 4.5"):
        page.get_by_role("checkbox", name=name).first.check()
    page.get_by_label("Message to all models").fill("Who is quicker?")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("main[data-session]")).to_be_visible()
    page.wait_for_load_state()
    wait_for_end(page)
    page.get_by_role("button", name="Keep this chain").click()
    found.look(page, "a compared chain is kept")
    import_chain(page, json.dumps(chain_file("Gate")))
    look_at(found, page, "/", "/sessions/", "/sessions/?q=quicker")
    assert found == []


# Sessions


def test_a_session_that_is_new_and_one_that_streams(
    found: Findings, window: Callable[..., Page], stage: Stage
) -> None:
    stage.play(Ada=ENDLESS, Ben=ENDLESS)
    page = window()
    open_chain(page, "Pair")
    found.look(page, "a new session")
    send(page, "Go on for ever")
    for name in ("Ada", "Ben"):
        expect(article(page, name).locator(".state-label")).to_have_text("Parallel streaming…")
    found.look(page, "two columns stream")
    sit_down(page)
    article(page, "Ben").get_by_role("button", name="Focus Ben").click()
    found.look(page, "one column in focus")
    sit_down(page)
    article(page, "Ben").get_by_role("button", name="Focus Ben").click()
    article(page, "Ben").get_by_role("button", name="Stop Ben").click()
    expect(article(page, "Ben")).to_have_attribute("data-status", "cancelled")
    article(page, "Ben").get_by_role("button", name="Arrange Ben").click()
    found.look(page, "the menu of a column")
    # Another size of the window may have closed it.
    page.keyboard.press("Escape")
    sit_down(page)
    article(page, "Ben").get_by_role("button", name="Arrange Ben").click()
    page.get_by_role("menuitem", name="Hide").click()
    found.look(page, "one column stopped and hidden")
    sit_down(page)
    page.get_by_role("button", name="Stop", exact=True).click()
    wait_for_end(page, "cancelled")
    found.look(page, "a stopped run")
    assert found == []


def test_a_session_whose_connection_is_lost(
    found: Findings, window: Callable[..., Page], stage: Stage
) -> None:
    with open_line() as line:
        page = window(proxy={"server": line.url})
        open_chain(page, "Solo")
        line.cut()
        expect(page.locator("#connection-lost")).to_be_visible()
        found.look(page, "the connection is lost")
    assert found == []


def test_answers_of_every_kind(found: Findings, window: Callable[..., Page], stage: Stage) -> None:
    stage.play(
        Ada=Script(text=MARKDOWN, reasoning=12),
        Ben=Script(fault=Fault.STATUS, status=401),
        Cleo=Script(tokens=40, fault=Fault.CUT, after=10),
        Dan=Script(tokens=20, finish="length"),
    )
    page = window()
    open_chain(page, "Trio")
    send(page, "Fail well")
    wait_for_end(page)
    page.get_by_text("Reasoning").first.click()
    found.look(page, "failed, cut, truncated")

    stage.play(Ada=Script(text="Only a crow."), Dan=SHORT)
    open_chain(page, "Gate")
    send(page, "Which bird?")
    wait_for_end(page)
    found.look(page, "skipped")
    stage.play(Ada=Script(fault=Fault.STATUS, status=500, message="Away."))
    send(page, "And now?")
    expect(page.locator("section[data-run]")).to_have_count(2)
    wait_for_end(page, "failed")
    found.look(page, "a failed run, not reached")
    assert found == []


def test_a_long_session_is_folded_renamed_and_deleted(
    found: Findings, window: Callable[..., Page], stage: Stage
) -> None:
    stage.play(Ada=SHORT)
    page = window()
    open_chain(page, "Solo")
    for number in range(6):
        send(page, f"Message {number}")
        expect(page.locator("section[data-run]")).to_have_count(number + 1)
        wait_for_end(page)
    page.reload()
    expect(page.get_by_role("link", name="Show older runs")).to_be_visible()
    found.look(page, "many runs")
    page.get_by_label("Title of this session").fill(" ")
    page.get_by_label("Title of this session").press("Enter")
    expect(page.locator("#title-error")).to_be_visible()
    found.look(page, "a title that cannot be")
    page.reload()
    page.get_by_role("link", name="Delete this session").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    found.look(page, "a session is deleted")
    look_at(found, page, f"{page.url}delete")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/")
    page.get_by_role("button", name="Open the side bar").click()
    found.look(page, "the side bar as a drawer")
    assert found == []


# The library


def test_the_library(found: Findings, window: Callable[..., Page], stage: Stage) -> None:
    page = window("lena")
    look_at(found, page, "/chains/", "/chains/?shelf=archived", "/chains/?q=nothing+has+this")
    for name in ("Gate", "Trio"):
        import_chain(page, json.dumps(chain_file(name) | {"description": "Looks at birds."}))
    menu = page.locator(".row-menu").first
    menu.locator("summary").click()
    menu.get_by_label("Tags").fill("birds, water")
    page.keyboard.press("Enter")
    expect(page.locator("#library-chips")).to_contain_text("birds")
    page.goto("/chains/")
    found.look(page, "chains with tags")
    page.locator(".row-menu summary").first.click()
    found.look(page, "the menu of a row")
    page.get_by_role("link", name="Delete…").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    found.look(page, "a chain is deleted")
    look_at(found, page, "/chains/gate/delete", "/chains/?q=birds&tag=birds", "/chains/?q=nothing+has+this")
    page.goto("/chains/")
    page.locator(".row-menu summary").first.click()
    page.locator(".row-menu").first.get_by_label("Tags").fill("x" * 41)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="too long")).to_be_visible()
    found.look(page, "a tag that is too long")
    page.goto("/chains/")
    page.locator(".row-menu summary").first.click()
    page.get_by_role("button", name="Archive").first.click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    found.look(page, "a chain was archived")
    look_at(found, page, "/chains/?shelf=archived")
    assert found == []


def test_the_import(found: Findings, window: Callable[..., Page], stage: Stage) -> None:
    page = window("iris")
    import_chain(page, json.dumps(chain_file("Solo")))
    look_at(found, page, "/chains/import")
    faulty = chain_file("Gate") | {"agents": [{"name": "Ada", "model": "nobody/nothing"}, {"name": 3}]}
    texts = {
        "a preview": (json.dumps(chain_file("Trio")), "It becomes a new chain"),
        "a new version": (
            json.dumps(chain_file("Solo") | {"agents": chain_file("Pair")["agents"]}),
            "this becomes its version 2",
        ),
        "faults": (json.dumps(faulty), "keep it from being imported"),
    }
    for state, (text, words) in texts.items():
        page.get_by_label("Or paste JSON").fill(text)
        expect(page.locator("#import-looked")).to_contain_text(words)
        found.look(page, f"import, {state}")
    assert found == []
