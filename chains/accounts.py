"""How allauth's account and two-factor rules are ours, and how the first administrator is made."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ImproperlyConfigured
from django.core.signing import BadSignature, TimestampSigner
from django.db import transaction
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from chains.models import User

SETUP_LINK_AGE = timedelta(hours=24)
NO_SUCH_LOGIN = "The username or email, or the password, is not correct."
_setup_signer = TimestampSigner(salt="chains.accounts.setup")


class AccountAdapter(DefaultAccountAdapter):
    """Accounts of this installation."""

    # One field takes both, so the fault names both.
    error_messages = DefaultAccountAdapter.error_messages | {
        "username_password_mismatch": NO_SUCH_LOGIN,
        "email_password_mismatch": NO_SUCH_LOGIN,
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Obey ``SIGNUP``."""
        return signup_is_open()


class LoginRequired(LoginRequiredMiddleware):
    """Asks who it is, and leads back to the page that was left; the address of a form answers to no visit."""

    def handle_no_permission(self, request: HttpRequest, view_func: Any) -> HttpResponseRedirect:
        """Redirect to the log-in page."""
        if request.method in ("GET", "HEAD"):
            return super().handle_no_permission(request, view_func)
        came_from = request.headers.get("Referer", "")
        is_ours = url_has_allowed_host_and_scheme(came_from, {request.get_host()}, request.is_secure())
        _, _, path, query, _ = urlsplit(came_from if is_ours else reverse("home"))
        return redirect_to_login(urlunsplit(("", "", path, query, "")), self.get_login_url(view_func))


class MFAAdapter(DefaultMFAAdapter):
    """Second factors, whose secrets are stored encrypted."""

    def encrypt(self, text: str) -> str:
        """Encrypt with the first of our keys."""
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Decrypt with whichever of our keys fits."""
        return _cipher().decrypt(encrypted_text.encode()).decode()


def signup_is_open() -> bool:
    """Return whether anyone may make an account."""
    return bool(settings.SIGNUP == "open")


def fernet_key(key: str) -> Fernet:
    """Return the cipher of one of ``ENCRYPTION_KEYS``; raise ImproperlyConfigured if it is none."""
    try:
        return Fernet(key)
    except ValueError as error:
        raise ImproperlyConfigured(
            "ENCRYPTION_KEYS holds what is no Fernet key (32 bytes in URL-safe base64). Make one "
            'with: python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
        ) from error


def make_setup_link() -> str | None:
    """Return the path of a link that makes the administrator, or None if there is one already."""
    if User.objects.filter(is_superuser=True).exists():
        return None
    return reverse("setup", args=[_setup_signer.sign("administrator")])


def setup_link_is_good(token: str) -> bool:
    """Return whether this link may still make an administrator: ours, young enough, and none made yet."""
    try:
        _setup_signer.unsign(token, max_age=SETUP_LINK_AGE)
    except BadSignature:
        return False
    return not User.objects.filter(is_superuser=True).exists()


@transaction.atomic
def make_administrator(user: User) -> bool:
    """Save ``user`` as the administrator unless another was made in the meantime; return whether it was."""
    # Two people with the same link take turns here.
    ContentType.objects.select_for_update().get(app_label="chains", model="user")
    if User.objects.filter(is_superuser=True).exists():
        return False
    user.is_staff = user.is_superuser = True
    user.save()
    # Whoever can read the server's output owns the address that they typed.
    EmailAddress.objects.create(user=user, email=user.email.lower(), primary=True, verified=True)
    return True


def _cipher() -> MultiFernet:
    derived = base64.urlsafe_b64encode(hashlib.sha256(settings.SECRET_KEY.encode()).digest())
    return MultiFernet([*map(fernet_key, settings.ENCRYPTION_KEYS), Fernet(derived)])
