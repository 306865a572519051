"""A call as a shell command: run by a real shell, it asks for exactly what the call asked for."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from chains.providers.base import ChatMessage, ChatRequest, Endpoint, ModelFlags
from chains.providers.curl import curl_command
from chains.providers.registry import open_provider
from tests.loopback.server import KEY, LoopbackProvider
from tests.pictures import shown

pytest_plugins = ["tests.loopback.fixtures"]
pytestmark = pytest.mark.usefixtures("http_client")

WIRES = ["openai", "anthropic", "gemini"]
NASTY = "It's \"so\" $HOME `id` \\ \n'JSON'\nJSON\n{{x}} 🌍 " + "long " * 40_000
REQUEST = ChatRequest(
    "a model/x",
    (ChatMessage("system", "Be $kind."), ChatMessage("user", NASTY), ChatMessage("assistant", "'")),
    temperature=0.5,
    max_output_tokens=9,
    flags=ModelFlags(max_tokens_field="max_completion_tokens"),
)
# A name that a shell may not take for anything else; two files with the name of one.
CAT = shown("it's $(id) `x`; #.png", size=(64, 48))
DOGS = (replace(shown("dog.jpg", "JPEG"), attachment=8), replace(shown("Dog.jpg", "JPEG"), attachment=9))
SHOWN = replace(
    REQUEST,
    messages=(
        ChatMessage("user", NASTY, images=(CAT, DOGS[0])),
        ChatMessage("assistant", "I see."),
        ChatMessage("user", "And these?", images=(CAT, DOGS[1])),
    ),
)
SOURCES = {CAT.attachment: "http://site/7/", 8: "http://site/8/", 9: "http://site/9/"}
# Stands in for curl, so that the test needs none: it writes down what the shell gave it.
CURL = """#!{python}
import json, pathlib, sys
pathlib.Path({told!r}).write_text(json.dumps([sys.argv[1:], sys.stdin.read()]))
"""


@dataclass(frozen=True)
class Asked:
    """What curl would send."""

    url: str
    headers: dict[str, str]
    body: Any


def run(command: str, folder: Path, **variables: str) -> Asked:
    """Let a shell run the command."""
    told = folder / "told.json"
    curl = folder / "curl"
    curl.write_text(CURL.format(python=sys.executable, told=str(told)))
    curl.chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    subprocess.run(["sh"], input=command, text=True, check=True, env={"PATH": path, **variables}, cwd=folder)
    words, body = json.loads(told.read_text())
    headers = [words[place + 1] for place, word in enumerate(words) if word == "-H"]
    assert words[-2:] == ["--data-binary", "@-"]
    [url] = [word for word in words if word.startswith("http")]
    return Asked(url, dict(header.split(": ", 1) for header in headers), json.loads(body))


@pytest.mark.parametrize("wire", WIRES)
async def test_it_asks_for_what_the_call_asked_for(wire: str, loopback: LoopbackProvider, tmp_path: Path):
    endpoint = loopback.endpoint(wire)
    await open_provider(endpoint).chat(REQUEST, lambda chunk: None)
    command = curl_command(endpoint, REQUEST)
    assert command
    assert KEY not in command

    asked = run(command, tmp_path, **{endpoint.key_variable: KEY})
    [call] = loopback.calls
    assert asked.body == call.body
    assert unquote(urlsplit(asked.url).path) == unquote(urlsplit(call.path).path)
    assert asked.headers.items() <= {name.lower(): value for name, value in call.headers.items()}.items()


@pytest.mark.parametrize("wire", WIRES)
async def test_pictures_are_read_from_files_into_the_form_of_the_provider(
    wire: str, loopback: LoopbackProvider, tmp_path: Path
):
    endpoint = loopback.endpoint(wire)
    await open_provider(endpoint).chat(SHOWN, lambda chunk: None)
    command = curl_command(endpoint, SHOWN, sources=SOURCES)
    assert command
    assert all(image.data not in command for image in (CAT, *DOGS))
    for name, image in ((CAT.name, CAT), ("8-dog.jpg", DOGS[0]), ("9-Dog.jpg", DOGS[1])):
        (tmp_path / name).write_bytes(base64.b64decode(image.data))
    [call] = loopback.calls
    assert len(call.pictures) == 4
    assert run(command, tmp_path, **{endpoint.key_variable: KEY}).body == call.body


async def test_where_pictures_are_had_is_said_and_nothing_is_sent_without_them(tmp_path: Path):
    endpoint = Endpoint("x", "X", "openai", "http://127.0.0.1:9", key_variable="X_KEY")
    command = curl_command(endpoint, SHOWN, sources=SOURCES) or ""
    assert "#   ./8-dog.jpg http://site/8/\n" in command
    with pytest.raises(subprocess.CalledProcessError):
        run(command, tmp_path)
    assert not (tmp_path / "told.json").exists()


def command_of(**changes: str) -> str:
    endpoint = Endpoint("x", "X", "openai", "http://127.0.0.1:9", "sk-secret-0123456789", "X_KEY")
    return curl_command(replace(endpoint, **changes), REQUEST) or ""  # type: ignore[arg-type]


async def test_the_key_is_a_variable_even_where_this_process_does_not_have_it():
    assert '"authorization: Bearer $X_KEY"' in command_of()
    assert '"authorization: Bearer $X_KEY"' in command_of(api_key="")


async def test_an_endpoint_without_a_key_is_asked_without_one():
    assert "authorization" not in command_of(api_key="", key_variable="")


@pytest.mark.parametrize("variable", ["", "my key", "A;rm -rf", "$(id)"])
async def test_a_variable_that_no_shell_has_gets_a_name_that_it_can_have(variable: str, tmp_path: Path):
    assert (
        run(command_of(key_variable=variable), tmp_path, API_KEY="k").headers["authorization"] == "Bearer k"
    )


async def test_a_password_in_the_address_stays_out():
    command = command_of(base_url="http://me:s3cret@127.0.0.1:9/v1")
    assert "s3cret" not in command
    assert "http://127.0.0.1:9/v1/chat/completions" in command


async def test_the_simulated_provider_sends_nothing():
    assert curl_command(Endpoint("simulated", "Simulated", "simulated"), REQUEST) is None
