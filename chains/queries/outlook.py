"""What a session's next message will do: the plan of the chain that is picked, and what it may cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import F, Q, Subquery, Sum
from django.db.models.functions import Length

from chains.models import Agent, Attachment, Chain, ChainVersion, ChatSession
from chains.models.run import RunStatus
from chains.queries.estimates import (
    CHARACTERS_PER_TOKEN,
    MESSAGE_TOKENS,
    MessageSize,
    cost_range,
    reads_input,
)
from chains.queries.library import PlanAgent, PlanStage, plan


@dataclass(frozen=True, slots=True)
class Outlook:
    """A picked chain, and one message through it. ``cost`` is an estimated range, empty without a chain.

    ``shown_to`` names the agents that the message's pictures are shown to; the others are told their names.
    """

    chain: Chain | None
    stages: tuple[PlanStage, ...] = ()
    cost: str = ""
    has_images: bool = False
    shown_to: tuple[str, ...] = ()

    @property
    def is_blind(self) -> bool:
        """Whether nobody will see a picture that is attached."""
        return self.has_images and self.chain is not None and not self.shown_to


def outlook(
    *, session: ChatSession, chain: Chain | None, characters: int = 0, files: Sequence[Attachment] = ()
) -> Outlook:
    """Look ahead at a message of so many characters that carries these files."""
    if chain is None:
        return Outlook(None)
    agents = _agents(chain, session)
    images = sum(file.is_image for file in files)
    before = (getattr(agents[0], "said_before", 0) or 0) if agents else 0
    size = MessageSize(_tokens(characters, files), before // CHARACTERS_PER_TOKEN, images)
    shown = [
        PlanAgent(a.name, a.connection_type, a.condition, a.model.name if a.model else "") for a in agents
    ]
    stages = plan(shown)
    first = len(stages[0].agents) if stages else 0
    return Outlook(
        chain=chain,
        stages=stages,
        cost=cost_range(agents, size),
        has_images=bool(images),
        shown_to=tuple(
            agent.name
            for place, agent in enumerate(agents)
            if agent.model and agent.model.vision and reads_input(agent, is_first=place < first)
        ),
    )


def _agents(chain: Chain, session: ChatSession) -> list[Agent]:
    """Read the agents of a chain's newest version, of its draft if it was never published.

    Each knows, in the same query, how many characters the session's history has, roughly: ``said_before``.
    """
    newest = ChainVersion.objects.filter(chain=chain).order_by(F("number").desc(nulls_last=True)).values("id")
    turns = session.runs.filter(Q(status=RunStatus.COMPLETED) | Q(is_kept=True)).order_by().values("session")
    said = turns.annotate(said=Sum(Length("input") + Length("output"))).values("said")
    agents = Agent.objects.filter(version=Subquery(newest[:1])).annotate(said_before=Subquery(said))
    return list(agents.select_related("model__provider").order_by("index"))


def _tokens(characters: int, files: Sequence[Attachment]) -> int:
    # Nothing typed yet: a message of usual length.
    text = characters // CHARACTERS_PER_TOKEN if characters else MESSAGE_TOKENS
    return text + sum(file.size for file in files if not file.is_image) // CHARACTERS_PER_TOKEN
