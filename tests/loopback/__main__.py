"""Serve the loopback provider as a process of its own: ``python -m tests.loopback --port N``."""

from __future__ import annotations

import argparse
import contextlib

from tests.loopback.server import LoopbackProvider


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.loopback", description=__doc__)
    parser.add_argument("--port", type=int, default=8099)
    port = parser.parse_args().port
    print(f"Loopback provider on http://127.0.0.1:{port}", flush=True)  # noqa: T201
    with contextlib.suppress(KeyboardInterrupt):
        LoopbackProvider(port).serve()


if __name__ == "__main__":
    main()
