"""Finding words in a session: in its messages and in the answers that its columns show."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Any

import re2  # type: ignore[import-untyped]
from django.db.models import F
from django.db.models.functions import Left

from chains.engine.quotes import passages
from chains.models import ChatSession, StepAttempt
from chains.rendering.plain import BREAK, plain, sections

MAX_HITS = 200
MAX_PER_TEXT = 20
MAX_RENDERED = 400_000  # characters of Markdown; 100,000 take about 50 ms
AROUND, TITLE = 60, 80  # characters shown before and after, and of a run's message

# What may stand in the source between two signs that stand side by side on the page: marks and blanks, the
# rest of a link, a footnote's mark, a command of a formula.
_UNSEEN = r"(?:[\s\pZ[:punct:]]|\]\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)|\[\^\w+\]|\\[A-Za-z]+)*"
# Where the page shows other signs than the source has: entities, images, and to some words formulas.
_OTHERWISE, _FORMULA = r"&#?\w{1,31};|!\[", r"|\$|\\[(\[]"
_MAX_SIGNS = 40  # of the words, to look for in the source


@dataclass(frozen=True, slots=True)
class Hit:
    """One place where the words stand. Without a step it is the run's message.

    ``title`` is how the run's message begins; ``nth`` counts the places within its text, from 0; with
    ``has_more`` the same text has places that are not listed.
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
    has_more: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What was found, oldest run first. ``is_cut`` says that there may be more than is listed."""

    words: str
    hits: list[Hit]
    is_cut: bool


def find_in_session(*, session: ChatSession, words: str) -> Found:
    """Find words in a session's messages and answers as they are read, whatever their case. Two queries.

    Neither the marks of Markdown nor the ends of lines part words; the ends of blocks do.
    """
    if not (signs := words.replace(BREAK, " ").split()):
        return Found(words, [], is_cut=False)
    search = _Search(signs)
    # The newest first: whatever is cut off is old.
    found = merge(_in_messages(session, search), _in_answers(session, search), key=lambda hit: -hit.run)
    hits = list(islice(found, MAX_HITS + 1))
    is_cut = len(hits) > MAX_HITS or search.left < 0
    return Found(words, sorted(hits[:MAX_HITS], key=lambda hit: hit.run), is_cut)


class _Search:
    """Words that are looked for, and how much may still be rendered for them."""

    def __init__(self, words: list[str]) -> None:
        self.left = MAX_RENDERED
        self._pattern = re.compile(r"\s+".join(map(re.escape, words)), re.IGNORECASE)
        signs = "".join(words)[:_MAX_SIGNS]
        otherwise = _OTHERWISE if signs.isascii() and signs.isalnum() else _OTHERWISE + _FORMULA
        self._in_source = re2.compile(f"(?i){_UNSEEN.join(map(re2.escape, signs))}|{otherwise}")

    def read_answer(self, text: str) -> Iterator[str]:
        """Yield what is read of an answer, wherever the words may stand in it."""
        if not self._in_source.search(text):
            return
        for section in filter(self._in_source.search, sections(text)):
            self.left -= len(section)
            if self.left < 0:
                return
            yield plain(section)

    def hits(self, texts: Iterable[str], **where: Any) -> Iterator[Hit]:
        """Yield where the words stand in texts that are one on the page."""
        found = ((text, match) for text in texts for match in self._pattern.finditer(text))
        places = list(islice(found, MAX_PER_TEXT + 1))
        for nth, (text, match) in enumerate(places[:MAX_PER_TEXT]):
            yield Hit(
                nth=nth,
                before=_on_a_line(text[max(0, match.start() - AROUND) : match.start()]),
                match=_on_a_line(match[0]),
                after=_on_a_line(text[match.end() : match.end() + AROUND]),
                has_more=nth == MAX_PER_TEXT - 1 and len(places) > MAX_PER_TEXT,
                **where,
            )


def _in_messages(session: ChatSession, search: _Search) -> Iterator[Hit]:
    messages = session.runs.order_by("-id").values_list("id", "input")
    for run, text in messages.iterator(chunk_size=50):
        read = BREAK.join(f"{part.name}{BREAK}{part.text}" for part in passages(text))
        yield from search.hits([read], run=run, title=text[:TITLE], step=None, name="Message", connection="")


def _in_answers(session: ChatSession, search: _Search) -> Iterator[Hit]:
    answers = (
        StepAttempt.objects.filter(step__run__session=session, number=F("step__current_attempt"))
        .order_by("-step__run_id", "step__index")
        .annotate(title=Left("step__run__input", TITLE))
        .values_list("step__run_id", "title", "step_id", "step__name", "step__connection_type", "text")
    )
    for run, title, step, name, connection, text in answers.iterator(chunk_size=20):
        texts = search.read_answer(text)
        yield from search.hits(texts, run=run, title=title, step=step, name=name, connection=connection)
        if search.left < 0:
            return


def _on_a_line(text: str) -> str:
    return re.sub(rf"[\s{BREAK}]+", " ", text)
