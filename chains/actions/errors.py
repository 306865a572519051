"""Why something that a user asked for is not done.

ActionError
├── RunInProgress      the session has a live run already
├── NotRunnable        the chain has nothing that could run
├── AttachmentRefused  a file cannot be part of a message
├── NoSuchDemo         no demo chain has this name
├── SessionGone        the session was deleted meanwhile
├── StaleDraft         another window changed the draft first
└── NotPublishable     the draft has faults
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chains.engine.plan import Fault


class ActionError(Exception):
    """The message is a sentence for people; ``field`` names the form field that it belongs to."""

    field = ""

    def __init__(self, sentence: str, *, field: str | None = None) -> None:
        super().__init__(sentence)
        if field is not None:
            self.field = field


class RunInProgress(ActionError):
    """A session has at most one live run."""

    field = "input"

    def __init__(self) -> None:
        super().__init__(
            "The agents are still answering your last message: wait for them, or stop them first."
        )


class NotRunnable(ActionError):
    """A chain, or one of its agents, cannot be run as it is."""

    field = "chain"


class AttachmentRefused(ActionError):
    """A file cannot be part of a message, or not of this one."""

    field = "attachments"


class NoSuchDemo(ActionError):
    """There is no demo chain of this name."""


class SessionGone(ActionError):
    """Somebody deleted the session, perhaps in another window."""

    def __init__(self) -> None:
        super().__init__("This session was deleted: start a new one.")


class StaleDraft(ActionError):
    """Another window was first. ``theirs`` and ``mine``: field → text, as stored now and as sent."""

    def __init__(
        self, *, revision: int, theirs: Mapping[str, str] | None = None, mine: Mapping[str, str] | None = None
    ) -> None:
        super().__init__("This chain was changed in another window meanwhile: look at both texts.")
        self.revision = revision
        self.theirs = dict(theirs or {})
        self.mine = dict(mine or {})


class NotPublishable(ActionError):
    """A draft has ``faults``; it stays saved as it is."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        rest = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(f"This cannot run yet. {faults[0].message}{rest}")
        self.faults = list(faults)
