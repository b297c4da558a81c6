"""Jobs that can never run are told in their workflow's own log, as the autoscaler found them."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from toilctl.autoscaler.journal import never_run as told
from toilctl.autoscaler.model.plan import Infeasible
from toilctl.engines.published import Published
from toilctl.system.waiting import wait_until
from toilctl.values.jobs import Shape

MIB = 2**20
HUGE = Infeasible(Shape(64, 1024, 2048, False), 3, ("huge",), "cores", "It needs 64 cores: m5.large has 2 cores.")
TEXT = "can never run here. It needs 64 cores: m5.large has 2 cores. Why jobs wait: toilctl explain"


@pytest.fixture
def never_run(plugin: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    found = importlib.import_module("toilctl_plugin.publication.never_run")
    monkeypatch.setattr(found, "LOOK_S", 0)
    return found


def lines(*names: str, **changes: Any) -> Callable[[], list[str]]:
    needed = {"cores": 64, "memory": 1024 * MIB, "disk": 2048 * MIB, "preemptible": 0, **changes}
    return lambda: [json.dumps(["q", name, name, *needed.values(), 0, 1.0, ""]) for name in names]


def test_workflow_that_has_such_jobs_says_it_once_for_each_reason(
    never_run: ModuleType, demand_dir: Path, cluster_file: Path
) -> None:
    own = never_run.NeverRun(demand_dir)
    assert own.news(lines("huge")) == []
    told.tell([HUGE])
    assert own.news(lines("small", cores=1)) == []
    cluster_file.write_text("cluster_name: my\nengine: slurm\n")
    assert own.news(lines("huge", "big", memory=1024 * MIB - 1)) == [f"2 jobs (big, huge) {TEXT} my"]
    assert own.news(lines("huge")) == []
    told.tell([])
    assert own.news(lines("huge")) == []
    told.tell([Infeasible(HUGE.shape, 1, ("huge",), "cores", "No longer.")])
    assert own.news(lines("huge"))[0].startswith("1 job (huge) can never run here. No longer. ")


def test_parts_of_cores_count_as_slurm_counts_them(never_run: ModuleType, demand_dir: Path) -> None:
    told.tell([HUGE])
    assert len(never_run.NeverRun(demand_dir).news(lines("huge", cores=63.5))) == 1


def test_jobs_are_not_looked_at_all_the_time(
    never_run: ModuleType, demand_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(never_run, "LOOK_S", 3600)
    own = never_run.NeverRun(demand_dir)
    assert own.news(lines("huge")) == []
    told.tell([HUGE])
    assert own.news(lines("huge")) == []


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"toilctl": 2}', '{"toilctl": 1, "jobs": [{"cores": "x"}]}', '{"toilctl": 1, "jobs": 5}', "\xff"],
)
def test_file_of_another_form_is_left_alone(never_run: ModuleType, demand_dir: Path, text: str) -> None:
    (demand_dir / told.FILE).write_bytes(text.encode("latin-1"))
    assert never_run.NeverRun(demand_dir).news(lines("huge")) == []


def test_reason_is_one_bounded_line(never_run: ModuleType, demand_dir: Path) -> None:
    told.tell([Infeasible(HUGE.shape, 1, ("huge",), "cores", "a\x1b[2J\nb" + "c" * 9999)])
    (line,) = never_run.NeverRun(demand_dir).news(lines("huge"))
    assert line.isprintable()
    assert len(line) < 1200


def test_both_sides_speak_of_the_same_file(never_run: ModuleType) -> None:
    assert (told.FILE, told.FORMAT) == (never_run.FILE, never_run.FORMAT)


def test_many_kinds_are_told_in_part_and_nothing_where_nobody_publishes(
    demand_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told.tell([HUGE] * 1000)
    assert len(json.loads((demand_dir / told.FILE).read_text())["jobs"]) == 50
    assert Published(demand_dir).workflows() == ()
    monkeypatch.setenv("TOILCTL_DEMAND_DIR", str(tmp_path / "none"))
    told.tell([HUGE])
    assert not (tmp_path / "none").exists()


def test_workflows_log_has_it(
    never_run: ModuleType, plugin: ModuleType, demand_dir: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    publication = importlib.import_module("toilctl_plugin.publication.publication")
    monkeypatch.setattr(publication, "FLUSH_S", 0.01)
    workflow = publication.Publication("framework-1", [], "sort.py")
    workflow.queued(1, "huge", 64, 1024 * MIB, 2048 * MIB, False, False)
    told.tell([HUGE])
    try:
        assert wait_until(lambda: TEXT in caplog.text, bool, 20, 0.02)
    finally:
        workflow.close()
