"""The earlier turns of a session, as an agent sees them."""

from hypothesis import given
from hypothesis import strategies as st

from chains.engine.history import IMAGE_TOKENS, Turn, history_messages
from chains.providers.base import ChatMessage, Image

CAT = Image("cat.png", "image/png", "AAAA", 8, 6)


def turn(question: str, answer: str, **agents: str) -> Turn:
    return Turn(question, answer, agents)


def contents(turns: list[Turn], **options) -> list[str]:
    options = {"slug": "writer", "window_tokens": None} | options
    return [message.content for message in history_messages(turns, **options)]


def test_each_turn_is_a_message_of_the_user_and_an_answer_oldest_first():
    messages = history_messages([turn("q1", "a1"), turn("q2", "a2")], slug="writer", window_tokens=1000)
    assert messages == (
        ChatMessage("user", "q1"),
        ChatMessage("assistant", "a1"),
        ChatMessage("user", "q2"),
        ChatMessage("assistant", "a2"),
    )


def test_a_member_that_completed_in_the_last_group_sees_its_own_answer():
    assert contents([turn("q", "all together", writer="mine", critic="other")]) == ["q", "mine"]


def test_an_agent_that_was_not_in_the_last_group_sees_the_final_output():
    assert contents([turn("q", "all together", critic="other")]) == ["q", "all together"]


def test_the_oldest_whole_turns_are_dropped_when_the_window_is_full():
    turns = [turn("1" * 20, "1" * 20), turn("2" * 20, "2" * 20), turn("3" * 20, "3" * 20)]
    assert contents(turns, window_tokens=20) == ["2" * 20, "2" * 20, "3" * 20, "3" * 20]
    assert contents(turns, window_tokens=19) == ["3" * 20, "3" * 20]


def test_a_small_old_turn_does_not_survive_a_large_newer_one():
    turns = [turn("old", "small"), turn("q", "x" * 400), turn("new", "small")]
    assert contents(turns, window_tokens=50) == ["new", "small"]


def test_the_prompts_and_the_answer_to_come_take_their_room():
    turns = [turn("q" * 20, "a" * 20)]
    assert contents(turns, window_tokens=20, reserve=10)
    assert contents(turns, window_tokens=20, reserve=11) == []


def test_an_unknown_window_holds_32_000_tokens():
    assert contents([turn("q" * 64_000, "a" * 64_000)])
    assert contents([turn("q" * 64_000, "a" * 64_001)]) == []


def test_a_turn_without_an_answer_is_left_out():
    assert contents([turn("q1", "a1"), turn("q2", " "), turn("q3", "a3")]) == ["q1", "a1", "q3", "a3"]


def test_a_model_that_sees_gets_earlier_pictures_again_and_the_others_are_told_of_them():
    turns = [Turn("Look.", "A cat.", {}, images=(CAT,), unseen=("old.png",))]
    old = "(an image was attached: old.png)"
    seen, _ = history_messages(turns, slug="writer", window_tokens=None, sees=True)
    assert seen == ChatMessage("user", f"Look.\n\n{old}", images=(CAT,))
    told, _ = history_messages(turns, slug="writer", window_tokens=None)
    assert told == ChatMessage("user", f"Look.\n\n(an image was attached: cat.png)\n\n{old}")


def test_pictures_take_room_in_the_window_of_whoever_sees_them():
    turns = [Turn("Look.", "A cat.", {}, images=(CAT,))]
    assert contents(turns, window_tokens=IMAGE_TOKENS, sees=True) == []
    assert contents(turns, window_tokens=IMAGE_TOKENS + 3, sees=True)
    assert contents(turns, window_tokens=IMAGE_TOKENS)


@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1))), st.integers(0, 200))
def test_what_is_kept_fits_and_ends_with_the_newest_turns(pairs, window_tokens):
    turns = [turn(question, answer) for question, answer in pairs if answer.strip()]
    kept = contents(turns, window_tokens=window_tokens)
    everything = [text for each in turns for text in (each.input, each.output)]
    assert sum(map(len, kept)) <= window_tokens * 4
    assert len(kept) % 2 == 0
    assert kept == everything[len(everything) - len(kept) :]
