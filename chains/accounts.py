"""How allauth's account and two-factor rules are ours: closed sign-up, encrypted TOTP secrets."""

from __future__ import annotations

import base64
import hashlib

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):
    """Accounts of this installation."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Obey ``SIGNUP``."""
        return bool(settings.SIGNUP == "open")


class MFAAdapter(DefaultMFAAdapter):
    """Second factors, whose secrets are stored encrypted."""

    def encrypt(self, text: str) -> str:
        """Encrypt with the first of our keys."""
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Decrypt with whichever of our keys fits."""
        return _cipher().decrypt(encrypted_text.encode()).decode()


def _cipher() -> MultiFernet:
    derived = base64.urlsafe_b64encode(hashlib.sha256(settings.SECRET_KEY.encode()).digest())
    return MultiFernet([Fernet(key) for key in [*settings.ENCRYPTION_KEYS, derived]])
