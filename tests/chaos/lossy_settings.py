"""The shipped settings, but for a channel layer that loses a fifth of all frames."""

from chainchat.settings import *  # noqa: F403
from chainchat.settings import CHANNEL_LAYERS, REDIS_URL

CHANNEL_LAYERS["default"]["BACKEND"] = f"tests.chaos.lossy.{'LossyPubSub' if REDIS_URL else 'LossyMemory'}"
