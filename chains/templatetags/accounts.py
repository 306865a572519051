"""What templates ask about accounts."""

from __future__ import annotations

from django import template

from chains import accounts

register = template.Library()


@register.simple_tag
def signup_is_open() -> bool:
    """Return whether anyone may make an account: ``{% signup_is_open as is_open %}``."""
    return accounts.signup_is_open()
