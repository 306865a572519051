"""The loopback provider: a real HTTP server on 127.0.0.1, in a thread and an event loop of its own."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from functools import partial
from types import TracebackType
from urllib.parse import unquote

from aiohttp import web

from chains.providers.base import Endpoint, TimeLimits
from tests.loopback.answering import Answer
from tests.loopback.recording import START_LIMIT, Call, Recording
from tests.loopback.script import Script, parse
from tests.loopback.wires import AnthropicWire, GeminiWire, OpenAIWire, Wire

KEY = "loopback-key-0123456789"
ADDRESS_VARIABLES = {"openai": "OPENAI", "anthropic": "ANTHROPIC", "gemini": "GEMINI"}


class LoopbackProvider:
    """Answers as scripted per model id; a model that nobody scripted sends a short text that names it."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self._scripts: dict[str, Script] = {}
        self._list_refusal = ""
        self._recording = Recording()
        self._thread: threading.Thread | None = None
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._stop = asyncio.Event()

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def calls(self) -> list[Call]:
        """All chat calls so far, oldest first."""
        return self._recording.of()

    def calls_of(self, model: str) -> list[Call]:
        """The chat calls of one model."""
        return self._recording.of(model)

    def script(self, model: str, script: Script) -> str:
        """Let a model answer so from now on; returns the model's id."""
        self._scripts[model] = script
        return model

    def refuse_lists(self, message: str) -> None:
        """Answer whoever asks for the models with this error from now on."""
        self._list_refusal = message

    def reset(self) -> None:
        """Forget scripts and calls."""
        self._scripts.clear()
        self._list_refusal = ""
        self._recording.clear()

    def endpoint(self, kind: str, limits: TimeLimits = TimeLimits()) -> Endpoint:
        """Return an endpoint that reaches it in this wire format."""
        variable = f"{kind.upper()}_API_KEY"
        return Endpoint(kind, f"Loopback {kind}", kind, self.url, KEY, variable, limits)

    def environment(self) -> dict[str, str]:
        """Return the variables that point an installation's providers here."""
        found = {f"{name}_API_KEY": KEY for name in ADDRESS_VARIABLES.values()}
        return found | {f"{name}_BASE_URL": self.url for name in ADDRESS_VARIABLES.values()}

    def wait_for_calls(self, count: int, model: str | None = None) -> list[Call]:
        """Wait until that many calls have arrived."""
        self._recording.wait_for(lambda: len(self._recording.of(model)) >= count, f"{count} calls")
        return self._recording.of(model)

    def wait_for_first_token(self, model: str) -> Call:
        """Wait until the model's last call has sent a token."""
        self._recording.wait_for(
            lambda: any(call.first_token_at for call in self._recording.of(model)[-1:]),
            "an answer begin",
            START_LIMIT,
        )
        return self._recording.of(model)[-1]

    def wait_for_hang_up(self, model: str) -> Call:
        """Wait until the client of the model's last call has closed before the end."""
        self._recording.wait_for(
            lambda: any(call.hung_up_at for call in self._recording.of(model)[-1:]), "a client hang up"
        )
        return self._recording.of(model)[-1]

    def announce(self) -> None:
        """Say that it serves; a process of its own prints this."""

    def start(self) -> LoopbackProvider:
        """Serve in the background."""
        self._thread = threading.Thread(target=self.serve, name="loopback-provider", daemon=True)
        self._thread.start()
        self._up.wait()
        return self

    def stop(self) -> None:
        """End, with every open connection."""
        self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread:
            self._thread.join()

    def serve(self) -> None:
        """Serve in this thread until ``stop``."""
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    def __enter__(self) -> LoopbackProvider:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _serve(self) -> None:
        # Cancelling handlers is how a hang-up is noticed while nothing is being written.
        runner = web.AppRunner(self._application(), handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port, backlog=1024)
        await site.start()
        self.port = runner.addresses[0][1]
        self._up.set()
        self.announce()
        await self._stop.wait()
        await runner.cleanup()

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=64 * 1024 * 1024)
        openai, anthropic, gemini = OpenAIWire(), AnthropicWire(), GeminiWire()
        application.router.add_post("/v1/chat/completions", partial(self._chat, wire=openai))
        application.router.add_post("/v1/messages", partial(self._chat, wire=anthropic))
        application.router.add_post("/v1beta/models/{call:.+}", partial(self._chat, wire=gemini))
        application.router.add_get("/v1/models", self._list_v1)
        application.router.add_get("/calls", self._tell_calls)
        application.router.add_get("/v1beta/models", partial(self._list, wire=gemini))
        return application

    async def _tell_calls(self, request: web.Request) -> web.Response:
        """Tell another process what was seen of the models with this in their names."""
        tag = request.query.get("tag", "")
        seen = [call for call in self.calls if tag in call.model]
        return web.json_response([call.facts() for call in seen])

    async def _list_v1(self, request: web.Request) -> web.Response:
        # One path, two formats: only Anthropic's clients name a version.
        wire: Wire = AnthropicWire() if "anthropic-version" in request.headers else OpenAIWire()
        return await self._list(request, wire)

    async def _list(self, request: web.Request, wire: Wire) -> web.Response:
        if not _has_key(request):
            return web.json_response(wire.error(401, "", f"Incorrect API key {_key(request)}"), status=401)
        if self._list_refusal:
            return web.json_response(wire.error(400, "", self._list_refusal), status=400)
        return web.json_response(wire.models(sorted(self._scripts) or ["loopback-model"]))

    async def _chat(self, request: web.Request, wire: Wire) -> web.StreamResponse:
        arrived = time.monotonic()
        # Requests that came together are all noted before the first is worked on.
        await asyncio.sleep(0)
        raw = await request.read()
        call = self._record(request, wire, raw, arrived)
        if not _has_key(request):
            return web.json_response(wire.error(401, "", f"Incorrect API key {_key(request)}"), status=401)
        try:
            call.pictures = wire.pictures(call.body)
        except (ValueError, LookupError, TypeError, OSError) as fault:
            return web.json_response(wire.error(400, "", f"Invalid picture: {fault}"), status=400)
        script = self._scripts.get(call.model) or parse(call.model) or Script()
        try:
            return await Answer(wire, script.at_call(call.number), call, self._recording).play(request)
        except (asyncio.CancelledError, ConnectionError):
            self._recording.note(call, hung_up_at=time.monotonic())
            raise

    def _record(self, request: web.Request, wire: Wire, raw: bytes, arrived: float) -> Call:
        body = json.loads(raw)
        if wire.name == "gemini":
            model = unquote(request.match_info["call"]).removesuffix(":streamGenerateContent")
        else:
            model = str(body["model"])
        assert request.transport is not None
        call = Call(
            model=model,
            wire=wire.name,
            path=request.path_qs,
            arrived=arrived,
            body=body,
            headers={name.lower(): value for name, value in request.headers.items()},
            port=request.transport.get_extra_info("peername")[1],
        )
        self._recording.add(call)
        return call


def _key(request: web.Request) -> str:
    headers = request.headers
    bearer = headers.get("authorization", "").removeprefix("Bearer ")
    return bearer or headers.get("x-api-key", "") or headers.get("x-goog-api-key", "")


def _has_key(request: web.Request) -> bool:
    # Ollama needs no key, so none at all is accepted; a wrong one is not.
    return _key(request) in ("", KEY)
