"""What Prometheus reads of the autoscaler, from a registry and over HTTP."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.autoscaler.builders import (
    MEMORY,
    NOW,
    SPOT,
    ago,
    backed_off,
    booting,
    busy,
    job,
    jobs,
    node,
    policy,
    snapshot,
)  # fmt: skip
from tests.unit.autoscaler.service.stage import JOB, SPOT_USD, Stage
from tests.unit.autoscaler.service.stage import busy as keep_busy
from toilctl.autoscaler.decide.decide import decide
from toilctl.autoscaler.execute.execute import Executor
from toilctl.autoscaler.journal.report import ActionReport, InterruptionReport, ResultReport, TickReport
from toilctl.autoscaler.metrics import definitions
from toilctl.autoscaler.metrics.registry import Metrics
from toilctl.autoscaler.model.playbook_events import LaunchRefusal
from toilctl.autoscaler.model.reasons import EndReason
from toilctl.autoscaler.model.snapshot import Snapshot
from toilctl.autoscaler.service import reporting
from toilctl.local.process.testing import TestCloud
from toilctl.values.scaling_policy import Policy

SMALL = {"cores": "1", "memory_mib": "1024", "disk_mib": "1024", "preemptible": "false"}
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(text: str) -> Samples:
    families = text_string_to_metric_families(text)
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


class Told:
    """The metrics of some ticks, by name and labels."""

    def __init__(self) -> None:
        self.metrics = Metrics()

    def tick(self, seen: Snapshot | None, rules: Policy | None = None, decided_s: float | None = 0.01,
             after_s: float = 0, **more: Any) -> None:  # fmt: skip
        """Observe a tick of a snapshot on which the autoscaler decides in earnest."""
        now = NOW + timedelta(seconds=after_s)
        report = TickReport(
            reporting.moment(now), 1, "1.0", "my", False, jobs_known=False, nodes_known=False, seconds=0.2
        )
        if seen is not None:
            rules = rules or policy()
            report = reporting.decided(report, seen, decide(seen, rules, now), rules, now)
        self.metrics.observe(replace(report, **more), seen, decided_s)

    @property
    def samples(self) -> Samples:
        return parsed(generate_latest(self.metrics.registry).decode())

    def __call__(self, name: str, **labels: str) -> float | None:
        return self.samples.get((f"toilctl_{name}", frozenset(labels.items())))

    def all(self, name: str) -> dict[tuple[str, ...], float]:
        """Return a metric's numbers by the values of its labels, sorted by the labels' names."""
        found = ((labels, number) for (known, labels), number in self.samples.items() if known == f"toilctl_{name}")
        return {tuple(value for _, value in sorted(labels)): number for labels, number in found}


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def scraped(port: int) -> Samples:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        return parsed(answer.read().decode())


def test_nodes_are_told_by_node_type_and_phase(told):
    worker, running = busy("i-1", MEMORY)
    told.tick(snapshot(running, [worker, node("i-2"), booting("i-3", SPOT)]))
    assert told.all("nodes") == {(MEMORY, "busy"): 1, (MEMORY, "idle"): 1, (SPOT, "booting"): 1}
    assert told.all("nodes_current") == {(MEMORY,): 2, (SPOT,): 1}
    assert told.all("nodes_desired").keys() == {(MEMORY,), (SPOT,)}


def test_jobs_are_told_by_shape_and_running_ones_by_node_type_too(told):
    worker, running = busy("i-1", MEMORY, cores=1, count=2)
    waiting = [*jobs(3), job(cores=0.5, preemptible=True), job(cores=500)]
    told.tick(snapshot([*running, job(node="i-0"), *waiting], [worker]))
    assert told("jobs_waiting", **SMALL) == 3
    assert told("jobs_waiting", **SMALL | {"cores": "0.5", "preemptible": "true"}) == 1
    assert told("jobs_running", node_type=MEMORY, **SMALL) == 2
    assert told("jobs_running", node_type="unknown", **SMALL) == 1
    assert told("jobs_infeasible", lacking="cores", **SMALL | {"cores": "500"}) == 1
    assert sum(told.all("jobs_waiting_by_reason").values()) == 4


def test_what_is_gone_disappears(told):
    worker, running = busy("i-1", SPOT)
    held = ActionReport("launch", "demand", SPOT, 2)
    told.tick(snapshot([*running, job()], [worker], back_offs=(backed_off(SPOT),)), actions=(held,))
    assert (told("node_type_backed_off", node_type=SPOT), told("node_launches_total", node_type=SPOT)) == (1, 2)
    told.tick(snapshot(), policy([MEMORY]))
    gone = [labels for _, labels in told.samples if dict(labels).get("node_type") == SPOT]
    assert gone == []
    assert told.all("jobs_waiting") == told.all("jobs_running") == {}
    assert told("nodes_current", node_type=MEMORY) == 0


def test_back_off_that_is_over_is_told_no_longer(told):
    told.tick(snapshot(back_offs=(backed_off(SPOT, for_s=600),)), after_s=601)
    assert told("node_type_backed_off", node_type=SPOT) == 0


def test_nothing_is_told_of_jobs_while_the_engine_does_not_answer_nor_of_nodes_without_ec2(told):
    told.tick(snapshot([job()], [node()]))
    assert (told("engine_answers"), told("ec2_answers")) == (1, 1)
    told.tick(snapshot(nodes=[node()], engine_problem="It is silent."))
    assert (told("engine_answers"), told("ec2_answers"), told.all("jobs_waiting")) == (0, 1, {})
    assert told.all("nodes_current")
    told.tick(None, decided_s=None)
    assert (told("engine_answers"), told("ec2_answers"), told.all("nodes_current")) == (0, 0, {})


def test_more_shapes_than_are_told_are_one(told):
    kinds = [job(cores=1 + number / 1000) for number in range(definitions.MOST_SHAPES + 50)]
    told.tick(snapshot([*kinds, *kinds[:200], job(cores=9000, node="i-1")], [node("i-1")]))
    numbers = told.all("jobs_waiting")
    assert len(numbers) == definitions.MOST_SHAPES + 1
    assert sum(numbers.values()) == len(kinds) + 200
    assert numbers["other", "other", "other", "other"] == 50
    assert told.all("jobs_running") == {("other", "other", "other", MEMORY, "other"): 1}


def test_cost_never_goes_backwards(told):
    told.tick(None, usd=2.5, usd_per_hour=1.5)
    assert (told("cost_usd_total"), told("cost_usd_per_hour")) == (2.5, 1.5)
    told.tick(None, usd=0.5, usd_per_hour=0.0)
    assert (told("cost_usd_total"), told("cost_usd_per_hour")) == (2.5, 0)
    told.tick(None, usd=2.75)
    assert told("cost_usd_total") == 2.75


def test_times_of_decisions_and_ticks_are_told(told):
    told.tick(snapshot(), decided_s=0.02, seconds=3.0)
    told.tick(None, decided_s=None, seconds=1.0, after_s=60)
    assert (told("decision_duration_seconds_count"), told("decision_duration_seconds_sum")) == (1, 0.02)
    assert (told("tick_duration_seconds_count"), told("tick_duration_seconds_sum")) == (2, 4)
    assert told("last_tick_timestamp_seconds") == NOW.timestamp() + 60


def test_wait_is_from_when_a_job_waits_to_when_it_runs(told):
    first, second, third = job(since=ago(100)), job(), job(since=ago(7))
    told.tick(snapshot([first, second, third]))
    begun = [replace(first, node="i-1", since=ago(-20)), replace(second, node="i-1", since=None)]
    told.tick(snapshot([*begun, third], [node()]), after_s=30)
    assert told("job_wait_seconds_count") == 2
    assert told("job_wait_seconds_sum") == 120 + 30
    assert told("job_wait_seconds_bucket", le="30.0") == 1
    told.tick(snapshot([*begun, replace(third, node="i-1", since=ago(-60))], [node()]), after_s=60)
    assert told("job_wait_seconds_sum") == 120 + 30 + 67


def test_job_that_was_never_seen_waiting_or_runs_on_two_nodes_counts_at_most_once(told):
    wide = job(since=ago(10))
    told.tick(snapshot([wide, job(node="i-1")], [node()]))
    told.tick(snapshot([replace(wide, node="i-1", since=NOW), replace(wide, node="i-2", since=NOW)], [node()]))
    assert (told("job_wait_seconds_count"), told("job_wait_seconds_sum")) == (1, 10)


def test_waits_outlast_a_silent_engine_and_nothing_is_kept_of_jobs_that_are_gone(told):
    waiting = job(since=ago(10))
    told.tick(snapshot([waiting, *jobs(99)]))
    told.tick(snapshot(engine_problem="It is silent."))
    told.tick(snapshot([replace(waiting, node="i-1", since=NOW), job()], [node()]))
    assert told("job_wait_seconds_sum") == 10
    assert len(told.metrics._waits._since) == 1


def test_failures_are_counted_by_codes_and_never_by_messages(told):
    at = reporting.moment(NOW)
    results = (
        ResultReport(at, "launch", False, "no m5 in us-west-2a", codes=("InsufficientInstanceCapacity", "Odd {code}!")),
        ResultReport(at, "launch", False, "1 of 1 nodes could not be launched."),
        ResultReport(at, "undrain", False, "i-1: no"),
        ResultReport(at, "scale-in", True, "1 terminated"),
    )
    old = ResultReport(reporting.moment(ago(60)), "tick", False, "before")
    told.tick(None, results=results, errors=(replace(old, at=at), old, results[0]))
    assert told.all("failures_total") == {
        ("launch", "InsufficientInstanceCapacity"): 1, ("launch", "other"): 1, ("launch", "playbook"): 1,
        ("undrain", "engine"): 1, ("tick", "error"): 1,
    }  # fmt: skip


def test_codes_are_no_more_than_a_server_can_bear(told):
    codes = tuple(f"Code{number}" for number in range(500))
    told.tick(None, results=(ResultReport(reporting.moment(NOW), "launch", False, "", codes=codes),))
    numbers = told.all("failures_total")
    assert len(numbers) == definitions.MOST_CODES + 1
    assert sum(numbers.values()) == 500


def test_launches_and_terminations_count_nodes(told):
    begun = (
        ActionReport("launch", "demand", SPOT, 3), ActionReport("launch", "minimum", SPOT, 1),
        ActionReport("scale-in", "idle", instance_ids=("i-1", "i-2")),
        ActionReport("replace", "lost", instance_ids=("i-3",)),
        ActionReport("undrain", "needed", instance_ids=("i-4",)),
    )  # fmt: skip
    told.tick(snapshot(), actions=())
    assert told("node_launches_total", node_type=SPOT) == 0
    assert told("node_terminations_total", reason="idle") == 0
    told.tick(snapshot(), actions=begun)
    assert told("node_launches_total", node_type=SPOT) == 4
    assert told("node_terminations_total", reason="idle") == 2
    assert told("node_terminations_total", reason="lost") == 1
    assert sum(told.all("node_terminations_total").values()) == 3


def test_counter_of_each_reason_begins_at_0_so_that_its_first_step_is_seen(told):
    assert {reason for (reason,) in told.all("node_terminations_total")} == {*EndReason}
    assert {*told.all("node_terminations_total").values()} == {0}


def test_interruptions_are_counted_by_where_and_how(told):
    kinds = ("terminate", "terminate", "rebalance", "something new")
    found = tuple(InterruptionReport("i-1", "c5.large:0.05", "c5.large", "us-west-2a", kind, "") for kind in kinds)
    report = TickReport(reporting.moment(NOW), 1, "1.0", "my", False, nodes_known=False, interruptions=found)
    told.metrics.observe(report, None, None)
    where = ("c5.large", "us-west-2a")
    found = {(kind, *place): number for (*place, kind), number in _by(told, "instance_type", "zone", "kind")}
    assert found == {("terminate", *where): 2, ("rebalance", *where): 1, ("other", *where): 1}


def _by(told: Told, *names: str) -> Iterator[tuple[Sequence[str], float]]:
    for (name, labels), number in told.samples.items():
        if name == "toilctl_interruptions_total":
            yield [dict(labels)[one] for one in names], number


def test_metrics_are_scraped_over_http(told, port):
    told.tick(snapshot([job()], [node()]))
    assert told.metrics.serve("127.0.0.1", port) == ""
    try:
        assert scraped(port) == told.samples
        told.tick(snapshot([job(), job()], [node()]))
        assert told.metrics.serve("127.0.0.1", port) == ""
        assert scraped(port)["toilctl_jobs_waiting", frozenset(SMALL.items())] == 2
    finally:
        told.metrics.serve("", 0)
    with pytest.raises(URLError):
        scraped(port)


def test_port_in_use_is_told_in_a_line_and_tried_again(told, port):
    with socket.create_server(("127.0.0.1", port)):
        problem = told.metrics.serve("127.0.0.1", port)
        assert str(port) in problem
        assert "in use" in problem
        assert len(problem.splitlines()) == 1
    assert told.metrics.serve("127.0.0.1", port) == ""
    told.metrics.serve("", 0)


def test_idle_connections_keep_nobody_from_scraping(told, port):
    assert told.metrics.serve("127.0.0.1", port) == ""
    threads = threading.active_count()
    try:
        with ExitStack() as idle:
            for _ in range(200):
                idle.enter_context(socket.create_connection(("127.0.0.1", port), 60))
            assert scraped(port)
            assert threading.active_count() <= threads + 1
    finally:
        told.metrics.serve("", 0)


def test_address_that_is_missing_is_told(told, port):
    # RFC 5737 keeps it for documents.
    assert "192.0.2.1" in told.metrics.serve("192.0.2.1", port)


@pytest.fixture
def stage(aws_env: TestCloud, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(aws_env, tmp_path)
    yield stage
    stage.autoscaler.exporter.close()


def test_autoscaler_serves_what_its_ticks_saw(stage, port):
    stage.settings(leader_address="127.0.0.1", metrics_port=port)
    keep_busy(stage, stage.launch(2))
    waiting = replace(JOB, job_id="9", since=stage.now)
    more = (replace(JOB, job_id="8"),) * 6
    stage.jobs += (*more, waiting)
    stage.refusals = (LaunchRefusal("InsufficientInstanceCapacity", "none left", "c5.large", "us-west-2a"),)
    report = stage.tick(10)
    kind = frozenset({("node_type", "c5.large:0.05")})
    first = scraped(port)
    assert first["toilctl_nodes_current", kind] == 2
    assert first["toilctl_node_launches_total", kind] == report.actions[0].count > 0
    assert first["toilctl_decision_duration_seconds_count", frozenset()] == 1
    stage.jobs = (*stage.jobs[:-1], replace(waiting, node=next(iter(stage.running)), since=stage.now))
    stage.tick()
    second = scraped(port)
    refused = frozenset({("action", "launch"), ("reason", "InsufficientInstanceCapacity")})
    assert second["toilctl_failures_total", refused] == 1
    assert second["toilctl_job_wait_seconds_sum", frozenset()] == pytest.approx(10)
    assert second["toilctl_cost_usd_total", frozenset()] == pytest.approx(2 * SPOT_USD * 30 / 3600, rel=0.01)
    assert second["toilctl_tick_duration_seconds_count", frozenset()] == 2


def test_autoscaler_goes_on_without_metrics_and_tries_again(stage, port, capsys):
    stage.settings(leader_address="127.0.0.1", metrics_port=port)
    with socket.create_server(("127.0.0.1", port)):
        assert (stage.tick().problem, stage.tick().problem) == ("", "")
    assert capsys.readouterr().err.count("\n") == 1
    stage.tick()
    assert scraped(port)["toilctl_tick_duration_seconds_count", frozenset()] == 3
    stage.settings(leader_address="127.0.0.1", metrics_port=0)
    stage.tick()
    with pytest.raises(URLError):
        scraped(port)


def test_mistake_in_the_metrics_ends_no_tick(stage, port, capsys, monkeypatch):
    stage.settings(leader_address="127.0.0.1", metrics_port=port)
    monkeypatch.setattr(definitions, "gauges", lambda *_: 1 / 0)
    assert stage.tick().problem == ""
    assert "ZeroDivisionError" in capsys.readouterr().err
    monkeypatch.undo()
    stage.tick()
    assert scraped(port)


def test_decision_that_fails_is_not_measured(stage, port, monkeypatch, capsys):
    stage.settings(leader_address="127.0.0.1", metrics_port=port)
    stage.tick()
    with monkeypatch.context() as broken:
        broken.setattr(Executor, "events", lambda _: 1 / 0)
        stage.tick()
    assert "ZeroDivisionError" in capsys.readouterr().err
    found = scraped(port)
    assert found["toilctl_decision_duration_seconds_count", frozenset()] == 1
    assert found["toilctl_failures_total", frozenset({("action", "tick"), ("reason", "error")})] == 1
    assert found["toilctl_ec2_answers", frozenset()] == 0


def test_autoscaler_without_a_port_imports_no_metrics():
    code = "import sys, toilctl.autoscaler.service.loop; print('prometheus_client' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
