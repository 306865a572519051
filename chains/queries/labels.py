"""What a column says about its state, in words."""

from __future__ import annotations

from collections.abc import Sequence

from chains.models.run import SkipReason, StepStatus

_FINAL = {
    StepStatus.COMPLETED: "Completed",
    StepStatus.FAILED: "Failed",
    StepStatus.SKIPPED: "Skipped",
    StepStatus.CANCELLED: "Stopped",
    StepStatus.INTERRUPTED: "Interrupted",
}
MAX_NAMED = 3


def status_label(*, parallel: bool, status: str, waiting_for: str, skip_reason: str = "") -> str:
    """Return the label of a column. ``waiting_for`` names the agents of the stage before, empty for none."""
    if status == StepStatus.SKIPPED and skip_reason == SkipReason.NOT_REACHED:
        return SkipReason.NOT_REACHED.label
    if status in _FINAL:
        return _FINAL[StepStatus(status)]
    if status == StepStatus.STREAMING:
        return "Parallel streaming…" if parallel else "Streaming…"
    if parallel:
        return "Preparing parallel execution…"
    return f"Waiting for {waiting_for}…" if status == StepStatus.PENDING and waiting_for else "Preparing…"


def spoken_list(names: Sequence[str]) -> str:
    """Write names as in a sentence: ``A``, ``A and B``, ``A, B and 6 more``."""
    shown = list(names)
    if len(shown) > MAX_NAMED:
        shown = [*shown[: MAX_NAMED - 1], f"{len(shown) - MAX_NAMED + 1} more"]
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def spoken_count(count: int, noun: str) -> str:
    """Write a count with its noun: ``1 token``, ``3,120 tokens``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
