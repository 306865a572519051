"""What a draft says about its whole chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chains.actions.drafts import edit_draft
from chains.actions.errors import ActionError, StaleDraft
from chains.actions.library import OtherTags, file_under
from chains.actions.names import tidy_name
from chains.engine.attempt import storable
from chains.engine.drafts import CHAIN_FIELDS
from chains.models import Agent, Chain, ChainVersion
from chains.models.chain import OnFailure, OnInterruption

MAX_DESCRIPTION = 2_000  # characters
CHOICES = {"on_failure": OnFailure, "on_interruption": OnInterruption}


def save_settings(
    *,
    chain: Chain,
    draft: ChainVersion,
    fields: Mapping[str, object],
    revision: int,
    known_tags: str | None = None,
) -> ChainVersion:
    """Save any of name, description, on_failure, on_interruption, and tags as one text with commas.

    Undo leaves tags alone: they are not the draft's and have no revision. ``known_tags`` are those that the
    window knows of. Raises ``ActionError`` for the field that is wrong, and has saved nothing then, or
    ``StaleDraft`` with both texts.
    """
    mine = {name: str(value) for name, value in fields.items()}
    said = {name: _READERS[name](text) for name, text in mine.items() if name != "tags"}
    theirs: dict[str, str] = {}

    def change(_agents: list[Agent]) -> str:
        for name in said:
            holder = draft.chain if name in CHAIN_FIELDS else draft
            theirs[name] = getattr(holder, name)
            setattr(holder, name, said[name])
        if "tags" in mine:
            known = None if known_tags is None else known_tags.split(",")
            file_under(chain, mine["tags"].split(","), known=known)
        return "Changed the chain's settings"

    try:
        return edit_draft(draft=draft, revision=revision, change=change)
    except StaleDraft as error:
        raise StaleDraft(revision=error.revision, theirs=theirs | _tags(chain, mine), mine=mine) from error
    except OtherTags as error:
        theirs["tags"] = error.tags
        raise StaleDraft(revision=draft.revision, theirs=theirs, mine=mine) from error


def _tags(chain: Chain, mine: Mapping[str, str]) -> dict[str, str]:
    return {"tags": ", ".join(chain.tags.values_list("name", flat=True))} if "tags" in mine else {}


def _description(text: str) -> str:
    text = storable(text.replace("\r\n", "\n"))
    if len(text) > MAX_DESCRIPTION:
        words = f"A description may have {MAX_DESCRIPTION:,} characters: this one has {len(text):,}."
        raise ActionError(words, field="description")
    return text


def _choice(field: str) -> Any:
    def read(text: str) -> str:
        if text not in CHOICES[field].values:
            raise ActionError("Choose one of the ways that are offered.", field=field)
        return text

    return read


_READERS = {
    "name": tidy_name,
    "description": _description,
    "on_failure": _choice("on_failure"),
    "on_interruption": _choice("on_interruption"),
}
