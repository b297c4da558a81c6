"""What lies among the files that workflows publish, and cannot be read: it is told, and the others count."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from toilctl.engines.published import Published

HEADER = {"toilctl": 1, "framework": "f", "name": "sort.py", "limits": []}
Write = Callable[..., Path]


def queued(key: object, **changes: Any) -> str:
    usual = {"name": "sort", "cores": 1, "memory": 2**20, "disk": 0, "preemptible": 1, "service": 0, "since": 1000.0}
    return json.dumps(["q", str(key), *(usual | changes).values(), "kind-sort/instance-1"])


@pytest.fixture
def write(tmp_path: Path, keep_alive: Callable[[Path], None]) -> Write:
    """Write a file as a workflow that lives does."""

    def lines(name: str, *lines: str | bytes, header: Any = HEADER) -> Path:
        path = tmp_path / f"{name}.jsonl"
        texts = [json.dumps(header), *lines]
        path.write_bytes(b"".join(one if isinstance(one, bytes) else f"{one}\n".encode() for one in texts))
        keep_alive(path)
        return path

    return lines


def jobs(published: Published) -> list[str]:
    return [job.job_id for one in published.workflows() for job in one.jobs.values()]


def fifo(path: Path) -> None:
    os.mkfifo(path)


def listener(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.path.relpath(path))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (fifo, "it is no regular file"), (Path.mkdir, "it is no regular file"),
        (listener, "no such device or address"),
        (lambda path: path.symlink_to("/etc/passwd"), "too many levels of symbolic links"),
        (lambda path: path.symlink_to("nowhere"), "too many levels of symbolic links"),
    ],
)  # fmt: skip
def test_what_is_no_file_is_told_and_waited_for_by_nobody(write, tmp_path, make, why, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("good", queued(1))
    make(tmp_path / "a-stray.jsonl")
    published = Published(tmp_path)
    assert jobs(published) == ["f/1"]
    assert published.problems() == (f"{tmp_path}/a-stray.jsonl: it cannot be read: {why}.",)


@pytest.mark.parametrize(
    "line",
    [
        "garbage", "{", "[]", "7", "null", '"text"', '["q"]', '["?", "1"]', '["q", "1", "x"]', "[" * 100_000,
        b"\xff\xfe\n", '["r", "1", ["node"], 5]', '["r", "1", "10.0.0.1", 1e300]', '["e", "1", 0, -1]',
        '["e", "1", 0, 1e300]', '["e", "1", 0, NaN]', '["t", "x", Infinity]', '["t", 5, 5]',
        f'["t", "x", {"9" * 5000}]',
        *(queued(2, **bad) for bad in (
            {"since": 1e300}, {"since": -1}, {"since": float("nan")}, {"since": None}, {"cores": -1},
            {"cores": float("inf")}, {"cores": "2"}, {"memory": 1e300}, {"memory": [1]}, {"disk": 10**30},
            {"name": 7}, {"name": None},
        )),
        queued("k" * 2000), '["e", {"a": 1}, 0, 1]',
    ],
    ids=lambda line: repr(line)[:50],
)  # fmt: skip
def test_line_that_cannot_be_read_costs_nothing_but_itself(write, tmp_path, line):
    path = write("good", queued(1), line, queued(3), line)
    published = Published(tmp_path)
    assert jobs(published) == ["f/1", "f/3"]
    assert published.problems() == (f"{path}: lines that cannot be read: 2; the others count.",)
    with path.open("a") as out:
        print(queued(4), file=out)
    assert jobs(published) == ["f/1", "f/3", "f/4"]
    assert len(published.problems()) == 1


@pytest.mark.parametrize(
    "header",
    [
        {}, [], None, 7, "x", {"toilctl": 2}, HEADER | {"limits": "c3.large=0..1"}, HEADER | {"limits": 5},
        HEADER | {"limits": [5]}, HEADER | {"limits": ["x"] * 1000}, HEADER | {"name": {}},
        HEADER | {"framework": "f" * 5000}, HEADER | {"tuning": None},
    ],
    ids=lambda header: repr(header)[:50],
)  # fmt: skip
def test_file_of_another_form_is_told_and_left_alone(write, tmp_path, header):
    write("good", queued(1))
    path = write("other", queued(2), header=header)
    published = Published(tmp_path)
    assert jobs(published) == ["f/1"]
    assert published.problems() == (f"{path}: it is no file of a workflow's, and does not count.",)


def test_line_without_an_end_is_dropped_and_what_comes_after_it_counts(write, tmp_path):
    path = write("long", queued(1), b'["q", "' + b"x" * 9_000_000)
    published = Published(tmp_path)
    assert jobs(published) == ["f/1"]
    with path.open("a") as out:
        out.write(f'"]\n{queued(2)}\n')
    assert jobs(published) == ["f/1", "f/2"]
    assert published.problems() == (f"{path}: lines that cannot be read: 1; the others count.",)


def test_end_of_a_huge_line_is_looked_for_once(write, tmp_path, monkeypatch):
    path = write("huge", queued(1))
    os.truncate(path, 2**42)
    published = Published(tmp_path)
    assert [jobs(published) for _ in range(2)] == [["f/1"]] * 2
    monkeypatch.setattr("toilctl.engines.published._parsed", Mock(side_effect=AssertionError))
    assert jobs(published) == ["f/1"]
    monkeypatch.undo()
    with path.open("a") as out:
        out.write(f"\n{queued(2)}\n")
    assert jobs(published) == ["f/1", "f/2"]
    assert published.problems() == (f"{path}: lines that cannot be read: 1; the others count.",)


def test_more_jobs_than_any_cluster_has_do_not_count(write, tmp_path, monkeypatch):
    monkeypatch.setattr("toilctl.engines.published._MOST_JOBS", 5)
    write("a", *map(queued, range(4)))
    path = write("b", *map(queued, range(4)))
    published = Published(tmp_path)
    assert jobs(published) == ["f/0", "f/1", "f/2", "f/3", "f/0"]
    assert published.problems() == (f"{path}: lines that cannot be read: 3; the others count.",)


def test_many_problems_are_counted(write, tmp_path):
    for number in range(9):
        fifo(tmp_path / f"{number}\n\udcff.jsonl")
    first, *_, last = problems = tuple(told) if (told := problems_of(tmp_path)) else ()
    assert len(problems) == 6
    assert first == rf"{tmp_path}/0\n\udcff.jsonl: it cannot be read: it is no regular file."
    assert last == f"{tmp_path}: 4 more files cannot be read."


def problems_of(directory: Path) -> tuple[str, ...]:
    published = Published(directory)
    published.workflows()
    return published.problems()


def test_directory_that_is_none_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    assert problems_of(tmp_path / "file") == (f"{tmp_path}/file/.: it cannot be read: not a directory.",)
    assert problems_of(tmp_path / "nowhere") == ()


def test_job_may_be_called_anything_of_any_length(write, tmp_path):
    names = ["a\nb", "\u2028\x85\0\x1b[31m", "\ud800", "x" * 1_000_000]
    write("good", *(queued(number, name=name) for number, name in enumerate(names)))
    (workflow,) = Published(tmp_path).workflows()
    assert [job.name for job in workflow.jobs.values()] == ["a\nb", "\u2028\x85\0\x1b[31m", "?", "x" * 500]


def test_jobs_of_a_dead_workflow_are_not_kept(write, tmp_path):
    path = write("good", queued(1))
    published = Published(tmp_path)
    (workflow,) = published.workflows()
    new = tmp_path / "new"
    new.write_bytes(path.read_bytes())
    new.replace(path)
    assert published.workflows() == ()
    assert workflow.jobs == {}
