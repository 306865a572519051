"""Chain files: what is read, what is refused and where, and that writing loses nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.chainfile import (
    MAX_AGENTS,
    MAX_BYTES,
    MAX_FAULTS,
    MAX_NAME,
    MAX_PROMPT,
    ChainFile,
    ChainFileAgent,
    ChainFileError,
    agent_slugs,
    dump_chain_file,
    parse_chain_file,
)
from chains.engine.plan import ConnectionType


def an_agent(**changes: Any) -> dict[str, Any]:
    return {"name": "Writer", "model": "openai/gpt-5"} | changes


def a_file(*agents: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"format": "chainchat/1", "name": "Essay", "agents": list(agents or [an_agent()])} | changes


def read(document: object) -> ChainFile:
    return parse_chain_file(json.dumps(document))


def faults_of(data: object) -> dict[str, str]:
    """Return what the reader says about a document, or about raw text or bytes, by path."""
    with pytest.raises(ChainFileError) as caught:
        parse_chain_file(data if isinstance(data, str | bytes) else json.dumps(data))
    return {fault.path: fault.message for fault in caught.value.faults}


# What is read


def test_a_file_with_every_key_is_read_as_it_stands():
    writer = an_agent(
        system_prompt="You write.", prompt="Write about {{input}}", temperature=0.5, max_output_tokens=900
    )
    critic = an_agent(name="Critic", connection_type="conditional", condition="words > 50")
    chain = read(a_file(writer, critic, slug="essay", description="Essays.", on_failure="continue"))
    assert chain == ChainFile(
        name="Essay",
        slug="essay",
        description="Essays.",
        on_failure="continue",
        agents=(
            ChainFileAgent(
                name="Writer",
                slug="writer",
                model="openai/gpt-5",
                system_prompt="You write.",
                prompt="Write about {{input}}",
                temperature=0.5,
                max_output_tokens=900,
            ),
            ChainFileAgent(
                name="Critic",
                slug="critic",
                model="openai/gpt-5",
                connection_type=ConnectionType.CONDITIONAL,
                condition="words > 50",
            ),
        ),
    )


def test_what_a_file_leaves_out_has_its_default():
    chain = read(a_file())
    assert (chain.slug, chain.description, chain.on_failure) == ("", "", "stop")
    (agent,) = chain.agents
    assert agent == ChainFileAgent(name="Writer", slug="writer", model="openai/gpt-5")
    assert agent.connection_type == "direct"


def test_null_reads_like_absent():
    optional = ("slug", "system_prompt", "prompt", "connection_type", "condition", "temperature")
    nulls = an_agent(**dict.fromkeys(optional), max_output_tokens=None)
    assert read(a_file(nulls, slug=None, description=None, on_failure=None)) == read(a_file())


def test_bytes_with_a_byte_order_mark_are_read():
    text = json.dumps(a_file(name="Übersicht"), ensure_ascii=False)
    assert parse_chain_file(text.encode("utf-8-sig")).name == "Übersicht"
    assert parse_chain_file("\ufeff" + text).name == "Übersicht"


@pytest.mark.parametrize("model", ["default", "ollama/qwen3:8b", "openrouter/meta-llama/llama-4-scout"])
def test_a_model_is_named_by_provider_and_model_or_is_the_default(model):
    assert read(a_file(an_agent(model=model))).agents[0].model == model


def test_a_whole_number_is_a_temperature_too():
    assert read(a_file(an_agent(temperature=1))).agents[0].temperature == 1.0


# Slugs


def test_slugs_come_from_names_and_never_repeat():
    assert agent_slugs(["Critic", "critic!", "Critic"]) == ("critic", "critic-2", "critic-3")


def test_a_derived_slug_avoids_one_that_another_name_gives():
    assert agent_slugs(["Critic", "Critic 2", "Critic"]) == ("critic", "critic-2", "critic-3")


def test_a_name_without_latin_letters_gets_its_place_as_slug():
    assert agent_slugs(["Writer", "评论家", "Критик", "!?"]) == ("writer", "agent-2", "agent-3", "agent-4")


def test_a_slug_is_never_longer_than_its_column():
    slugs = agent_slugs(["ﷺ" * MAX_NAME, "x" * MAX_NAME, "x" * MAX_NAME])
    assert len(set(slugs)) == 3
    assert max(map(len, slugs)) <= MAX_NAME


def test_an_agent_can_be_referred_to_by_the_slug_of_its_name():
    critic = an_agent(name="Critic", prompt="Judge {{agents.first-writer}}")
    assert read(a_file(an_agent(name="First writer"), critic)).agents[0].slug == "first-writer"


def test_a_slug_that_does_not_follow_from_the_name_survives_writing_and_reading():
    agents = (ChainFileAgent("Writer", "writer-2"), ChainFileAgent("Writer", "writer"))
    chain = ChainFile("Essay", agents=agents)
    assert parse_chain_file(dump_chain_file(chain)) == chain


# What is refused


def test_all_faults_are_told_at_once_each_with_its_path():
    broken = an_agent(temprature=0.5, prompt=7, connection_type="serial", temperature=2.5)
    faults = faults_of(a_file(an_agent(), broken, on_failure="explode", nme="x"))
    assert faults == {
        "on_failure": 'must be "stop" or "continue", not "explode"',
        "nme": "unknown key; did you mean name?",
        "agents[1].prompt": "must be text, not 7",
        "agents[1].connection_type": 'must be "direct", "conditional" or "parallel", not "serial"',
        "agents[1].temperature": "must be at most 2.0, not 2.5",
        "agents[1].temprature": "unknown key; did you mean temperature?",
    }


def test_the_error_reads_as_a_list_of_sentences():
    with pytest.raises(ChainFileError) as caught:
        read(a_file(an_agent(prompt=1, condition=2)))
    assert str(caught.value) == (
        "agents[0].prompt: must be text, not 1\nagents[0].condition: must be text, not 2"
    )


def test_required_keys_are_missed_with_a_hint():
    assert faults_of({"agents": [{}]}) == {
        "format": 'is missing; a chain file says "format": "chainchat/1"',
        "name": "is missing",
        "agents[0].name": "is missing",
        "agents[0].model": 'is missing; write "provider/model", or "default" for the site\'s default model',
    }


def test_another_format_is_refused():
    assert faults_of(a_file(format="chainchat/2")) == {"format": 'must be "chainchat/1", not "chainchat/2"'}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("name", " \n", "must not be blank"),
        ("name", None, "must be text, not null"),
        ("name", "x" * 101, "is longer than 100 characters"),
        ("slug", "no spaces", "may hold only letters from A to Z, digits, - and _, and not be empty"),
        (
            "model",
            "gpt-5",
            'names no model; write "provider/model", or "default" for the site\'s default model',
        ),
        ("system_prompt", "x" * (MAX_PROMPT + 1), "is longer than 100000 characters"),
        ("prompt", ["a"], "must be text, not a list"),
        ("prompt", {}, "must be text, not an object"),
        ("condition", True, "must be text, not true"),
        ("temperature", "0.5", 'must be a number, not "0.5"'),
        ("temperature", True, "must be a number, not true"),
        ("temperature", float("nan"), "must be a number, not NaN"),
        ("temperature", -0.1, "must be at least 0.0, not -0.1"),
        ("max_output_tokens", 0, "must be at least 1, not 0"),
        ("max_output_tokens", 1_000_001, "must be at most 1000000, not 1000001"),
        ("max_output_tokens", 10.5, "must be a whole number, not 10.5"),
        ("max_output_tokens", False, "must be a whole number, not false"),
    ],
)
def test_a_wrong_value_is_refused_in_words(key, value, message):
    assert faults_of(a_file(an_agent(**{key: value}))) == {f"agents[0].{key}": message}


def test_a_text_at_its_bound_is_read():
    assert len(read(a_file(an_agent(prompt="x" * MAX_PROMPT))).agents[0].prompt) == MAX_PROMPT


def test_agents_must_be_objects_in_a_list():
    assert faults_of(a_file(agents={})) == {"agents": "must be a list, not an object"}
    assert faults_of(a_file(agents=[an_agent(), "Critic"])) == {
        "agents[1]": 'must be a JSON object, not "Critic"'
    }


def test_too_many_agents_are_refused():
    agents = [an_agent(name=f"Agent {number}") for number in range(MAX_AGENTS + 1)]
    assert faults_of(a_file(*agents)) == {"agents": "has 101 entries; at most 100 are allowed"}
    assert len(read(a_file(*agents[:-1])).agents) == MAX_AGENTS


@pytest.mark.parametrize(
    ("text", "what"), [("[]", "a list"), ('"chain"', '"chain"'), ("null", "null"), ("7", "7")]
)
def test_a_file_must_hold_one_object(text, what):
    assert faults_of(text) == {"": f"the file must be a JSON object, not {what}"}


def test_what_is_not_json_is_refused_with_line_and_column():
    message = faults_of('{\n  "format": "chainchat/1"\n  "name"')[""]
    assert message.startswith("the file is not JSON")
    assert message.endswith("(line 3, column 3)")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\xfe{\x00}\x00", "not UTF-8"),
        ("", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("1" * 5_000, "far too long"),
        (b" " * (MAX_BYTES + 1), "at most 1,000,000"),
        ("é" * (MAX_BYTES // 2 + 1), "at most 1,000,000"),
    ],
)
def test_what_cannot_be_read_at_all_is_refused_in_one_sentence(data, words):
    assert words in faults_of(data)[""]


def test_characters_that_a_database_does_not_store_are_refused_with_their_position():
    faults = faults_of(a_file(an_agent(prompt="ab\0c"), an_agent(prompt="\ud83d", name=3)))
    assert faults == {
        "agents[0].prompt": "holds a NUL character (U+0000) at position 3; remove it",
        "agents[1].prompt": "holds half of a surrogate pair at position 1; remove it",
        "agents[1].name": "must be text, not 3",
    }


def test_a_fault_can_be_printed_whatever_the_file_holds():
    faults = faults_of(a_file(an_agent(model="\ud800", **{"\udfff\n": 1}), **{"k" * 100_000: 1}))
    for path, message in faults.items():
        assert f"{path}: {message}".encode()
        assert "\n" not in path
        assert len(path) < 80


def test_a_key_that_stands_twice_is_refused():
    text = json.dumps(a_file()).replace('"name": "Writer"', '"name": "Writer", "name": "Author"')
    assert faults_of(text) == {"agents[0].name": "stands twice; keep one"}


def test_a_flood_of_faults_is_cut():
    faults = faults_of(a_file(**{f"key{number}": 1 for number in range(MAX_FAULTS + 7)}))
    assert len(faults) == MAX_FAULTS + 1
    assert faults[""] == "… and 7 more faults"


# Chains that could not run


def test_a_chain_without_agents_is_refused():
    assert list(faults_of(a_file(agents=[]))) == ["agents"]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"connection_type": "conditional"}, "condition"),
        ({"connection_type": "direct", "condition": "empty"}, "condition"),
        ({"connection_type": "conditional", "condition": "contains("}, "condition"),
        ({"prompt": "{{agents.nobody}}"}, "prompt"),
        ({"prompt": "{{wether}}"}, "prompt"),
    ],
)
def test_a_chain_that_could_not_run_is_refused_with_the_path(changes, key):
    assert list(faults_of(a_file(an_agent(), an_agent(name="Critic", **changes)))) == [f"agents[1].{key}"]


def test_a_slug_that_stands_twice_is_refused():
    twins = [an_agent(slug="writer"), an_agent(name="Critic", slug="writer")]
    assert list(faults_of(a_file(*twins))) == ["agents[1].slug"]


def test_a_slug_that_stands_in_the_file_goes_before_a_derived_one():
    chain = read(a_file(an_agent(), an_agent(name="Critic", slug="writer")))
    assert [agent.slug for agent in chain.agents] == ["writer-2", "writer"]


def test_faults_of_several_agents_are_told_at_once():
    first = an_agent(prompt="{{agents.critic}}")
    critic = an_agent(name="Critic", connection_type="conditional")
    assert set(faults_of(a_file(first, critic))) == {"agents[0].prompt", "agents[1].condition"}


def test_a_warning_does_not_refuse_a_file():
    alone = an_agent(connection_type="parallel")
    assert read(a_file(alone)).agents[0].connection_type is ConnectionType.PARALLEL


# Writing

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0{"), max_size=40)
NAMES = TEXTS.filter(str.strip).map(lambda name: name[:MAX_NAME])
CONDITIONS = st.sampled_from(['contains("a")', "words > 3", "not empty", 'json("a") == 1'])
LINKS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.just({"connection_type": ConnectionType.PARALLEL}),
    CONDITIONS.map(lambda rule: {"connection_type": ConnectionType.PARALLEL, "condition": rule}),
    CONDITIONS.map(lambda rule: {"connection_type": ConnectionType.CONDITIONAL, "condition": rule}),
)


@st.composite
def chain_files(draw: st.DrawFn) -> ChainFile:
    names = draw(st.lists(NAMES, min_size=1, max_size=6))
    slugs = draw(st.permutations(agent_slugs(names)))
    return ChainFile(
        name=draw(NAMES),
        slug=draw(st.from_regex(r"[A-Za-z0-9_-]{0,20}", fullmatch=True)),
        description=draw(TEXTS),
        on_failure=draw(st.sampled_from(["stop", "continue"])),
        agents=tuple(draw(agents(name, slug)) for name, slug in zip(names, slugs, strict=True)),
    )


@st.composite
def agents(draw: st.DrawFn, name: str, slug: str) -> ChainFileAgent:
    return ChainFileAgent(
        name=name,
        slug=slug,
        model=draw(st.sampled_from(["default", "openai/gpt-5", "ollama/qwen3:8b"])),
        system_prompt=draw(TEXTS),
        prompt=draw(TEXTS | st.just("{{input}} and {{previous}}")),
        temperature=draw(st.none() | st.floats(0, 2)),
        max_output_tokens=draw(st.none() | st.integers(1, 1_000_000)),
        **draw(LINKS),
    )


@given(chain_files())
def test_what_is_written_reads_as_the_same_chain(chain):
    written = dump_chain_file(chain)
    assert parse_chain_file(written) == chain
    assert dump_chain_file(parse_chain_file(written.encode())) == written


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.text() | st.sampled_from(["format", "name", "agents", "model"]), inner)
        ),
    )
)
def test_no_document_gets_anything_but_a_chain_file_error(document):
    with pytest.raises(ChainFileError) as caught:
        read(document)
    assert caught.value.faults


@given(st.binary() | st.text())
def test_no_data_gets_anything_but_a_chain_file_error(data):
    with pytest.raises(ChainFileError):
        parse_chain_file(data)


def test_a_written_file_is_pretty_and_says_nothing_that_goes_without_saying():
    agent = ChainFileAgent("Écrivain", "ecrivain", model="openai/gpt-5", prompt="Écris.", temperature=0.0)
    assert dump_chain_file(ChainFile("Essai", agents=(agent,))) == (
        "{\n"
        '  "format": "chainchat/1",\n'
        '  "name": "Essai",\n'
        '  "agents": [\n'
        "    {\n"
        '      "name": "Écrivain",\n'
        '      "model": "openai/gpt-5",\n'
        '      "prompt": "Écris.",\n'
        '      "temperature": 0.0\n'
        "    }\n"
        "  ]\n"
        "}\n"
    )


def test_importing_the_module_does_not_load_pydantic():
    program = "import sys, chains.chainfile; sys.exit('pydantic' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", program], cwd=root, check=False).returncode == 0
