"""Links by which others may read a run: make one, revoke one."""

from __future__ import annotations

from chains.actions.errors import ActionError
from chains.models import Run, RunShare

MAX_LINKS = 20


def share_run(*, run: Run, shows_prompts: bool = False) -> RunShare:
    """Make a link to a run. The prompts of another person's chain are never part of it.

    Raises ``ActionError`` when there are very many already.
    """
    if run.shares.count() >= MAX_LINKS:
        raise ActionError(f"This run has {MAX_LINKS} links already: revoke one first.")
    is_allowed = shows_prompts and run.shows_prompts_to(run.session.owner)
    return RunShare.objects.create(run=run, shows_prompts=is_allowed)


def revoke_share(*, share: RunShare) -> None:
    """Let a link lead nowhere."""
    share.delete()
