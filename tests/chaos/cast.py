"""The chains that have to survive: A, then B to E at the same time, then F."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.chaos.hosts import Site
from tests.integration.authors import Agent, Author
from tests.loopback import Call, LoopbackProvider, Script

TPS = 40
FIRST = Agent("ax", "direct", {"prompt": "{{input}}"})
GROUP = [
    Agent(name, "parallel", {"prompt": "{{input}} after {{previous}}"}) for name in ("bx", "cx", "dx", "ex")
]
LAST = Agent("fx", "direct", {"prompt": "{{input}} after {{previous}}"})
FIVE = [FIRST, *GROUP, LAST]
# Half a second, a second, half a second.
TOKENS = {"ax": 20, "bx": 28, "cx": 34, "dx": 40, "ex": 46, "fx": 20}
LASTS = (20 + 46 + 20) / TPS

TRY_AGAIN = """
from chains import actions
from chains.models import Chain
chain = Chain.objects.get(owner__username={owner!r}, slug={slug!r})
draft = actions.open_draft(chain=chain)
fields = {{"on_interruption": "retry"}}
actions.save_settings(chain=chain, draft=draft, fields=fields, revision=draft.revision)
actions.publish_draft(chain=chain)
"""


def write_chains(site: Site, provider: LoopbackProvider, chains: Mapping[str, Sequence[Agent]]) -> None:
    """Publish chains. One whose name begins with ``again`` tries interrupted answers again by itself."""
    author = Author(site.web, provider)
    author.writes(**{name: list(agents) for name, agents in chains.items()})
    for name in chains:
        if name.startswith("again"):
            author.does(TRY_AGAIN.format(owner=author.person, slug=name))


def play_five(provider: LoopbackProvider) -> None:
    """Let the six agents answer at their pace; each names itself in every word."""
    for name, tokens in TOKENS.items():
        provider.script(name, Script(tps=TPS, tokens=tokens))


def all_of(name: str, tokens: int) -> str:
    """Return what an agent says, or how it begins."""
    return "".join(f"{name}-{number} " for number in range(tokens))


def message(number: int) -> str:
    """Return a message that tells a run's calls from those of others."""
    return f"message {number:04d};"


def calls_for(provider: LoopbackProvider, model: str, text: str) -> list[Call]:
    """Return the calls of a model that were about this message, oldest first."""
    return [call for call in provider.calls_of(model) if text in call.body["messages"][-1]["content"]]
