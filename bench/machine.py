"""What a measurement was made on: every table stands under it."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

SPEED = "ten million additions, s"


def facts() -> str:
    """Describe this machine in one line: processor, cores, memory, Python, and how busy it is already."""
    load = " ".join(f"{load:.2f}" for load in os.getloadavg())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GB; {platform.system()} {platform.release()}; "
        f"Python {platform.python_version()}; load over 1, 5 and 15 minutes {load}"
    )


def seconds_of_sums() -> float:
    """Tell from two million additions how long ten take, in s: how fast the machine is just now."""
    began = time.perf_counter()
    total = 0
    for number in range(2_000_000):
        total += number
    return (time.perf_counter() - began) * 5


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
