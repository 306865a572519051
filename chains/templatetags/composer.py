"""How messages and their files are written on pages."""

from __future__ import annotations

from collections.abc import Iterator

from django import template

from chains import queries
from chains.engine import quotes

register = template.Library()

# What a file dialogue offers; the server looks at the bytes and not at the name.
_ACCEPTED = (
    "image/png,image/jpeg,image/webp,image/gif,text/*,application/json,application/xml,"
    ".md,.csv,.tsv,.json,.jsonl,.yaml,.yml,.toml,.ini,.cfg,.env,.log,.xml,.html,.css,.svg,.tex,.rst,.diff,.patch,"
    ".py,.pyi,.ipynb,.js,.mjs,.ts,.tsx,.jsx,.vue,.go,.rs,.java,.kt,.swift,.c,.h,.cc,.cpp,.hpp,.cs,.rb,.php,.pl,"
    ".lua,.r,.jl,.scala,.ex,.exs,.erl,.hs,.clj,.sql,.sh,.bash,.zsh,.ps1,.graphql,.proto,.tf,.dockerfile"
)


@register.simple_tag
def accepted_files() -> str:
    """Return what the ``accept`` attribute of a file field says."""
    return _ACCEPTED


@register.filter
def passages(message: str) -> Iterator[quotes.Passage]:
    """Take a message apart into quotes and the author's own words."""
    return quotes.passages(message)


@register.filter
def own_words(message: str) -> str:
    """Return a message without what it quotes."""
    return quotes.own_words(message)


@register.filter
def file_size(size: int) -> str:
    """Write a size as a person reads it."""
    return queries.size_text(size)
