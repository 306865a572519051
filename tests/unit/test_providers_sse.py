"""The event-stream decoder, by the sentences of its specification."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.providers.sse import EventStreamDecoder, EventTooLargeError, ServerSentEvent

line_ends = st.sampled_from(["\n", "\r\n", "\r"])
plain_text = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)
fields = st.sampled_from(["data", "data", "event", ":", "id", "retry", "nonsense", "", "\ufeff"])


def decode(*pieces: bytes) -> list[ServerSentEvent]:
    decoder = EventStreamDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


def feed_in_pieces(decoder: EventStreamDecoder, data: bytes) -> None:
    for start in range(0, len(data), 7):
        decoder.feed(data[start : start + 7])


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    lines = draw(st.lists(st.tuples(fields, plain_text, line_ends), max_size=20))
    text = "".join(f"{field}: {value}{end}" if field else end for field, value, end in lines)
    return (draw(st.sampled_from(["", "\ufeff"])) + text).encode()


@st.composite
def cut_streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    stream = draw(streams())
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    bounds = [0, *cuts, len(stream)]
    return stream, [stream[a:b] for a, b in itertools.pairwise(bounds)]


@given(cut_streams())
def test_any_cutting_of_a_stream_gives_the_same_events(case: tuple[bytes, list[bytes]]) -> None:
    stream, pieces = case
    assert decode(*pieces) == decode(stream)
    assert decode(*[stream[i : i + 1] for i in range(len(stream))]) == decode(stream)


@given(streams())
def test_crlf_cr_and_lf_mean_the_same(stream: bytes) -> None:
    plain = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    expected = decode(plain)
    assert decode(plain.replace(b"\n", b"\r\n")) == expected
    assert decode(plain.replace(b"\n", b"\r")) == expected


def test_lines_of_data_are_joined_and_one_space_after_the_colon_is_dropped():
    assert decode(b"data:a\ndata:  b\n\n") == [ServerSentEvent("", b"a\n b")]


def test_an_event_has_the_name_that_was_given_for_it_and_the_next_has_none():
    assert decode(b"event: ping\ndata: 1\n\ndata: 2\n\n") == [
        ServerSentEvent("ping", b"1"),
        ServerSentEvent("", b"2"),
    ]


def test_comments_unknown_fields_and_events_without_data_say_nothing():
    assert decode(b": keep-alive\n\nid: 7\nretry: 100\nfoo: bar\n\nevent: lonely\n\n") == []


def test_a_byte_order_mark_is_ignored_at_the_start_only():
    assert decode(b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n") == [ServerSentEvent("", b"a")]


def test_a_character_cut_in_two_arrives_whole():
    data = "data: žluťoučký 🐎\n\n".encode()
    events = decode(*[data[i : i + 1] for i in range(len(data))])
    assert events == [ServerSentEvent("", "žluťoučký 🐎".encode())]


def test_an_event_without_its_last_empty_line_is_delivered_at_the_end():
    decoder = EventStreamDecoder()
    assert decoder.feed(b"data: [DONE]") == []
    assert decoder.close() == [ServerSentEvent("", b"[DONE]")]


def test_a_page_of_html_holds_no_event():
    decoder = EventStreamDecoder()
    assert decoder.feed(b"<!doctype html>\n<html>\n<p>Bad gateway: 502\n\n</html>") == []
    assert decoder.close() == []


@pytest.mark.parametrize("line", [b"data: " + b"x" * 50, b"data: x\n" * 50], ids=["one line", "many lines"])
def test_an_event_that_grows_beyond_the_limit_is_refused(line: bytes) -> None:
    decoder = EventStreamDecoder(max_event_bytes=40)
    with pytest.raises(EventTooLargeError):
        feed_in_pieces(decoder, line)


def test_many_events_together_may_be_larger_than_the_limit_of_one():
    decoder = EventStreamDecoder(max_event_bytes=40)
    events = [event for _ in range(50) for event in decoder.feed(b"data: 0123456789\n\ndata: 01234")[:1]]
    assert len(events) == 50
