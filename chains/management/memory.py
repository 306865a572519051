"""Lets a process that runs for weeks give back the memory that it no longer needs."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable
from threading import Thread

# From glibc's malloc.h. By default each thread has an arena of its own, and what was once as large as a frame
# of long answers stays there: both cost many megabytes under load that nobody sees again.
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
LARGE = 128 * 1024  # bytes
# Everybody waits while memory is given back: it comes once less than this share of a core is busy.
LOOK_EVERY_S, BUSY = 5.0, 0.2


def give_memory_back() -> None:
    """Return large pieces to the system as soon as they are free. Only glibc has to be asked."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, LARGE)


def keep_giving_memory_back(*, every: float = LOOK_EVERY_S) -> None:
    """Return what is free now, also in small pieces, and from now on what each burst of work leaves behind.

    What a start needs is not needed again; what a hundred messages at once needed lies scattered. What is
    there now stays for good, so that no search for garbage goes through it.
    """
    gc.collect()
    gc.freeze()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)
        Thread(target=_trim_after_work, args=(trim, every), name="memory", daemon=True).start()


def _trim_after_work(trim: Callable[[int], int], every: float) -> None:
    has_worked = False
    while True:
        before = time.process_time()
        time.sleep(every)
        is_busy = time.process_time() - before > every * BUSY
        if has_worked and not is_busy:
            gc.collect()
            trim(0)
        has_worked = is_busy
