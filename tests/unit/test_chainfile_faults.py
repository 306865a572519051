"""Chain files: which faults are told together."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chains.chainfile import ChainFile, ChainFileError, FileFault, parse_chain_file
from tests.unit.test_chainfile import a_file, an_agent, faults_of


def test_what_keeps_a_chain_from_running_is_told_beside_values_of_the_wrong_shape():
    agents = [
        {"name": "Ada", "model": 5, "prompt": "{{nobody}}", "temperature": 9, "tempo": 3},
        {"name": "Ben", "model": "default", "connection_type": "conditional"},
    ]
    found = faults_of({"format": "chainchat/2", "name": "", "agents": agents, "colour": "red"})
    assert list(found) == [
        "format", "name", "colour",
        "agents[0].model", "agents[0].temperature", "agents[0].tempo", "agents[0].prompt",
        "agents[1].condition",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "broken",
    [{"model": "default"}, {"name": "Ada", "model": "default", "prompt": 5}, "Ada"],
    ids=["no name", "no prompt", "no agent"],
)
def test_what_other_agents_rely_on_is_mended_first(broken: object):
    relying = {"name": "Ben", "model": "default", "prompt": "{{agents.ada}}"}
    found = faults_of({"format": "chainchat/1", "name": "Essay", "agents": [broken, relying]})
    assert "agents[1].prompt" not in found


def test_a_check_of_ones_own_sees_the_rest_of_a_faulty_file():
    seen: list[ChainFile] = []

    def check(file: ChainFile) -> list[FileFault]:
        seen.append(file)
        return [FileFault("agents[0].model", "is not here")]

    document = a_file(an_agent(), slug="no slug")
    with pytest.raises(ChainFileError) as caught:
        parse_chain_file(json.dumps(document), check=check)
    assert [fault.path for fault in caught.value.faults] == ["slug", "agents[0].model"]
    assert seen[0].name == document["name"]


def test_a_check_sees_the_models_of_a_file_whose_agents_cannot_be_read():
    seen: list[str] = []

    def check(file: ChainFile) -> list[FileFault]:
        seen.extend(agent.model for agent in file.agents)
        return [FileFault("agents[0].model", "is not here")]

    agents: list[Any] = [an_agent(model="nobody/nothing"), "Ben", {"name": 3}, {"model": "a\0/b"}]
    with pytest.raises(ChainFileError) as caught:
        parse_chain_file(json.dumps(a_file(*agents)), check=check)
    assert seen == ["nobody/nothing", "default", "default", "default"]
    found = [fault.path for fault in caught.value.faults]
    assert found[0] == "agents[0].model"
    assert {"agents[1]", "agents[2].name", "agents[2].model"} <= set(found)


def test_a_deeply_nested_value_is_a_fault_like_any_other():
    nested = "[" * 400 + "]" * 400
    text = json.dumps(a_file(an_agent())).removesuffix("}") + f', "colour": {nested}}}'
    assert faults_of(text) == {"colour": "unknown key"}
