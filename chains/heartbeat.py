"""Says every few seconds that a process is well: to systemd, and by the age of a file to whoever looks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from pathlib import Path

from django.conf import settings

from chains import health

logger = logging.getLogger("chains.runtime")

BEAT_S = 5.0


class Heartbeat:
    """Beats while the event loop of its process turns.

    systemd hears from it whatever the state is: a restart would not bring a database back. The file is
    touched only while the process is ready.
    """

    def __init__(self, *, carries_out_runs: bool) -> None:
        self._carries_out_runs = carries_out_runs
        self._file = Path(settings.HEARTBEAT_FILE) if settings.HEARTBEAT_FILE else None
        self._task: asyncio.Task[None] | None = None
        self._told = ""

    def start(self) -> None:
        """Say that the process has started, and go on beating."""
        tell_systemd("READY=1")
        self._task = asyncio.create_task(self._beat(), name="heartbeat")

    def stop(self) -> None:
        """Say that the process goes away."""
        tell_systemd("STOPPING=1")
        if self._task:
            self._task.cancel()
        if self._file:
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)

    async def _beat(self) -> None:
        while True:
            faults = health.faults(await health.state(carries_out_runs=self._carries_out_runs))
            words = f"Not ready: {', '.join(faults)}" if faults else "Ready"
            if words != (self._told or "Ready"):
                logger.warning("%s", words)
            self._told = words
            if self._file and not faults:
                self._touch(self._file)
            tell_systemd(f"WATCHDOG=1\nSTATUS={words}")
            await asyncio.sleep(BEAT_S)

    def _touch(self, file: Path) -> None:
        try:
            file.touch()
        except OSError as error:
            logger.error("HEARTBEAT_FILE cannot be written: %s", error)


def tell_systemd(words: str) -> None:
    """Tell systemd about the state of this process, if it is systemd that started it.

    Source: https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line, contextlib.suppress(OSError):
        line.connect(f"\0{address[1:]}" if address.startswith("@") else address)
        line.sendall(words.encode())
