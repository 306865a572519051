"""A call as a shell command, for people who want to send it by hand. The key is never part of it."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace

from chains.providers.base import ChatRequest, Endpoint
from chains.providers.http import STREAM_HEADERS
from chains.providers.registry import open_provider

DEFAULT_VARIABLE = "API_KEY"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SPECIAL = re.compile(r'([\\"`$])')


def curl_command(endpoint: Endpoint, request: ChatRequest) -> str | None:
    """Write what is sent for a request as a ``curl`` command; None where nothing travels.

    The provider's own code writes address, headers and body, with a shell variable in the place of the key.
    """
    variable = endpoint.key_variable if _VARIABLE.fullmatch(endpoint.key_variable) else DEFAULT_VARIABLE
    # A process that only shows what others sent may lack the key, but knows that there is one.
    has_key = bool(endpoint.key_variable or endpoint.api_key)
    keyless = replace(
        endpoint,
        api_key=f"${variable}" if has_key else "",
        base_url=_without_login(endpoint.base_url),
    )
    wire = open_provider(keyless).wire(request)
    if wire is None:
        return None
    headers = {**wire.headers, **STREAM_HEADERS}
    lines = [f"curl --no-buffer {shlex.quote(wire.url)}"]
    lines += [f"  -H {_quoted(f'{name}: {value}', variable)}" for name, value in headers.items()]
    # A body in a file of its own has no limit of length, and no line of indented JSON can end it.
    lines.append("  --data-binary @- <<'JSON'")
    body = json.dumps(wire.body, ensure_ascii=False, indent=2)
    return " \\\n".join(lines) + f"\n{body}\nJSON\n"


def _quoted(header: str, variable: str) -> str:
    if f"${variable}" not in header:
        return shlex.quote(header)
    return '"' + _SPECIAL.sub(r"\\\1", header).replace(f"\\${variable}", f"${variable}") + '"'


def _without_login(url: str) -> str:
    """Leave out a name and password that may stand in the address."""
    scheme, mark, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme}{mark}{place.rpartition('@')[2]}{slash}{path}"
