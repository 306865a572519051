"""What an agent saw: the messages of one call as they were sent, and where each passage came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chains.models import AgentStep, Attachment, LanguageModel, StepAttempt, User
from chains.providers.base import ChatMessage, ChatRequest, Image
from chains.providers.curl import curl_command
from chains.queries.figures import estimated_tokens
from chains.queries.runs import files_of

# Code points of a message that are shown before somebody asks for all of it.
SHOWN, SHOWN_OF_HISTORY = 6_000, 800
SYSTEM, HISTORY, PROMPT, OWN = "system", "history", "prompt", "own"
AddressOf = Callable[[Attachment], str]
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
    """One message of the call. ``kind`` is system, history, prompt, or own for a person's message alone.

    ``files`` are the pictures that were sent with it, and those whose text is part of the run's own message.
    """

    number: int
    kind: str
    role: str
    parts: tuple[SeenPart, ...]
    length: int
    shown: int
    files: tuple[Attachment, ...] = ()

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
        """About how many tokens its text has."""
        return estimated_tokens(self.length)

    @property
    def picture_count(self) -> int:
        """How many pictures were sent with it."""
        return sum(file.is_image for file in self.files)


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
        """About how many tokens all its text has."""
        return sum(message.tokens for message in self.messages)

    @property
    def picture_count(self) -> int:
        """How many pictures were sent with all of it."""
        return sum(message.picture_count for message in self.messages)

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
    sources = _sources(step, attempt)
    if owner := _whose_prompts(step, viewer):
        messages = [_message(*entry, sources, whole) for entry in _without_prompts(step, attempt)]
        return Seen(step, attempt, numbers, tuple(messages), prompts_of=owner)
    messages = [_message(*entry, sources, whole) for entry in _kinds(attempt.messages)]
    return Seen(step, attempt, numbers, tuple(messages), has_curl=not _model(attempt).is_simulated)


def sent_messages(
    step: AgentStep, viewer: User, *, address_of: AddressOf, number: int | None = None
) -> list[dict[str, Any]] | None:
    """Return a call's messages as roles and contents; None where there are none, or another person's.

    A message with pictures says what they were and where they are, in the place of their data.
    """
    attempt = _attempt(step, step.current_attempt if number is None else number)
    if attempt is None or _whose_prompts(step, viewer):
        return None
    pictures = _pictures(attempt)
    return [_plain(message, pictures, address_of) for message in attempt.messages]


def sent_curl(
    step: AgentStep, viewer: User, *, address_of: AddressOf, number: int | None = None
) -> str | None:
    """Return a call as a ``curl`` command; None as ``sent_messages``, and where no request travelled."""
    attempt = _attempt(step, step.current_attempt if number is None else number)
    if attempt is None or _whose_prompts(step, viewer):
        return None
    model, pictures = _model(attempt), _pictures(attempt)
    request = ChatRequest(
        model=model.model_id,
        messages=tuple(_chat_message(message, pictures) for message in attempt.messages),
        temperature=step.temperature,
        max_output_tokens=step.max_output_tokens,
        flags=model.flags,
    )
    addresses: dict[int | None, str] = {row: address_of(picture) for row, picture in pictures.items()}
    return curl_command(model.provider.endpoint, request, sources=addresses)


def _plain(
    message: Mapping[str, Any], pictures: Mapping[int, Attachment], address_of: AddressOf
) -> dict[str, Any]:
    """Return a stored message without our own notes."""
    plain = {"role": message["role"], "content": message["content"]}
    images = [
        {
            "name": picture.name,
            "media_type": picture.media_type,
            "size": picture.size,
            "sha256": picture.sha256,
            "data": f"left out here: base64 of {address_of(picture)}",
        }
        for picture in _pictures_of(message, pictures)
    ]
    return plain | {"images": images} if images else plain


def _chat_message(message: Mapping[str, Any], pictures: Mapping[int, Attachment]) -> ChatMessage:
    images = (
        Image(picture.stored_name, picture.media_type, "", attachment=picture.pk)
        for picture in _pictures_of(message, pictures)
    )
    return ChatMessage(message["role"], message["content"], images=tuple(images))


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
            own = {"role": "user", "content": text, "passages": [["input", 0, len(text)]]}
            yield number, OWN, own | {"images": message.get("images", ())}


def _message(
    number: int, kind: str, message: Mapping[str, Any], sources: _Sources, whole: int | None
) -> SeenMessage:
    content, passages = message["content"], message.get("passages", ())
    most = SHOWN_OF_HISTORY if kind == HISTORY else SHOWN
    # A little more than fits is shown as well: nobody should ask for one line.
    shown = len(content) if number == whole or len(content) <= most * 1.2 else most
    parts = _parts(content[:shown], passages, sources.origins)
    has_input = any(source == "input" for source, _, _ in passages)
    files = (*_pictures_of(message, sources.pictures), *(sources.texts if has_input else ()))
    return SeenMessage(number, kind, message["role"], tuple(parts), len(content), shown, files)


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


@dataclass(frozen=True, slots=True)
class _Sources:
    """What messages consist of: columns of the run, pictures by row, and texts of the run's own message."""

    origins: Mapping[str, Origin]
    pictures: Mapping[int, Attachment]
    texts: tuple[Attachment, ...]


def _sources(step: AgentStep, attempt: StepAttempt) -> _Sources:
    files = files_of([step.run]).get(step.run_id, ())
    return _Sources(_origins(step), _pictures(attempt), tuple(file for file in files if not file.is_image))


def _pictures(attempt: StepAttempt) -> dict[int, Attachment]:
    rows = {image["attachment"] for message in attempt.messages for image in message.get("images", ())}
    return Attachment.objects.described().in_bulk(rows) if rows else {}


def _pictures_of(message: Mapping[str, Any], pictures: Mapping[int, Attachment]) -> list[Attachment]:
    rows = (image["attachment"] for image in message.get("images", ()))
    return [pictures[row] for row in rows if row in pictures]


def _origins(step: AgentStep) -> dict[str, Origin]:
    rows = AgentStep.objects.filter(run=step.run_id).values_list("slug", "name", "connection_type", "pk")
    agents = {f"agents.{slug}": Origin(name, connection, pk) for slug, name, connection, pk in rows}
    return {"input": Origin("Your message"), **agents}
