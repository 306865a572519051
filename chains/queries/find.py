"""Finding words in a session: in its messages and in the answers that its columns show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from django.db.models import F, Q
from django.db.models.functions import Left

from chains.models import ChatSession, StepAttempt

MAX_HITS = 200
MAX_PER_TEXT = 5
AROUND, TITLE = 60, 80  # characters shown before and after, and of a run's message


@dataclass(frozen=True, slots=True)
class Hit:
    """One place where the words stand. Without a step it is the run's message.

    ``title`` is how the run's message begins; ``nth`` counts the places within its text, from 0; ``more`` is
    how many of the same text are not listed.
    """

    run: int
    title: str
    step: int | None
    name: str
    connection: str
    nth: int
    before: str
    match: str
    after: str
    more: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """What was found, oldest run first. ``is_cut`` says that there is more than is listed."""

    words: str
    hits: list[Hit]
    is_cut: bool


def find_in_session(*, session: ChatSession, words: str) -> Found:
    """Find words in a session's messages and answers, whatever their case. Two queries."""
    if not words:
        return Found(words, [], is_cut=False)
    pattern = re.compile(re.escape(words), re.IGNORECASE)
    hits = list(islice(_hits(session, words, pattern), MAX_HITS + 1))
    hits.sort(key=lambda hit: hit.run)
    return Found(words, hits[:MAX_HITS], is_cut=len(hits) > MAX_HITS)


def _hits(session: ChatSession, words: str, pattern: re.Pattern[str]) -> Iterator[Hit]:
    # The newest first: whatever is cut off is old.
    runs = session.runs.filter(_contains("input", words)).order_by("-id")
    answers = (
        StepAttempt.objects.filter(step__run__session=session, number=F("step__current_attempt"))
        .filter(_contains("text", words))
        .order_by("-step__run_id", "step__index")
        .annotate(title=Left("step__run__input", TITLE))
        .values_list("step__run_id", "title", "step_id", "step__name", "step__connection_type", "text")
    )
    for run, text in runs.values_list("id", "input").iterator(chunk_size=50):
        yield from _in_text(pattern, text, run, text[:TITLE], None, "Message", "")
    for run, title, step, name, connection, text in answers.iterator(chunk_size=20):
        yield from _in_text(pattern, text, run, title, step, name, connection)


def _in_text(
    pattern: re.Pattern[str], text: str, run: int, title: str, step: int | None, name: str, connection: str
) -> Iterator[Hit]:
    found = list(pattern.finditer(text))
    for nth, match in enumerate(found[:MAX_PER_TEXT]):
        yield Hit(
            run=run,
            title=title,
            step=step,
            name=name,
            connection=connection,
            nth=nth,
            before=_cut(text[max(0, match.start() - AROUND) : match.start()]),
            match=match[0],
            after=_cut(text[match.end() : match.end() + AROUND]),
            more=len(found) - MAX_PER_TEXT if nth == MAX_PER_TEXT - 1 else 0,
        )


def _cut(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def _contains(field: str, words: str) -> Q:
    # SQLite knows upper and lower case of ASCII alone: ask for the usual spellings too.
    spellings = {words, words.lower(), words.upper(), words.capitalize(), words.title()}
    found = Q()
    for spelling in sorted(spellings):
        found |= Q(**{f"{field}__icontains": spelling})
    return found
