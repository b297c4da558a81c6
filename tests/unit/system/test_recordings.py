"""Journals and traces that somebody copied, whatever they are."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from toilctl.autoscaler.simulation import trace
from toilctl.system import recordings
from toilctl.values import outside
from toilctl.values.errors import UsageError
from toilctl.verbs.planning import replay
from toilctl.verbs.reports import kept_journals

TRACE = b'{"toilctl": 1, "generation": 1, "started": 0}\n["q", 1, "a\\u2028b", 1, 0, 0, 0, 0, 1]\n["r", 1, 0, 2]\n'
TRACE += b'["e", 1, 0, 3, 5]\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "recording.jsonl"


def test_small_file_that_unpacks_to_gigabytes_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_bytes(gzip.compress(b"\0" * 3_000_000))
    monkeypatch.setattr(outside.lines, "__defaults__", (1024**2, 100))
    for read in (
        lambda: list(recordings.lines(file, "x")), lambda: list(kept_journals.read([file])), lambda: replay.read([file])
    ):  # fmt: skip
        with pytest.raises(UsageError, match=r"recording\.jsonl cannot be read: it has more than 1 mib"):
            read()


def test_file_of_line_feeds_alone_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_bytes(TRACE + b"\n" * 100)
    monkeypatch.setattr(kept_journals, "MOST_LINES", 100)
    monkeypatch.setattr(recordings.lines, "__defaults__", (100,))
    for read in (lambda: list(kept_journals.read([file])), lambda: replay.read([file])):
        with pytest.raises(UsageError, match=r"recording\.jsonl cannot be read: it has more than 100 lines") as caught:
            read()
        assert caught.value.next_step


def test_packed_trace_is_read_as_the_plain_one(file: Path) -> None:
    found = []
    for content in (TRACE, gzip.compress(TRACE)):
        file.write_bytes(content)
        found.append(replay.read([file]))
    assert found[0] == found[1]
    assert [job.name for job in found[0].jobs] == ["a\u2028b"]


def test_name_with_another_alphabets_line_end_is_one_line(file: Path) -> None:
    file.write_text('["a\u2028b\x85c"]\n')
    assert list(recordings.lines(file, "x")) == ['["a\u2028b\x85c"]']


@pytest.mark.parametrize("path", [Path("/nowhere"), Path("/tmp/\0"), Path("/")])
def test_what_cannot_be_read_is_named_with_the_next_step(path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read") as caught:
        list(recordings.lines(path, "Name another."))
    assert caught.value.next_step == "Name another."


def test_trace_of_nothing_is_no_trace(file: Path) -> None:
    file.write_bytes(b"\x1f\x8b")
    with pytest.raises(UsageError, match="no trace"):
        trace.read({"x": recordings.lines(file, "x")})
