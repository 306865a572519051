"""What a decision rested on, for people: the part of a rule, and the passage of the tested text. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from chains.engine import probes
from chains.engine.conditions import Search, searches


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text; ``decided`` says that the decision rested on it."""

    text: str
    decided: bool = False


def rule_pieces(rule: str, decided_by: str) -> tuple[Piece, ...]:
    """Divide a rule around the part that decided; nothing stands out where that is all of it."""
    start = rule.find(decided_by) if decided_by and decided_by != rule else -1
    return (Piece(rule),) if start < 0 else _divided(rule, [(start, start + len(decided_by))])


def excerpt_pieces(excerpt: str, decided_by: str, subject: str) -> tuple[Piece, ...]:
    """Divide a tested excerpt around what the deciding part of the rule found in it.

    A search that found nothing leaves nothing to point at; counts and JSON values are the excerpt itself.
    """
    wanted = [search for search in searches(decided_by) if search.subject == subject]
    return _divided(excerpt, filter(None, (_span(search, excerpt) for search in wanted)))


def _span(search: Search, text: str) -> tuple[int, int] | None:
    if search.name != "matches":
        return probes.text_span(search.name, search.text, text)
    return probes.pattern_span(search.text, text)


def _divided(text: str, spans: Iterable[tuple[int, int]]) -> tuple[Piece, ...]:
    pieces, at = [], 0
    for start, end in sorted(spans):
        # What two tests found may overlap.
        start = max(start, at)
        if start < end:
            pieces += [Piece(text[at:start]), Piece(text[start:end], decided=True)]
            at = end
    return tuple(piece for piece in [*pieces, Piece(text[at:])] if piece.text)
