"""What identifies a row."""

from __future__ import annotations


def is_row_id(text: str) -> bool:
    """Whether this text can be a row's id: no longer than any is."""
    return text.isascii() and text.isdecimal() and len(text) < 19
