"""Lets a process that runs for weeks give back the memory that it no longer needs."""

from __future__ import annotations

import ctypes

# From glibc's malloc.h. By default each thread has an arena of its own, and what was once as large as a frame
# of long answers stays there: both cost many megabytes under load that nobody sees again.
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
LARGE = 128 * 1024  # bytes


def give_memory_back() -> None:
    """Return large pieces to the system as soon as they are free. Only glibc has to be asked."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, LARGE)
