"""A call as a shell command, for people who want to send it by hand. The key is never part of it."""

from __future__ import annotations

import json
import re
import shlex
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from chains.providers.base import ChatMessage, ChatRequest, Endpoint
from chains.providers.http import STREAM_HEADERS
from chains.providers.registry import open_provider

DEFAULT_VARIABLE = "API_KEY"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SPECIAL = re.compile(r'([\\"`$])')
_SPECIAL_IN_TEXT = re.compile(r"([\\`$])")


@dataclass(frozen=True, slots=True)
class _Picture:
    """A picture as a file beside the command. ``mark`` stands for its data until the body is written."""

    file: str
    source: str
    mark: str


def curl_command(
    endpoint: Endpoint, request: ChatRequest, *, sources: Mapping[int | None, str] | None = None
) -> str | None:
    """Write what is sent for a request as a ``curl`` command; None where nothing travels.

    The provider's own code writes address, headers and body, with a shell variable in the place of the key.
    Pictures are read from files when the command runs; ``sources`` says where each can be had.
    """
    pictures = _pictures(request, sources or {})
    variable = endpoint.key_variable if _VARIABLE.fullmatch(endpoint.key_variable) else DEFAULT_VARIABLE
    # A process that only shows what others sent may lack the key, but knows that there is one.
    has_key = bool(endpoint.key_variable or endpoint.api_key)
    keyless = replace(
        endpoint,
        api_key=f"${variable}" if has_key else "",
        base_url=_without_login(endpoint.base_url),
    )
    wire = open_provider(keyless).wire(_with_marks(request, pictures))
    if wire is None:
        return None
    headers = {**wire.headers, **STREAM_HEADERS}
    lines = [f"curl --no-buffer {shlex.quote(wire.url)}"]
    lines += [f"  -H {_quoted(f'{name}: {value}', variable)}" for name, value in headers.items()]
    # A body in a file of its own has no limit of length, and no line of indented JSON can end it.
    body = json.dumps(wire.body, ensure_ascii=False, indent=2)
    if pictures:
        lines.append("  --data-binary @- <<JSON")
        return _files_first(pictures.values()) + _command(lines, _with_files(body, pictures.values()))
    lines.append("  --data-binary @- <<'JSON'")
    return _command(lines, body)


def _command(lines: Iterable[str], body: str) -> str:
    return " \\\n".join(lines) + f"\n{body}\nJSON\n"


def _pictures(request: ChatRequest, sources: Mapping[int | None, str]) -> dict[int | None, _Picture]:
    images = {image.attachment: image for message in request.messages for image in message.images}
    names = Counter(image.name.casefold() for image in images.values())
    files = {
        row: image.name if names[image.name.casefold()] == 1 else f"{row}-{image.name}"
        for row, image in images.items()
    }
    return {
        row: _Picture(shlex.quote(f"./{file}"), sources.get(row, ""), f"picture-{uuid.uuid4().hex}")
        for row, file in files.items()
    }


def _with_marks(request: ChatRequest, pictures: Mapping[int | None, _Picture]) -> ChatRequest:
    def marked(message: ChatMessage) -> ChatMessage:
        images = (replace(image, data=pictures[image.attachment].mark) for image in message.images)
        return replace(message, images=tuple(images))

    return replace(request, messages=tuple(marked(message) for message in request.messages))


def _files_first(pictures: Iterable[_Picture]) -> str:
    """Say which files the command reads, and send nothing while one is missing."""
    lines = ["# Save each picture here first, under this name, from the address behind it:"]
    lines += [f"#   {picture.file} {picture.source}".rstrip() for picture in pictures]
    return "\n".join([*lines, f"ls {' '.join(picture.file for picture in pictures)} >/dev/null &&\n"])


def _with_files(body: str, pictures: Iterable[_Picture]) -> str:
    """Let the shell put pictures into a body, and nothing else."""
    body = _SPECIAL_IN_TEXT.sub(r"\\\1", body)
    for picture in pictures:
        body = body.replace(picture.mark, f"$(base64 < {picture.file} | tr -d '\\n')")
    return body


def _quoted(header: str, variable: str) -> str:
    if f"${variable}" not in header:
        return shlex.quote(header)
    return '"' + _SPECIAL.sub(r"\\\1", header).replace(f"\\${variable}", f"${variable}") + '"'


def _without_login(url: str) -> str:
    """Leave out a name and password that may stand in the address."""
    scheme, mark, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme}{mark}{place.rpartition('@')[2]}{slash}{path}"
