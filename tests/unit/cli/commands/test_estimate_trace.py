"""estimate trace, as it is typed and read: recordings against an account's instance types."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.unit.nodes.plugin.workflows import Running
from toilctl.local.process.testing import TestCloud
from toilctl.system.instance_table import shipped

MIB = 2**20
TYPES = ("--node-types", "c4.8xlarge:0.6,r3.8xlarge", "--max-nodes", "20,2", "-z", "us-west-2a")


class Recording:
    """A trace that a test writes, line by line; times are seconds since its beginning."""

    def __init__(self, path: Path, begin: float = 1_795_226_732.9) -> None:
        self.path, self.begin = path, begin
        self.line({"toilctl": 1, "workflow": "6f1c", "started": begin, "name": "sort.py", "generation": 1})

    def line(self, value: Any) -> None:
        with self.path.open("a") as out:
            out.write((value if isinstance(value, str) else json.dumps(value)) + "\n")

    def queued(self, key: str, at: float = 0, cores: float = 1, preemptible: int = 0, memory: int = 1024 * MIB) -> None:
        self.line(["q", key, "sort", cores, memory, 1024 * MIB, preemptible, 0, self.begin + at, "store"])

    def job(self, key: str, at: float = 0, run_s: float = 600, **needed: Any) -> None:
        """Let a job arrive, start a second later, and end."""
        self.queued(key, at, **needed)
        self.line(["r", key, "172.31.0.5", self.begin + at + 1])
        self.line(["e", key, 0, run_s + 0.5, self.begin + at + 1 + run_s])


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return Recording(tmp_path / "trace-87.jsonl")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the plugin records of a real workflow."""
    directory = tmp_path_factory.mktemp("recorded")
    (directory / "demand").mkdir()
    (directory / "run").mkdir()
    running = Running(directory / "one", directory / "demand", TOILCTL_RUN=str(directory / "run"))
    try:
        running.finish()
    finally:
        running.kill()
    (path,) = (directory / "run").glob("trace-*.jsonl")
    return path


def test_real_recording_runs_on_the_nodes_that_it_needs(toilctl: Any, account: TestCloud, recorded: Path) -> None:
    data = toilctl.json("estimate", "trace", str(recorded), *TYPES)["data"]
    ended = [json.loads(line) for line in recorded.read_text().splitlines()[1:]]
    assert data["jobs"] == len([one for one in ended if one[0] == "e"])
    assert data["jobs"] > 6
    assert (data["infeasible"], data["unfinished"], data["killed"], data["damaged_lines"]) == ([], 0, 0, 0)
    # No job is there when it boots, so the first one waits for a node as long as that takes.
    assert data["waits"]["longest_s"] >= 240
    assert data["makespan_s"] > 240
    assert {one["node_type"]: one["most_at_once"] for one in data["nodes"]}["r3.8xlarge"] == 1
    assert data["workers_usd"] == pytest.approx(sum(one["usd"] for one in data["nodes"]), abs=1e-3)


def test_text_has_time_nodes_cost_waiting_and_what_to_type(
    toilctl: Any, account: TestCloud, recording: Recording
) -> None:
    recording.job("1", cores=36, preemptible=1, run_s=3600)
    recording.job("2", cores=2, memory=200 * 1024 * MIB, run_s=1800)
    recording.job("3", cores=64)
    recording.queued("4")
    answer = toilctl("estimate", "trace", str(recording.path), *TYPES)
    assert answer.exit_code == 0, answer.stderr
    # Both nodes are launched at once. Job 2 ends at 2040 s, and its node goes at the first tick 300 s later.
    assert answer.stdout == (
        "2 jobs would be done in 1:04:00; the recorded run took 1:00:01.\n"
        "\n"
        "  NODE TYPE       MARKET     MAX  AT ONCE  LAUNCHED  NODE HOURS  IDLE HOURS   USD\n"
        "  c4.8xlarge:0.6  spot        20        1         1        1.07        0.00  0.65\n"
        "  r3.8xlarge      on demand    2        1         1        0.65        0.08  1.74\n"
        "\n"
        "Cost, in us-west-2: workers at most $2.39, the leader (t2.medium) about $0.06 "
        f"(instances, root volumes and public addresses; prices of {shipped().prices_as_of}).\n"
        "Spot never costs more than its bid. Traffic and S3 come on top.\n"
        f"Prices and sizes of instance types are from {shipped().text}.\n"
        "\n"
        "Jobs wait 0:04:00 (median), 95 % at most 0:04:00, the longest 0:04:00.\n"
        "Never run: 1 job (sort) of 64 cores, 1.0 GiB of memory, 1.0 GiB of disk. It needs 64 cores and an on-demand "
        "node: c4.8xlarge:0.6 is spot and has 36 cores; r3.8xlarge has 32 cores; add an on-demand node type that has "
        "at least 64 cores and 2 GiB of memory with --node-types ….\n"
        "Left out: 1 unfinished job.\n"
        "\n"
        "Jobs arrive when they did in the recording; on more or faster workers, later ones would arrive earlier.\n"
        "\n"
        "Launch:\n"
        "  toilctl launch-cluster -z us-west-2a NAME --key-pair-name KEY --leader-node-type t2.medium \\\n"
        "      --node-types c4.8xlarge:0.6,r3.8xlarge --max-nodes 20,2\n"
    )


def test_launch_line_is_a_launch_with_the_same_scaling(toilctl: Any, account: TestCloud, recording: Recording) -> None:
    recording.job("1")
    asked = (*TYPES, "--min-nodes", "0,1", "--target-time", "600", "--idle-timeout", "90.5", "--default-preemptible",
             "--node-storage", "80")  # fmt: skip
    said = toilctl.json("estimate", "trace", str(recording.path), *asked)["data"]
    words = shlex.split(said["launch_command"].replace(" NAME ", " big ").replace(" KEY ", " k "))
    answer = toilctl.json(*words[1:], "--dry-run")
    assert "data" in answer, answer
    plan = answer["data"]
    assert plan["scaling"]["limits"] == ["c4.8xlarge:0.6=0..20", "r3.8xlarge=1..2"]
    assert "target_time_s=600 " in str(plan["scaling"]["tuning"])
    assert "idle_timeout_s=90.5" in str(plan["scaling"]["tuning"])
    assert (plan["default_preemptible"], str(plan["node_storage_gb"])) == (True, "80")


def test_default_preemptible_lets_all_jobs_run_on_spot(toilctl: Any, account: TestCloud, recording: Recording) -> None:
    recording.job("1", cores=1)
    spot = ("--node-types", "c4.8xlarge:0.6", "--max-nodes", "2", "-z", "us-west-2a")
    refused = toilctl("estimate", "trace", str(recording.path), *spot).stdout
    assert refused.startswith("None of the recorded jobs can run on these node types.")
    assert "It needs an on-demand node: c4.8xlarge:0.6 is spot; add c4.8xlarge, on demand, with --node" in refused
    data = toilctl.json("estimate", "trace", str(recording.path), *spot, "--default-preemptible")["data"]
    assert (data["jobs"], data["infeasible"], len(data["notes"])) == (1, [], 2)


def test_two_recordings_are_one_run(toilctl: Any, account: TestCloud, recording: Recording, tmp_path: Path) -> None:
    recording.job("1", run_s=60)
    second = Recording(tmp_path / "trace-88.jsonl", recording.begin + 1000)
    second.job("1", run_s=60)
    data = toilctl.json("estimate", "trace", str(second.path), str(recording.path), *TYPES)["data"]
    # Another file's job of the same id is another, and comes 1000 s later: the first one's node has gone by then.
    assert (data["jobs"], data["recorded_s"], data["nodes"][1]["launched"]) == (2, 1061, 2)


def test_boot_time_is_how_long_the_first_job_waits(toilctl: Any, account: TestCloud, recording: Recording) -> None:
    recording.job("1")
    data = toilctl.json("estimate", "trace", str(recording.path), *TYPES, "--boot-time", "77")["data"]
    assert data["waits"] == {"median_s": 77, "most_s": 77, "longest_s": 77}


def test_damaged_lines_and_killed_jobs_are_counted(toilctl: Any, account: TestCloud, recording: Recording) -> None:
    recording.job("1")
    recording.queued("2")
    recording.line(["e", "2", 137, None, recording.begin + 9])
    for bad in ('["q", "3", "so', "[]", "{}", '["q", "4", "sort", NaN, 1, 1, 0, 0, 1, ""]', '["e", "1"]'):
        recording.line(bad)
    shown = toilctl("estimate", "trace", str(recording.path), *TYPES).stdout
    assert shown.startswith("1 job would be done")
    assert "Left out: 1 killed job, 5 damaged lines." in shown


def test_price_that_is_not_known_is_reckoned_and_said(toilctl: Any, account: TestCloud, recording: Recording) -> None:
    recording.job("1")
    words = ("--node-types", "c8a.large", "--max-nodes", "1", "-z", "eu-north-1a")
    shown = toilctl("estimate", "trace", str(recording.path), *words).stdout
    assert "the leader (t2.medium) not known here" in shown
    assert "No price is known here for c8a.large: it is reckoned from the size." in shown


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--max-nodes", "2"), "There are limits and no node types."),
        (("--node-types", "m5.large"), "How many nodes of m5.large there may be was not said."),
        (("--node-types", "m5.large", "--max-nodes", "0"), "All of --max-nodes are 0"),
        (("--node-types", "m5.large", "--max-nodes", "1", "--min-nodes", "2"), "The minimum of m5.large is 2, above"),
        (("--node-types", "m5.large", "--max-nodes", "1,2"), "--max-nodes has 2 numbers."),
        (("--node-types", "m5.lrge", "--max-nodes", "1"), "EC2 has no instance type 'm5.lrge' in us-west-2."),
        (("--node-types", "m5.large", "--max-nodes", "1", "--boot-time", "soon"), "'soon' is not a time to boot."),
        (("--node-types", "m5.large", "--max-nodes", "1", "--boot-time", "901"), "none would ever run a job."),
        (("--node-types", "m5.large", "--max-nodes", "1", "--node-storage", "1,2"), "--node-storage has 2 sizes."),
    ],
)  # fmt: skip
def test_impossible_wish_is_one_sentence_and_the_next_step(
    toilctl: Any, account: TestCloud, recording: Recording, words: tuple[str, ...], says: str
) -> None:
    recording.job("1")
    answer = toilctl("estimate", "trace", str(recording.path), *words, "-z", "us-west-2a")
    assert answer.exit_code == 2
    error, next_step = answer.stderr.splitlines()
    assert says in error
    assert next_step


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read: no such file or directory."),
        (b"", "is no trace of a run's jobs."),
        (b"\x7fELF\x02\x00\xff", "is no trace of a run's jobs."),
        (b'["q", 1]\n', "is no trace of a run's jobs."),
        (b'{"toilctl": 2, "started": 1, "generation": 1}\n', "is no trace of a run's jobs."),
        (b'{"toilctl": 1, "started": 1, "generation": 4}\n', "is no trace of a run's jobs."),
    ],
)
def test_file_that_is_no_trace_is_refused_with_where_traces_are(
    toilctl: Any, tmp_path: Path, content: bytes | None, says: str
) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    answer = toilctl("estimate", "trace", str(path), *TYPES)
    assert answer.exit_code == 2
    error, next_step = answer.stderr.splitlines()
    assert says in error
    assert "/var/lib/toilctl/workflows/runs/RUN/trace-*.jsonl" in next_step


def test_recording_without_an_ended_job_has_nothing_to_replay(toilctl: Any, recording: Recording) -> None:
    recording.queued("1")
    answer = toilctl("estimate", "trace", str(recording.path), *TYPES)
    assert (answer.exit_code, "has ended, so there is nothing to replay" in answer.stderr) == (2, True)


def test_instance_type_that_only_ec2_knows_needs_credentials(toilctl: Any, recording: Recording) -> None:
    recording.job("1")
    words = ("--node-types", "c8a.large", "--max-nodes", "1", "-z", "us-west-2a")
    answer = toilctl("estimate", "trace", str(recording.path), *words)
    assert (answer.exit_code, "AWS_ACCESS_KEY_ID" in answer.stderr) == (2, True)
