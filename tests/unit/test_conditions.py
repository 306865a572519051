"""The rules of conditional agents."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chains.engine.conditions import ConditionError, Subjects, Verdict, parse, rename_agent


def verdict(rule: str, text: str = "", message: str = "", **agents: str) -> Verdict:
    return parse(rule).evaluate(Subjects(text, message, agents))


def holds(rule: str, text: str = "", message: str = "", **agents: str) -> bool:
    return verdict(rule, text, message, **agents).held


def duration(rule: str, text: str) -> float:
    started = time.perf_counter()
    assert not holds(rule, text)
    return time.perf_counter() - started


def fault(rule: str) -> ConditionError:
    with pytest.raises(ConditionError) as caught:
        parse(rule)
    return caught.value


class TestTextTests:
    def test_contains_finds_a_passage_and_ignores_case(self):
        assert holds('contains("ReJeCted")', "It was rejected.")
        assert not holds('contains("rejected")', "It was accepted.")

    def test_starts_with_and_ends_with_look_at_the_edges_and_ignore_case(self):
        assert holds('starts_with("yes")', "YES, of course")
        assert not holds('starts_with("yes")', "Oh yes")
        assert holds('ends_with("DONE")', "it is done")
        assert not holds('ends_with("done")', "done it is")

    def test_letters_that_fold_to_several_are_compared_folded(self):
        assert holds('contains("STRASSE")', "die Straße")
        assert holds('starts_with("ß")', "SSet")
        assert holds('ends_with("ß")', "GROSS")

    def test_matches_searches_and_minds_case(self):
        assert holds(r'matches("v\d+")', "release v12")
        assert not holds(r'matches("V\d+")', "release v12")
        assert holds(r'matches("(?i)V\d+")', "release v12")
        assert not holds(r'matches("^v\d+$")', "release v12")

    def test_a_pattern_that_holds_other_engines_for_hours_takes_time_in_proportion_to_the_text(self):
        short, long = (duration('matches("(a+)+$")', "a" * length + "b") for length in (5_000, 50_000))
        assert long < 100 * short

    def test_either_quote_may_be_used(self):
        assert holds("contains('say \"hi\"')", 'they say "hi"')
        assert holds('contains("it\'s")', "it's")

    def test_a_backslash_escapes_quotes_and_itself_and_writes_newlines_and_tabs(self):
        assert holds(r'contains("a \"b\"")', 'a "b"')
        assert holds(r"contains('it\'s')", "it's")
        assert holds(r'contains("C:\\temp")', r"C:\temp")
        assert holds(r'contains("a\n\tb")', "a\n\tb")

    def test_a_pattern_may_double_its_backslashes_or_not(self):
        assert holds(r'matches("\\d\\.")', "7.")
        assert holds(r'matches("\d\.")', "7.")
        assert not holds(r'matches("\\d\\.")', "7,")

    def test_broken_characters_in_a_text_do_not_break_a_pattern(self):
        assert holds('matches("b$")', "a\ud800b")


class TestCounts:
    def test_length_counts_code_points(self):
        assert holds("length == 3", "é😀n")

    @pytest.mark.parametrize(
        ("comparison", "below", "equal", "above"),
        [
            ("==", False, True, False),
            ("!=", True, False, True),
            ("<", True, False, False),
            ("<=", True, True, False),
            (">", False, False, True),
            (">=", False, True, True),
        ],
    )
    def test_all_six_comparisons_count(self, comparison, below, equal, above):
        found = [holds(f"length {comparison} 2", text) for text in ("a", "ab", "abc")]
        assert found == [below, equal, above]

    def test_words_stand_between_white_space(self):
        assert holds("words == 4", "  one, two\n\nthree\tfour ")
        assert holds("words <= 0", " \n")

    def test_numbers_may_be_negative_and_have_a_fraction(self):
        assert holds("length > -1")
        assert holds("length < 2.5", "ab")
        assert not holds("length < 2.5", "abc")

    def test_empty_ignores_white_space(self):
        assert holds("empty", " \n\t")
        assert not holds("empty", " . ")


DOCUMENT = '{"a": {"b": [5, "Five", true, null, 2.5, {"c": "deep"}]}, "0": "zero", "n": -1}'


class TestJson:
    @pytest.mark.parametrize(
        "rule",
        [
            'json("a.b[0]") == 5',
            'json("a.b[0]") == 5.0',
            'json("a.b[0]") >= 5',
            'json("a.b[1]") == "Five"',
            'json("a.b[1]") < "Six"',
            'json("a.b[2]") == true',
            'json("a.b[2]") != false',
            'json("a.b[3]") == null',
            'json("a.b[4]") < 3',
            'json("a.b[5].c") == "deep"',
            'json("0") == "zero"',
            'json("n") == -1',
            'json("a") != 1',
        ],
    )
    def test_a_value_is_found_by_its_path_and_compared(self, rule):
        assert holds(rule, DOCUMENT)

    @pytest.mark.parametrize(
        "rule",
        [
            'json("a.b[1]") == "five"',
            'json("a.b[0]") == "5"',
            'json("a.b[0]") < "6"',
            'json("a.b[2]") == 1',
            'json("a.b[1]") > 1',
            'json("a.b[3]") == false',
            'json("a") == "a"',
        ],
    )
    def test_values_of_different_kinds_or_case_are_unequal_and_have_no_order(self, rule):
        assert not holds(rule, DOCUMENT)

    @pytest.mark.parametrize("path", ["x", "a.x", "a.b[6]", "a[0]", "a.b.0", "a.b[0].c", "[0]", "A"])
    @pytest.mark.parametrize("comparison", ["== null", "!= 1", '< "z"', "> -9"])
    def test_a_missing_path_is_false_whatever_it_is_compared_with(self, path, comparison):
        assert not holds(f'json("{path}") {comparison}', DOCUMENT)

    @pytest.mark.parametrize("text", ["", "plain words", '{"a": ', "{'a': 1}", '{"a": NaN}', "[" * 100_000])
    def test_text_that_is_not_json_is_false(self, text):
        assert not holds('json("a") != 2', text)

    def test_a_document_may_be_a_list(self):
        assert holds('json("[1].a") == 1', '[0, {"a": 1}]')

    def test_json_may_stand_in_the_only_fenced_block(self):
        assert holds('json("ok") == true', 'Here it is:\n```json\n{\n"ok": true\n}\n```\nGood luck!')

    def test_of_two_fenced_blocks_none_is_chosen(self):
        assert not holds('json("ok") == true', '```\n{"ok": true}\n```\n```\n{"ok": true}\n```')

    def test_a_fence_that_is_not_closed_is_not_json(self):
        assert not holds('json("ok") == true', '```json\n{"ok": true}')


class TestSubjects:
    def test_a_rule_tests_the_previous_output_unless_it_names_another_subject(self):
        assert holds('contains("a")', text="a", message="b")
        assert holds('input.contains("b")', text="a", message="b")
        assert holds('agents.critic.contains("c")', text="a", message="b", critic="c")

    @pytest.mark.parametrize(
        "test", ['starts_with("x")', 'matches("x")', "length == 1", "words == 1", 'json("[0]") == 1', "empty"]
    )
    def test_every_test_takes_a_subject(self, test):
        text = "[1]" if "json" in test else "" if test == "empty" else "x"
        assert holds(f"input.{test}", text="other words", message=text)
        assert holds(f"agents.a-b_2.{test}", text="other words", **{"a-b_2": text})

    def test_the_output_of_an_agent_that_did_not_complete_is_empty(self):
        assert holds("agents.absent.empty")

    def test_a_slug_may_be_a_word_of_the_language(self):
        assert holds("agents.not.length == 2 and agents.input.empty", **{"not": "ab", "input": ""})

    def test_a_rule_knows_the_agents_that_it_names(self):
        rule = 'agents.a.empty or not (agents.b-c.length > 3 and contains("agents.d.")) or input.empty'
        assert parse(rule).references == {"a", "b-c"}


class TestLogic:
    @pytest.mark.parametrize(
        ("rule", "held_by"),
        [
            ('contains("a") and contains("b")', ["ab"]),
            ('contains("a") or contains("b")', ["a", "b", "ab"]),
            ('not contains("a")', ["", "b"]),
        ],
    )
    def test_and_or_and_not_join_tests(self, rule, held_by):
        assert [text for text in ("", "a", "b", "ab") if holds(rule, text)] == held_by

    def test_not_binds_before_and_and_and_before_or(self):
        assert holds('contains("a") or contains("b") and contains("c")', "a")
        assert not holds('(contains("a") or contains("b")) and contains("c")', "a")
        assert not holds('not contains("a") and contains("b")', "c")
        assert holds('not (contains("a") and contains("b"))', "c")

    def test_not_may_stand_twice(self):
        assert holds('not not contains("a")', "a")

    def test_otherwise_stands_alone(self):
        assert parse(" otherwise ").is_otherwise
        assert not parse("empty").is_otherwise
        for rule in (
            "otherwise and empty",
            "empty or otherwise",
            "not otherwise",
            "(otherwise)",
            "otherwise otherwise",
        ):
            assert "otherwise stands alone" in fault(rule).message

    def test_otherwise_has_no_verdict_of_its_own(self):
        with pytest.raises(ValueError, match="other members"):
            holds("otherwise")


class TestEvidence:
    def test_a_verdict_names_the_subject_and_the_part_that_decided(self):
        found = verdict('length > 3 and agents.critic.contains("No")', "a long text", critic="no, never")
        assert (found.held, found.subject, found.decided_by) == (
            True,
            "previous output",
            'length > 3 and agents.critic.contains("No")',
        )

    def test_the_first_false_test_decides_and(self):
        found = verdict('length > 3 and input.contains("x") and empty', "a long text", "nothing")
        expected = Verdict(False, "input", "nothing", 'input.contains("x")')
        assert found == expected

    def test_the_first_true_test_decides_or(self):
        found = verdict("(empty or agents.a.length == 2) or length > 0", "text", a="ok")
        assert found == Verdict(True, "agents.a", "ok", "agents.a.length == 2")

    def test_not_is_part_of_what_decided(self):
        assert verdict("not empty", "text").decided_by == "not empty"

    def test_the_excerpt_shows_the_passage_that_was_found(self):
        text = "x" * 1000 + "NEEDLE" + "y" * 1000
        for rule in ('contains("needle")', 'matches("NEED..")'):
            excerpt = verdict(rule, text).excerpt
            assert "NEEDLE" in excerpt
            assert (excerpt[:2], excerpt[-2:], len(excerpt)) == ("…x", "y…", 302)

    def test_the_passage_is_found_behind_letters_that_fold_to_several(self):
        assert "NEEDLE" in verdict('contains("needle")', "ß" * 5000 + "NEEDLE" + "y" * 5000).excerpt

    def test_the_excerpt_of_a_short_text_is_the_text(self):
        assert verdict('contains("x")', "short").excerpt == "short"

    def test_what_was_looked_for_at_an_edge_is_shown_by_that_edge(self):
        text = "start" + "x" * 1000 + "end"
        assert verdict('starts_with("y")', text).excerpt.startswith("startx")
        assert verdict('ends_with("y")', text).excerpt.endswith("xend")

    def test_a_json_test_shows_the_value_that_it_found(self):
        assert verdict('json("a.b[1]") == "Six"', DOCUMENT).excerpt == '"Five"'
        assert verdict('json("a.x") == "Six"', DOCUMENT).excerpt == DOCUMENT

    def test_an_excerpt_can_always_be_stored(self):
        assert verdict('json("a") == "b"', '{"a": "\\ud800"}').excerpt.encode()
        assert verdict("empty", "\ud800").excerpt.encode()


class TestFaults:
    @pytest.mark.parametrize(
        ("rule", "position", "message"),
        [
            ("", 0, "the rule is empty"),
            ("contains(", 9, "expected a quoted text after contains(, but the rule ends there"),
            ("contains(x)", 9, "expected a quoted text after contains(, found x"),
            ('contains "x"', 9, "expected ( after contains"),
            ('contains("x"', 12, 'expected ) after "x", but the rule ends there'),
            ('contains("x', 9, 'the quoted text "x is not closed'),
            ("length = 4", 7, "expected a comparison (==, !=, <, <=, > or >=) after length, found ="),
            ('length > "4"', 9, 'expected a number after >, found "4"'),
            ('json("a")', 9, 'expected a comparison (==, !=, <, <=, > or >=) after json("a")'),
            ('json("a") ==', 12, "expected a quoted text, a number, true, false or null after =="),
            ('json("a..b") == 1', 5, "the path cannot be read"),
            ('json("") == 1', 5, "the path cannot be read"),
            ('json("a") < true', 10, "true has no order"),
            ('empty or matches("(a")', 17, "the pattern is not valid: missing )"),
            ('matches("(a{1000}){1000}")', 8, "the pattern is not valid"),
            ('matches("\ud800")', 8, "the pattern is not valid: it holds a broken character"),
            ("empty AND empty", 6, 'found AND: write "and"'),
            ("empty empty", 6, "expected and, or, or the end of the rule after empty, found empty"),
            ("empty)", 5, "expected and, or, or the end of the rule after empty, found )"),
            ("((empty)", 8, "expected ) after ((empty), but the rule ends there"),
            ("😀", 0, "expected a test such as"),
            ("previous.empty", 0, "expected a test such as"),
            ("agents.a", 0, "expected a test such as"),
        ],
    )
    def test_a_fault_has_a_position_and_says_what_was_expected(self, rule, position, message):
        found = fault(rule)
        assert found.position == position
        assert message in found.message

    @pytest.mark.parametrize("count", [41, 500, 1_900, 10_000, 1_000_000])
    @pytest.mark.parametrize("opening", ["(", "not "])
    def test_deep_nesting_is_a_fault_and_never_a_crash(self, count, opening):
        closing = ")" if opening == "(" else ""
        assert fault(opening * count + "empty" + closing * count).message.startswith("the rule")

    def test_a_rule_that_is_too_long_is_a_fault_with_the_limit(self):
        assert parse("empty".ljust(4_000)).source
        assert "4,001 characters and may have 4,000" in fault("empty".ljust(4_001)).message

    def test_ordinary_nesting_is_fine(self):
        assert holds("(" * 20 + "not (empty)" + ")" * 20, "text")

    def test_a_long_row_of_tests_is_not_deep(self):
        assert holds(" and ".join(["not empty"] * 200), "text")

    @given(st.text() | st.text(alphabet="()\"'\\ andortejmpy.<>=!0123"))
    @example("noise")
    @example("matches('[')")
    def test_any_text_is_a_rule_or_a_condition_error(self, source):
        try:
            condition = parse(source)
        except ConditionError as error:
            assert 0 <= error.position <= len(source)  # noqa: PT017 (any text: it may also be a rule)
        else:
            assert condition.source == source


class TestRenaming:
    def test_references_follow_an_agents_new_slug(self):
        rule = 'agents.a.empty and agents.ab.empty and contains("agents.a.empty")'
        expected = 'agents.z-1.empty and agents.ab.empty and contains("agents.a.empty")'
        assert rename_agent(rule, "a", "z-1") == expected

    def test_a_faulty_rule_is_renamed_too(self):
        assert (
            rename_agent('agents.a.contains( and "agents.a.', "a", "z") == 'agents.z.contains( and "agents.a.'
        )

    def test_an_agent_that_is_called_input_is_not_the_input(self):
        assert (
            rename_agent("input.empty or agents.input.empty", "input", "z") == "input.empty or agents.z.empty"
        )
