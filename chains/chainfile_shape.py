"""The shape of a chain file as pydantic checks it, and its faults in words for people."""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chains.chainfile import (
    DEFAULT_MODEL,
    FORMAT,
    MAX_AGENTS,
    MAX_DESCRIPTION,
    MAX_MODEL,
    MAX_NAME,
    MAX_OUTPUT_TOKENS,
    MAX_PROMPT,
    MAX_TEMPERATURE,
    FileFault,
    path_of,
)

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Name = Annotated[str, Field(pattern=r"\S", max_length=MAX_NAME)]
Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=MAX_NAME)]
ModelLabel = Annotated[str, Field(pattern=r"^(default|[^\s/]+/\S+)$", max_length=MAX_MODEL)]
Prompt = Annotated[str, Field(max_length=MAX_PROMPT)]
Temperature = Annotated[float, Field(ge=0, le=MAX_TEMPERATURE, allow_inf_nan=False)]
MaxOutputTokens = Annotated[int, Field(ge=1, le=MAX_OUTPUT_TOKENS)]


class AgentShape(BaseModel):
    """One agent as it stands in a file; None is absent or null."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name
    slug: Slug | None = None
    model: ModelLabel
    system_prompt: Prompt | None = None
    prompt: Prompt | None = None
    connection_type: Literal["direct", "conditional", "parallel"] | None = None
    condition: Prompt | None = None
    temperature: Temperature | None = None
    max_output_tokens: MaxOutputTokens | None = None


class FileShape(BaseModel):
    """A whole file; None is absent or null."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal["chainchat/1"]
    name: Name
    slug: Slug | None = None
    description: Annotated[str, Field(max_length=MAX_DESCRIPTION)] | None = None
    on_failure: Literal["stop", "continue"] | None = None
    agents: Annotated[list[AgentShape], Field(max_length=MAX_AGENTS)]


_MODEL_HINT = 'write "provider/model", or "default" for the site\'s default model'
_MISSING = {
    "format": 'is missing; a chain file says "format": "chainchat/1"',
    "model": f"is missing; {_MODEL_HINT}",
}
_PATTERNS = {
    "name": "must not be blank",
    "slug": "may hold only letters from A to Z, digits, - and _, and not be empty",
    "model": f"names no model; {_MODEL_HINT}",
}
_SENTENCES = {
    "string_type": "must be text, not {given}",
    "float_type": "must be a number, not {given}",
    "finite_number": "must be a number, not {given}",
    "int_type": "must be a whole number, not {given}",
    "greater_than_equal": "must be at least {ge}, not {given}",
    "less_than_equal": "must be at most {le}, not {given}",
    "literal_error": "must be {expected}, not {given}",
    "string_too_long": "is longer than {max_length} characters",
    "list_type": "must be a list, not {given}",
    "too_long": "has {actual_length} entries; at most {max_length} are allowed",
    "model_type": "must be a JSON object, not {given}",
}


def shape_faults(error: ValidationError) -> list[FileFault]:
    """Say each of pydantic's errors in words for people."""
    # Text that is no Unicode is a fault of its own, found before.
    details = [detail for detail in error.errors(include_url=False) if detail["type"] != "string_unicode"]
    return [FileFault(path_of(detail["loc"]), _sentence(detail)) for detail in details]


# What stands in the place of a value that is missing or wrong, so that the rest can be looked at.
_STAND_INS = {"format": FORMAT, "name": "?", "model": DEFAULT_MODEL}
# What nothing else in the chain is read by: an agent's name, prompts and connection are.
_APART = {"model", "temperature", "max_output_tokens"}


def without_faults(document: object, error: ValidationError) -> FileShape | None:
    """Read a file without its faulty values; None when more of the chain depends on one of them."""
    rest = _two_levels(document)
    for detail in error.errors(include_url=False):
        if not _take_out(rest, detail["loc"], is_unknown=detail["type"] == "extra_forbidden"):
            return None
    try:
        return FileShape.model_validate(rest)
    except ValidationError:
        return None


def _two_levels(document: object) -> Any:
    # Not copy.deepcopy, which a deeply nested value would take to the limit of recursion.
    if not isinstance(document, dict):
        return document
    agents = document.get("agents")
    if not isinstance(agents, list):
        return dict(document)
    return {**document, "agents": [dict(agent) if isinstance(agent, dict) else agent for agent in agents]}


def _take_out(rest: Any, location: tuple[int | str, ...], *, is_unknown: bool) -> bool:
    """Take a value out of the file, and put something harmless in the place of one that has to be there."""
    is_apart = len(location) == 1 or (len(location) == 3 and location[2] in _APART)
    if not location or location == ("agents",) or not (is_unknown or is_apart):
        return False
    holder, key = rest if len(location) == 1 else rest["agents"][location[1]], location[-1]
    holder.pop(key, None)
    if not is_unknown and key in _STAND_INS:
        holder[key] = _STAND_INS[str(key)]
    return True


def _sentence(detail: ErrorDetails) -> str:
    kind, location = detail["type"], detail["loc"]
    key = str(location[-1]) if location else ""
    if kind == "missing":
        return _MISSING.get(key, "is missing")
    if kind == "extra_forbidden":
        return _unknown_key(key, AgentShape if len(location) > 1 else FileShape)
    if kind == "string_pattern_mismatch":
        return _PATTERNS[key]
    facts = {name: str(fact).replace("'", '"') for name, fact in detail.get("ctx", {}).items()}
    sentence = _SENTENCES[kind].format(given=_shown(detail["input"]), **facts)
    return sentence if location else f"the file {sentence}"


def _unknown_key(key: str, shape: type[BaseModel]) -> str:
    # The search for a look-alike is quadratic: not for a key that is a book.
    near = get_close_matches(key, shape.model_fields, n=1) if len(key) <= 40 else []
    return f"unknown key; did you mean {near[0]}?" if near else "unknown key"


def _shown(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "an object"
    # Half of a surrogate pair, which JSON allows, would fail wherever the sentence is written.
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()
    return text if len(text) <= 40 else f"{text[:40]}…"
