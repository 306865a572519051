"""Who asks: a bearer token, and a limit on bad ones."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus

from allauth.account.adapter import get_adapter
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from chains.api.errors import ApiError
from chains.models import ApiToken, User

BAD_TOKENS, PERIOD_S = 20, 60
USED_EVERY = timedelta(minutes=1)
HOW = "Send “Authorization: Bearer TOKEN”; manage.py create_api_token USER makes a token."


def authenticate(request: HttpRequest) -> User:
    """Return the token's user. Raises ``ApiError`` (401, or 429 after many bad tokens from one address)."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise _unauthorized(f"The request carries no token. {HOW}")
    # A good token is never held up by the bad ones of somebody at the same address.
    token = ApiToken.objects.find(secret.strip())
    if token is None:
        _count_bad_token(request)
        raise _unauthorized(f"The token is not valid: it was deleted or mistyped. {HOW}")
    now = timezone.now()
    unused = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - USED_EVERY)
    ApiToken.objects.filter(unused, pk=token.pk).update(last_used_at=now)
    return token.user


def _unauthorized(message: str) -> ApiError:
    return ApiError(
        message,
        status=HTTPStatus.UNAUTHORIZED,
        code="invalid_api_key",
        kind="authentication_error",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _count_bad_token(request: HttpRequest) -> None:
    key = f"api-bad-tokens-{_address(request)}"
    cache.add(key, 0, PERIOD_S)
    try:
        count = cache.incr(key)
    except ValueError:  # It expired between the two lines.
        return
    if count > BAD_TOKENS:
        raise ApiError(
            "Too many bad tokens came from this address: wait a minute and send a valid one.",
            status=HTTPStatus.TOO_MANY_REQUESTS,
            code="rate_limit_exceeded",
            kind="rate_limit_error",
            headers={"Retry-After": str(PERIOD_S)},
        )


def _address(request: HttpRequest) -> str:
    try:
        return str(get_adapter().get_client_ip(request))
    except PermissionDenied:
        return "unknown"
