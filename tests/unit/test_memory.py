"""A process gives memory back that a burst needed."""

from __future__ import annotations

import subprocess
import sys

BURST = """
import time
from pathlib import Path
from chains.management import memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])

memory.give_memory_back()
memory.keep_giving_memory_back(every=0.2)
while time.process_time() < 1:
    pieces = [bytearray(4_000) for _ in range(10_000)]
grown = resident()
# The last piece stays: nothing is free at the end of the heap.
del pieces[:-1]
for _ in range(200):
    if resident() < grown / 2:
        break
    time.sleep(0.1)
print(resident() / grown)
"""


def test_what_a_burst_needed_goes_back_although_something_behind_it_stays():
    told = subprocess.run([sys.executable, "-c", BURST], capture_output=True, text=True, check=True)
    assert float(told.stdout) < 0.5
