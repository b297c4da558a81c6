"""timeline, of a cluster that runs, of one that is gone, and of files."""

from __future__ import annotations

import gzip
import shlex
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from tests.unit.autoscaler.journals import line, waiting
from tests.unit.cli.stand_in import LAUNCH, Playbooks
from toilctl.values import tags
from toilctl.values.errors import ConnectError

SPOT = "c4.8xlarge:0.6"
LINES = [
    line(0, waiting_jobs=12, waiting=[waiting(12)],
         actions=[{"action": "launch", "reason": "demand", "node_type": SPOT, "count": 2}]),
    line(1800, running_jobs=12, node_counts={SPOT: 2, "r3.8xlarge": 1}, usd_per_hour=3.86,
         results=[{"at": "", "action": "launch", "ok": False, "message": "InsufficientInstanceCapacity"}]),
    line(5400, node_counts={"r3.8xlarge": 1}, usd=3.86, usd_per_hour=2.66,
         actions=[{"action": "scale-in", "reason": "idle", "instance_ids": ["i-1", "i-2"]}]),
    line(7200, usd=5.19),
]  # fmt: skip


class Leader:
    """Answers ssh."""

    def __init__(self) -> None:
        self.lines = LINES
        self.silent = False
        self.asked: list[list[str]] = []

    def __call__(self, _target: object, command: str, *_: object, **__: object) -> str:
        self.asked.append(shlex.split(command))
        if self.silent:
            raise ConnectError("Leader i-1 does not answer.", "Is it up?")
        text = "".join(f"{one}\n" for one in self.lines)
        return b64encode(gzip.compress(text.encode())).decode() if text else ""


@pytest.fixture
def leader(playbooks: Playbooks, monkeypatch: pytest.MonkeyPatch) -> Leader:
    answers = Leader()
    monkeypatch.setattr("toilctl.system.ssh.capture", answers)
    return answers


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    path = tmp_path / "journal.jsonl"
    path.write_text("".join(f"{one}\n" for one in LINES))
    return path


def words(text: str) -> list[str]:
    return [" ".join(one.split()) for one in text.splitlines()]


def test_running_clusters_past_is_told(toilctl: Any, leader: Leader, autoscaled: Playbooks) -> None:
    shown = toilctl("timeline", "c")
    assert shown.exit_code == 0, shown.stderr
    lines = words(shown.stdout)
    assert lines[0] == "c in us-west-2, 2026-11-21 12:00:00 to 14:00:00 UTC (2:00:00)"
    assert lines[1:5] == [
        "cost $5.19 for workers", "workers 3.50 node hours, at most 3 at once",
        "jobs ran 12.00 job hours, at most 12 at once", "jobs waited 6.00 job hours, at most 12 at once",
    ]  # fmt: skip
    assert "c4.8xlarge:0.6 2 2.00 2" in lines
    assert "r3.8xlarge 1 1.50 0" in lines
    assert "The autoscaler told to go: 2 (idle for long enough)" in lines
    assert "1 2.0 GiB 512 MiB yes sort 12 6.00 ≤ 0:30:00 workers are coming" in lines
    assert "12:30:00 launch failed - InsufficientInstanceCapacity" in lines


def test_chart_shows_when_who_waited_and_what_ran(toilctl: Any, leader: Leader, autoscaled: Playbooks) -> None:
    lines = toilctl("timeline", "c").stdout.splitlines()
    assert f"  jobs waiting   ▕{'█' * 15}{' ' * 45}▏ 12" in lines
    assert f"  jobs running   ▕{' ' * 15}{'█' * 30}{' ' * 15}▏ 12" in lines
    assert f"  {SPOT} ▕{' ' * 15}{'█' * 30}{' ' * 15}▏ 2" in lines
    assert f"  r3.8xlarge     ▕{' ' * 15}{'█' * 45}▏ 1" in lines
    assert f"                  12:00{' ' * 50}14:00" in lines


def test_leader_that_has_gone_silent_or_stopped_writing_is_called_out(
    toilctl: Any, leader: Leader, autoscaled: Playbooks
) -> None:
    shown = toilctl("timeline", "c").stdout
    assert "there should be one every 30 s" in shown
    assert "toilctl ssh-cluster --host c systemctl status toilctl-autoscaler" in shown
    leader.silent = True
    assert toilctl("timeline", "c").exit_code == 13


def test_programs_get_the_same_facts(toilctl: Any, leader: Leader, autoscaled: Playbooks) -> None:
    data = toilctl.json("timeline", "c")["data"]
    of = data["timeline"]
    assert (data["cluster"], data["region"], data["source"]) == ("c", "us-west-2", "the leader of c")
    assert (of["usd"], of["node_hours"], of["begin"]) == (5.19, 3.5, "2026-11-21T12:00:00.000+00:00")
    assert [(one["node_type"], one["asked_for"]) for one in of["node_types"]] == [("r3.8xlarge", 0), (SPOT, 2)]
    assert of["told_to_go"] == {"idle": 2}
    assert [(one["what"], one["most"], len(one["values"])) for one in data["chart"]] == [
        ("waiting", 12, 60), ("running", 12, 60), (SPOT, 2, 60), ("r3.8xlarge", 1, 60),
    ]  # fmt: skip


def test_part_of_the_time(toilctl: Any, leader: Leader, autoscaled: Playbooks) -> None:
    of = toilctl.json("timeline", "c", "--since", "90m", "--until", "2026-11-21 13:30")["data"]["timeline"]
    assert (of["begin"][11:16], of["end"][11:16]) == ("12:30", "13:30")
    assert (of["usd"], of["waiting_job_hours"]) == (3.86, 0)
    shown = toilctl("timeline", "c", "--since", "30m").stdout
    assert "$1.33 for workers, $5.19 with what was before" in " ".join(shown.split())


def test_picture_is_drawn(toilctl: Any, leader: Leader, autoscaled: Playbooks, tmp_path: Path) -> None:
    shown = toilctl("timeline", "c", "--plot", str(tmp_path / "past"))
    assert f"Drawn: {tmp_path / 'past.svg'}, {tmp_path / 'past.png'}" in shown.stdout
    svg = (tmp_path / "past.svg").read_text()
    assert "c in us-west-2, 2026-11-21 12:00 to 14:00 UTC" in svg
    for said in (f"{SPOT} (spot)", "launch failed", "$5.19", "13:00", "time (UTC)"):
        assert said in svg, said


def test_plot_that_cannot_be_written_is_refused_before_anybody_is_asked(
    toilctl: Any, leader: Leader, autoscaled: Playbooks
) -> None:
    result = toilctl("timeline", "c", "--plot", "past.pdf")
    assert (result.exit_code, leader.asked) == (2, [])


def test_journal_outlives_its_cluster(toilctl: Any, leader: Leader, autoscaled: Playbooks, home: Path) -> None:
    before = toilctl.json("timeline", "c")["data"]
    first, second = toilctl("destroy-cluster", "c").stdout.splitlines()
    path = home / "state/toilctl/journals/us-west-2/c/0123abcd.jsonl.gz"
    assert first == "c in us-west-2 is destroyed; nothing of it is left."
    assert second == f"Its journal is kept in {path}: 'toilctl timeline c' draws it."
    leader.silent = True
    after = toilctl.json("timeline", "c")["data"]
    assert (after["timeline"], after["chart"]) == (before["timeline"], before["chart"])
    assert (after["region"], after["source"]) == ("us-west-2", str(path))
    assert after["notes"] == [f"c is gone; its journal was kept in {path}."]
    assert toilctl("timeline", "c", "-z", "us-east-1a").exit_code == 4


def test_journal_outlives_its_cloud(
    toilctl: Any, leader: Leader, autoscaled: Playbooks, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = toilctl.json("timeline", "c")["data"]
    assert toilctl("destroy-cluster", "c").exit_code == 0
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    down = toilctl.json("timeline", "c", "--provisioner", "local")["data"]
    assert (down["timeline"], down["region"]) == (before["timeline"], "us-west-2")
    path = home / "state/toilctl/journals/us-west-2/c/0123abcd.jsonl.gz"
    no_cloud = "Whether c runs is not known: No rehearsal cloud is running."
    assert down["notes"] == [f"{no_cloud} Its journal was kept in {path}."]
    for more in ("--journal", str(path)), ("-z", "us-west-2a"):
        assert toilctl("timeline", "c", "--provisioner", "local", *more).exit_code == 0
    assert toilctl("timeline", "x", "--provisioner", "local").exit_code == 9


def test_journal_is_read_where_aws_cannot_be_reached(
    toilctl: Any, leader: Leader, autoscaled: Playbooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert toilctl("destroy-cluster", "c").exit_code == 0
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    (note,) = toilctl.json("timeline", "c")["data"]["notes"]
    assert note.startswith("Whether c runs is not known: AWS cannot be reached: ")
    assert toilctl("timeline", "x").exit_code == 9


def test_cluster_of_the_same_name_that_runs_again_is_meant(toilctl: Any, leader: Leader, autoscaled: Playbooks) -> None:
    assert toilctl("destroy-cluster", "c").exit_code == 0
    assert toilctl(*LAUNCH).exit_code == 0
    assert toilctl.json("timeline", "c")["data"]["source"] == "the leader of c"


def test_cluster_that_never_was_says_where_else_to_look(toilctl: Any, playbooks: Playbooks) -> None:
    result = toilctl("timeline", "x")
    assert result.exit_code == 4
    assert (
        "There is no cluster 'x' in us-west-2, and no journal of an earlier one is kept on this machine."
        in result.stderr
    )
    assert "--journal FILE reads one from elsewhere." in result.stderr


def test_cluster_without_autoscaler_is_not_even_asked(toilctl: Any, leader: Leader, playbooks: Playbooks) -> None:
    assert toilctl(*LAUNCH).exit_code == 0
    playbooks.tag("c", {tags.ENGINE: "slurm"})
    result = toilctl("timeline", "c")
    assert (result.exit_code, leader.asked) == (4, [])
    assert "Cluster 'c' has no autoscaler, and so no journal." in result.stderr


def test_autoscaler_that_has_not_told_anything_yet(toilctl: Any, leader: Leader, autoscaled: Playbooks) -> None:
    leader.lines = []
    result = toilctl("timeline", "c")
    assert (result.exit_code, "has not told anything yet" in result.stderr) == (4, True)


def test_copied_files_are_read_without_asking_anybody(
    toilctl: Any, tmp_path: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toilctl.system.inventory.find", None)
    (tmp_path / "older.gz").write_bytes(gzip.compress(line(-60, usd=0.0).encode()))
    data = toilctl.json("timeline", "c", "--journal", str(copy), "--journal", str(tmp_path / "older.gz"))["data"]
    assert (data["timeline"]["begin"], data["region"]) == ("2026-11-21T11:59:00.000+00:00", "")
    assert toilctl("timeline", "c", "--journal", str(copy)).stdout.startswith("c, 2026-11-21 12:00:00 to 14:00:00")


def test_lines_that_are_not_counted_are_said(toilctl: Any, tmp_path: Path, copy: Path) -> None:
    more = [line(7230)[:50], line(7230)[:50], "{}", line(7230, cluster="d"), line(7230, tick=1)]
    copy.write_text(copy.read_text() + "\n".join(more))
    assert toilctl.json("timeline", "c", "--journal", str(copy))["data"]["notes"] == [
        "2 lines are damaged and not counted.",
        "1 line is not as this toilctl knows them and not counted.",
        "1 line is another cluster's and not counted.",
        "The journal began anew 1 time; what it counted before is added.",
    ]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--since", "yesterday"), "'yesterday' is no time. Write one such as '2026-11-21 12:00', in UTC"),
        (("--until", "2h", "--since", "1h"), "The journal has nothing from 2026-11-21 13:00:00 UTC on until"),
        (("--since", "2030-01-01"), "It goes from 2026-11-21 12:00:00 UTC to 2026-11-21 14:00:00 UTC."),
        (("--journal", "nix.jsonl"), "nix.jsonl cannot be read: no such file or directory."),
    ],
)
def test_bad_input_is_one_sentence(toilctl: Any, copy: Path, options: tuple[str, ...], told: str) -> None:
    result = toilctl("timeline", "c", "--journal", str(copy), *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in " ".join(result.stderr.split())


def test_files_of_another_cluster_or_of_none_are_refused(toilctl: Any, copy: Path, tmp_path: Path) -> None:
    result = toilctl("timeline", "d", "--journal", str(copy))
    assert (result.exit_code, "tells of c, not of d." in result.stderr) == (2, True)
    (tmp_path / "text").write_text("Hello\n")
    result = toilctl("timeline", "c", "--journal", str(tmp_path / "text"))
    assert (result.exit_code, "There is no line of an autoscaler's journal in" in result.stderr) == (2, True)


def test_help_shows_the_defaults(toilctl: Any) -> None:
    shown = " ".join(toilctl("timeline", "--help").stdout.replace("│", " ").split())
    for said in ("[default: (the journal's first line)]", "[default: (the journal's last line)]", "[default: (none)]"):
        assert said in shown
