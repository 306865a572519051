"""Everything that can go wrong with a call, in one vocabulary for all providers.

    ProviderError
    ├── refused     auth, permission, not_found, bad_request      asking again changes nothing
    ├── busy        rate_limited, overloaded, server              worth another try
    ├── unreachable connection, timeout_connect                   worth another try
    ├── silent      timeout_first_token                           worth another try
    │               timeout_idle, timeout_total                   text was there already, or time is up
    └── broken      cut, protocol                                 the stream ended or made no sense

``retryable`` speaks of a call that has brought no token yet. After the first token the caller keeps what came
and never asks again by itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

from chains.providers.base import Endpoint

MAX_QUOTED = 300
_BEFORE_QUOTE = " It said: “"
_LOOKS_LIKE_A_KEY = re.compile(r"\b(?:sk|pk|gsk|xai|AIza)[-_]?[\w-]{12,}|(?i:bearer)\s+\S+")


class ErrorKind(StrEnum):
    """What kind of trouble it was; stored with the attempt."""

    AUTH = "auth"
    PERMISSION = "permission"
    NOT_FOUND = "not_found"
    BAD_REQUEST = "bad_request"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    SERVER = "server"
    CONNECTION = "connection"
    TIMEOUT_CONNECT = "timeout_connect"
    TIMEOUT_FIRST_TOKEN = "timeout_first_token"  # noqa: S105 - a token of text, not a secret
    TIMEOUT_IDLE = "timeout_idle"
    TIMEOUT_TOTAL = "timeout_total"
    CUT = "cut"
    PROTOCOL = "protocol"


_FINAL = frozenset(
    {
        ErrorKind.AUTH,
        ErrorKind.PERMISSION,
        ErrorKind.NOT_FOUND,
        ErrorKind.BAD_REQUEST,
        ErrorKind.TIMEOUT_IDLE,
        ErrorKind.TIMEOUT_TOTAL,
    }
)


class ProviderError(Exception):
    """A call failed. ``sentence`` is for people; ``retry_after`` is the provider's own wish in seconds.

    ``retryable`` holds before the first token only and follows from the kind unless it is given.
    """

    def __init__(
        self,
        kind: ErrorKind,
        sentence: str,
        *,
        http_status: int | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.sentence = sentence
        self.http_status = http_status
        self.retryable = kind not in _FINAL if retryable is None else retryable
        self.retry_after = retry_after


# What each status means. Others follow from their hundred: 4xx a bad request, 5xx the server's own trouble.
_KIND_OF_STATUS = {
    401: ErrorKind.AUTH,
    402: ErrorKind.PERMISSION,
    403: ErrorKind.PERMISSION,
    404: ErrorKind.NOT_FOUND,
    408: ErrorKind.SERVER,
    409: ErrorKind.SERVER,
    429: ErrorKind.RATE_LIMITED,
    503: ErrorKind.OVERLOADED,
    529: ErrorKind.OVERLOADED,
}

# The names that providers give to errors inside a stream that began with 200.
_KIND_OF_NAME = {
    "authentication_error": ErrorKind.AUTH,
    "invalid_api_key": ErrorKind.AUTH,
    "UNAUTHENTICATED": ErrorKind.AUTH,
    "billing_error": ErrorKind.PERMISSION,
    "permission_error": ErrorKind.PERMISSION,
    "PERMISSION_DENIED": ErrorKind.PERMISSION,
    "not_found_error": ErrorKind.NOT_FOUND,
    "model_not_found": ErrorKind.NOT_FOUND,
    "NOT_FOUND": ErrorKind.NOT_FOUND,
    "invalid_request_error": ErrorKind.BAD_REQUEST,
    "request_too_large": ErrorKind.BAD_REQUEST,
    "context_length_exceeded": ErrorKind.BAD_REQUEST,
    "INVALID_ARGUMENT": ErrorKind.BAD_REQUEST,
    "FAILED_PRECONDITION": ErrorKind.BAD_REQUEST,
    "rate_limit_error": ErrorKind.RATE_LIMITED,
    "rate_limit_exceeded": ErrorKind.RATE_LIMITED,
    "insufficient_quota": ErrorKind.RATE_LIMITED,
    "RESOURCE_EXHAUSTED": ErrorKind.RATE_LIMITED,
    "overloaded_error": ErrorKind.OVERLOADED,
    "UNAVAILABLE": ErrorKind.OVERLOADED,
}

_WHAT_HAPPENED = {
    ErrorKind.AUTH: "{name} refused the key{status}: an administrator must check {key}.",
    ErrorKind.PERMISSION: "{name} does not permit this{status}: check the account's rights and credit.",
    ErrorKind.NOT_FOUND: "{name} does not know this model or address{status}: check the model's name.",
    ErrorKind.BAD_REQUEST: "{name} did not accept the request{status}: change the agent's settings or input.",
    ErrorKind.RATE_LIMITED: "{name} limits how often it may be asked{status}: wait a little and try again.",
    ErrorKind.OVERLOADED: "{name} is overloaded{status}: try again later.",
    ErrorKind.SERVER: "{name} had an error of its own{status}: try again.",
    ErrorKind.CONNECTION: "{name} could not be reached at {place}: check its address and the network.",
    ErrorKind.TIMEOUT_CONNECT: "{name} at {place} did not connect within {connect:g} s: check the network.",
    ErrorKind.TIMEOUT_FIRST_TOKEN: "{name} sent no text within {first_token:g} s: try again later.",
    ErrorKind.TIMEOUT_IDLE: "{name} stopped sending for {idle:g} s in the middle of its answer: try again.",
    ErrorKind.TIMEOUT_TOTAL: "{name} took longer than {total:g} s: ask for less, or raise the limit.",
    ErrorKind.CUT: "{name} closed the connection before the answer was complete: try again.",
    ErrorKind.PROTOCOL: "{name} sent something that is not its own format: check its address, or try again.",
}

# Said instead of the sentences that name a key's variable or a server's address, where a run is handed on.
WITHOUT_SETUP: dict[str, str] = {
    ErrorKind.AUTH: "The provider refused the key.",
    ErrorKind.CONNECTION: "The provider could not be reached.",
    ErrorKind.TIMEOUT_CONNECT: "The provider did not connect in time.",
}


def error_of_kind(
    kind: ErrorKind,
    endpoint: Endpoint,
    *,
    said: str = "",
    status: int | None = None,
    retryable: bool | None = None,
) -> ProviderError:
    """Make the error of this kind with its sentence; ``said`` is the provider's own message, if any."""
    limits = endpoint.limits
    sentence = _WHAT_HAPPENED[kind].format(
        name=endpoint.name,
        place=_place(endpoint.base_url),
        status=f" ({status})" if status else "",
        key=endpoint.key_variable or "the provider's key",
        connect=limits.connect,
        first_token=limits.first_token,
        idle=limits.idle,
        total=limits.total,
    )
    return ProviderError(
        kind, sentence + _quoted(said, endpoint.api_key), http_status=status, retryable=retryable
    )


def error_from_status(
    endpoint: Endpoint, status: int, body: object, headers: Mapping[str, str], now: datetime | None = None
) -> ProviderError:
    """Classify an answer that is not 2xx. ``body`` is its decoded JSON, or its text."""
    if status < 400:
        return _redirected(endpoint, status)
    fallback = ErrorKind.SERVER if status >= 500 else ErrorKind.BAD_REQUEST
    details = _error_object(body)
    error = error_of_kind(
        _KIND_OF_STATUS.get(status, fallback),
        endpoint,
        said=_message(details, body),
        status=status,
        retryable=False if _is_out_of_money(details) else None,
    )
    error.retry_after = _header_wish(headers, now) or _body_wish(details)
    return error


def error_from_stream(endpoint: Endpoint, said: object) -> ProviderError:
    """Classify an error that came although the answer began well: an object, or with some servers a text."""
    details = said if isinstance(said, Mapping) else {"message": said}
    code = details.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else None
    if status is not None:
        return error_from_status(endpoint, status, {"error": details}, {})
    names = [details.get("code"), details.get("status"), details.get("type")]
    kinds = [_KIND_OF_NAME[name] for name in names if isinstance(name, str) and name in _KIND_OF_NAME]
    return error_of_kind(
        kinds[0] if kinds else ErrorKind.SERVER,
        endpoint,
        said=_message(details, ""),
        retryable=False if _is_out_of_money(details) else None,
    )


def _redirected(endpoint: Endpoint, status: int) -> ProviderError:
    sentence = (
        f"{endpoint.name} at {_place(endpoint.base_url)} redirects to another address ({status}), "
        "which is not followed because the key would travel along: correct its address."
    )
    return ProviderError(ErrorKind.BAD_REQUEST, sentence, http_status=status)


def _place(url: str) -> str:
    # Without a name and password that may stand in the address.
    place = url.partition("://")[2].partition("/")[0]
    return place.rpartition("@")[2] or "an empty address"


def _error_object(body: object) -> Mapping[str, object]:
    # Gemini wraps the object in a list when it was asked for a stream.
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, Mapping):
        return {}
    error = body.get("error", body)
    return error if isinstance(error, Mapping) else {"message": error}


def _message(details: Mapping[str, object], body: object) -> str:
    message = details.get("message")
    if isinstance(message, str):
        return message
    return body if isinstance(body, str) and "<" not in body else ""


def _is_out_of_money(details: Mapping[str, object]) -> bool:
    # OpenAI answers 429 for an empty account too; no wait makes that better.
    return "insufficient_quota" in (details.get("code"), details.get("type"))


def _header_wish(headers: Mapping[str, str], now: datetime | None) -> float | None:
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        wanted = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (wanted - (now or datetime.now(UTC))).total_seconds()) if wanted.tzinfo else None


def _body_wish(details: Mapping[str, object]) -> float | None:
    # Gemini sends {"@type": "…RetryInfo", "retryDelay": "34s"} instead of the header.
    entries = details.get("details")
    for entry in entries if isinstance(entries, list) else ():
        delay = entry.get("retryDelay") if isinstance(entry, Mapping) else None
        if isinstance(delay, str) and re.fullmatch(r"\d+(\.\d+)?s", delay):
            return float(delay[:-1])
    return None


def _quoted(said: str, key: str) -> str:
    text = " ".join(said.split())
    if key:
        text = text.replace(key, "…")
    text = _LOOKS_LIKE_A_KEY.sub("…", text)
    if len(text) > MAX_QUOTED:
        text = text[:MAX_QUOTED].rstrip() + "…"
    return f"{_BEFORE_QUOTE}{text}”" if text else ""


def parted(sentence: str) -> tuple[str, str]:
    """Return our own sentence and what the provider said, which is empty where it said nothing."""
    ours, _, said = sentence.partition(_BEFORE_QUOTE)
    return ours, said.removesuffix("”")


def without_quotes(sentences: str) -> str:
    """Leave out what providers said, line by line: they may repeat what they were sent."""
    return "\n".join(line.partition(_BEFORE_QUOTE)[0] for line in sentences.splitlines())
