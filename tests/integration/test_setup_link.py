"""The one-time link that makes the first administrator."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from threading import Barrier

import pytest
from django.core.management import CommandError, call_command
from django.core.signing import TimestampSigner, b62_encode
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from chains import accounts
from chains.models import User

PASSWORD = "correct horse battery"
FORM = {"username": "ada", "email": "ada@example.org", "password1": PASSWORD, "password2": PASSWORD}


class LongAgo(TimestampSigner):
    """Signs as the site did before its links' time ran out."""

    def timestamp(self) -> str:
        return b62_encode(int(time.time() - (accounts.SETUP_LINK_AGE + timedelta(minutes=1)).total_seconds()))


def test_the_set_up_link_makes_the_administrator_and_logs_them_in(client: Client, db: None) -> None:
    link = accounts.make_setup_link() or ""
    assert client.get(link).status_code == 200
    response = client.post(link, FORM)
    ada = User.objects.get(username="ada")

    assert ada.is_superuser
    assert ada.is_staff
    assert ada.check_password(PASSWORD)
    assert response.headers["Location"] == reverse("home")
    assert client.session["_auth_user_id"] == str(ada.pk)


def test_the_set_up_link_works_once(client: Client, db: None) -> None:
    link = accounts.make_setup_link() or ""
    client.post(link, FORM)
    response = Client().post(link, {**FORM, "username": "eve", "email": "eve@example.org"})

    assert response.status_code == 404
    assert "no longer works" in response.content.decode()
    assert [user.username for user in User.objects.all()] == ["ada"]
    assert accounts.make_setup_link() is None


@pytest.mark.django_db(transaction=True)
def test_of_two_who_send_the_set_up_form_at_once_one_becomes_administrator() -> None:
    together = Barrier(2)

    def make(name: str) -> bool:
        together.wait()
        try:
            return accounts.make_administrator(User(username=name, email=f"{name}@example.org"))
        finally:
            connection.close()

    with ThreadPoolExecutor() as threads:
        made = list(threads.map(make, ["ada", "eve"]))

    assert sorted(made) == [False, True]
    assert User.objects.filter(is_superuser=True).count() == User.objects.count() == 1


def test_faults_in_the_set_up_form_stand_beside_their_fields(client: Client, db: None) -> None:
    page = client.post(accounts.make_setup_link() or "", {**FORM, "password2": "other"}).content.decode()

    assert 'id="id_password2_error"' in page
    assert 'value="ada"' in page
    assert not User.objects.exists()


@pytest.mark.parametrize("token", ["made-up", "administrator:1xVduC:made-up"])
def test_a_made_up_set_up_link_leads_to_words(client: Client, db: None, token: str) -> None:
    response = client.post(reverse("setup", args=[token]), FORM)

    page = response.content.decode()
    assert response.status_code == 404
    assert "This link no longer works" in page
    assert "ask whoever runs this site for one" in page
    assert "manage.py" not in page
    assert f'href="{reverse("account_login")}"' in page
    assert not User.objects.exists()


def test_a_set_up_link_from_long_ago_is_dead(client: Client, db: None) -> None:
    old = LongAgo(salt="chains.accounts.setup").sign("administrator")
    fresh = TimestampSigner(salt="chains.accounts.setup").sign("administrator")

    assert client.get(reverse("setup", args=[old])).status_code == 404
    assert client.get(reverse("setup", args=[fresh])).status_code == 200


def test_the_command_prints_a_link_that_works_until_there_is_an_administrator(
    client: Client, db: None, settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://chains.example.org"
    printed = StringIO()
    call_command("admin_link", stdout=printed)
    link = printed.getvalue().strip()

    assert link.startswith("https://chains.example.org/setup/")
    assert client.get(link.removeprefix(settings.PUBLIC_URL)).status_code == 200
    User.objects.create_superuser("root", "root@example.org", PASSWORD)
    with pytest.raises(CommandError, match="administrator already"):
        call_command("admin_link")
