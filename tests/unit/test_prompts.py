"""What an agent receives, and what a stage hands on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.engine.prompts import (
    MemberResult,
    PromptError,
    Sources,
    condition_text,
    group_output,
    otherwise_holds,
    references,
    rename_agent,
    render_parts,
    render_prompt,
    stage_outcome,
)

SOURCES = Sources(input="the message", previous="the text before", agents={"critic": "the critique"})


def first(prompt: str) -> str:
    return render_prompt(prompt, SOURCES, first_stage=True)


def later(prompt: str, sources: Sources = SOURCES) -> str:
    return render_prompt(prompt, sources, first_stage=False)


class TestNames:
    def test_input_is_the_users_message(self):
        assert later("Answer {{input}}!") == "Answer the message!"

    def test_previous_is_the_output_of_the_stage_before(self):
        assert later("Improve {{previous}}.") == "Improve the text before."

    def test_in_the_first_stage_previous_is_the_message(self):
        assert first("Improve {{previous}}.") == "Improve the message."

    def test_an_earlier_agent_is_named_by_its_slug(self):
        assert later("Mind {{agents.critic}}.") == "Mind the critique."

    def test_an_agent_that_did_not_complete_is_empty(self):
        assert later("[{{agents.absent}}]") == "[]"

    def test_spaces_around_a_name_do_not_count(self):
        assert later("{{ input }}{{\tagents.critic\n}}") == "the messagethe critique"

    def test_the_same_name_may_stand_twice(self):
        assert later("{{input}} {{input}}") == "the message the message"

    @pytest.mark.parametrize(
        "name", ["", "outcome", "Input", "agents", "agents.", "agents.a b", "input|upper", "1+1"]
    )
    def test_any_other_name_is_an_error(self, name):
        with pytest.raises(PromptError, match="is not a name that a prompt knows"):
            later(f"{{{{{name}}}}}")

    def test_a_value_that_contains_braces_stays_text(self):
        sources = Sources(input="{{previous}}", previous="{{agents.critic}} \\{{", agents={})
        assert later("{{input}} {{previous}}", sources) == "{{previous}} {{agents.critic}} \\{{"

    def test_a_backslash_writes_literal_braces(self):
        assert later("{{input}}: \\{{input}}") == "the message: {{input}}"

    @pytest.mark.parametrize("text", ["{input}", "{{input", "input}}", "{ {input} }", '{"a": {"b": 1}}'])
    def test_lone_braces_are_text(self, text):
        assert later("{{input}} " + text) == "the message " + text

    def test_a_third_brace_is_text(self):
        assert later("{{{input}}}") == "{the message}"


class TestPromptsWithoutNames:
    def test_the_text_before_stands_above_the_prompt(self):
        assert later("Shorten it.") == "Previous output:\n\nthe text before\n\nShorten it."

    def test_in_the_first_stage_the_message_stands_instead(self):
        assert first("Shorten it.") == "the message\n\nShorten it."

    @pytest.mark.parametrize("prompt", ["", " \n"])
    def test_an_empty_prompt_sends_the_bare_message_in_the_first_stage(self, prompt):
        assert first(prompt) == "the message"

    @pytest.mark.parametrize("prompt", ["", " \n"])
    def test_an_empty_prompt_sends_the_text_before_in_a_later_stage(self, prompt):
        assert later(prompt) == "Previous output:\n\nthe text before"

    def test_literal_braces_name_nothing(self):
        assert first("Write \\{{input}}.") == "the message\n\nWrite {{input}}."


class TestParts:
    def test_each_passage_knows_its_source(self):
        parts = render_parts("A {{input}}{{agents.critic}} B", SOURCES, first_stage=False)
        assert [(part.text, part.source) for part in parts] == [
            ("A ", None),
            ("the message", "input"),
            ("the critique", "agents.critic"),
            (" B", None),
        ]

    def test_a_prompt_without_names_knows_the_source_of_its_context(self):
        parts = render_parts("Shorten it.", SOURCES, first_stage=False)
        assert [part.text for part in parts if part.source == "previous"] == ["the text before"]

    def test_in_the_first_stage_everything_comes_from_the_message(self):
        parts = render_parts("{{previous}}", SOURCES, first_stage=True)
        assert [part.source for part in parts] == ["input"]


PIECES = st.one_of(
    st.sampled_from(["{{input}}", "{{ previous }}", "{{agents.critic}}", "{{agents.b}}", "\\{{", "{", "}}"]),
    st.text(alphabet="ab{}\\ \n.", max_size=6),
)
PROMPTS = (
    st.lists(PIECES, max_size=8)
    .map("".join)
    .filter(lambda prompt: all(reference.is_known for reference in references(prompt)))
)
TEXTS = st.text(alphabet="xy{}\\.", max_size=8) | st.sampled_from(["{{input}}", "{{previous}}", "\\{{"])
ANY_SOURCES = st.builds(Sources, TEXTS, TEXTS, st.fixed_dictionaries({"critic": TEXTS, "b": TEXTS}))


class TestAnyPrompt:
    @given(PROMPTS, ANY_SOURCES, st.booleans())
    def test_the_parts_join_to_the_prompt(self, prompt, sources, first_stage):
        parts = render_parts(prompt, sources, first_stage=first_stage)
        assert "".join(part.text for part in parts) == render_prompt(prompt, sources, first_stage=first_stage)
        assert all(part.text for part in parts)

    @given(TEXTS, TEXTS)
    def test_values_are_never_read_again(self, message, previous):
        rendered = later("<{{input}}|{{previous}}>", Sources(message, previous, {}))
        assert rendered == f"<{message}|{previous}>"

    @given(PROMPTS, ANY_SOURCES)
    def test_renaming_an_agent_keeps_the_meaning(self, prompt, sources):
        renamed = Sources(
            sources.input, sources.previous, {"editor": sources.agents["critic"], "b": sources.agents["b"]}
        )
        assert later(rename_agent(prompt, "critic", "editor"), renamed) == later(prompt, sources)

    @given(st.text(alphabet="a{}\\ input."))
    def test_any_text_renders_or_is_a_prompt_error(self, prompt):
        names = [reference for reference in references(prompt) if not reference.is_known]
        if names:
            with pytest.raises(PromptError):
                later(prompt)
        else:
            assert isinstance(later(prompt), str)


class TestReferences:
    def test_names_are_listed_with_their_places(self):
        prompt = "{{input}} and {{ agents.critic }} and \\{{previous}}"
        found = [(each.name, prompt[each.start : each.end]) for each in references(prompt)]
        assert found == [("input", "{{input}}"), ("agents.critic", "{{ agents.critic }}")]

    def test_only_whole_slugs_are_renamed(self):
        prompt = "{{agents.a}} {{agents.ab}} agents.a \\{{agents.a}}"
        assert rename_agent(prompt, "a", "z") == "{{agents.z}} {{agents.ab}} agents.a \\{{agents.a}}"

    def test_renaming_works_in_a_faulty_prompt(self):
        assert rename_agent("{{oops}} {{agents.a}} {{", "a", "z") == "{{oops}} {{agents.z}} {{"


def member(name: str, status: str = "completed", text: str = "", reason: str = "") -> MemberResult:
    return MemberResult(name, "simulated/fast", status, text or f"text of {name}", reason)


class TestGroupOutput:
    def test_a_block_per_member_in_chain_order(self):
        members = [
            member("Ada"),
            member("Bob", "failed", reason="Anthropic answered 500."),
            member("Cy", "cancelled"),
            member("Di", "interrupted", reason="the connection was cut"),
        ]
        assert group_output(members) == (
            "--- Parallel Analysis Results ---\n"
            "\n"
            "**Ada** (simulated/fast):\ntext of Ada\n"
            "\n"
            "**Bob** (simulated/fast):\nFAILED: Anthropic answered 500.\n"
            "\n"
            "**Cy** (simulated/fast):\nSTOPPED\n"
            "\n"
            "**Di** (simulated/fast):\nFAILED: the connection was cut\n"
            "\n"
            "--- End Parallel Results ---"
        )

    def test_a_partial_text_is_not_passed_on(self):
        output = group_output([member("Ada", "interrupted", text="half an ans", reason="cut")])
        assert "half an ans" not in output

    def test_a_skipped_member_has_no_block(self):
        assert "Bob" not in group_output([member("Ada"), member("Bob", "skipped")])

    def test_a_condition_tests_the_completed_texts_without_headings(self):
        members = [member("Ada"), member("Bob", "failed"), member("Cy", "skipped"), member("Di")]
        assert condition_text(members) == "text of Ada\n\ntext of Di"


class TestOutcome:
    @pytest.mark.parametrize(
        ("statuses", "outcome"),
        [
            (["completed"], "completed"),
            (["failed", "completed", "cancelled", "skipped", "interrupted"], "completed"),
            (["skipped"], "skipped"),
            (["skipped", "skipped"], "skipped"),
            (["failed"], "failed"),
            (["failed", "skipped"], "failed"),
            (["cancelled"], "cancelled"),
            (["cancelled", "failed"], "cancelled"),
            (["interrupted"], "interrupted"),
            (["interrupted", "interrupted"], "failed"),
            (["interrupted", "skipped"], "failed"),
        ],
    )
    def test_a_stage_ends_by_its_members(self, statuses, outcome):
        assert stage_outcome(statuses) == outcome

    @given(
        st.lists(st.sampled_from(["completed", "failed", "cancelled", "skipped", "interrupted"]), min_size=1)
    )
    def test_one_completed_member_is_enough_and_the_order_does_not_count(self, statuses):
        assert (stage_outcome(statuses) == "completed") == ("completed" in statuses)
        assert stage_outcome(statuses) == stage_outcome(sorted(statuses))


class TestOtherwise:
    def test_otherwise_holds_when_no_members_condition_held(self):
        assert otherwise_holds([False, False, None])

    def test_otherwise_does_not_hold_when_one_did(self):
        assert not otherwise_holds([False, True, None])

    def test_members_without_a_condition_do_not_count(self):
        assert otherwise_holds([None, None])
