"""A telephone line between a browser and a server: a SOCKS proxy that can be cut and mended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from tests.chaos.proxy import Proxy

GREETING = b"\x05\x00"  # version 5, nobody has to log in
CONNECTED = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00"


class Line(Proxy):
    """Carries whatever connections a browser opens through it, until it is cut."""

    @property
    def url(self) -> str:
        """Its address, as a browser's ``proxy`` option takes it."""
        return f"socks5://127.0.0.1:{self.port}"

    async def wish(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int]:
        """Speak SOCKS 5 (RFC 1928) as far as a browser does, and return where it wants to go."""
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        writer.write(GREETING)
        *_, kind = await reader.readexactly(4)
        size = 4 if kind == 1 else (await reader.readexactly(1))[0]
        address = await reader.readexactly(size)
        host = ".".join(map(str, address)) if kind == 1 else address.decode()
        return host, int.from_bytes(await reader.readexactly(2), "big")

    def connected(self, writer: asyncio.StreamWriter) -> None:
        """Tell the browser that its wish came true."""
        writer.write(CONNECTED)


@contextlib.contextmanager
def open_line() -> Iterator[Line]:
    """Have a line, in a thread and an event loop of its own."""
    with Line() as line:
        yield line
