"""What the simulated provider understands of a request: its material, subject and wanted form."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chains.providers import simulated_phrases as phrases
from chains.providers.base import ChatMessage, Image

_WORD = re.compile(r"[^\W\d_][\w'’-]*[^\W_]")
_TAGGED = re.compile(r"<([a-z][\w-]*)>\s*(.*?)\s*</\1>", re.DOTALL)
_CHOICE = re.compile(r"\b[A-Z][A-Z_]{2,}(?:,? (?:or )?[A-Z][A-Z_]{2,})+\b")
_LABEL = re.compile(r"\*\*([A-Z][^*\n]{2,40}?):?\*\*")
_VOICE = re.compile(r"^\*\*([^*\n]{1,60})\*\* \([^)\n]+\):$", re.MULTILINE)
_CODE = re.compile(
    r"```|\b(?:code|function|program|script|python|javascript|rust|sql|api|bug|class|unit tests?|diff)\b",
    re.IGNORECASE,
)

# Words that say nothing about a subject, and our own: simulated answers are read by simulated agents.
_EMPTY_WORDS = frozenset(
    re.findall(
        r"\S+",
        """
    able above again against agent also always among analysis another answers anything argue based
    because becomes been being below between blocker brief build cannot claim compare consider
    correctness create describe design develop discuss doing done draft during each edit either even
    exactly explain extract failed fails fast find five following form four given goes great happens
    having heading heard however imagine implement improve input itself just know known last least lines
    list little made made-up main major make makes many material matter means minor much need never none
    number otherwise output over parallel part parts please points prepare previous rate rather really
    recommend replace result results review rewrite said same section sections seems sentences show
    simple since slow some something sort such suggest summarise summarize sure switch their them these
    thing things think those through time translate under upon used using very want wants were whether
    which while within word works worse write writes writing yours
    """,
    )
) | {word.lower() for word in _WORD.findall(" ".join(phrases.ALL))}

# What usually decides between the names of routers' exits.
_HINTS = {
    "BUG": "error crash fails broken wrong exception traceback stopped freezes regression bug",
    "FEATURE": "add support would option allow feature wish request",
    "QUESTION": "how what where why when can configure help question",
    "CODE": "code function program python javascript api bug class implement script sql algorithm",
    "WRITING": "write essay story poem blog letter email speech draft article text headline",
    "RESEARCH": "research compare study evidence market history analyse analyze find sources trends",
    "COMPLAINT": "unhappy disappointed refund angry late broken complaint unacceptable",
    "REQUEST": "please could send need arrange appointment request",
    "PITCH": "offer sell product opportunity demo discount partnership",
    "FACT": "who many year true when date capital",
    "COMPARE": "or versus vs better compare difference between",
    "EXPLAIN": "how why explain understand works",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """A request, as far as a simulation can read it."""

    subject: str
    keywords: tuple[str, ...]
    labels: tuple[str, ...]
    voices: tuple[str, ...]
    pictures: tuple[str, ...]
    choices: tuple[str, ...]
    example: Any
    wants_code: bool
    role: str
    instructions: str
    material: str


def read(messages: Sequence[ChatMessage]) -> Reading:
    """Find out what a request is about and in which form it wants its answer."""
    system = "\n".join(message.content for message in messages if message.role == "system")
    asked = next((message for message in reversed(messages) if message.role == "user"), None)
    prompt = asked.content if asked else ""
    material, instructions = _split(prompt)
    about = _without_announcements(material)
    return Reading(
        subject=_subject(about),
        keywords=_keywords(about),
        labels=tuple(dict.fromkeys(_LABEL.findall(instructions.rstrip().rpartition("\n\n")[2])))[:6],
        voices=tuple(dict.fromkeys(_VOICE.findall(prompt)))[:6],
        pictures=tuple(_picture(image) for image in asked.images) if asked else (),
        choices=_choices(system, instructions),
        example=_example(instructions) or _example(system),
        wants_code=bool(_CODE.search(f"{system}\n{instructions}")),
        role=system,
        instructions=f"{system}\n{instructions}",
        material=material,
    )


def pick(reading: Reading) -> str | None:
    """Return the choice that fits the material best, None if nothing speaks for any."""
    words = {word.lower() for word in _WORD.findall(reading.material)}
    scores = {choice: len(words & _meaning(choice, reading.instructions)) for choice in reading.choices}
    best = max(scores, key=lambda choice: scores[choice], default=None)
    return best if best and scores[best] else None


def _meaning(choice: str, instructions: str) -> set[str]:
    # Routers often say it themselves: "BUG if something behaves otherwise than it should."
    said = re.findall(rf"^{re.escape(choice)} (?:if|for|when|means)\b(.*)$", instructions, re.MULTILINE)
    words = {word.lower() for word in _WORD.findall(" ".join(said))} - _EMPTY_WORDS
    return words | set(_HINTS.get(choice, choice.lower()).split())


def _picture(image: Image) -> str:
    return f"“{image.name}” ({image.width} × {image.height} pixels)"


def _split(prompt: str) -> tuple[str, str]:
    """Part what is to be worked on from what is to be done with it."""
    tagged = [body for _, body in _TAGGED.findall(prompt)]
    if tagged:
        return "\n\n".join(tagged), _TAGGED.sub(" ", prompt)
    paragraphs = [paragraph for paragraph in re.split(r"\n\s*\n", prompt) if paragraph.strip()]
    if len(paragraphs) < 2:
        return prompt, prompt
    material = "\n\n".join(paragraphs[:-1]).removeprefix("Previous output:")
    return material, paragraphs[-1]


def _without_announcements(material: str) -> str:
    """Drop lines such as "The change:" that only say what follows, headings, and our own label."""
    lines = [line for line in material.splitlines() if not line.rstrip().endswith(":")]
    own = ("--- ", "### ", "*Simulated")
    return "\n".join(line for line in lines if not line.startswith(own)) or material


def _subject(material: str) -> str:
    """Return the first sentence that reads like one, cut to a dozen words."""
    for line in material.splitlines():
        line = re.sub(r"[*_`#>|]+", "", line).strip(" -:")
        sentence = re.split(r"[.!?:;](?:\s|$)", line)[0]
        if len(_WORD.findall(sentence)) >= 2 and not line.startswith("{"):
            words = sentence.split()
            return " ".join(words[:12]) + ("…" if len(words) > 12 else "")
    return "your message"


def _keywords(material: str) -> tuple[str, ...]:
    """Return up to eight things that are spoken of, pairs of words where they stand together."""
    counts: Counter[str] = Counter()
    for clause in re.split(r"[^\w\s'’-]|\n", material):
        words = [word if _says_something(word) else "" for word in _WORD.findall(clause)]
        for group in " ".join(word or "|" for word in words).split("|"):
            # The end of a group is its noun: "our new upload service".
            if phrase := " ".join(group.split()[-2:]):
                counts[phrase] += 1
    found = {phrase.lower(): phrase for phrase, _ in reversed(counts.most_common(8))}
    return tuple(reversed(found.values())) or ("the question", "the context", "the goal")


def _says_something(word: str) -> bool:
    folded = word.lower()
    return len(word) > 3 and folded not in _EMPTY_WORDS and not re.search(r"(?:ly|ing|ed|n't|n’t)$", folded)


def _choices(system: str, instructions: str) -> tuple[str, ...]:
    if "one word" not in f"{system}\n{instructions}".lower():
        return ()
    for text in (instructions, system):
        lists = _CHOICE.findall(text)
        if lists:
            return tuple(re.findall(r"[A-Z][A-Z_]{2,}", lists[-1]))
    return tuple(re.findall(r"^([A-Z][A-Z_]{2,}) (?:if|for|when)\b", system, re.MULTILINE))


def _example(text: str) -> Any:
    """Return the JSON object that the request shows as an example of its answer."""
    asked = text.find("JSON")
    start = text.find("{", asked) if asked >= 0 else -1
    if start < 0:
        return None
    try:
        return json.JSONDecoder().raw_decode(text, start)[0]
    except ValueError:
        return None
