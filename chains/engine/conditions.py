"""The rules of conditional agents: a small language, parsed once and tested on texts.

A rule tests the previous output unless it names ``input.`` or ``agents.slug.``. What the tests mean:

- ``contains``, ``starts_with``, ``ends_with`` ignore case; ``matches`` searches with RE2 and does not.
- ``length`` counts code points, ``words`` what stands between white space, ``empty`` ignores white space.
- ``json("a.b[0]") == value`` reads the text as JSON: the whole text, or its only fenced block. Values of
  different kinds are unequal and have no order. Where the text is not JSON, or holds nothing at the path,
  the test is false, also with ``!=``.
- In a quoted text a backslash escapes a quote or a backslash, ``\\n`` and ``\\t`` are newline and tab, and
  before anything else a backslash stays as it is, so that ``matches("\\d+")`` needs no second one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedToken

from chains.engine import probes
from chains.engine.probes import Probe, ProbeError

MAX_SOURCE = 4_000
MAX_DEPTH = 40

PREVIOUS = "previous output"
_SEARCHES = frozenset({"CONTAINS", "STARTS_WITH", "ENDS_WITH", "MATCHES"})

_GRAMMAR = Lark.open(
    "conditions.lark",
    rel_to=__file__,
    parser="lalr",
    lexer="basic",
    start=["start", "noise"],
    propagate_positions=True,
)


class ConditionError(ValueError):
    """A rule that cannot be read. ``position`` counts code points from the rule's start."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


@dataclass(frozen=True, slots=True)
class Subjects:
    """The texts that a rule can test. ``agents`` maps slugs to outputs; a missing one is empty."""

    previous: str
    input: str
    agents: Mapping[str, str]

    def text(self, name: str) -> str:
        """Return the text of ``previous output``, ``input`` or ``agents.slug``."""
        if name == PREVIOUS:
            return self.previous
        if name == "input":
            return self.input
        return self.agents.get(name.removeprefix("agents."), "")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule said, and the evidence: which part of it decided, on which passage of which text."""

    held: bool
    subject: str
    excerpt: str
    decided_by: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A rule that was read."""

    source: str
    references: frozenset[str]
    is_otherwise: bool
    _rule: _Rule | None = field(repr=False, default=None)

    def evaluate(self, subjects: Subjects) -> Verdict:
        """Test the rule. For ``otherwise`` ask ``prompts.otherwise_holds``: it has no verdict of its own."""
        if self._rule is None:
            raise ValueError("otherwise is decided by the other members of its group.")
        return self._rule.decide(subjects)


@lru_cache(maxsize=1024)
def parse(source: str) -> Condition:
    """Read a rule. Raises ``ConditionError``."""
    if len(source) > MAX_SOURCE:
        message = f"the rule has {len(source):,} characters and may have {MAX_SOURCE:,}"
        raise ConditionError(message, MAX_SOURCE)
    try:
        tree = _GRAMMAR.parse(source, start="start")
    except UnexpectedToken as error:
        raise _explain(source, error) from error
    references = frozenset(slug for token in _GRAMMAR.lex(source) if (slug := _slug(token)))
    if tree.data == "otherwise":
        return Condition(source, references, is_otherwise=True)
    return Condition(source, references, is_otherwise=False, _rule=_build(tree, source, depth=1))


def rename_agent(source: str, old: str, new: str) -> str:
    """Rewrite the references to an agent's slug, in a rule that may be faulty."""
    pieces, at = [], 0
    for token in _GRAMMAR.lex(source):
        if _slug(token) == old:
            pieces += [source[at : _at(token)], f"agents.{new}."]
            at = _at(token) + len(token)
    return "".join([*pieces, source[at:]])


@dataclass(frozen=True, slots=True)
class Search:
    """A test of a rule that looks for a text: in which subject, how, and for what."""

    subject: str
    name: str
    text: str


def searches(source: str) -> list[Search]:
    """List the searches of a rule, in their order."""
    tokens = [Token("START", ""), *_GRAMMAR.lex(source)]
    return [
        Search(_subject(before), str(name), _unquote(text))
        for before, name, _, text in zip(tokens, tokens[1:], tokens[2:], tokens[3:], strict=False)
        if name.type in _SEARCHES and text.type == "TEXT"
    ]


def _subject(token: Token) -> str:
    return token[:-1] if token.type == "SUBJECT" else PREVIOUS


def _slug(token: Token) -> str:
    return token[len("agents.") : -1] if token.type == "SUBJECT" else ""


# --- The rule as a tree ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Test:
    """One test of one text."""

    source: str
    subject: str
    probe: Probe

    def decide(self, subjects: Subjects) -> Verdict:
        held, excerpt = self.probe(subjects.text(self.subject))
        return Verdict(held, self.subject, excerpt, self.source)


@dataclass(frozen=True, slots=True)
class _Not:
    source: str
    rule: _Rule

    def decide(self, subjects: Subjects) -> Verdict:
        verdict = self.rule.decide(subjects)
        return replace(verdict, held=not verdict.held, decided_by=self.source)


@dataclass(frozen=True, slots=True)
class _Junction:
    """``or``, which one true rule decides, or ``and``, which one false rule decides."""

    source: str
    rules: tuple[_Rule, ...]
    decisive: bool

    def decide(self, subjects: Subjects) -> Verdict:
        first = None
        for rule in self.rules:
            verdict = rule.decide(subjects)
            if verdict.held == self.decisive:
                return verdict
            first = first or verdict
        assert first is not None
        return replace(first, decided_by=self.source)


_Rule = _Test | _Not | _Junction


def _build(tree: Tree[Token], source: str, *, depth: int) -> _Rule:
    start = tree.meta.start_pos
    text = source[start : tree.meta.end_pos]
    if depth > MAX_DEPTH:
        raise ConditionError(f"the rule is nested more than {MAX_DEPTH} levels deep: make it simpler", start)
    if tree.data == "test":
        return _build_test(tree, text)
    inner = (child for child in tree.children if isinstance(child, Tree))
    rules = tuple(_build(child, source, depth=depth + 1) for child in inner)
    if tree.data == "parenthesised":
        return rules[0]
    if tree.data == "negated":
        return _Not(text, rules[0])
    return _Junction(text, rules, decisive=tree.data == "either")


def _build_test(tree: Tree[Token], text: str) -> _Test:
    *named, probe = tree.children
    assert isinstance(probe, Tree)
    tokens = [child for child in probe.children if isinstance(child, Token)]
    subject = str(named[0])[:-1] if named else PREVIOUS
    return _Test(text, subject, _PROBES[probe.data](tokens))


def _text_probe(tokens: list[Token]) -> Probe:
    name, _, quoted, _ = tokens
    if name.type != "MATCHES":
        return probes.text_probe(name, _unquote(quoted))
    try:
        return probes.pattern_probe(_unquote(quoted))
    except ProbeError as error:
        raise ConditionError(str(error), _at(quoted)) from error


def _count_probe(tokens: list[Token]) -> Probe:
    name, comparison, number = tokens
    return probes.count_probe(name, comparison, _number(number))


def _json_probe(tokens: list[Token]) -> Probe:
    _, _, quoted, _, comparison, literal = tokens
    if literal.type in _CONSTANTS and comparison not in ("==", "!="):
        raise ConditionError(f"{literal} has no order: compare it with == or !=", _at(comparison))
    try:
        return probes.json_probe(_unquote(quoted), comparison, _value(literal))
    except ProbeError as error:
        raise ConditionError(str(error), _at(quoted)) from error


_PROBES: dict[str, Callable[[list[Token]], Probe]] = {
    "text_probe": _text_probe,
    "count_probe": _count_probe,
    "json_probe": _json_probe,
    "empty_probe": lambda _: probes.empty_probe,
}

_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "'": "'", "\\": "\\"}
_CONSTANTS = {"TRUE": True, "FALSE": False, "NULL": None}


def _value(token: Token) -> probes.Scalar:
    if token.type == "TEXT":
        return _unquote(token)
    return _CONSTANTS[token.type] if token.type in _CONSTANTS else _number(token)


def _unquote(token: Token) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), token[1:-1], flags=re.DOTALL)


def _number(token: Token) -> int | float:
    return int(token) if token.removeprefix("-").isdigit() else float(token)


# --- Faults in people's words ------------------------------------------------------------------------

# The first of these that the grammar would take says what was expected.
_EXPECTATIONS = (
    ("EMPTY", 'a test such as contains("…") or input.length > 100'),
    ("TRUE", "a quoted text, a number, true, false or null"),
    ("TEXT", "a quoted text"),
    ("NUMBER", "a number"),
    ("COMPARISON", "a comparison (==, !=, <, <=, > or >=)"),
    ("LPAR", "("),
    ("RPAR", ")"),
    ("AND", "and, or, or the end of the rule"),
    ("$END", "and, or, or the end of the rule"),
)
_WORDS = {terminal.pattern.value for terminal in _GRAMMAR.terminals if terminal.pattern.type == "str"}


def _explain(source: str, error: UnexpectedToken) -> ConditionError:
    token = error.token
    position = len(source) if token.type == "$END" else _at(token)
    before = [known for known in _GRAMMAR.lex(source) if _at(known) < position]
    assert error.interactive_parser is not None
    accepted: set[str] = error.interactive_parser.accepts()  # type: ignore[no-untyped-call]
    return ConditionError(_sentence(token, before, accepted), position)


def _sentence(token: Token, before: list[Token], accepted: set[str]) -> str:
    if token.type == "OTHERWISE" or (before and before[-1].type == "OTHERWISE"):
        return "otherwise stands alone: a rule that says it says nothing else"
    if token.type == "UNCLOSED" and "TEXT" in accepted:
        return f"the quoted text {_shorten(token)} is not closed"
    expected = next(words for terminal, words in _EXPECTATIONS if terminal in accepted)
    if not before and token.type == "$END":
        return f"the rule is empty: expected {expected}"
    place = f" after {_tail(before)}" if before else ""
    return f"expected {expected}{place}, {_found(token)}"


def _found(token: Token) -> str:
    if token.type == "$END":
        return "but the rule ends there"
    in_lower_case = token.type == "NAME" and token.lower() in _WORDS
    return f"found {_shorten(token)}" + (f': write "{token.lower()}"' if in_lower_case else "")


def _tail(before: list[Token]) -> str:
    """Show the last token, and with a parenthesis what stands before it."""
    count = {"LPAR": 2, "RPAR": 4}.get(before[-1].type, 1)
    return "".join(_shorten(token) for token in before[-count:])


def _shorten(token: Token) -> str:
    return token if len(token) <= 40 else f"{token[:39]}…"


def _at(token: Token) -> int:
    return token.start_pos or 0
