"""Whatever an engine answers, or workflows publish: values within bounds, or the one error, and never anything else."""

from __future__ import annotations

import fcntl
import json
import math
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.checkout import ROOT
from tests.examples import examples
from tests.unit.autoscaler.builders import NOW, policy, snapshot
from tests.unit.mutations import ODD, damaged_json, damaged_text, dumped
from tests.unit.slurm_answers import END, PART, answering
from toilctl.autoscaler.decide.decide import decide
from toilctl.engines import mesos_demand, slurm_jobs
from toilctl.engines.client import EngineNode
from toilctl.engines.mesos import Mesos
from toilctl.engines.published import Published
from toilctl.engines.slurm import Slurm
from toilctl.values.errors import EngineError
from toilctl.values.jobs import Demand

DATA = ROOT / "tests/data"
QUEUE = (DATA / "slurm/demand.txt").read_text()
NODES = (DATA / "slurm/nodes-many.txt").read_text()
AGENTS, TASKS = (json.loads((DATA / f"mesos/running-{what}.json").read_text()) for what in ("slaves", "tasks"))
BEFORE = "JobId=1 UserId=a(0) GroupId=b(0) Name="
DONE = "\x1e200\x1e"
LATEST = datetime(2107, 1, 1, tzinfo=UTC)
LINES = [
    ["q", "1", "sort", 1, 2**20, 2**20, 1, 0, 1000.0, "kind-sort/instance-1"], ["r", "1", "172.31.0.5", 1000.0],
    ["q", "2", "sort", 0.5, 2**20, 2**20, 0, 1, 1000.0, "kind-sort/instance-2"], ["t", "sort", 7.5],
    ["q", "3", "merge", 1, 2**20, 2**20, 1, 0, 1000.0, "kind-merge/instance-3"], ["e", "3", 0, 7.5, 1000.0],
]  # fmt: skip
HEADER = {"toilctl": 1, "framework": "f", "name": "sort.py", "limits": ["c3.large=0..2"], "tuning": "", "storage": ""}


def check(demand: Demand) -> None:
    """See that nothing of a demand is beyond its bounds, and that the autoscaler can decide on it."""
    for job in demand.jobs:
        shape = job.shape
        assert all(math.isfinite(one) and one >= 0 for one in (shape.cores, shape.memory_mib, shape.disk_mib))
        assert job.since is None or job.since < LATEST
        job.name.encode()
        job.job_id.encode()
        assert job.node is None or isinstance(job.node, str)
    assert all(0 <= seconds < 1e10 for seconds in demand.run_times_s.values())
    decide(snapshot(demand.jobs[:50], run_times_s=demand.run_times_s), policy(), NOW)


def check_nodes(nodes: tuple[EngineNode, ...]) -> None:
    for node in nodes:
        assert node.idle_since is None or node.idle_since < LATEST
        assert math.isfinite(float(node.resources.cores))


@settings(deadline=None, max_examples=examples(150))
@given(damaged_text(QUEUE))
@example(QUEUE.replace("toil_job_", f"\x1f{END}"))
def test_damaged_queue_of_slurm(answer):
    with suppress(EngineError):
        check(Slurm(answering(answer)).demand())


@settings(deadline=None, max_examples=examples(150))
@given(damaged_text(NODES))
@example(NODES.replace("Reason=", "Reason=\u2028\n\x85 State=x "))
def test_damaged_nodes_of_slurm(answer):
    with suppress(EngineError):
        check_nodes(Slurm(answering(answer)).nodes())


@settings(deadline=None, max_examples=examples(150))
@given(damaged_json(AGENTS), damaged_json(TASKS), st.sampled_from(["", DONE, "\x1e", "²"]))
@example(AGENTS, {"tasks": [one | {"name": None} for one in TASKS["tasks"]]}, "")
@example(AGENTS, {"tasks": [one | {"slave_id": True} for one in TASKS["tasks"]]}, "")
def test_damaged_values_of_mesos(agents, tasks, more):
    mesos = Mesos(lambda words: f"\x1e{dumped(agents)}{DONE}{dumped(tasks)}{DONE}{more}", "10.0.0.1")
    with suppress(EngineError):
        check_nodes(mesos.nodes())
        check(mesos_demand.demand([], mesos.tasks(), {}))  # type: ignore[arg-type] - one of no jobs


@settings(deadline=None, max_examples=examples(100))
@given(damaged_text(f"\x1e{json.dumps(AGENTS)}{DONE}{json.dumps(TASKS)}{DONE}"))
def test_damaged_text_of_mesos(answer):
    with suppress(EngineError):
        check_nodes(Mesos(lambda words: answer, "10.0.0.1").nodes())


WHOLE = [HEADER, *LINES]
damaged_lines = damaged_json(WHOLE).map(lambda found: [dumped(one) for one in found] if isinstance(found, list) else [])
damaged_pieces = damaged_text("\n".join(map(json.dumps, WHOLE))).map(lambda text: text.split("\n"))


@settings(deadline=None, max_examples=examples(150))
@given(damaged_lines | damaged_pieces)
def test_damaged_publication_costs_no_other_workflow(lines):
    good = "\n".join(map(json.dumps, WHOLE))
    with TemporaryDirectory() as there:
        opened = []
        for name, text in (("a", "\n".join(lines)), ("b", good)):
            path = Path(there, f"{name}.jsonl")
            path.write_bytes(f"{text}\n".encode("utf-8", "surrogatepass"))
            opened.append(path.open("rb"))
            fcntl.flock(opened[-1], fcntl.LOCK_EX)
        try:
            published = Published(Path(there))
            workflows = published.workflows()
            assert list(workflows[-1].jobs) == ["1", "2"]
            for line in published.problems():
                line.encode("ascii", "strict")
            check(mesos_demand.demand(workflows, (), published.run_times_s()))
        finally:
            for one in opened:
                one.close()


@settings(deadline=None, max_examples=examples(100))
@given(st.lists(st.sampled_from([BEFORE, " JobState=COMPLETED ", "x" * 50, "\n", "=", *map(str, ODD[-4:])])))
def test_damaged_history_of_slurm(pieces):
    for name, seconds in slurm_jobs.runs("".join(pieces)):
        assert (isinstance(name, str), seconds >= 0) == (True, True)


def test_history_that_begins_many_jobs_and_ends_none_is_read_at_once():
    assert list(slurm_jobs.runs(BEFORE * 100_000)) == []


def test_reason_of_many_words_is_read_at_once():
    text = NODES.partition(PART)[0].rstrip() + " Reason=" + "a" * 200_000 + " " * 200_000 + "b " * 100_000
    assert Slurm(answering(f"{text}\n{PART}")).nodes()
