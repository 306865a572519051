"""What is typed into an agent's fields, as their columns hold it.

Only what no column can hold is refused: a draft may say anything else that is wrong, and is told so.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from chains.actions.errors import ActionError
from chains.actions.names import MAX_NAME
from chains.chainfile import MAX_PROMPT
from chains.engine.attempt import storable
from chains.models import LanguageModel, is_row_id
from chains.models.chain import ConnectionType

LARGEST = 2_147_483_647  # of an integer column

Value = str | int | float | None


def read_field(name: str, text: str) -> Value:
    """Return the value of a column. Raises ``ActionError`` for the field that cannot hold it."""
    try:
        return _READERS[name](text)
    except ValueError as error:
        raise ActionError(str(error), field=name) from error


def as_typed(value: Value) -> str:
    """Write what a column holds as somebody types it: 7, not 7.0."""
    if isinstance(value, float):
        return str(value).removesuffix(".0")
    return "" if value is None else str(value)


def read_connection(text: str) -> str:
    """Return a connection. Raises ``ActionError`` for what is none."""
    if text not in ConnectionType.values:
        words = "Choose one of the connections: direct, conditional or parallel."
        raise ActionError(words, field="connection_type")
    return text


def _name(text: str) -> str:
    return _bounded(" ".join(text.split()), MAX_NAME, "A name")


def _prompt(text: str) -> str:
    return _bounded(text.replace("\r\n", "\n"), MAX_PROMPT, "A prompt")


def _condition(text: str) -> str:
    return _bounded(text.replace("\r\n", "\n"), MAX_PROMPT, "A rule")


def _bounded(text: str, most: int, what: str) -> str:
    if len(text) > most:
        raise ValueError(f"{what} may have {most:,} characters: this one has {len(text):,}.")
    return storable(text)


def _model(text: str) -> int | None:
    if not text:
        return None
    if not (is_row_id(text) and LanguageModel.objects.filter(pk=int(text)).exists()):
        raise ValueError("That model is not there any more: choose another one.")
    return int(text)


def _temperature(text: str) -> float | None:
    text = text.strip()
    if not text:
        return None
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"“{text[:40]}” is not a number: type one from 0 to 2, such as 0.7.")
    return number


def _tokens(text: str) -> int | None:
    text = text.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19 and int(text) <= LARGEST):
        raise ValueError(f"“{text[:40]}” is not a number of tokens: type a whole number such as 1000.")
    return int(text)


_READERS: dict[str, Callable[[str], Value]] = {
    "name": _name,
    "model": _model,
    "system_prompt": _prompt,
    "prompt": _prompt,
    "connection_type": read_connection,
    "condition": _condition,
    "temperature": _temperature,
    "max_output_tokens": _tokens,
}
