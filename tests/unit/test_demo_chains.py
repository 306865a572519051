"""The chains that ship: each can run and is worth opening, together they show every connection."""

from __future__ import annotations

import re

import pytest

from chains.chainfile import (
    DEFAULT_MODEL,
    DEMO_DIRECTORY,
    DEMO_THEMES,
    ChainFile,
    DemoChain,
    agent_slugs,
    demo_chain_files,
    dump_chain_file,
)
from chains.engine.conditions import Subjects, parse
from chains.engine.plan import ConnectionType, check_chain, plan_stages
from chains.engine.prompts import references

DEMOS = demo_chain_files()
each_demo = pytest.mark.parametrize("demo", DEMOS, ids=lambda demo: demo.slug)


def sizes(chain: ChainFile) -> list[int]:
    """Return how many agents each stage has."""
    return [len(stage.members) for stage in plan_stages([a.connection_type for a in chain.agents])]


def demo(slug: str) -> ChainFile:
    return next(demo.chain for demo in DEMOS if demo.slug == slug)


# The set


def test_there_are_at_least_four_demos_for_each_theme_and_fourteen_in_all():
    themes = [demo.theme for demo in DEMOS]
    assert len(DEMOS) >= 14
    assert sorted(set(themes), key=themes.index) == list(DEMO_THEMES)
    assert all(themes.count(theme) >= 4 for theme in DEMO_THEMES)


def test_every_file_in_the_folder_is_a_demo():
    assert len(list(DEMO_DIRECTORY.iterdir())) == len(DEMOS)


def test_slugs_and_names_are_unique():
    assert len({demo.slug for demo in DEMOS}) == len(DEMOS)
    assert len({demo.chain.name for demo in DEMOS}) == len(DEMOS)


def test_a_caller_cannot_spoil_the_list_for_others():
    demo_chain_files().clear()
    assert demo_chain_files() == DEMOS


# Each of them


@each_demo
def test_a_demo_has_neither_faults_nor_warnings(demo: DemoChain):
    assert check_chain([agent.spec for agent in demo.chain.agents]) == []


@each_demo
def test_a_demo_is_stored_in_the_form_that_export_writes(demo: DemoChain):
    stored = (DEMO_DIRECTORY / f"{demo.theme}-{demo.slug}.json").read_text(encoding="utf-8")
    assert stored == dump_chain_file(demo.chain)


@each_demo
def test_a_demo_carries_its_slug_and_runs_on_the_default_model(demo: DemoChain):
    assert demo.chain.slug == demo.slug
    assert {agent.model for agent in demo.chain.agents} == {DEFAULT_MODEL}


@each_demo
def test_the_slugs_of_a_demo_follow_from_its_names(demo: DemoChain):
    slugs = tuple(agent.slug for agent in demo.chain.agents)
    assert slugs == agent_slugs([agent.name for agent in demo.chain.agents])


@each_demo
def test_a_description_is_short_and_says_what_to_type(demo: DemoChain):
    sentences = re.findall(r"[.](?= |$)", demo.chain.description)
    assert 1 <= len(sentences) <= 2
    assert len(demo.chain.description) <= 260
    assert re.search(r"\b([Tt]ype|[Pp]aste)\b", demo.chain.description)


@each_demo
def test_every_agent_has_a_role_and_a_task_and_is_given_something_to_work_on(demo: DemoChain):
    for agent in demo.chain.agents:
        assert len(agent.system_prompt) > 80, agent.name
        assert references(agent.prompt), agent.name


@each_demo
def test_every_agent_knows_where_the_message_ends_and_its_task_begins(demo: DemoChain):
    for agent in demo.chain.agents:
        opened = re.findall(r"^<([a-z-]+)>$", agent.prompt, re.MULTILINE)
        assert opened == re.findall(r"^</([a-z-]+)>$", agent.prompt, re.MULTILINE), agent.name


# What they show


def test_three_parallel_critics_meet_in_a_synthesis():
    chain = demo("three-critics")
    assert sizes(chain) == [3, 1]
    assert "{{previous}}" in chain.agents[-1].prompt


def test_one_chain_fans_out_and_comes_together_again():
    assert sizes(demo("decision-memo")) == [1, 3, 1]


def test_one_chain_is_a_straight_pipeline():
    assert sizes(demo("briefing")) == [1, 1, 1, 1]
    assert {agent.connection_type for agent in demo("briefing").agents} == {ConnectionType.DIRECT}


def test_a_group_that_starts_on_the_message_is_followed_by_a_judge():
    chain = demo("panel-and-judge")
    assert sizes(chain) == [3, 1]
    assert all("{{input}}" in agent.prompt for agent in chain.agents)


@pytest.mark.parametrize(
    ("slug", "word", "taken"),
    [
        ("question-desk", "FACT", "Fact finder"),
        ("question-desk", "compare.", "Comparer"),
        ("question-desk", "EXPLAIN", "Explainer"),
        ("question-desk", "OPEN", None),
        ("question-desk", "I cannot say", None),
        ("issue-desk", "BUG", "Bug analyst"),
        ("issue-desk", "**FEATURE**", "Product engineer"),
        ("issue-desk", "QUESTION", "Support engineer"),
        ("issue-desk", "UNCLEAR", None),
        ("mail-desk", "COMPLAINT", "Complaint writer"),
        ("mail-desk", "REQUEST", "Request writer"),
        ("mail-desk", "PITCH", "Pitch writer"),
        ("mail-desk", "PERSONAL", None),
    ],
)
def test_a_routers_word_opens_one_branch_and_otherwise_takes_the_rest(slug, word, taken):
    _router, *branches = demo(slug).agents
    assert parse(branches[-1].condition).is_otherwise
    opened = [branch.name for branch in branches[:-1] if holds(branch.condition, word)]
    assert opened == ([taken] if taken else [])


@pytest.mark.parametrize("slug", ["write-review-revise", "draft-and-verdict"])
def test_a_revision_happens_only_when_the_verdict_asks_for_it(slug):
    reviser = demo(slug).agents[-1]
    assert reviser.connection_type is ConnectionType.CONDITIONAL
    assert holds(reviser.condition, "VERDICT: REVISE\n\n1. …")
    assert not holds(reviser.condition, "VERDICT: ACCEPT\n\nNothing to revise.")


@pytest.mark.parametrize(
    ("slug", "agent", "answer", "runs"),
    [
        ("claim-check", 1, '{"checkable": true, "claims": []}', True),
        ("claim-check", 1, '{"checkable": false, "claims": []}', False),
        ("risk-gate", 1, '{"risk": 6}', True),
        ("risk-gate", 1, '```json\n{"risk": 5.5}\n```', False),
        ("checked-translation", 3, '{"faithful": false, "differences": [{}]}', True),
        ("checked-translation", 3, '{"faithful": true, "differences": []}', False),
        ("plain-language", 1, "word " * 221, True),
        ("plain-language", 1, "word " * 220, False),
    ],
)
def test_a_condition_reads_the_answer_before_it(slug, agent, answer, runs):
    assert holds(demo(slug).agents[agent].condition, answer) is runs


def holds(condition: str, previous: str) -> bool:
    return parse(condition).evaluate(Subjects(previous=previous, input="", agents={})).held
