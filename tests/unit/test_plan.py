"""Planning a run, and what is wrong with a chain."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.engine.plan import AgentSpec, ConnectionType, Fault, Severity, check_chain, plan_stages

DIRECT, CONDITIONAL, PARALLEL = ConnectionType


def members(*connections: ConnectionType) -> list[tuple[int, ...]]:
    return [stage.members for stage in plan_stages(connections)]


def agent(name: str, connection: ConnectionType = DIRECT, prompt: str = "", condition: str = "") -> AgentSpec:
    return AgentSpec(name.title(), name, connection, prompt=prompt, condition=condition)


def faults(*agents: AgentSpec) -> list[Fault]:
    return [fault for fault in check_chain(agents) if fault.severity == Severity.FAULT]


def warnings(*agents: AgentSpec) -> list[Fault]:
    return [fault for fault in check_chain(agents) if fault.severity == Severity.WARNING]


def only(found: list[Fault]) -> Fault:
    assert len(found) == 1, found
    return found[0]


class TestPlan:
    def test_direct_agents_are_stages_of_their_own(self):
        assert members(DIRECT, DIRECT) == [(0,), (1,)]

    def test_consecutive_parallel_agents_form_one_stage(self):
        assert members(DIRECT, PARALLEL, PARALLEL, PARALLEL, DIRECT) == [(0,), (1, 2, 3), (4,)]

    def test_the_first_agent_may_be_parallel(self):
        assert members(PARALLEL, PARALLEL, DIRECT) == [(0, 1), (2,)]

    def test_an_agent_between_two_groups_keeps_them_apart(self):
        assert members(PARALLEL, PARALLEL, CONDITIONAL, PARALLEL, PARALLEL) == [(0, 1), (2,), (3, 4)]

    def test_a_conditional_agent_never_joins_a_group(self):
        assert members(CONDITIONAL, CONDITIONAL, PARALLEL) == [(0,), (1,), (2,)]

    def test_stages_are_numbered_from_one_and_know_whether_they_are_groups(self):
        stages = plan_stages([DIRECT, PARALLEL, CONDITIONAL])
        assert [(stage.number, stage.parallel) for stage in stages] == [(1, False), (2, True), (3, False)]

    def test_a_chain_without_agents_has_no_stages(self):
        assert plan_stages([]) == ()

    def test_the_words_of_a_chain_file_plan_like_the_connection_types(self):
        assert plan_stages(["direct", "parallel", "parallel"]) == plan_stages([DIRECT, PARALLEL, PARALLEL])

    @given(st.lists(st.sampled_from(ConnectionType)))
    def test_every_agent_runs_once_in_chain_order(self, connections):
        stages = plan_stages(connections)
        assert [index for stage in stages for index in stage.members] == list(range(len(connections)))
        assert [stage.number for stage in stages] == list(range(1, len(stages) + 1))

    @given(st.lists(st.sampled_from(ConnectionType)))
    def test_two_neighbours_share_a_stage_exactly_when_both_are_parallel(self, connections):
        stage_of = {index: stage.number for stage in plan_stages(connections) for index in stage.members}
        for index in range(1, len(connections)):
            both_parallel = connections[index - 1] == connections[index] == PARALLEL
            assert (stage_of[index - 1] == stage_of[index]) == both_parallel


class TestChain:
    def test_a_sound_chain_has_nothing_to_say(self):
        writer = agent("writer", prompt="Write about {{input}}")
        reviser = agent("reviser", CONDITIONAL, 'Improve {{agents.writer}}, \\{{"a": 1}}', 'contains("weak")')
        assert check_chain([writer, reviser]) == []

    def test_a_chain_needs_an_agent(self):
        fault = only(faults())
        assert (fault.agent, fault.field) == (None, "agents")

    def test_every_agent_needs_a_name(self):
        fault = only(faults(AgentSpec("  ", "a", DIRECT)))
        assert (fault.agent, fault.field) == (0, "name")

    def test_two_agents_cannot_share_a_slug(self):
        fault = only(faults(agent("a"), agent("b"), AgentSpec("Other", "a", DIRECT)))
        assert (fault.agent, fault.field) == (2, "slug")
        assert "“a” of agent 1" in fault.message

    @pytest.mark.parametrize("slug", ["", "two words", "a.b", "é"])
    def test_a_slug_that_no_reference_could_name_is_a_fault(self, slug):
        assert only(faults(AgentSpec("Name", slug, DIRECT))).field == "slug"

    def test_a_fault_names_its_agent(self):
        fault = only(faults(agent("a"), agent("critic", CONDITIONAL)))
        assert fault.message.startswith("Agent 2 (“Critic”) is conditional")
        assert fault.here.startswith("It is conditional")

    def test_a_fault_names_an_agent_once(self):
        fault = only(faults(agent("a"), AgentSpec("Agent 2", "agent-2", CONDITIONAL)))
        assert fault.message.startswith("Agent 2 is conditional")

    def test_a_fault_begins_with_what_is_wrong_where_its_agent_is_seen(self):
        unreadable, unknown = faults(
            agent("a", CONDITIONAL, condition="contains("), agent("b", prompt="{{agents.x}}")
        )
        assert unreadable.here.startswith("The rule is wrong at character")
        assert unknown.here.startswith("{{agents.x}} names no agent")

    def test_all_faults_are_reported_in_the_order_of_the_agents(self):
        found = faults(agent("a", CONDITIONAL), agent("b", prompt="{{x}}"), agent("a", condition="empty"))
        expected = [(0, "condition"), (1, "prompt"), (2, "slug"), (2, "condition")]
        assert [(fault.agent, fault.field) for fault in found] == expected


class TestConnections:
    def test_a_conditional_agent_needs_a_condition(self):
        assert only(faults(agent("a", CONDITIONAL, condition=" \n"))).field == "condition"

    def test_a_direct_agent_cannot_have_a_condition(self):
        assert "is direct and has a rule" in only(faults(agent("a", condition="empty"))).message

    def test_a_parallel_agent_may_carry_a_condition(self):
        assert check_chain([agent("a", PARALLEL, condition="empty"), agent("b", PARALLEL)]) == []

    def test_the_first_agent_may_be_conditional(self):
        assert check_chain([agent("a", CONDITIONAL, condition='contains("urgent")')]) == []

    def test_a_group_of_one_is_legal_but_pointless(self):
        alone = agent("a", PARALLEL)
        assert faults(alone) == []
        assert only(warnings(alone)).field == "connection_type"

    def test_an_unreadable_condition_is_a_fault_with_its_position(self):
        fault = only(faults(agent("a", CONDITIONAL, condition="length > 3 and contains(x)")))
        assert "at character 25: expected a quoted text after contains(" in fault.message


class TestOtherwise:
    def test_otherwise_closes_a_group_of_exclusive_branches(self):
        branches = [
            agent("a", PARALLEL, condition='contains("a")'),
            agent("b", PARALLEL, condition="otherwise"),
        ]
        assert check_chain(branches) == []

    def test_otherwise_stands_once_in_a_group(self):
        group = [agent("a", PARALLEL, condition="empty")]
        group += [agent(name, PARALLEL, condition="otherwise") for name in "bc"]
        fault = only(faults(*group))
        assert (fault.agent, fault.field) == (2, "condition")

    def test_two_groups_may_each_say_otherwise(self):
        group = [agent("a", PARALLEL, condition="empty"), agent("b", PARALLEL, condition="otherwise")]
        more = [agent("c", PARALLEL, condition="empty"), agent("d", PARALLEL, condition="otherwise")]
        assert check_chain([*group, agent("between"), *more]) == []

    def test_otherwise_outside_a_group_is_a_fault(self):
        assert (
            "outside a parallel group" in only(faults(agent("a", CONDITIONAL, condition="otherwise"))).message
        )

    def test_otherwise_without_another_condition_is_pointless(self):
        group = [agent("a", PARALLEL), agent("b", PARALLEL, condition="otherwise")]
        assert faults(*group) == []
        assert "always runs" in only(warnings(*group)).message


class TestReferences:
    def test_an_unknown_name_is_a_fault_that_says_which_names_there_are(self):
        message = only(faults(agent("a", prompt="Look at {{outcome}}"))).message
        assert "{{outcome}}" in message
        assert "{{input}}, {{previous}} or {{agents.name}}" in message

    def test_the_same_unknown_name_is_reported_once(self):
        only(faults(agent("a", prompt="{{x}} {{ x }}")))

    def test_an_earlier_agent_may_be_named(self):
        assert check_chain([agent("a"), agent("b"), agent("c", prompt="{{agents.a}}")]) == []

    @pytest.mark.parametrize(
        ("slug", "reason"),
        [
            ("nobody", "no agent of this chain"),
            ("self", "this agent itself"),
            ("sibling", "the same group"),
            ("elder", "the same group"),
            ("later", "stands later"),
        ],
    )
    @pytest.mark.parametrize("field", ["prompt", "condition"])
    def test_only_an_earlier_agent_may_be_named(self, slug, reason, field):
        text = f"{{{{agents.{slug}}}}}" if field == "prompt" else f"agents.{slug}.empty"
        fault = only(
            faults(
                agent("first"),
                agent("elder", PARALLEL),
                agent("self", PARALLEL, **{field: text}),
                agent("sibling", PARALLEL),
                agent("later"),
            )
        )
        assert (fault.agent, fault.field) == (2, field)
        assert reason in fault.message

    def test_naming_an_agent_that_may_be_skipped_is_worth_a_warning(self):
        maybe = agent("maybe", CONDITIONAL, condition="empty")
        assert only(warnings(maybe, agent("last", prompt="{{agents.maybe}}"))).field == "prompt"

    def test_naming_a_member_of_a_group_that_can_go_on_without_it_is_worth_a_warning(self):
        group = [agent("a", PARALLEL), agent("b", PARALLEL)]
        rule = agent("last", CONDITIONAL, condition="agents.b.length > 3")
        assert only(warnings(*group, rule)).field == "condition"
