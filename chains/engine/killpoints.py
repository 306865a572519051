"""Named places where the chaos suite lets this very process die, as a power cut would. Unarmed by default.

``KILL_AT=token:120`` kills at the 120th token that this process hears of, ``KILL_AT=start`` at the first
start.
"""

from __future__ import annotations

import os
import signal

POINTS = ("claim", "start", "token", "before-commit", "after-commit", "broadcast")


def _armed() -> tuple[str, int]:
    name, _, count = os.environ.get("KILL_AT", "").partition(":")
    return name, int(count or 1)


_point, _left = _armed()


def reach(point: str) -> None:
    """Come to a named place; the process ends here and now when it is the armed one."""
    global _left
    if point == _point:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
