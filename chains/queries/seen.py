"""What an agent saw: the messages of one call as they were sent, and where each passage came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chains.models import AgentStep, LanguageModel, StepAttempt, User
from chains.providers.base import ChatMessage, ChatRequest
from chains.providers.curl import curl_command
from chains.queries.figures import estimated_tokens

# Code points of a message that are shown before somebody asks for all of it.
SHOWN, SHOWN_OF_HISTORY = 6_000, 800
SYSTEM, HISTORY, PROMPT, OWN = "system", "history", "prompt", "own"
_TITLES = {SYSTEM: "System prompt", PROMPT: "Prompt", OWN: "Your message"}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a passage came from: the user's message (no ``step``) or a column of the same run."""

    label: str
    connection: str = ""
    step: int | None = None


@dataclass(frozen=True, slots=True)
class SeenPart:
    """A stretch of a message. ``is_block``: it fills whole lines."""

    text: str
    origin: Origin | None = None
    is_block: bool = False


@dataclass(frozen=True, slots=True)
class SeenMessage:
    """One message of the call. ``kind`` is system, history, prompt, or own for a person's message alone."""

    number: int
    kind: str
    role: str
    parts: tuple[SeenPart, ...]
    length: int
    shown: int

    @property
    def title(self) -> str:
        """What it is, in words."""
        return _TITLES.get(self.kind) or ("Answer" if self.role == "assistant" else "Message")

    @property
    def left_out(self) -> int:
        """How many characters are not shown yet."""
        return self.length - self.shown

    @property
    def tokens(self) -> int:
        """About how many tokens it has."""
        return estimated_tokens(self.length)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one call of a step was sent. ``prompts_of`` names whose prompts are kept back, if they are."""

    step: AgentStep
    attempt: StepAttempt | None
    numbers: tuple[int, ...]
    messages: tuple[SeenMessage, ...]
    prompts_of: str = ""
    has_curl: bool = False

    @property
    def model_label(self) -> str:
        """Whom the call was made to, as chain files name it."""
        return _model(self.attempt).label if self.attempt else self.step.model.label

    @property
    def system(self) -> SeenMessage | None:
        """The system prompt."""
        return next((message for message in self.messages if message.kind == SYSTEM), None)

    @property
    def history(self) -> list[SeenMessage]:
        """The turns before."""
        return [message for message in self.messages if message.kind == HISTORY]

    @property
    def prompt(self) -> SeenMessage | None:
        """The last message, which the agent answers."""
        return next((message for message in self.messages if message.kind in (PROMPT, OWN)), None)

    @property
    def tokens(self) -> int:
        """About how many tokens all of it has."""
        return sum(message.tokens for message in self.messages)

    @property
    def has_passages(self) -> bool:
        """Whether anything in it is known to come from elsewhere."""
        return any(part.origin for message in self.messages for part in message.parts)


def seen(
    step: AgentStep, viewer: User, *, number: int | None = None, whole: int | None = None
) -> Seen | None:
    """Return what a call of the step was sent, by default its newest; None when it made no such call.

    Long messages are cut, but for the one that is asked for as a ``whole``.
    """
    numbers = tuple(step.attempts.order_by("number").values_list("number", flat=True))
    attempt = _attempt(step, step.current_attempt if number is None else number)
    if attempt is None:
        return Seen(step, None, numbers, ()) if number is None else None
    origins = _origins(step)
    if owner := _whose_prompts(step, viewer):
        messages = [_message(*entry, origins, whole) for entry in _without_prompts(step, attempt)]
        return Seen(step, attempt, numbers, tuple(messages), prompts_of=owner)
    messages = [_message(*entry, origins, whole) for entry in _kinds(attempt.messages)]
    return Seen(step, attempt, numbers, tuple(messages), has_curl=not _model(attempt).is_simulated)


def sent_messages(step: AgentStep, viewer: User, *, number: int | None = None) -> list[dict[str, str]] | None:
    """Return a call's messages as roles and contents; None where there are none, or another person's."""
    attempt = _attempt(step, step.current_attempt if number is None else number)
    if attempt is None or _whose_prompts(step, viewer):
        return None
    return plain_messages(attempt.messages)


def plain_messages(messages: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return stored messages without our own notes."""
    return [{"role": message["role"], "content": message["content"]} for message in messages]


def sent_curl(step: AgentStep, viewer: User, *, number: int | None = None) -> str | None:
    """Return a call as a ``curl`` command; None as ``sent_messages``, and where no request travelled."""
    messages = sent_messages(step, viewer, number=number)
    attempt = _attempt(step, step.current_attempt if number is None else number)
    if messages is None or attempt is None:
        return None
    model = _model(attempt)
    request = ChatRequest(
        model=model.model_id,
        messages=tuple(ChatMessage(**message) for message in messages),  # type: ignore[arg-type]  # a stored role
        temperature=step.temperature,
        max_output_tokens=step.max_output_tokens,
        flags=model.flags,
    )
    return curl_command(model.provider.endpoint, request)


def _attempt(step: AgentStep, number: int) -> StepAttempt | None:
    calls = step.attempts.select_related("model__provider", "step__model__provider")
    return calls.defer("text", "reasoning").filter(number=number).first()


def _model(attempt: StepAttempt) -> LanguageModel:
    return attempt.model or attempt.step.model


def _whose_prompts(step: AgentStep, viewer: User) -> str:
    """Name the owner of a shared chain to somebody else; empty for the owner."""
    run = step.run
    return "" if run.shows_prompts_to(viewer) else run.chain_version.chain.owner.get_username()


# Messages, as they are stored

Entry = tuple[int, str, Mapping[str, Any]]


def _kinds(messages: Sequence[Mapping[str, Any]]) -> Iterator[Entry]:
    for number, message in enumerate(messages):
        if number == len(messages) - 1:
            yield number, PROMPT, message
        else:
            yield number, SYSTEM if message["role"] == "system" else HISTORY, message


def _without_prompts(step: AgentStep, attempt: StepAttempt) -> Iterator[Entry]:
    """Leave of a call what its person wrote or got before: the message and the turns before it."""
    for number, kind, message in _kinds(attempt.messages):
        if kind == HISTORY:
            yield number, kind, message
        elif kind == PROMPT:
            text = step.run.input
            yield number, OWN, {"role": "user", "content": text, "passages": [["input", 0, len(text)]]}


def _message(
    number: int, kind: str, message: Mapping[str, Any], origins: Mapping[str, Origin], whole: int | None
) -> SeenMessage:
    content = message["content"]
    most = SHOWN_OF_HISTORY if kind == HISTORY else SHOWN
    # A little more than fits is shown as well: nobody should ask for one line.
    shown = len(content) if number == whole or len(content) <= most * 1.2 else most
    parts = _parts(content[:shown], message.get("passages", ()), origins)
    return SeenMessage(number, kind, message["role"], tuple(parts), len(content), shown)


def _parts(text: str, passages: Sequence[Sequence[Any]], origins: Mapping[str, Origin]) -> Iterator[SeenPart]:
    starts = {start for _, start, _ in passages}
    at = 0
    for source, start, end in passages:
        if start >= len(text):
            break
        begins_line = start == 0 or text[start - 1] == "\n"
        is_block = begins_line and (end >= len(text) or (text[end] == "\n" and end not in starts))
        if at < start:
            yield SeenPart(text[at:start])
        # Its own line end belongs to a block, which would otherwise be followed by an empty line.
        at = min(end + is_block, len(text))
        yield SeenPart(text[start:at], origins.get(source), is_block)
    if at < len(text):
        yield SeenPart(text[at:])


def _origins(step: AgentStep) -> dict[str, Origin]:
    rows = AgentStep.objects.filter(run=step.run_id).values_list("slug", "name", "connection_type", "pk")
    agents = {f"agents.{slug}": Origin(name, connection, pk) for slug, name, connection, pk in rows}
    return {"input": Origin("Your message"), **agents}
