"""What must be right before the site starts."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured


@register(Tags.security)
def encryption_keys_can_encrypt(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Refuse a malformed key at the start, not when somebody logs in with a second factor."""
    from chains.accounts import fernet_key  # needs the models, which are not there when checks are registered

    faults: list[CheckMessage] = []
    for number, key in enumerate(settings.ENCRYPTION_KEYS, 1):
        try:
            fernet_key(key)
        except ImproperlyConfigured as fault:
            faults.append(Error(f"Key number {number}: {fault}", id="chains.E001"))
    return faults
