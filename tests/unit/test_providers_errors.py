"""What each refusal means, whether asking again can help, and what people read."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from chains.providers.base import Endpoint
from chains.providers.errors import (
    MAX_QUOTED,
    ErrorKind,
    ProviderError,
    error_from_status,
    error_from_stream,
    error_of_kind,
    parted,
)

KEY = "sk-live-4f9a8b7c6d5e4f3a2b1c"
ANTHROPIC = Endpoint(
    "anthropic", "Anthropic", "anthropic", "https://api.example.org", KEY, "ANTHROPIC_API_KEY"
)


def refused(status: int, body: object = None, headers: dict[str, str] | None = None) -> ProviderError:
    now = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    return error_from_status(ANTHROPIC, status, body, headers or {}, now)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 413, 422])
def test_what_the_provider_refuses_is_never_asked_again(status: int) -> None:
    assert not refused(status).retryable


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_asked_again(status: int) -> None:
    assert refused(status).retryable


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ErrorKind.BAD_REQUEST),
        (401, ErrorKind.AUTH),
        (403, ErrorKind.PERMISSION),
        (404, ErrorKind.NOT_FOUND),
        (413, ErrorKind.BAD_REQUEST),
        (422, ErrorKind.BAD_REQUEST),
        (429, ErrorKind.RATE_LIMITED),
        (500, ErrorKind.SERVER),
        (503, ErrorKind.OVERLOADED),
        (529, ErrorKind.OVERLOADED),
    ],
)
def test_a_status_has_its_kind(status: int, kind: ErrorKind) -> None:
    error = refused(status)
    assert (error.kind, error.http_status) == (kind, status)


def test_a_refused_key_names_the_variable_to_check():
    assert (
        refused(401).sentence
        == "Anthropic refused the key (401): an administrator must check ANTHROPIC_API_KEY."
    )


def test_the_providers_own_words_are_quoted():
    error = refused(400, {"error": {"message": "max_tokens: too\n large"}})
    assert error.sentence.endswith("It said: “max_tokens: too large”")


def test_long_words_of_the_provider_are_cut():
    sentence = refused(500, {"error": {"message": "very " * 1000}}).sentence
    assert len(sentence) < MAX_QUOTED + 120


@pytest.mark.parametrize(
    "said",
    [
        f"Incorrect API key provided: {KEY}.",
        "Invalid token sk-proj-ABCDEFGHIJKLMNOP12",
        "Header was Bearer abcdef",
        "key AIzaSyA1234567890bcdefghi is blocked",
    ],
)
def test_a_key_never_shows(said: str) -> None:
    error = refused(401, {"error": {"message": said}})
    for secret in (KEY, "ABCDEFGHIJ", "abcdef", "SyA1234567890"):
        assert secret not in error.sentence
        assert secret not in str(error)
    assert "…" in error.sentence


def test_a_page_of_html_is_not_quoted():
    assert "<" not in refused(502, "<html><h1>Bad gateway</h1></html>").sentence


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("Fri, 20 Nov 2026 12:00:30 GMT", 30.0),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert refused(429, headers={"retry-after": value}).retry_after == (seconds or None)


def test_gemini_names_its_delay_in_the_body():
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]
    assert refused(429, [{"error": {"message": "quota", "details": details}}]).retry_after == 34.5


def test_an_empty_account_is_not_asked_again_although_it_says_429():
    assert not refused(429, {"error": {"code": "insufficient_quota", "message": "no credit"}}).retryable


def test_a_redirect_says_that_the_address_is_to_be_corrected():
    error = refused(307)
    assert (error.http_status, error.retryable) == (307, False)
    assert "redirects" in error.sentence


@pytest.mark.parametrize(
    ("details", "kind", "retryable"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, ErrorKind.OVERLOADED, True),
        ({"type": "invalid_request_error", "message": "no"}, ErrorKind.BAD_REQUEST, False),
        ({"type": "server_error", "message": "oops"}, ErrorKind.SERVER, True),
        ({"type": "x", "code": "rate_limit_exceeded"}, ErrorKind.RATE_LIMITED, True),
        ({"code": 503, "status": "UNAVAILABLE"}, ErrorKind.OVERLOADED, True),
        ({"code": 401}, ErrorKind.AUTH, False),
        ({}, ErrorKind.SERVER, True),
    ],
)
def test_an_error_inside_a_stream_is_told_by_its_name(
    details: dict[str, object], kind: ErrorKind, retryable: bool
) -> None:
    error = error_from_stream(ANTHROPIC, details)
    assert (error.kind, error.retryable) == (kind, retryable)


def test_the_address_shows_without_a_password_in_it():
    endpoint = Endpoint("x", "X", "openai", "https://me:secret@example.org/v1")
    assert "secret" not in error_from_status(endpoint, 302, None, {}).sentence


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_every_kind_of_error_says_what_happened_and_what_to_do(kind: ErrorKind) -> None:
    sentence = error_of_kind(kind, ANTHROPIC, said="no: really").sentence
    ours, said = parted(sentence)
    assert re.fullmatch(r"Anthropic [^:]+: [a-z][^:]+\.", ours)
    assert said == "no: really"
    assert parted(ours) == (ours, "")
