"""Cut a growing answer into blocks that nothing can change any more.

The rule is on text alone, so an answer that arrives in pieces is cut exactly like one that is read whole:
only complete lines count, a block is closed when the next one has begun, and a list or table that
grows long is cut between two of its items or rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise

from markdown_it.token import Token

from chains.rendering.syntax import block_tokens

# Characters after which a list or table is cut. An open list is rendered again at each update: 2,500
# characters take 4 to 7 ms. A table repeats its head after a cut, so it may grow longer.
LIST_PIECE = 2_500
TABLE_PIECE = 12_000

# Lists, footnotes and indented code go on after a blank line; these do not.
_ENDED_BY_BLANK = {
    "paragraph_open",
    "heading_open",
    "blockquote_open",
    "table_open",
    "math_block",
    "math_unclosed",
}


@dataclass(frozen=True, slots=True)
class _Block:
    """A top-level block: its first token, its inner tokens, and its first and one-past-last line."""

    head: Token
    inner: list[Token]
    start: int
    end: int


def split_blocks(text: str) -> tuple[list[str], str]:
    """Split complete lines into the sources of closed blocks and the open rest.

    For every text that continues this one, the closed blocks are the same.
    """
    closed: list[str] = []
    cut = True
    while cut:
        pieces, text, cut = _split_once(text)
        closed += pieces
    return closed, text


def _split_once(text: str) -> tuple[list[str], str, bool]:
    """Take closed blocks, up to the first cut. Return them, the rest, and whether a block was cut."""
    at = list(accumulate((len(line) + 1 for line in text.split("\n")), initial=0))
    blocks = _top_level(block_tokens(text))
    closed: list[str] = []
    for number, block in enumerate(blocks):
        line = _cut_line(block, at)
        if line is not None:
            closed.append(text[at[block.start] : at[line]])
            return closed, _repeated_head(block, text, at) + text[at[line] :], True
        last = number + 1 == len(blocks)
        if last and not _is_finished(block, text[at[block.start] : at[block.end]], at[block.end] < len(text)):
            return closed, text[at[block.start] :], False
        closed.append(text[at[block.start] : at[block.end]])
    return closed, "", False


def _top_level(tokens: list[Token]) -> list[_Block]:
    heads = [n for n, token in enumerate(tokens) if token.level == 0 and token.nesting >= 0]
    blocks = []
    for n, following in pairwise([*heads, len(tokens)]):
        start, end = tokens[n].map or [0, 0]
        blocks.append(_Block(tokens[n], tokens[n + 1 : following], start, end))
    return blocks


def _is_finished(block: _Block, source: str, blank_follows: bool) -> bool:
    """Say whether the last block is closed already by its own form, whatever comes next."""
    head = block.head
    if blank_follows and head.type in _ENDED_BY_BLANK:
        return True
    if head.type == "fence":
        # An open fence has one line that is not content, a closed one two.
        return block.end - block.start == head.content.count("\n") + 2
    if head.type == "heading_open":
        own_form = head.markup.startswith("#")
    else:
        own_form = head.type in ("hr", "math_block")
    # With a bar in it, a single line may still become the head of a table.
    return own_form and (block.end - block.start > 1 or "|" not in source)


def _cut_line(block: _Block, at: list[int]) -> int | None:
    """Find the first line where a long list or table may be cut."""
    if block.head.type in ("bullet_list_open", "ordered_list_open"):
        return _list_cut(block, at)
    if block.head.type == "table_open":
        return _table_cut(block, at)
    return None


def _list_cut(block: _Block, at: list[int]) -> int | None:
    items = [token for token in block.inner if token.type == "list_item_open" and token.level == 1]
    first_number = int(items[0].info or 0)
    for index, item in enumerate(items):
        line = (item.map or [block.start])[0]
        # "1. 1. 1." counts by itself only inside one list, so it is cut only where the written number holds.
        counts = not item.info or int(item.info) == first_number + index
        if counts and at[line] - at[block.start] >= LIST_PIECE:
            return line
    return None


def _table_cut(block: _Block, at: list[int]) -> int | None:
    body = block.start + 2
    # A head that is longer than the rows it is repeated for would make the answer grow without bound.
    piece = max(TABLE_PIECE, at[min(body, block.end)] - at[block.start])
    return next((line for line in range(body, block.end) if at[line] - at[body] >= piece), None)


def _repeated_head(block: _Block, text: str, at: list[int]) -> str:
    return text[at[block.start] : at[block.start + 2]] if block.head.type == "table_open" else ""
