"""What a program may send in OpenAI's format, and how a chain understands it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chains.api.errors import ApiError
from chains.api.wire import Question, read_question
from chains.forms import MAX_MESSAGE


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def system(text: str, role: str = "system") -> dict[str, Any]:
    return {"role": role, "content": text}


def read(*messages: Any, **fields: Any) -> Question:
    return read_question(json.dumps({"model": "chain/x", "messages": messages, **fields}).encode())


def fault(*messages: Any, **fields: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        read(*messages, **fields)
    return caught.value


class TestMessages:
    def test_the_last_user_message_is_what_the_chain_works_on(self):
        assert read(user("Is it so?")).text == "Is it so?"

    def test_earlier_turns_are_the_history(self):
        question = read(user("One"), assistant("1"), user("Two"), assistant("2"), user("Three"))

        assert question.earlier == (("One", "1"), ("Two", "2"))
        assert question.text == "Three"

    def test_messages_of_one_role_in_a_row_are_one_message(self):
        question = read(
            user("One"), user("more"), assistant("1"), assistant("again"), user("Two"), user("end")
        )

        assert question.earlier == (("One\n\nmore", "1\n\nagain"),)
        assert question.text == "Two\n\nend"

    @pytest.mark.parametrize("role", ["system", "developer"])
    def test_system_messages_stand_before_the_message_wherever_they_were(self, role: str):
        question = read(
            system("Be brief.", role), user("One"), assistant("1"), system("In French."), user("Two")
        )

        assert question.text == "Be brief.\n\nIn French.\n\nTwo"
        assert question.earlier == (("One", "1"),)

    def test_the_title_is_made_of_the_users_own_words(self):
        assert read(system("Be brief."), user("Is it so?")).title == "Is it so?"

    def test_text_parts_are_lines_of_one_text(self):
        assert read(user([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])).text == "a\nb"

    def test_an_answer_that_only_called_tools_is_an_empty_one(self):
        assert read(user("One"), assistant(None), user("Two")).earlier == (("One", ""),)

    def test_what_the_chain_decides_itself_is_accepted(self):
        assert (
            read(user("Hi"), temperature=0.1, max_tokens=5, stop=["x"], seed=1, n=1, unheard_of={}).text
            == "Hi"
        )

    def test_streaming_is_off_unless_asked_for(self):
        assert not read(user("Hi")).stream
        assert not read(user("Hi"), stream=None, stream_options=None).include_usage
        asked = read(user("Hi"), stream=True, stream_options={"include_usage": True})
        assert (asked.stream, asked.include_usage) == (True, True)


class TestFaults:
    @pytest.mark.parametrize(
        ("messages", "param"),
        [
            ([], "messages"),
            ([system("Be brief.")], "messages"),
            ([assistant("Hello!"), user("Hi")], "messages"),
            ([user("Hi"), assistant("Well")], "messages"),
            ([user("  \n")], "messages"),
            ([user(None)], "messages"),
            (["Hi"], "messages[0]"),
            ([{"content": "Hi"}], "messages[0].role"),
            ([user("Hi"), {"role": "tool", "content": "3"}], "messages[1].role"),
            ([user(5)], "messages[0].content"),
            ([user(["Hi"])], "messages[0].content[0]"),
            ([user([{"type": "text"}])], "messages[0].content[0].text"),
            ([user([{"type": "text", "text": 5}])], "messages[0].content[0].text"),
        ],
    )
    def test_each_names_its_place(self, messages: list[Any], param: str):
        error = fault(*messages)

        assert (error.status, error.param) == (400, param)

    def test_an_image_is_refused_in_words(self):
        picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
        error = fault(user([{"type": "text", "text": "What is it?"}, picture]))

        assert error.param == "messages[0].content[1]"
        assert "image_url" in error.message
        assert "reads text only" in error.message

    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({"model": None}, "model"),
            ({"model": 7}, "model"),
            ({"stream": "yes"}, "stream"),
            ({"stream_options": []}, "stream_options"),
            ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
            ({"n": 2}, "n"),
            ({"n": True}, "n"),
            ({"messages": None}, "messages"),
            ({"messages": {}}, "messages"),
        ],
    )
    def test_each_field_is_checked(self, fields: dict[str, Any], param: str):
        assert fault(user("Hi"), **fields).param == param

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
    def test_a_body_that_is_no_object_is_refused(self, body: bytes):
        with pytest.raises(ApiError, match="body"):
            read_question(body)

    def test_system_messages_count_in_the_length_of_the_message(self):
        assert len(read(user("x" * MAX_MESSAGE)).text) == MAX_MESSAGE
        error = fault(system("y"), user("x" * MAX_MESSAGE))

        assert error.code == "context_length_exceeded"
        assert f"{MAX_MESSAGE:,}" in error.message
