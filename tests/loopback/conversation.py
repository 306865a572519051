"""One call through the real client to a scripted loopback model."""

from __future__ import annotations

import pytest

from chains.providers.base import ChatMessage, ChatRequest, Completion, ReasoningChunk, TextChunk, TimeLimits
from chains.providers.errors import ProviderError
from chains.providers.registry import open_provider
from tests.loopback.script import Script
from tests.loopback.server import LoopbackProvider

AMPLE = TimeLimits(connect=5.0, first_token=10.0, idle=10.0, total=30.0)
# Patient until the first token came.
SHORT_IDLE = TimeLimits(connect=5.0, first_token=10.0, idle=0.25, total=30.0)
SHORT = TimeLimits(connect=5.0, first_token=0.25, idle=0.25, total=30.0)


class Conversation:
    """A call to a scripted model, and what came of it."""

    def __init__(
        self, loopback: LoopbackProvider, wire: str, script: Script, limits: TimeLimits = AMPLE
    ) -> None:
        self.server = loopback
        self.wire = wire
        self.model = loopback.script(f"{wire}-model", script)
        self.provider = open_provider(loopback.endpoint(wire, limits))
        self.chunks: list[TextChunk | ReasoningChunk] = []

    async def ask(self, prompt: str = "one two three") -> Completion:
        request = ChatRequest(self.model, (ChatMessage("user", prompt),))
        return await self.provider.chat(request, self.chunks.append)

    async def ask_in_vain(self) -> ProviderError:
        with pytest.raises(ProviderError) as caught:
            await self.ask()
        assert "loopback-key" not in caught.value.sentence
        assert caught.value.sentence.startswith(f"Loopback {self.wire} ")
        return caught.value

    @property
    def text(self) -> str:
        return "".join(chunk.text for chunk in self.chunks if isinstance(chunk, TextChunk))

    @property
    def calls(self) -> int:
        return len(self.server.calls_of(self.model))


def tokens(model: str, count: int) -> str:
    return "".join(f"{model}-{number} " for number in range(count))
