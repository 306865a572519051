"""How long the suite is and what it chooses by chance. The environment sets both, every report tells them.

``CHAOS_SEED=N`` repeats the choices of another run, ``CHAOS_ROUNDS=N`` says how often processes are killed,
and ``CHAOS_LONG=1`` takes the long form of everything else. What the machine does meanwhile, no seed repeats.
"""

from __future__ import annotations

import os
import random
from typing import TypeVar

T = TypeVar("T")

# Set, so that test processes beside each other and the servers they start make their choices by the same one.
SEED = os.environ.setdefault("CHAOS_SEED", str(random.SystemRandom().randrange(1_000_000)))
IS_LONG = os.environ.get("CHAOS_LONG", "") == "1"
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "50" if IS_LONG else "4"))


def form(*, short: T, long: T) -> T:
    """Return what belongs to this form of the suite."""
    return long if IS_LONG else short


def dice_for(name: str) -> random.Random:
    """Return a source of choices that other tests do not touch."""
    return random.Random(f"{SEED} {name}")


def told() -> str:
    """Say how to make the same choices again."""
    settings = f"CHAOS_SEED={SEED} CHAOS_ROUNDS={ROUNDS}"
    return f"{settings} CHAOS_LONG=1" if IS_LONG else settings
