"""Chain files: a chain as JSON, to keep in a repository, to share and to import.

The format is ``chainchat/1``. Required are ``format``, ``name``, ``agents`` and each agent's ``name`` and
``model``; every other key may be absent or null. ``model`` is ``provider/model``, or the word ``default``:
the default model of the site that reads the file. An agent's slug follows from its name; an agent carries a
``slug`` only in the file of a chain where it does not.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from django.utils.text import slugify

from chains.engine.plan import AgentSpec, ConnectionType, Fault, Severity, check_chain

if TYPE_CHECKING:
    from chains.chainfile_shape import AgentShape, FileShape

FORMAT = "chainchat/1"
DEFAULT_MODEL = "default"
DEMO_DIRECTORY = Path(__file__).parent / "demo"
DEMO_THEMES = ("research", "code", "writing")

MAX_BYTES = 1_000_000
MAX_AGENTS = 100
MAX_NAME = 100
MAX_MODEL = 300
MAX_DESCRIPTION = 2_000
MAX_PROMPT = 100_000
MAX_TEMPERATURE = 2.0
MAX_OUTPUT_TOKENS = 1_000_000
MAX_FAULTS = 100

_MODEL = re.compile(rf"(?=.{{1,{MAX_MODEL}}}$)[^\s/]+/\S+")
# What JSON allows and a database does not store.
_UNSTORABLE = re.compile("[\\0\ud800-\udfff]")

Location = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class FileFault:
    """What is wrong at one place; ``path`` is like ``agents[2].condition``, empty for the whole file."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


def path_of(location: Location) -> str:
    """Write a place of a JSON document: ``agents[2].condition``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{_shown_key(part)}" for part in location)
    return "".join(parts).removeprefix(".")


def _shown_key(key: str) -> str:
    # Whatever a file calls a key, a fault stays one short line that every terminal can print.
    return key if key.isidentifier() and len(key) <= 40 else json.dumps(key[:40])


class ChainFileError(ValueError):
    """A chain file that cannot be used, with every fault found in it."""

    def __init__(self, faults: Sequence[FileFault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = list(faults)


@dataclass(frozen=True, slots=True)
class ChainFileAgent:
    """One agent of a chain file."""

    name: str
    slug: str
    model: str = DEFAULT_MODEL
    system_prompt: str = ""
    prompt: str = ""
    connection_type: ConnectionType = ConnectionType.DIRECT
    condition: str = ""
    temperature: float | None = None
    max_output_tokens: int | None = None

    @property
    def spec(self) -> AgentSpec:
        """The agent as planning and checking read it."""
        return AgentSpec(
            name=self.name,
            slug=self.slug,
            connection=self.connection_type,
            prompt=self.prompt,
            system_prompt=self.system_prompt,
            condition=self.condition,
        )


@dataclass(frozen=True, slots=True)
class ChainFile:
    """A chain as a file holds it; ``slug`` is empty where the file leaves it to the reader."""

    name: str
    slug: str = ""
    description: str = ""
    on_failure: Literal["stop", "continue"] = "stop"
    agents: tuple[ChainFileAgent, ...] = ()


# Finds more that keeps a chain from being used.
Check = Callable[[ChainFile], list[FileFault]]


class DemoChain(NamedTuple):
    """A chain that ships with the application, owned by nobody."""

    slug: str
    theme: str
    chain: ChainFile


def parse_chain_file(data: bytes | str, *, check: Check = lambda _: []) -> ChainFile:
    """Read a chain file. Raises ``ChainFileError`` with every fault that can be told at once.

    A value of the wrong shape is one, and so is what keeps the chain from running, or what ``check`` finds in
    it. While the wrong shape is that of something that other agents rely on, the chain has to wait, and
    ``check`` sees nothing but the agents' models.
    """
    document = _read_json(_decode(data))
    shape, faults = _read_shape(document)
    chain = _build(shape) if shape else _models_alone(document)
    if shape:
        faults += _chain_faults(chain)
    faults += check(chain)
    _refuse(sorted(faults, key=_agent_of))
    assert shape, "without a shape there are faults"
    return chain


def dump_chain_file(chain: ChainFile) -> str:
    """Write a chain as the text of a chain file, keys in fixed order, without empty and default values."""
    derived = agent_slugs([agent.name for agent in chain.agents])
    keep_slugs = derived != tuple(agent.slug for agent in chain.agents)
    document = {
        "format": FORMAT,
        "name": chain.name,
        "slug": chain.slug,
        "description": chain.description,
        "on_failure": "" if chain.on_failure == "stop" else chain.on_failure,
    }
    agents = [_agent_document(agent, keep_slug=keep_slugs) for agent in chain.agents]
    return json.dumps(_without_empty(document) | {"agents": agents}, ensure_ascii=False, indent=2) + "\n"


def agent_slugs(names: Sequence[str], *, given: Sequence[str | None] = ()) -> tuple[str, ...]:
    """Derive a unique slug for each name: ``critic``, ``critic-2``.

    A name without Latin letters gets its place: ``agent-3``. A slug in ``given`` stands as it is, at the
    place of its name, and no derived one repeats it.
    """
    fixed = [*given, *[None] * (len(names) - len(given))]
    taken = {slug for slug in fixed if slug}
    slugs = []
    for number, (name, slug) in enumerate(zip(names, fixed, strict=True), start=1):
        unique = slug or _untaken(slugify(name)[:MAX_NAME].strip("-_") or f"agent-{number}", taken)
        taken.add(unique)
        slugs.append(unique)
    return tuple(slugs)


def demo_chain_files() -> list[DemoChain]:
    """Return the demo chains, theme by theme; a file's name is its theme and its slug."""
    return list(_demo_chains())


@cache
def _demo_chains() -> tuple[DemoChain, ...]:
    return tuple(
        DemoChain(path.stem.removeprefix(f"{theme}-"), theme, parse_chain_file(path.read_bytes()))
        for theme in DEMO_THEMES
        for path in sorted(DEMO_DIRECTORY.glob(f"{theme}-*.json"))
    )


def _untaken(base: str, taken: set[str]) -> str:
    candidate, number = base, 2
    while candidate in taken:
        suffix = f"-{number}"
        candidate = base[: MAX_NAME - len(suffix)] + suffix
        number += 1
    return candidate


def _agent_document(agent: ChainFileAgent, *, keep_slug: bool) -> dict[str, Any]:
    direct = agent.connection_type is ConnectionType.DIRECT
    return _without_empty(
        {
            "name": agent.name,
            "slug": agent.slug if keep_slug else "",
            "model": agent.model,
            "system_prompt": agent.system_prompt,
            "prompt": agent.prompt,
            "connection_type": "" if direct else agent.connection_type.value,
            "condition": agent.condition,
            "temperature": agent.temperature,
            "max_output_tokens": agent.max_output_tokens,
        }
    )


def _without_empty(document: Mapping[str, Any]) -> dict[str, Any]:
    # 0 is a temperature that somebody chose, so falsy is not enough.
    return {key: value for key, value in document.items() if value is not None and value != ""}


def _agent_of(fault: FileFault) -> int:
    found = re.match(r"agents\[(\d+)\]", fault.path)
    return int(found[1]) if found else -1


def _refuse(faults: Sequence[FileFault]) -> None:
    if len(faults) > MAX_FAULTS:
        rest = FileFault("", f"… and {len(faults) - MAX_FAULTS} more faults")
        raise ChainFileError([*faults[:MAX_FAULTS], rest])
    if faults:
        raise ChainFileError(faults)


def _fail(message: str) -> ChainFileError:
    return ChainFileError([FileFault("", message)])


# Reading JSON


class _Object(dict[str, Any]):
    """A JSON object that remembers which of its keys stood in it twice: JSON itself keeps only the last."""

    repeated: tuple[str, ...] = ()


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    result = _Object(pairs)
    if len(result) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        result.repeated = tuple(key for key, count in counts.items() if count > 1)
    return result


def _decode(data: bytes | str) -> str:
    size = len(data) if isinstance(data, bytes) else len(data.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise _fail(f"the file has {size:,} bytes; at most {MAX_BYTES:,} are read")
    if isinstance(data, str):
        return data.removeprefix("\ufeff")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _fail(f"the file is not UTF-8 text (byte {error.start + 1}); save it as UTF-8") from error


def _read_json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise _fail(f"the file is not JSON: {error.msg} ({place})") from error
    except RecursionError as error:
        raise _fail("the file is not a chain file: it is nested too deeply") from error
    except ValueError as error:
        raise _fail("the file is not a chain file: it holds a number that is far too long") from error


def _walk(document: object) -> Iterator[tuple[Location, object]]:
    # A stack, not recursion: the reader's own limit on depth is not ours.
    stack: list[tuple[Location, object]] = [((), document)]
    while stack:
        location, value = stack.pop()
        yield location, value
        if isinstance(value, dict):
            stack.extend(((*location, key), child) for key, child in reversed(value.items()))
        elif isinstance(value, list):
            stack.extend(((*location, index), child) for index, child in reversed([*enumerate(value)]))


def _text_faults(document: object) -> list[FileFault]:
    """Find what JSON allows and a database does not hold, and keys that stand twice."""
    faults = []
    for location, value in _walk(document):
        if isinstance(value, _Object):
            faults += [
                FileFault(path_of((*location, key)), "stands twice; keep one") for key in value.repeated
            ]
        texts = value if isinstance(value, dict) else [value]
        faults += [FileFault(path_of(location), bad) for text in texts for bad in _bad_characters(text)]
    return faults


def _bad_characters(text: object) -> Iterator[str]:
    if isinstance(text, str) and (found := _UNSTORABLE.search(text)):
        what = "a NUL character (U+0000)" if found[0] == "\0" else "half of a surrogate pair"
        yield f"holds {what} at position {found.start() + 1}; remove it"


def _read_shape(document: object) -> tuple[FileShape | None, list[FileFault]]:
    """Return what the file says, without the values that are wrong, and what is wrong with them."""
    # Imported here, because pydantic costs a server at rest 17 MB.
    from pydantic import ValidationError

    from chains.chainfile_shape import FileShape, shape_faults, without_faults

    faults = _text_faults(document)
    try:
        return FileShape.model_validate(document), faults
    except ValidationError as error:
        faults += shape_faults(error)
        return without_faults(document, error), faults


# Building the chain


def _build(shape: FileShape) -> ChainFile:
    slugs = agent_slugs([agent.name for agent in shape.agents], given=[agent.slug for agent in shape.agents])
    return ChainFile(
        name=shape.name,
        slug=shape.slug or "",
        description=shape.description or "",
        on_failure=shape.on_failure or "stop",
        agents=tuple(map(_build_agent, shape.agents, slugs)),
    )


def _models_alone(document: object) -> ChainFile:
    """Return what can be told of a file whose agents cannot be read: which model each of them names."""
    agents = document.get("agents") if isinstance(document, dict) else None
    rows = agents[:MAX_AGENTS] if isinstance(agents, list) else []
    models = (row.get("model") if isinstance(row, dict) else None for row in rows)
    return ChainFile("?", agents=tuple(ChainFileAgent("?", "", _readable_model(model)) for model in models))


def _readable_model(model: object) -> str:
    is_one = isinstance(model, str) and _MODEL.fullmatch(model) and not _UNSTORABLE.search(model)
    return str(model) if is_one else DEFAULT_MODEL


def _build_agent(shape: AgentShape, slug: str) -> ChainFileAgent:
    return ChainFileAgent(
        name=shape.name,
        slug=slug,
        model=shape.model,
        system_prompt=shape.system_prompt or "",
        prompt=shape.prompt or "",
        connection_type=ConnectionType(shape.connection_type or "direct"),
        condition=shape.condition or "",
        temperature=shape.temperature,
        max_output_tokens=shape.max_output_tokens,
    )


def _chain_faults(chain: ChainFile) -> list[FileFault]:
    found = check_chain([agent.spec for agent in chain.agents])
    faults = [fault for fault in found if fault.severity is Severity.FAULT]
    return [FileFault(_path_in_chain(fault), fault.message) for fault in faults]


def _path_in_chain(fault: Fault) -> str:
    return fault.field if fault.agent is None else path_of(("agents", fault.agent, fault.field))
