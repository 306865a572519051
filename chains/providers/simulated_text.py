"""Answers of the simulated provider: Markdown put together from the words of the request."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from chains.providers.base import ChatMessage
from chains.providers.simulated_reading import Reading, pick, read

NOTE = "*Simulated answer: no model was asked, the words are taken from your request.*"

_OPENINGS = (
    "In short: {a} decides here, and {b} is what it costs.",
    "The heart of “{subject}” is {a}; the rest follows from it.",
    "Seen from a distance this is a question of {a} and {b}, in that order.",
    "There is a simple answer about {a}, and a better one that takes {b} into account.",
)
_CRITICAL = (
    "The weakest spot is {a}: nothing here shows what happens when it fails.",
    "{A} and {b} are treated as one, yet they can pull in different directions.",
    "It is said that {a} holds, but not how anybody would notice if it did not.",
    "Two readers would understand {b} differently; one sentence could settle that.",
    "If {a} turns out half as large as assumed, the conclusion about {b} falls with it.",
    "What would change my mind: one example in which {a} occurs without {b}.",
    "The risk sits less in {a} itself than in how it meets {b} under load.",
)
_PLANNING = (
    "Begin with {a}, because {b} depends on it and not the other way round.",
    "Give {b} one owner and one date; everything else can wait for that.",
    "A first version needs {a} only. {B} can follow once somebody uses it.",
    "Agree on how {a} is measured before {b} is touched.",
    "Keep a way back: until {b} has proved itself, {a} stays as it is.",
    "Check after a week whether {a} has moved; if not, stop and ask why.",
)
_TELLING = (
    "Most people meet {a} before they have a word for {b}.",
    "{A} sounds dry until it is your own.",
    "Picture {b} on an ordinary morning: nobody speaks of it, everybody relies on it.",
    "What makes {a} worth a second look is how quietly it shapes {b}.",
    "Say {a} plainly and half of the confusion about {b} is gone.",
    "The best line about {b} is the one that a tired reader still understands.",
)
_GENERAL = (
    "{A} matters most where it touches {b}.",
    "The usual mistake is to settle {b} first and to fit {a} around it afterwards.",
    "Three things are known about {a}: where it starts, who needs it, and what it costs.",
    "For {b} there is good evidence; for {a} there is mostly habit.",
    "In practice {a} and {b} are decided by different people, and that shows.",
    "A small test of {a} would tell more than a long discussion of {b}.",
    "What looks like a detail of {a} is often the reason why {b} works.",
    "Both views of {a} can be right: one speaks of today, the other of next year.",
)
_MANNERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"critic|review|risk|secur|check|doubt|judge|audit|detective|weak", _CRITICAL),
    (r"plan|design|architect|steps|schedule|implement|program|engineer|commander|manage|test", _PLANNING),
    (r"write|draft|story|headline|editor|translat|slogan|article|post|reader|tone", _TELLING),
)
_TABLE_HEADS = (("Point", "Weight", "Why"), ("Option", "Effort", "Gain"), ("Topic", "State", "Next step"))
_WEIGHTS = ("high", "medium", "low")
_REMARKS = (
    "decides the rest",
    "cheap to try",
    "often forgotten",
    "needs an owner",
    "can wait",
    "visible at once",
)


class _Author:
    """Writes about one request; the dice make it repeatable."""

    def __init__(self, reading: Reading, dice: random.Random) -> None:
        self.reading = reading
        self.dice = dice
        manner = next(
            (lines for words, lines in _MANNERS if re.search(words, reading.instructions, re.IGNORECASE)), ()
        )
        self._stock = [*manner, *_GENERAL]
        self._left: list[str] = []

    def fill(self, line: str) -> str:
        """Put two of the request's words into a line."""
        words = self.reading.keywords
        a, b = self.dice.sample(words, 2) if len(words) > 1 else (words[0], "the rest")
        return line.format(
            a=a, b=b, A=a[:1].upper() + a[1:], B=b[:1].upper() + b[1:], subject=self.reading.subject
        )

    def sentence(self) -> str:
        """Write a sentence, none twice until all were used."""
        if not self._left:
            self._left = self.dice.sample(self._stock, len(self._stock))
        return self.fill(self._left.pop())

    def paragraph(self) -> str:
        return " ".join(self.sentence() for _ in range(self.dice.randint(2, 4)))

    def bullets(self) -> str:
        words = self.dice.sample(
            self.reading.keywords, min(len(self.reading.keywords), self.dice.randint(3, 4))
        )
        return "\n".join(f"- **{word[:1].upper() + word[1:]}**: {self.sentence()}" for word in words)

    def steps(self) -> str:
        return "\n".join(f"{number}. {self.sentence()}" for number in range(1, self.dice.randint(4, 5)))

    def table(self) -> str:
        head = self.dice.choice(_TABLE_HEADS)
        remarks = self.dice.sample(_REMARKS, len(_REMARKS))
        rows = [
            f"| {word} | {self.dice.choice(_WEIGHTS)} | {remark} |"
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
        lines = [
            f"- **{name}** stresses {self.dice.choice(self.reading.keywords)}."
            for name in self.reading.voices
        ]
        return "\n".join(["What the others bring in:", "", *lines])


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
        parts += [f"### More on {dice.choice(author.reading.keywords)}", author.paragraph(), author.bullets()]
    return "\n\n".join([NOTE, *parts] if length is not None else [*parts, NOTE])


def _answer(author: _Author) -> Iterator[str]:
    reading, dice = author.reading, author.dice
    yield author.fill(dice.choice(_OPENINGS))
    if reading.voices:
        yield author.voices()
    if reading.labels:
        yield from _labelled(author)
    else:
        yield f"## {reading.subject[:1].upper()}{reading.subject[1:]}"
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
