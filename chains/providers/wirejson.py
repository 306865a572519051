"""JSON to and from the wire: fast where it can be, forgiving where providers are not strict."""

from __future__ import annotations

import json
from typing import Any

import orjson


def load_json(data: bytes) -> Any:
    r"""Decode JSON. Raises ``ValueError`` when it is none.

    orjson rejects escapes of half a surrogate pair (``\ud83d``), which some providers send when they cut an
    emoji in two, and bytes that are no UTF-8. The standard library takes the first; the second are replaced.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return json.loads(data.decode("utf-8", "replace"))


def dump_json(value: object) -> bytes:
    """Encode a request's body; half surrogates, which orjson rejects, travel as escapes."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value).encode()
