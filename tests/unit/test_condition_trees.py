"""Rules of any shape: what is written down means what its tree means."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chains.engine.conditions import Subjects, parse, rename_agent

# A rule as a tree, written down in one way and tested in another, without the grammar.
LETTERS = st.text(alphabet="abC \"'\\\n", max_size=4)
SUBJECTS = st.sampled_from(["", "input.", "agents.x-y."])
LEAVES = st.one_of(
    st.tuples(st.just("text"), SUBJECTS, st.sampled_from(["contains", "starts_with", "ends_with"]), LETTERS),
    st.tuples(
        st.just("count"),
        SUBJECTS,
        st.sampled_from(["length", "words"]),
        st.sampled_from(["==", "<", ">="]),
        st.integers(0, 5),
    ),
    st.tuples(st.just("empty"), SUBJECTS),
)
RULES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)),
    ),
    max_leaves=8,
)


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n")
    quote = "'" if '"' in text else '"'
    return quote + escaped.replace(quote, f"\\{quote}") + quote


def written(rule: Any) -> str:
    match rule:
        case ("text", subject, name, text):
            return f"{subject}{name}( {quoted(text)} )"
        case ("count", subject, name, comparison, number):
            return f"{subject}{name}{comparison}{number}"
        case ("empty", subject):
            return f"{subject}empty"
        case ("not", inner):
            return f"not {guarded(inner, 'and', 'or')}"
        case ("and", rules):
            return " and ".join(guarded(inner, "or") for inner in rules)
    return " or ".join(written(inner) for inner in rule[1])


def guarded(rule: Any, *looser: str) -> str:
    return f"({written(rule)})" if rule[0] in looser else written(rule)


def text_holds(name: str, whole: str, part: str) -> bool:
    places = [at for at in range(len(whole) + 1) if whole[at : at + len(part)] == part]
    wanted = {"contains": places, "starts_with": [0], "ends_with": [len(whole) - len(part)]}[name]
    return any(at in places for at in wanted)


def expected(rule: Any, texts: dict[str, str]) -> bool:
    match rule:
        case ("text", subject, name, text):
            return text_holds(name, texts[subject].lower(), text.lower())
        case ("count", subject, name, comparison, number):
            count = len(texts[subject]) if name == "length" else len(texts[subject].split())
            return bool({"==": count == number, "<": count < number, ">=": count >= number}[comparison])
        case ("empty", subject):
            return texts[subject].isspace() or texts[subject] == ""
        case ("not", inner):
            return not expected(inner, texts)
        case ("and", rules):
            return all(expected(inner, texts) for inner in rules)
    return any(expected(inner, texts) for inner in rule[1])


@given(RULES, LETTERS, LETTERS, LETTERS)
def test_a_written_rule_means_what_its_tree_means(rule, previous, message, output):
    source = written(rule)
    found = parse(source).evaluate(Subjects(previous, message, {"x-y": output}))
    assert found.held == expected(rule, {"": previous, "input.": message, "agents.x-y.": output})
    assert found.decided_by in source


@given(RULES, LETTERS)
def test_renaming_an_agent_keeps_the_meaning_of_a_rule(rule, output):
    source = written(rule)
    before = parse(source).evaluate(Subjects("a", "b", {"x-y": output}))
    after = parse(rename_agent(source, "x-y", "z")).evaluate(Subjects("a", "b", {"z": output}))
    assert (before.held, before.excerpt) == (after.held, after.excerpt)
