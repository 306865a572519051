"""Answers of the simulated provider: Markdown put together from the words of the request."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from chains.providers import simulated_phrases as phrases
from chains.providers.base import ChatMessage
from chains.providers.simulated_reading import Reading, pick, read


class _Author:
    """Writes about one request; the dice make it repeatable."""

    def __init__(self, reading: Reading, dice: random.Random) -> None:
        self.reading = reading
        self.dice = dice
        manner = next(
            (lines for words, lines in phrases.MANNERS if re.search(words, reading.role, re.IGNORECASE)),
            (),
        )
        self._stock = [*manner, *phrases.GENERAL]
        self._left: list[str] = []

    def fill(self, line: str, *, about: str = "", name: str = "") -> str:
        """Put two of the request's words into a line, the first of them if it is given."""
        words = self.reading.keywords
        a = about or self.dice.choice(words)
        b = self.dice.choice([word for word in words if word != a] or ["the rest"])
        return line.format(a=a, b=b, A=_capital(a), subject=_capital(self.reading.subject), name=name)

    def sentence(self, about: str = "") -> str:
        """Write a sentence, none twice until all were used."""
        if not self._left:
            self._left = self.dice.sample(self._stock, len(self._stock))
        return self.fill(self._left.pop(), about=about)

    def paragraph(self) -> str:
        return " ".join(self.sentence() for _ in range(self.dice.randint(2, 4)))

    def bullets(self) -> str:
        words = self.dice.sample(
            self.reading.keywords, min(len(self.reading.keywords), self.dice.randint(3, 4))
        )
        return "\n".join(f"- **{_capital(word)}**: {self.sentence(about=word)}" for word in words)

    def steps(self) -> str:
        return "\n".join(f"{number}. {self.sentence()}" for number in range(1, self.dice.randint(4, 5)))

    def table(self) -> str:
        head = self.dice.choice(phrases.TABLE_HEADS)
        remarks = self.dice.sample(phrases.REMARKS, len(phrases.REMARKS))
        rows = [
            f"| {word} | {self.dice.choice(phrases.WEIGHTS)} | {remark} |"
            for word, remark in zip(self.reading.keywords[:4], remarks, strict=False)
        ]
        return "\n".join([f"| {' | '.join(head)} |", "| --- | --- | --- |", *rows])

    def code(self) -> str:
        names = [re.sub(r"\W+", "_", word.lower()) for word in self.reading.keywords[:2]]
        first, second = (*names, "item")[:2]
        return (
            f"```python\ndef check_{first}({second}: str, limit: int = {self.dice.randint(3, 40)}) -> bool:\n"
            f'    """Say whether {second} is within the limit."""\n'
            f"    if not {second}.strip():\n        return False\n    return len({second}) <= limit\n```"
        )

    def voices(self) -> str:
        lines = [self.fill(phrases.VOICE, name=name) for name in self.reading.voices]
        return "\n".join([phrases.VOICES, "", *lines])


def compose(messages: Sequence[ChatMessage], dice: random.Random, length: int | None = None) -> str:
    """Write an answer in the form that was asked for; ``length`` asks for at least that many tokens."""
    author = _Author(read(messages), dice)
    if length is None and author.reading.choices:
        return pick(author.reading) or dice.choice(author.reading.choices)
    if length is None and isinstance(author.reading.example, dict):
        return json.dumps(_like(author.reading.example, author), ensure_ascii=False, indent=2)
    parts = list(_answer(author))
    # A token has four characters or so; a little more than enough is cut off by the caller.
    while length is not None and sum(map(len, parts)) < length * 8:
        parts += [f"### {author.fill(phrases.MORE)}", author.paragraph(), author.bullets()]
    return "\n\n".join([phrases.NOTE, *parts] if length is not None else [*parts, phrases.NOTE])


def _answer(author: _Author) -> Iterator[str]:
    reading, dice = author.reading, author.dice
    if reading.pictures:
        yield phrases.SEEN.format(pictures=" and ".join(reading.pictures))
    yield author.fill(dice.choice(phrases.OPENINGS))
    if reading.voices:
        yield author.voices()
    if reading.labels:
        yield from _labelled(author)
    else:
        yield f"## {author.fill(dice.choice(phrases.HEADINGS))}"
        yield author.paragraph()
        yield dice.choice((author.bullets, author.steps))()
        if dice.random() < 0.5:
            yield author.table()
    if reading.wants_code and dice.random() < 0.6:
        yield author.code()
    yield author.paragraph()


def _labelled(author: _Author) -> Iterator[str]:
    """Write under the headings that the request names."""
    forms: tuple[Callable[[], str], ...] = (author.paragraph, author.bullets, author.steps)
    for number, label in enumerate(author.reading.labels):
        yield f"### {label}"
        is_long = len(author.reading.labels) <= 3 or number % 2 == 1
        yield author.dice.choice(forms)() if is_long else author.sentence()


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _like(example: Any, author: _Author) -> Any:
    """Return a value of the example's shape with contents of its own."""
    match example:
        case bool():
            return author.dice.random() < 0.5
        case int():
            return author.dice.randint(1, max(9, min(example, 100)))
        case float():
            return round(author.dice.random() * max(1.0, example), 2)
        case str():
            return (
                author.sentence()
                if "…" in example or " " in example
                else author.dice.choice(author.reading.keywords)
            )
        case list():
            return [_like(item, author) for item in example]
        case dict():
            return {name: _like(value, author) for name, value in example.items()}
    return example
