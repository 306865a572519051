"""What people call their things."""

from __future__ import annotations

from chains.actions.errors import ActionError
from chains.engine.attempt import storable

MAX_NAME = 100  # characters


def tidy_name(text: str) -> str:
    """Return a name without needless white space. Raises ``ActionError`` for none or too long a one."""
    name = storable(" ".join(text.split()))
    if not name:
        raise ActionError("Give it a name.", field="name")
    if len(name) > MAX_NAME:
        raise ActionError(f"A name may have {MAX_NAME} characters: this one has {len(name)}.", field="name")
    return name
