from __future__ import annotations

import gzip
import json
import time
import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from toilctl.values import outside


@pytest.mark.parametrize(
    "text",
    ["", "{", "NaN", "[Infinity]", "9" * 5000, "[" * 100_000, "[" * 51 + "]" * 51, '{"a":' * 60 + "1" + "}" * 60],
)
def test_what_is_no_bounded_document_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        outside.document(text)


def test_document_within_bounds_is_read() -> None:
    deep = "[" * outside.MOST_DEPTH + "]" * outside.MOST_DEPTH
    assert json.dumps(outside.document(deep)) == deep
    assert outside.document('{"a": [1, "b"]}') == {"a": [1, "b"]}


def test_document_that_is_too_long_is_not_even_read() -> None:
    with pytest.raises(ValueError, match="more than 3 characters"):
        outside.document("[[1]", most=3)


@settings(deadline=None, max_examples=examples(100))
@given(st.text() | st.binary())
@example("[" * 100_000)
@example("9" * 5000)
@example("\ud800")
@example(b"\xff\xfe\x00")
def test_any_text_is_a_document_or_a_value_error(text: str | bytes) -> None:
    try:
        outside.document(text)
    except ValueError:
        return


@settings(deadline=None, max_examples=examples(100))
@given(st.text())
@example("\x1b[2J\x1b]0;title\x07")
@example("a\u2028b\u0085c\u202ed\x7f\x9b\r\b\t\xad\ufeff\ud800")
def test_plain_text_has_nothing_that_steers_a_terminal(text: str) -> None:
    assert outside.plain(text).replace("\n", "").isprintable()
    assert outside.one_line(text).isprintable()
    assert outside.plain(outside.plain(text)) == outside.plain(text)
    assert outside.brief(text).isprintable()
    assert len(outside.brief(text, most=10)) <= 100


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("align é 東 ▂", "align é 東 ▂"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b2J", "\\x9b2J"),
        ("a\u202eb\u2028c", "a\\u202eb\\u2028c"),
        ("a\tb\xa0c", "a b c"),
        ("\r\x07", "\\r\\x07"),
    ],
)
def test_characters_that_steer_are_written_out_and_others_stay(text: str, shown: str) -> None:
    assert outside.plain(text) == outside.one_line(text) == shown


def test_line_feeds_stay_in_a_text_and_not_in_a_line() -> None:
    assert outside.plain("a\nb") == "a\nb"
    assert outside.one_line("a\nb") == "a\\nb"


def test_files_of_gzip_behind_each_other_are_one() -> None:
    assert b"".join(outside.unpacked(gzip.compress(b"a\n") + gzip.compress(b"b\n"))) == b"a\nb\n"


@pytest.mark.parametrize(
    "content", [b"", b"\x1f\x8b", b"\x1f\x8b\x08rubbish", gzip.compress(b"a", mtime=0)[:-9], b"plain"]
)
def test_damaged_file_gives_what_is_there(content: bytes) -> None:
    assert len(b"".join(outside.unpacked(content))) <= 5


def test_file_that_grows_without_bound_is_refused_before_it_is_unpacked() -> None:
    bomb = gzip.compress(b"\0" * (8 * 1024**2))
    for content in (bomb, b"x" * (2 * 1024**2), gzip.compress(b"") * 3 + bomb):
        with pytest.raises(ValueError, match="more than 1 MiB"):
            list(outside.unpacked(content, most=1024**2))


@settings(deadline=None, max_examples=examples(100))
@given(st.binary(), st.booleans())
@example(b"\x1f\x8b\x08\x00", False)
def test_any_file_has_lines_that_end_at_line_feeds_alone(content: bytes, packed: bool) -> None:
    found = list(outside.lines(gzip.compress(content) if packed else content))
    assert not any("\n" in line for line in found)
    text = content.decode(errors="replace")
    whole = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []
    if packed or not content.startswith(b"\x1f\x8b"):
        assert found == whole


def test_large_file_is_unpacked_to_its_last_byte() -> None:
    content = b"".join(b"%d\n" % number for number in range(500_000)) + b"\0" * (5 * 1024**2)
    assert b"".join(outside.unpacked(gzip.compress(content))) == content


def test_only_line_feeds_end_a_line() -> None:
    assert list(outside.lines("a\u2028b\x85c\x0bd\r\ne\n".encode())) == ["a\u2028b\x85c\x0bd", "e"]


@pytest.mark.parametrize("line", [b"\n", b"ab\n"])
@pytest.mark.parametrize("packed", [True, False])
def test_short_lines_take_no_more_memory_than_a_piece_of_them(line: bytes, packed: bool) -> None:
    expected = 2 * 1024**2 // len(line)
    content = line * expected
    content = gzip.compress(content, 1) if packed else content
    tracemalloc.start()
    try:
        count = sum(1 for _ in outside.lines(content, most_lines=2**25))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == expected
    # A list of them has 16 MB and more.
    assert peak < 4 * 1024**2


def test_file_of_more_lines_than_any_has_is_refused() -> None:
    found = outside.lines(gzip.compress(b"\n" * 11), most_lines=10)
    with pytest.raises(ValueError, match="it has more than 10 lines"):
        list(found)
    assert list(outside.lines(b"a\n" * 9 + b"b\nc", most_lines=10)) == [*"a" * 9, "b", "c"]


def test_line_that_goes_on_in_other_pieces_is_one() -> None:
    long = "é" * 3 * 1024**2
    assert list(outside.lines(f"a\n{long}\nb\n".encode())) == ["a", long, "b"]


def test_members_of_gzip_without_number_take_no_time_that_grows_with_their_square() -> None:
    # A megabyte: to copy what is left at each of them would be 25 gigabytes.
    content = gzip.compress(b"") * 50_000 + gzip.compress(b"a\n")
    began = time.process_time()
    assert list(outside.lines(content)) == ["a"]
    assert time.process_time() - began < 3
