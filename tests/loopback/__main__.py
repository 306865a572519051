"""Serve the loopback provider as a process of its own: ``python -m tests.loopback --port N``.

``GET /calls?tag=…`` tells what it saw; the clock is the machine's monotonic one.
"""

from __future__ import annotations

import argparse
import contextlib

from tests.loopback.server import LoopbackProvider


class AnnouncedProvider(LoopbackProvider):
    """One that says on stdout when it is there."""

    def announce(self) -> None:
        print(f"Loopback provider on {self.url}", flush=True)  # noqa: T201


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.loopback", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one and prints it")
    with contextlib.suppress(KeyboardInterrupt):
        AnnouncedProvider(parser.parse_args().port).serve()


if __name__ == "__main__":
    main()
