"""A provider that needs no key and no network: it makes up an answer here and paces it like a real one.

It serves demonstrations, tests and the first minutes after an installation. Everything it says is labelled as
simulated, costs nothing, and is the same each time for the same request.

``request.parameters`` may set: ``first_token_ms``, ``tokens_per_second``, ``length`` (tokens), ``seed``,
``fail_at`` (a token's number; 0 fails before the first) and ``attempt``, which lets ``flaky`` recover.
"""

from __future__ import annotations

import asyncio
import random
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from chains.providers.base import (
    ChatRequest,
    Completion,
    Endpoint,
    FinishReason,
    ListedModel,
    Sink,
    TextChunk,
    Usage,
)
from chains.providers.errors import ErrorKind, ProviderError
from chains.providers.simulated_text import compose

_TOKEN = re.compile(r" ?\w{1,8}| ?[^\w\s]|\s+")


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a model answers."""

    first_token_ms: float
    tokens_per_second: float


PACES = {
    "fast": Pace(250, 80),
    "slow": Pace(1200, 22),
    "flaky": Pace(700, 40),
    "broken": Pace(300, 40),
}

# How often ``flaky`` fails before the first token, by attempt; a later attempt always answers.
_FLAKY_FAILURES = (0.6, 0.3)
_FLAKY_CUTS = 0.1


@dataclass(frozen=True, slots=True)
class Performance:
    """One answer, decided beforehand. ``fail_at`` is the token at which ``failure`` happens."""

    tokens: tuple[str, ...]
    pace: Pace
    reason: FinishReason
    fail_at: int | None = None
    failure: ErrorKind = ErrorKind.SERVER


class SimulatedProvider:
    """Answers from within this process."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def wire(self, request: ChatRequest) -> None:
        """Return nothing: no request leaves this process."""

    async def chat(self, request: ChatRequest, sink: Sink) -> Completion:
        """Stream a made-up answer at its model's pace. Raises ``ProviderError`` where it is meant to."""
        if request.model not in PACES:
            known = ", ".join(PACES)
            raise ProviderError(
                ErrorKind.NOT_FOUND,
                f"{self._endpoint.name} has no model “{request.model}”: choose one of {known}.",
                http_status=404,
            )
        performance = plan(request)
        await _perform(performance, sink)
        if performance.fail_at is not None:
            raise self._failure(request.model, performance)
        sent = sum(len(_TOKEN.findall(message.content)) for message in request.messages)
        return Completion(performance.reason, Usage(sent, len(performance.tokens)))

    async def list_models(self) -> list[ListedModel]:
        """Return the models; there are always the same."""
        return [ListedModel(model, f"Simulated, {model}") for model in PACES]

    def _failure(self, model: str, performance: Performance) -> ProviderError:
        name = f"{self._endpoint.name} model “{model}”"
        if performance.failure is ErrorKind.OVERLOADED:
            sentence = f"The {name} is overloaded (503), as it is meant to be now and then: try again."
            return ProviderError(performance.failure, sentence, http_status=503)
        if performance.fail_at:
            sentence = (
                f"The {name} broke off after {performance.fail_at} tokens, as it is meant to: try again."
            )
            return ProviderError(ErrorKind.CUT, sentence)
        sentence = f"The {name} failed (500), as it is meant to: choose simulated/fast for an answer."
        return ProviderError(performance.failure, sentence, http_status=500)


def plan(request: ChatRequest) -> Performance:
    """Decide the whole answer. Raises ``ProviderError`` for a parameter that is no number."""
    given = request.parameters
    usual = PACES[request.model]
    pace = Pace(
        _number(given, "first_token_ms", usual.first_token_ms),
        max(_number(given, "tokens_per_second", usual.tokens_per_second), 0.001),
    )
    dice = random.Random(_seed(request))  # noqa: S311 - it must repeat itself
    length = round(_number(given, "length", 0)) or None
    tokens = tuple(_TOKEN.findall(compose(request.messages, dice, length)))[:length]
    reason = FinishReason.STOP
    if request.max_output_tokens is not None and len(tokens) > request.max_output_tokens:
        tokens, reason = tokens[: request.max_output_tokens], FinishReason.LENGTH
    fail_at, failure = _misfortune(request, len(tokens))
    return Performance(tokens[:fail_at], pace, reason, fail_at, failure)


def _misfortune(request: ChatRequest, tokens: int) -> tuple[int | None, ErrorKind]:
    given = request.parameters
    if given.get("fail_at") is not None:
        return round(_number(given, "fail_at", 0)), ErrorKind.SERVER
    if request.model == "broken":
        return 0, ErrorKind.SERVER
    if request.model == "flaky":
        attempt = max(1, round(_number(given, "attempt", 1)))
        dice = random.Random(_seed(request) + attempt)  # noqa: S311 - it must repeat itself
        chances = _FLAKY_FAILURES[attempt - 1 : attempt]
        if chances and dice.random() < chances[0]:
            return 0, ErrorKind.OVERLOADED
        if dice.random() < _FLAKY_CUTS:
            return tokens // 2, ErrorKind.CUT
    return None, ErrorKind.SERVER


async def _perform(performance: Performance, sink: Sink) -> None:
    # Each token has its moment from the beginning: a late wake-up sends several and delays none after it.
    clock = asyncio.get_running_loop().time
    first = clock() + performance.pace.first_token_ms / 1000
    rate = performance.pace.tokens_per_second
    await asyncio.sleep(max(0.0, first - clock()))
    sent = 0
    while sent < len(performance.tokens):
        due = max(sent + 1, int((clock() - first) * rate) + 1)
        sink(TextChunk("".join(performance.tokens[sent:due])))
        sent = due
        # The moment of the last one counts as well, or an answer of one token would differ from one of two.
        await asyncio.sleep(max(0.0, first + sent / rate - clock()))


def _seed(request: ChatRequest) -> int:
    if request.parameters.get("seed") is not None:
        return round(_number(request.parameters, "seed", 0))
    text = "\n".join([request.model, *(message.content for message in request.messages)])
    return zlib.crc32(text.encode("utf-8", "replace"))


def _number(given: Mapping[str, object], name: str, usual: float) -> float:
    value = given.get(name, usual)
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    sentence = f"The simulated provider's parameter “{name}” must be a number from 0: correct it."
    raise ProviderError(ErrorKind.BAD_REQUEST, sentence, http_status=400)
