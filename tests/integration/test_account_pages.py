"""What the account's pages say, and where they lead."""

from __future__ import annotations

import html
import re

import pytest
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.core import mail
from django.test import Client
from django.urls import reverse

from chains import accounts
from chains.models import User
from tests.integration.test_accounts import PASSWORD, Clients, activate_totp, log_in

LOG_IN = reverse("account_login")
RESET_KEY = "/accounts/password/reset/key/1-made-up/"


def read(client: Client, address: str) -> str:
    """Return the part of a page that is its own."""
    page = client.get(address, follow=True).content.decode()
    found = re.search(r"<main.*</main>", page, re.DOTALL)
    assert found
    return found[0]


def words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def labels(page: str) -> list[str]:
    return re.findall(r"<label[^>]*>([^<]*)</label>", page)


def has_link(page: str, address: str, name: str) -> bool:
    return any(words(text) == name for text in re.findall(rf'<a [^>]*href="{address}"[^>]*>(.*?)</a>', page))


@pytest.fixture
def me(client: Client, alice: User) -> Client:
    """Alice's browser, in which she has just typed her password."""
    log_in(client, "alice")
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    return client


# What they say


@pytest.mark.parametrize(
    ("name", "heading"),
    [
        ("account_inactive", "This account is inactive"),
        ("account_reset_password", "Reset your password"),
        ("account_reset_password_done", "Check your email"),
        ("account_reset_password_from_key_done", "Password changed"),
        ("account_email_verification_sent", "Check your email"),
        ("account_email", "Email addresses"),
        ("account_change_password", "Change your password"),
        ("account_reauthenticate", "Confirm that it is you"),
        ("mfa_reauthenticate", "Confirm that it is you"),
        ("mfa_index", "Two-factor authentication"),
        ("mfa_view_recovery_codes", "Recovery codes"),
        ("mfa_generate_recovery_codes", "Make new recovery codes"),
        ("mfa_deactivate_totp", "Deactivate the authenticator app"),
    ],
)
def test_a_page_has_one_heading_that_is_its_title_too(me: Client, name: str, heading: str) -> None:
    activate_totp(me)
    page = me.get(reverse(name)).content.decode()

    assert re.findall(r"<h1[^>]*>(.*?)</h1>", page) == [heading]
    assert f"<title>{heading} · chain-chat</title>" in page


def test_the_second_password_field_has_the_same_name_wherever_one_chooses_a_password(
    me: Client, alice: User
) -> None:
    set_up, sign_up = read(Client(), accounts.make_setup_link() or ""), read(Client(), "/accounts/signup/")
    me.post(reverse("account_reset_password"), {"email": alice.email})
    link = re.search(r"https?://[^/\s]+(/accounts/password/reset/key/\S+)", str(mail.outbox[-1].body))
    assert link

    assert labels(set_up) == labels(sign_up) == ["Username", "Email", "Password", "Password again"]
    assert labels(read(Client(), link[1])) == ["New password", "New password again"]
    assert labels(read(me, reverse("account_change_password"))) == [
        "Current password",
        "New password",
        "New password again",
    ]


@pytest.mark.parametrize("login", ["alice", "alice@example.org"])
def test_a_refused_log_in_names_the_field_as_it_is_called(client: Client, alice: User, login: str) -> None:
    page = log_in(client, login, "wrong").content.decode()

    assert accounts.NO_SUCH_LOGIN in page
    assert "and/or" not in page


def test_the_subjects_of_our_letters_read_like_the_pages(me: Client, alice: User) -> None:
    me.post(reverse("account_reset_password"), {"email": alice.email})
    me.post(reverse("account_reset_password"), {"email": "nobody@example.org"})
    me.post(reverse("account_email"), {"email": alice.email, "action_send": ""})

    subjects = [letter.subject.partition("] ")[2] for letter in mail.outbox]
    assert subjects == ["Reset your password", "No account has this address", "Confirm your email address"]


# Where they lead


@pytest.mark.parametrize(
    ("address", "target", "name"),
    [
        (reverse("account_inactive"), LOG_IN, "Back to login"),
        (reverse("account_reset_password"), LOG_IN, "Back to login"),
        (reverse("account_reset_password_done"), LOG_IN, "Back to login"),
        (reverse("account_email_verification_sent"), LOG_IN, "Back to login"),
        (reverse("account_reset_password_from_key_done"), LOG_IN, "Log in"),
        (RESET_KEY, reverse("account_reset_password"), "Get a new link"),
        ("/accounts/confirm-email/made-up/", reverse("account_email"), "Open your email addresses"),
    ],
)
def test_no_page_before_the_log_in_is_a_dead_end(
    client: Client, db: None, address: str, target: str, name: str
) -> None:
    page = read(client, address)

    assert has_link(page, target, name)
    assert "contact us" not in page


def test_whoever_is_logged_in_is_led_back_to_the_account_not_to_the_log_in(me: Client) -> None:
    for name in (
        "account_reset_password",
        "account_reset_password_done",
        "account_reset_password_from_key_done",
    ):
        assert LOG_IN not in read(me, reverse(name))


@pytest.mark.parametrize(
    ("name", "back", "question"),
    [
        ("account_logout", "home", "Do you want to log out?"),
        ("mfa_deactivate_totp", "mfa_index", "password alone from now on?"),
        ("mfa_generate_recovery_codes", "mfa_index", "Do you want a new set of codes?"),
        ("account_reauthenticate", "mfa_index", "needs your password"),
        ("mfa_reauthenticate", "mfa_index", "your authenticator app shows now"),
    ],
)
def test_what_a_page_asks_stands_with_its_buttons_and_can_be_cancelled(
    me: Client, name: str, back: str, question: str
) -> None:
    activate_totp(me)
    form = re.search(r"<form.*?</form>", read(me, reverse(name)), re.DOTALL)
    assert form

    assert question in words(form[0])
    assert has_link(form[0], reverse(back), "Cancel")


def test_a_person_who_is_asked_again_who_they_are_keeps_the_frame_and_comes_on(
    alice: User, client_for: Clients
) -> None:
    client = client_for(alice)
    page = client.get(reverse("mfa_activate_totp"), follow=True)

    assert 'id="user-menu"' in page.content.decode()
    assert 'aria-label="Account"' in page.content.decode()
    confirmed = client.post(page.request["PATH_INFO"], {"password": PASSWORD, "next": "/accounts/2fa/"})
    assert confirmed.status_code == 302
    assert "Activate an authenticator app" in read(client, reverse("mfa_activate_totp"))


def test_a_second_way_to_say_who_one_is_is_offered(me: Client) -> None:
    activate_totp(me)

    page = read(me, reverse("mfa_reauthenticate"))
    assert has_link(page, reverse("account_reauthenticate"), "Use your password instead")


# Addresses


def buttons(page: str) -> list[str]:
    return [words(text) for text in re.findall(r"<button[^>]*>(.*?)</button>", page, re.DOTALL)]


def test_the_only_address_is_not_chosen_from_and_not_made_primary(me: Client, alice: User) -> None:
    page = read(me, reverse("account_email"))

    assert 'type="radio"' not in page
    assert "alice@example.org Not confirmed" in words(page)
    assert buttons(page) == ["Send the confirmation again", "Remove", "Add the address"]
    EmailAddress.objects.filter(user=alice).update(verified=True, primary=True)
    assert "alice@example.org Confirmed Primary" in words(read(me, reverse("account_email")))
    assert buttons(read(me, reverse("account_email"))) == ["Remove", "Add the address"]


def test_the_only_address_can_be_confirmed_through_its_letter(me: Client, alice: User) -> None:
    me.post(reverse("account_email"), {"email": alice.email, "action_send": ""})
    letter = re.search(r"https?://[^/\s]+(/accounts/confirm-email/\S+)", str(mail.outbox[-1].body))
    assert letter

    assert f"Does {alice.email} belong to alice?" in words(read(me, letter[1]))
    me.post(letter[1])
    assert EmailAddress.objects.get(user=alice).verified


def test_an_address_that_another_account_confirmed_is_refused_in_words(
    me: Client, alice: User, bob: User
) -> None:
    mine = EmailAddress.objects.create(user=alice, email="shared@example.org")
    EmailAddress.objects.create(user=bob, email="shared@example.org", verified=True)

    page = read(me, reverse("account_confirm_email", args=[EmailConfirmationHMAC(mine).key]))
    assert "Another account has confirmed shared@example.org as its own." in words(page)


def test_one_of_several_addresses_is_chosen_and_becomes_the_primary_one(me: Client, alice: User) -> None:
    me.post(reverse("account_email"), {"email": "alice@work.example", "action_add": ""})
    page = read(me, reverse("account_email"))

    assert page.count('type="radio"') == 2
    assert "Make primary" in buttons(page)
    me.post(reverse("account_email"), {"email": "alice@work.example", "action_primary": ""})
    assert EmailAddress.objects.get(user=alice, primary=True).email == "alice@work.example"


def test_an_account_without_an_address_says_what_that_means(me: Client, alice: User) -> None:
    me.post(reverse("account_email"), {"email": alice.email, "action_remove": ""})

    assert "nobody can send you the link to a new password" in words(read(me, reverse("account_email")))


def test_an_unconfirmed_address_becomes_not_primary_in_place_of_a_confirmed_one(
    me: Client, alice: User
) -> None:
    me.post(reverse("account_email"), {"email": "alice@work.example", "action_add": ""})
    EmailAddress.objects.filter(email=alice.email).update(verified=True, primary=True)
    chosen = {"email": "alice@work.example", "action_primary": ""}

    page = me.post(reverse("account_email"), chosen, follow=True).content.decode()
    assert "Confirm that address before you make it the primary one." in page
    assert EmailAddress.objects.get(user=alice, primary=True).email == alice.email


def test_an_account_without_a_password_gets_one(alice: User, client_for: Clients) -> None:
    alice.set_unusable_password()
    alice.save()
    client = client_for(alice)

    page = read(client, reverse("account_change_password"))
    assert labels(page) == ["Password", "Password again"]
    client.post(reverse("account_set_password"), {"password1": PASSWORD, "password2": PASSWORD})
    assert log_in(Client(), "alice").headers["Location"] == reverse("home")


# The second factor


def test_a_second_factor_can_be_made_on_the_device_of_the_app(me: Client) -> None:
    page = read(me, reverse("mfa_activate_totp"))
    link = re.search(r'<a [^>]*href="(otpauth://totp/[^"]*)"[^>]*>([^<]*)', page)
    secret = re.search(r'id="authenticator_secret"[^>]*>(\w+)<', page)
    assert link
    assert secret

    assert link[2] == "Open in your authenticator app"
    assert f"secret={secret[1]}&issuer=chain-chat" in html.unescape(link[1])
    assert f'data-copy-text="{secret[1]}"' in page
    assert has_link(page, reverse("mfa_index"), "Cancel")


def test_recovery_codes_are_a_list_to_copy_and_to_download(me: Client) -> None:
    activate_totp(me)
    page = read(me, reverse("mfa_view_recovery_codes"))
    codes = re.findall(r"<li>(\d+)</li>", page)
    copied = re.search(r'data-copy-text="([^"]*)"', page)
    assert copied

    assert len(codes) == 10
    assert html.unescape(copied[1]).split("\n") == codes
    assert "<textarea" not in page
    download = me.get(reverse("mfa_download_recovery_codes")).content.decode()
    assert has_link(page, reverse("mfa_download_recovery_codes"), "Download")
    assert download.split() == codes


def test_making_new_codes_looks_the_same_wherever_it_is_offered(me: Client) -> None:
    activate_totp(me)
    looks = {
        look
        for name in ("mfa_index", "mfa_view_recovery_codes", "mfa_generate_recovery_codes")
        for look in re.findall(r'class="([^"]*)"[^>]*>Make new codes<', read(me, reverse(name)))
    }

    assert looks == {"button button-danger"}
