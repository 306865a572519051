"""Pages that say what went wrong: in words for whoever reads them, with a way on."""

from __future__ import annotations

from typing import NoReturn

import pytest
from django.core.exceptions import DisallowedHost
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from chains.views import errors


def broken(request: HttpRequest) -> HttpResponse:
    """Answer as when the database went away while this was asked for."""

    def ask() -> NoReturn:
        raise OperationalError

    try:
        ask()
    except OperationalError:
        return errors.server_error(request)


def test_an_address_that_is_not_served_tells_visitors_nothing_of_the_settings_and_the_log_all(
    client: Client, db: None, caplog: pytest.LogCaptureFixture
) -> None:
    response = client.get("/welcome/", headers={"Host": "elsewhere.example"})
    assert response.status_code == 400
    assert "ALLOWED_HOSTS" not in response.content.decode()
    told = [record.getMessage() for record in caplog.records if DisallowedHost.__name__ in record.name]
    assert "'elsewhere.example'" in told[0]
    assert "ALLOWED_HOSTS" in told[0]


def test_a_page_that_could_not_be_read_can_be_asked_for_again(rf: RequestFactory) -> None:
    page = broken(rf.get("/sessions/?q=a&b=<c>")).content.decode()
    assert "Temporarily unavailable" in page
    assert 'href="/sessions/?q=a&amp;b=%3Cc%3E">Try again</a>' in page
    # An address with two slashes in front would lead to another site.
    elsewhere = rf.get("/")
    elsewhere.path = "//elsewhere.example/"
    assert 'href="/%2Felsewhere.example/">Try again</a>' in broken(elsewhere).content.decode()


def test_what_was_sent_is_not_asked_for_again(rf: RequestFactory) -> None:
    page = broken(rf.post("/sessions/1/send")).content.decode()
    assert "Try again" not in page
    assert "Back to the start" in page
