"""How much of all files together is read at one look, whatever they hold."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from toilctl.engines import published as module
from toilctl.engines.published import Published

HEADER = b'{"toilctl": 1, "framework": "f"}\n'
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, keep_alive: Callable[[Path], None]) -> Write:
    """Write a file, as a workflow that lives unless it is to be dead."""

    def lines(name: str, *events: Any, dead: bool = False) -> Path:
        path = tmp_path / f"{name}.jsonl"
        path.write_bytes(HEADER + b"".join(json.dumps(event).encode() + b"\n" for event in events))
        if not dead:
            keep_alive(path)
        return path

    return lines


@pytest.fixture
def was_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the size of each piece that is looked at."""
    sizes: list[int] = []
    real = module.files.open_regular

    class Counting:
        def __init__(self, opened: BinaryIO) -> None:
            self.opened = opened

        def __enter__(self) -> Counting:
            return self

        def __exit__(self, *_: object) -> None:
            self.opened.close()

        def __getattr__(self, name: str) -> Any:
            return getattr(self.opened, name)

        def read(self, most: int) -> bytes:
            sizes.append(len(data := self.opened.read(most)))
            return data

    monkeypatch.setattr(module.files, "open_regular", lambda path: Counting(real(path)))
    return sizes


def queued(key: object) -> list[Any]:
    return ["q", str(key), "sort", 1, 2**20, 0, 1, 0, 1000.0, "kind-sort/instance-1"]


def jobs(published: Published) -> set[str]:
    return {job.job_id for one in published.workflows() for job in one.jobs.values()}


def bounded(monkeypatch: pytest.MonkeyPatch, look: int) -> None:
    monkeypatch.setattr(module, "_LOOK", look)


def test_sparse_files_of_dead_workflows_cost_their_ends_alone(write, tmp_path, was_read):
    for number in range(50):
        os.truncate(write(f"a{number}", dead=True), 300_000_000)
    write("z", queued(1))
    published = Published(tmp_path)
    assert jobs(published) == {"f/1"}
    assert sum(was_read) <= 2**28
    jobs(published)
    was_read.clear()
    assert jobs(published) == {"f/1"}
    assert sum(was_read) == 0


def test_sparse_files_of_live_workflows_together_cost_one_look(write, tmp_path, was_read):
    for number in range(50):
        os.truncate(write(f"a{number}"), 300_000_000)
    write("z", *map(queued, range(10)))
    published = Published(tmp_path)
    for _ in range(6):
        was_read.clear()
        assert len(jobs(published)) == 10
        assert sum(was_read) <= 2**28
    was_read.clear()
    jobs(published)
    assert sum(was_read) == 0
    assert published.problems()[0].endswith("lines that cannot be read: 1; the others count.")


def test_file_that_has_much_to_tell_waits_for_those_that_have_little(write, tmp_path, monkeypatch):
    bounded(monkeypatch, 20_000)
    write("a", *map(queued, range(1000)))
    write("b", *map(queued, range(1000, 1020)))
    published = Published(tmp_path)
    first = jobs(published)
    assert {f"f/{number}" for number in range(1000, 1020)} <= first
    assert len(first) < 200
    assert published.problems() == (
        f"{tmp_path}: 1 file has more than is read at once; the rest counts from the next looks on.",
    )
    for _ in range(20):
        last = jobs(published)
    assert len(last) == 1020
    assert published.problems() == ()


def test_every_file_has_its_share_of_a_look(write, tmp_path, monkeypatch):
    bounded(monkeypatch, 40_000)
    for name in "abcdefgh":
        write(name, *(queued(f"{name}{number}") for number in range(500)))
    published = Published(tmp_path)
    jobs(published)
    assert all(len(one.jobs) > 5 for one in published.workflows())
    for _ in range(100):
        told = jobs(published)
    assert len(told) == 4000


def test_many_short_lines_cost_a_look_no_more_than_others(write, tmp_path, monkeypatch):
    bounded(monkeypatch, 2**20)
    for name in "abcd":
        with write(name).open("ab") as out:
            out.write(b"1\n" * 100_000)
    published = Published(tmp_path)
    jobs(published)
    told = [int(found[1]) for one in published.problems() if (found := re.search(r"be read: (\d+);", one))]
    assert len(told) == 4
    assert 10_000 < sum(told) < 20_000
    for _ in range(40):
        jobs(published)
    assert all("be read: 100000;" in one for one in published.problems())


def test_dead_workflow_tells_how_long_its_last_jobs_took(write, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_TAIL", 2000)
    write("a", *(["t", f"old{number}", 5.0] for number in range(1000)), ["t", "new", 7.0], dead=True)
    published = Published(tmp_path)
    assert jobs(published) == set()
    told = published.run_times_s()
    assert (told["new"], "old0" in told, published.problems()) == (7.0, False, ())


def test_line_that_is_not_whole_yet_is_not_read_again_until_it_grows(write, tmp_path, was_read):
    path = write("a", queued(1))
    with path.open("ab") as out:
        out.write(b"x" * 100_000)
    published = Published(tmp_path)
    assert jobs(published) == {"f/1"}
    was_read.clear()
    assert jobs(published) == {"f/1"}
    assert was_read == []
    with path.open("ab") as out:
        out.write(b"\n" + json.dumps(queued(2)).encode() + b"\n")
    assert jobs(published) == {"f/1", "f/2"}


def test_jobs_of_a_file_that_was_taken_away_leave_room_for_others(write, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_MOST_JOBS", 3)
    path = write("a", *map(queued, range(3)))
    published = Published(tmp_path)
    assert len(jobs(published)) == 3
    path.unlink()
    write("b", *map(queued, range(7, 10)))
    assert jobs(published) == {"f/7", "f/8", "f/9"}
    assert published.problems() == ()


@pytest.mark.parametrize("look", [1, 7, 64, 65, 130, 1000])
def test_look_that_may_read_next_to_nothing_ends(write, tmp_path, monkeypatch, look):
    bounded(monkeypatch, look)
    monkeypatch.setattr(module, "_PIECE", 16)
    with write("a", queued(1), queued(2)).open("ab") as out:
        out.write(b"\n" * 100 + b"x" * 100 + b"\n" * 100)
    published = Published(tmp_path)
    for _ in range(50):
        published.workflows()
