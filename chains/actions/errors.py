"""Why something that a user asked for is not done.

ActionError
├── RunInProgress   the session has a live run already
├── NotRunnable     the chain has nothing that could run
├── NoSuchDemo      no demo chain has this name
└── SessionGone     the session was deleted meanwhile
"""

from __future__ import annotations


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


class NoSuchDemo(ActionError):
    """There is no demo chain of this name."""


class SessionGone(ActionError):
    """Somebody deleted the session, perhaps in another window."""

    def __init__(self) -> None:
        super().__init__("This session was deleted: start a new one.")
