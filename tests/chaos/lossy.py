"""Channel layers that lose frames on purpose, for processes that a test starts: see ``lossy_settings``."""

from __future__ import annotations

import os
from typing import Any

from channels.layers import InMemoryChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

from tests.chaos.form import dice_for

LOSS = 0.2
LOST = "CHAOS_LOST"  # the variable that names the file with a line for each frame that was lost

_dice = dice_for(f"lossy {os.getpid()}")


def is_lost(message: dict[str, Any]) -> bool:
    """Whether a message that came is to be lost: every fifth frame of a session is, by chance."""
    if message["type"] != "live.frame" or _dice.random() >= LOSS:
        return False
    with open(os.environ[LOST], "a") as file:
        file.write("lost\n")
    return True


class LossyMemory(InMemoryChannelLayer):
    """Loses frames on the way to each of its receivers."""

    async def receive(self, channel: str) -> dict[str, Any]:
        """Wait for the next message that is not lost."""
        while is_lost(message := await super().receive(channel)):
            pass
        return message


class LossyPubSub(RedisPubSubChannelLayer):
    """Loses frames on the way to each of its receivers."""

    async def receive(self, channel: str) -> dict[str, Any]:
        """Wait for the next message that is not lost."""
        while is_lost(message := await self._get_layer().receive(channel)):
            pass
        return message
