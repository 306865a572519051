"""When a call that brought no token is tried again, and after how long."""

from __future__ import annotations

import random
from collections.abc import Callable

from chains.engine.attempt import Attempt
from chains.providers.errors import ProviderError

MAX_ATTEMPTS = 3
BASE_S = 0.5
CAP_S = 8.0
LONGEST_WISH_S = 60.0

Jitter = Callable[[float, float], float]


def retry_delay(attempt: Attempt, error: ProviderError, jitter: Jitter = random.uniform) -> float | None:
    """Return the seconds to wait before the next attempt, or None when there is none.

    Full jitter below 0.5 s, 1 s, … (8 s at most), after the provider's own Retry-After if it named one.
    Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    # Those that a dead process or an earlier decision left behind do not count.
    number = attempt.number - attempt.step.attempts
    if attempt.first_token_at is not None or not error.retryable or number >= MAX_ATTEMPTS:
        return None
    wish = error.retry_after or 0.0
    if wish > LONGEST_WISH_S:
        return None
    return wish + jitter(0.0, min(CAP_S, BASE_S * 2 ** (number - 1)))
