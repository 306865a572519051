"""Measure a start: from ``make run`` on a prepared tree to the first page, imports, and the memory at rest.

python -m bench.start [--repeats 5] [--save FILE]
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil

from bench import machine, results
from bench.results import Figures
from tests import environment
from tests.services import free_port

LIMIT_S = 60.0
REST_S = 5.0
# Only the developers' environment has it, and httpx then loads a command line of its own: 3 MB.
NOT_THERE = ("click.py", 'raise ImportError("not in requirements.txt")')


def start(folder: str) -> tuple[float, float]:
    """Run ``make run`` until a page is answered; return the seconds and the memory at rest in MB."""
    port = free_port()
    address = f"http://127.0.0.1:{port}/welcome/"
    name, source = NOT_THERE
    Path(folder, name).write_text(source)
    variables = os.environ | environment.PINNED | {"VAR_DIR": folder, "PORT": str(port), "PYTHONPATH": folder}
    begun = time.monotonic()
    with subprocess.Popen(
        ["make", "run"], env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as make:
        try:
            taken = wait_for(address, begun)
            time.sleep(REST_S)
            children = psutil.Process(make.pid).children(recursive=True)
            memory = sum(child.memory_info().rss for child in children) / 1e6
        finally:
            for child in psutil.Process(make.pid).children(recursive=True):
                child.send_signal(signal.SIGTERM)
            make.wait(LIMIT_S)
    return taken, memory


def wait_for(address: str, begun: float) -> float:
    """Ask again and again until a page is answered; return the seconds since it began."""
    while time.monotonic() - begun < LIMIT_S:
        try:
            if httpx.get(address, trust_env=False).status_code == 200:
                return time.monotonic() - begun
        except httpx.TransportError:
            time.sleep(0.01)
    raise TimeoutError(address)


def import_seconds() -> float:
    """Return how long the application's imports take in a fresh process."""
    code = "import django; django.setup(); import chainchat.asgi, chains.hosting"
    begun = time.monotonic()
    subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment.PINNED | {"DJANGO_SETTINGS_MODULE": "chainchat.settings"},
        check=True,
    )
    return time.monotonic() - begun


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.start", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--save", help="a JSON file that gets the figures too")
    said = parser.parse_args()
    print(machine.facts())
    speed, figures = Figures("the machine"), Figures("start, SQLite")
    with tempfile.TemporaryDirectory(prefix="chain-chat-bench-") as folder:
        start(folder)
        for _ in range(said.repeats):
            seconds, memory = start(folder)
            figures.add("make run → first page, s", seconds)
            figures.add("memory at rest, MB", memory)
            figures.add("imports, s", import_seconds())
            speed.add(machine.SPEED, machine.seconds_of_sums())
    for measured in (speed, figures):
        print(measured)
        results.keep(said.save, measured)


if __name__ == "__main__":
    main()
