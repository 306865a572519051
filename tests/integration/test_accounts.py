"""People: sign up, log in and out, passwords, second factors, and who must log in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from cryptography.fernet import Fernet
from django.core import mail
from django.core.checks import run_checks
from django.template.loader import render_to_string
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from pytest_django.fixtures import Settings

from chains import accounts
from chains.models import User

PASSWORD = "correct horse battery"
NEW_PASSWORD = "a staple of horses"
FORM = {"username": "ada", "email": "ada@example.org", "password1": PASSWORD, "password2": PASSWORD}

Clients = Callable[[User], Client]


def log_in(client: Client, login: str, password: str = PASSWORD, **data: str) -> Any:
    return client.post(reverse("account_login"), {"login": login, "password": password, **data})


def totp_code(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))


def activate_totp(client: Client) -> str:
    """Switch the second factor on and return its secret."""
    activate = reverse("mfa_activate_totp")
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    secret = str(client.get(activate).context["form"].secret)
    client.post(activate, {"code": totp_code(secret)})
    return secret


# Who must log in

OPEN_TO_ALL = {
    "shared_run",  # by a link that nobody guesses
    "landing",
    "setup",
    "admin:login",
    "account_login",
    "account_logout",
    "account_signup",
    "account_inactive",
    "account_confirm_email",
    "account_email_verification_sent",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key",
    "account_reset_password_from_key_done",
    "account_confirm_login_code",
    "mfa_authenticate",
}


def all_views(patterns: Any = None, space: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Walk the URL conf: the full name of each view, and its pattern."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{space}{pattern.namespace}:" if pattern.namespace else space
            yield from all_views(pattern.url_patterns, inner)
        else:
            yield f"{space}{pattern.name or ''}", pattern


def test_every_page_but_the_landing_and_account_pages_needs_a_login() -> None:
    unguarded = {name for name, view in all_views() if not getattr(view.callback, "login_required", True)}

    # The HTTP API asks for a token instead.
    assert {name for name in unguarded if not name.startswith("api:")} <= OPEN_TO_ALL


@pytest.mark.parametrize("address", ["/", "/accounts/email/", "/accounts/2fa/"])
def test_a_page_that_needs_a_login_sends_there_and_remembers_where_one_wanted_to_go(
    client: Client, db: None, address: str
) -> None:
    assert client.get(address).headers["Location"] == f"{reverse('account_login')}?next={address}"


def test_the_admin_has_no_log_in_of_its_own_that_would_go_round_throttle_and_second_factor(
    client: Client, db: None
) -> None:
    response = client.post("/admin/login/", {"username": "alice", "password": PASSWORD})

    assert response.headers["Location"].startswith(reverse("account_login"))


# Signing up


def test_whoever_signs_up_is_logged_in_and_comes_to_the_start_page(client: Client, db: None) -> None:
    response = client.post(reverse("account_signup"), FORM)

    assert response.headers["Location"] == reverse("home")
    assert client.session["_auth_user_id"] == str(User.objects.get(username="ada").pk)


def test_a_faulty_sign_up_names_each_fault_beside_its_field_and_keeps_what_was_typed(
    client: Client, alice: User
) -> None:
    page = client.post(
        reverse("account_signup"), {**FORM, "username": "alice", "password2": "something else"}
    ).content.decode()

    assert 'id="id_username_error"' in page
    assert 'id="id_password2_error"' in page
    assert 'value="ada@example.org"' in page
    assert PASSWORD not in page
    assert User.objects.count() == 1


def test_a_closed_sign_up_says_so_and_makes_no_account(client: Client, db: None, settings: Settings) -> None:
    settings.SIGNUP = "closed"

    assert "Sign-up is closed" in client.get(reverse("account_signup")).content.decode()
    assert "Sign-up is closed" in client.post(reverse("account_signup"), FORM).content.decode()
    assert not User.objects.exists()
    for page in ("landing", "account_login"):
        assert "Sign up" not in client.get(reverse(page)).content.decode()


def test_an_open_sign_up_is_offered(client: Client, db: None) -> None:
    for page in ("landing", "account_login"):
        assert reverse("account_signup") in client.get(reverse(page)).content.decode()


def test_the_landing_page_offers_to_log_in_once(client: Client, db: None, settings: Settings) -> None:
    for settings.SIGNUP in ("open", "closed"):
        page = client.get(reverse("landing")).content.decode()
        assert page.count(f'href="{reverse("account_login")}"') == 1


# Logging in and out


@pytest.mark.parametrize("login", ["alice", "alice@example.org"])
def test_one_logs_in_with_name_or_address_and_comes_to_the_start_page(
    client: Client, alice: User, login: str
) -> None:
    assert log_in(client, login).headers["Location"] == reverse("home")


def test_logging_in_leads_on_to_the_page_that_was_asked_for_but_to_no_other_site(
    client: Client, alice: User
) -> None:
    assert log_in(client, "alice", next="/accounts/email/").headers["Location"] == "/accounts/email/"
    client.logout()
    assert log_in(client, "alice", next="https://evil.example/").headers["Location"] == reverse("home")


def test_a_wrong_password_is_refused_in_words_and_the_name_stays(client: Client, alice: User) -> None:
    page = log_in(client, "alice", "wrong").content.decode()

    assert "not correct" in page
    assert 'value="alice"' in page
    assert "_auth_user_id" not in client.session


def test_too_many_wrong_passwords_close_the_account_even_to_the_right_one_for_a_while(
    client: Client, alice: User
) -> None:
    for _ in range(6):
        log_in(client, "alice", "wrong")

    assert "Too many failed login attempts" in log_in(client, "alice").content.decode()
    assert "_auth_user_id" not in client.session


def test_a_flood_of_log_ins_gets_a_page_that_says_to_wait(client: Client, db: None) -> None:
    answers = [log_in(client, f"nobody-{number}", "wrong") for number in range(31)]

    assert answers[-1].status_code == 429
    assert "Too many attempts" in answers[-1].content.decode()


def test_only_a_post_logs_out(alice: User, client_for: Clients) -> None:
    client = client_for(alice)

    client.get(reverse("account_logout"))
    assert "_auth_user_id" in client.session
    assert client.post(reverse("account_logout")).headers["Location"] == reverse("landing")
    assert "_auth_user_id" not in client.session


# Passwords


def test_a_forgotten_password_is_set_anew_through_the_link_in_the_mail(client: Client, alice: User) -> None:
    client.post(reverse("account_reset_password"), {"email": "alice@example.org"})
    link = re.search(r"https?://[^/\s]+(/accounts/password/reset/key/\S+)", str(mail.outbox[0].body))
    assert link
    form_address = client.get(link[1], follow=True).request["PATH_INFO"]
    client.post(form_address, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})

    assert log_in(Client(), "alice").status_code == 200
    assert log_in(Client(), "alice", NEW_PASSWORD).headers["Location"] == reverse("home")


def test_a_reset_link_that_was_used_or_made_up_leads_to_words(client: Client, db: None) -> None:
    page = client.get("/accounts/password/reset/key/1-made-up/").content.decode()

    assert "already been used" in page


def test_changing_the_password_asks_for_the_old_one_and_names_the_fault_beside_it(
    alice: User, client_for: Clients
) -> None:
    client = client_for(alice)
    change = reverse("account_change_password")
    new = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}

    assert (
        'id="id_oldpassword_error"' in client.post(change, {"oldpassword": "wrong", **new}).content.decode()
    )
    assert client.post(change, {"oldpassword": PASSWORD, **new}).status_code == 302
    assert log_in(Client(), "alice", NEW_PASSWORD).headers["Location"] == reverse("home")


# Second factors


def test_a_second_factor_is_asked_for_after_the_password(client: Client, alice: User) -> None:
    log_in(client, "alice")
    secret = activate_totp(client)
    stranger = Client()

    assert log_in(stranger, "alice").headers["Location"] == reverse("mfa_authenticate")
    assert "_auth_user_id" not in stranger.session
    stranger.post(reverse("mfa_authenticate"), {"code": totp_code(secret)})
    assert stranger.session["_auth_user_id"] == str(alice.pk)


def test_a_code_serves_once_and_a_recovery_code_in_its_place(client: Client, alice: User) -> None:
    log_in(client, "alice")
    code = totp_code(activate_totp(client))
    first, second = Client(), Client()
    log_in(first, "alice")
    first.post(reverse("mfa_authenticate"), {"code": code})
    log_in(second, "alice")

    refused = second.post(reverse("mfa_authenticate"), {"code": code}).content.decode()
    assert 'id="id_code_error"' in refused
    recovery = Authenticator.objects.get(user=alice, type="recovery_codes").wrap().get_unused_codes()[0]
    second.post(reverse("mfa_authenticate"), {"code": recovery})
    assert second.session["_auth_user_id"] == str(alice.pk)


def test_the_secret_of_a_second_factor_is_stored_encrypted(client: Client, alice: User) -> None:
    log_in(client, "alice")
    secret = activate_totp(client)
    stored = Authenticator.objects.get(user=alice, type="totp").data["secret"]

    assert secret not in stored
    assert accounts.MFAAdapter().decrypt(stored) == secret


def test_after_a_change_of_keys_the_old_one_still_decrypts(settings: Settings) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    adapter = accounts.MFAAdapter()
    settings.ENCRYPTION_KEYS = [old]
    stored = adapter.encrypt("secret")
    settings.ENCRYPTION_KEYS = [new, old]

    assert adapter.decrypt(stored) == "secret"
    assert Fernet(new).decrypt(adapter.encrypt("secret")) == b"secret"


def test_a_malformed_key_is_refused_at_the_start_by_its_place(settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode(), "not a key"]
    faults = [fault for fault in run_checks() if fault.id == "chains.E001"]

    assert [fault.msg.split(":")[0] for fault in faults] == ["Key number 2"]
    assert "not a key" not in faults[0].msg


# What pages must not hold, and pages for faults

ACCOUNT_PAGES = [
    "account_email",
    "account_change_password",
    "account_logout",
    "mfa_index",
    "mfa_activate_totp",
    "account_reauthenticate",
]


def inline_code(page: str) -> list[str]:
    """Find what the content security policy would refuse: inline styles, scripts and handlers."""
    found = re.findall(r"<style|<[^>]*\s(?:style|on\w+)=[^>]*>", page)
    scripts = re.findall(r"<script[^>]*>", page)
    return found + [tag for tag in scripts if "src=" not in tag and 'type="application/json"' not in tag]


def test_pages_for_everybody_hold_no_inline_code(client: Client, db: None) -> None:
    addresses = [
        reverse(name) for name in ("landing", "account_login", "account_signup", "account_reset_password")
    ]
    for address in [*addresses, accounts.make_setup_link() or "", "/nowhere/"]:
        assert inline_code(client.get(address).content.decode()) == []


@pytest.mark.parametrize("name", ACCOUNT_PAGES)
def test_account_pages_have_our_frame_and_hold_no_inline_code(client: Client, alice: User, name: str) -> None:
    log_in(client, "alice")
    if name == "mfa_activate_totp":
        client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    page = client.get(reverse(name)).content.decode()

    assert 'id="main"' in page
    assert "css/app" in page
    assert inline_code(page) == []


def test_the_policy_permits_our_own_scripts_and_styles_only(client: Client, db: None) -> None:
    policy = client.get(reverse("landing")).headers["Content-Security-Policy"]

    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


def test_what_does_not_exist_has_a_page_with_a_way_back(client: Client, db: None) -> None:
    response = client.get("/nowhere/")

    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()
    assert f'href="{reverse("landing")}"' in response.content.decode()


def test_a_form_without_its_token_is_refused_in_words(db: None) -> None:
    response = Client(enforce_csrf_checks=True).post(reverse("account_login"), {"login": "alice"})

    assert response.status_code == 403
    assert "The form was out of date" in response.content.decode()


@pytest.mark.parametrize("page", ["400.html", "500.html"])
def test_the_pages_for_the_worst_need_no_request_and_no_database(page: str) -> None:
    assert "Back to the start" in render_to_string(page)
