"""A provider on this machine that speaks all wire formats and fails on command."""

from tests.loopback.recording import Call
from tests.loopback.script import Fault, Script
from tests.loopback.server import LoopbackProvider

__all__ = ["Call", "Fault", "LoopbackProvider", "Script"]
