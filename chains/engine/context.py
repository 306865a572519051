"""What stands at the door of a stage: the texts its agents may read, and who of them runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chains.engine import prompts
from chains.engine.conditions import Condition, Subjects, Verdict, parse
from chains.engine.files import with_mentions
from chains.engine.history import history_messages, image_tokens
from chains.engine.prompts import MemberResult, Part, Sources
from chains.engine.spec import RunSpec, StepSpec
from chains.providers.base import ChatMessage


@dataclass(frozen=True, slots=True)
class Skip:
    """A step that does not run: its rule was false on this text (``verdict``), or it was not reached."""

    step: StepSpec
    verdict: Verdict | None = None


@dataclass(slots=True)
class Context:
    """Grows stage by stage. ``previous`` is handed on, ``tested`` is what conditions read of it.

    ``passages`` are what ``previous`` consists of: they say from whom each part of it came.
    """

    spec: RunSpec
    previous: str
    tested: str
    is_first: bool = True
    agents: dict[str, str] = field(default_factory=dict)
    passages: tuple[Part, ...] = ()

    @classmethod
    def at_start(cls, spec: RunSpec) -> Context:
        """Stand before the first stage: everything is the user's message."""
        message = (Part(spec.input, "input"),)
        return cls(spec=spec, previous=spec.input, tested=spec.input, passages=message)

    def choose(self, stage: Sequence[StepSpec]) -> tuple[list[StepSpec], list[Skip]]:
        """Divide a stage into those who run and those whose condition is false.

        Raises ``ConditionError`` for a rule that does not parse: a published version holds none.
        """
        rules = {step.id: parse(step.condition) for step in stage if step.condition.strip()}
        plain = [rule for rule in rules.values() if not rule.is_otherwise]
        subjects = Subjects(previous=self.tested, input=self.spec.input, agents=self.agents)
        verdicts = {rule.source: rule.evaluate(subjects) for rule in plain}
        held = prompts.otherwise_holds([verdict.held for verdict in verdicts.values()])
        chosen: list[StepSpec] = []
        skips: list[Skip] = []
        for step in stage:
            verdict = self._verdict(rules.get(step.id), verdicts, otherwise=held)
            if verdict is None or verdict.held:
                chosen.append(step)
            else:
                skips.append(Skip(step, verdict))
        return chosen, skips

    def _verdict(
        self, rule: Condition | None, verdicts: Mapping[str, Verdict], *, otherwise: bool
    ) -> Verdict | None:
        if rule is None:
            return None
        if not rule.is_otherwise:
            return verdicts[rule.source]
        decided_by = " · ".join(verdict.decided_by for verdict in verdicts.values() if verdict.held)
        return Verdict(held=otherwise, subject="the other branches", excerpt="", decided_by=decided_by)

    def messages(self, step: StepSpec) -> tuple[ChatMessage, ...]:
        """Return exactly what is sent for a step: system prompt, history, prompt.

        Pictures are part of the user's message: whoever receives that is shown them, or told of them.
        """
        sees = step.model.flags.vision
        told = () if sees else tuple(image.name for image in self.spec.images)
        said = with_mentions(self.spec.input, told)
        sources = Sources(said, self.previous, self.agents, self.passages)
        parts = prompts.render_parts(step.prompt, sources, first_stage=self.is_first)
        prompt = prompts.joined(parts)
        images = self.spec.images if sees and any(part.source == "input" for part in parts) else ()
        history = history_messages(
            self.spec.history,
            slug=step.slug,
            window_tokens=step.model.context_window,
            reserve=(len(step.system_prompt) + len(prompt)) // 4
            + image_tokens(images)
            + (step.max_output_tokens or 0),
            sees=sees,
        )
        system = (ChatMessage("system", step.system_prompt),) if step.system_prompt.strip() else ()
        return (*system, *history, ChatMessage("user", prompt, prompts.passages_of(parts), images))

    def advance(self, results: Sequence[MemberResult], stage: Sequence[StepSpec], *, is_group: bool) -> None:
        """Pass on what a stage that succeeded gave."""
        for step, result in zip(stage, results, strict=True):
            if result.status == "completed":
                self.agents[step.slug] = result.text
        if is_group:
            self.passages = tuple(prompts.group_parts(results, [step.slug for step in stage]))
            self.tested = prompts.condition_text(results)
        else:
            self.passages = (Part(results[0].text, prompts.agent_source(stage[0].slug)),)
            self.tested = results[0].text
        self.previous = prompts.joined(self.passages)
        self.is_first = False
