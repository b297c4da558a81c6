"""What readers on a leader make of files that are none, or whose lines have no end."""

from __future__ import annotations

import importlib
import io
import os
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples


@pytest.fixture
def regular(plugin: ModuleType) -> ModuleType:
    return importlib.import_module("toilctl_plugin.regular_files")


def test_pipe_device_directory_and_nothing_are_no_files(regular: ModuleType, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero", tmp_path, tmp_path / "nothing"):
        with pytest.raises(OSError, match=r"."):
            regular.open_regular(path, follow=True)


def test_pipe_that_somebody_writes_is_no_file_either(regular: ModuleType, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = os.open(tmp_path / "pipe", os.O_RDWR)
    with pytest.raises(OSError, match="regular"):
        regular.open_regular(tmp_path / "pipe")
    os.close(writer)


def test_refused_file_is_not_left_open(regular: ModuleType) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with pytest.raises(OSError, match="regular"):
            regular.open_regular("/dev/zero")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_link_is_followed_only_where_that_is_meant(regular: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"words")
    (tmp_path / "link").symlink_to("file")
    with regular.open_regular(tmp_path / "link", follow=True) as opened:
        assert opened.read() == b"words"
    with pytest.raises(OSError, match=r"."):
        regular.open_regular(tmp_path / "link")


def test_line_is_added_to_a_file_and_to_nothing_else(regular: ModuleType, tmp_path: Path) -> None:
    for line in (b"one\n", b"two\n"):
        regular.append(tmp_path / "file", line)
    assert (tmp_path / "file").read_bytes() == b"one\ntwo\n"
    os.mkfifo(tmp_path / "pipe")
    for opening in (None, os.O_RDWR):
        reader = os.open(tmp_path / "pipe", opening) if opening else None
        with pytest.raises(OSError, match=r"."):
            regular.append(tmp_path / "pipe", b"one\n")
        if reader:
            os.close(reader)


@settings(max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 30)), st.booleans())
def test_lines_are_read_but_for_those_that_are_too_long(plugin: ModuleType, sizes: list[int], ends: bool) -> None:
    regular = importlib.import_module("toilctl_plugin.regular_files")
    text = b"\n".join(b"x" * size for size in sizes) + (b"\n" if ends else b"")
    found = list(regular.lines(io.BytesIO(text), 10**6, longest=16))
    assert found == [line for line in text.splitlines(keepends=True) if len(line) < 16 or line == b"x" * 15 + b"\n"]


def test_no_more_is_read_than_asked_for(regular: ModuleType) -> None:
    assert list(regular.lines(io.BytesIO(b"a\nb\nc\nd\n"), 4)) == [b"a\n", b"b\n"]


def test_file_without_any_line_is_not_kept(regular: ModuleType, tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as out:
        out.truncate(2**40)
    with regular.open_regular(tmp_path / "file") as opened:
        assert list(regular.lines(opened, 2**20)) == []
        assert opened.tell() <= 2**21
