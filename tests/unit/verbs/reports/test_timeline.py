"""Journals on a leader, kept on this machine, and read from files."""

from __future__ import annotations

import gzip
import os
import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.autoscaler.journals import line
from toilctl.values import tags
from toilctl.values.cluster import Cluster, Node, Role
from toilctl.values.errors import ConnectError, UsageError
from toilctl.values.node_types import NodeType
from toilctl.verbs.reports import kept_journals

LEADER = Node(
    "i-1", Role.LEADER, NodeType(("t2.medium",)), "t2.medium", "running", "us-west-2a", "172.31.0.5", None, False, ""
)
CLUSTER = Cluster("c", "us-west-2", "0123abcd", "sg-1", {tags.ENGINE: "mesos"}, (LEADER,))


@pytest.fixture
def leader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that stands for the leader's; what would run there as root runs here."""
    directory = tmp_path / "leader"
    directory.mkdir()

    def here(_target: object, command: str, _timeout_s: float) -> str:
        words = command.removeprefix("sudo -n ")
        return subprocess.run(["bash", "-c", words], capture_output=True, text=True, check=True).stdout

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("toilctl.system.ssh.capture", here)
    monkeypatch.setattr("toilctl.verbs.connect.ssh_cluster.session_key", lambda *_: None)
    monkeypatch.setattr(kept_journals, "JOURNAL", directory / "journal.jsonl")
    return directory


def fails(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def failing(*_: Any) -> None:
        raise error

    monkeypatch.setattr("toilctl.system.ssh.capture", failing)


def test_journal_comes_with_its_rotated_files_oldest_first(leader: Path) -> None:
    for number, suffix in enumerate(("", ".1", ".2", ".3", ".4")):
        (leader / f"journal.jsonl{suffix}").write_text(f"{9 - number}a\n{9 - number}b\n")
    (leader / "last.json").write_text("{}")
    found = list(kept_journals.lines(kept_journals.fetch(CLUSTER, None)))
    assert found == ["5a", "5b", "6a", "6b", "7a", "7b", "8a", "8b", "9a", "9b"]


def test_journal_of_more_lines_than_any_leader_has_is_its_fault(leader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (leader / "journal.jsonl").write_text("\n" * 11)
    monkeypatch.setattr(kept_journals, "MOST_LINES", 10)
    with pytest.raises(ConnectError, match="cannot be read: it has more than 10 lines"):
        list(kept_journals.lines(kept_journals.fetch(CLUSTER, None)))


def test_large_journal_travels_packed(leader: Path) -> None:
    text = "".join(f"{line(at)}\n" for at in range(3000))
    (leader / "journal.jsonl").write_text(text)
    packed = kept_journals.fetch(CLUSTER, None)
    assert gzip.decompress(packed).decode() == text
    assert len(packed) < len(text) / 10


@pytest.mark.parametrize("empty", [True, False])
def test_leader_without_a_line_has_no_journal_and_none_is_kept(leader: Path, empty: bool) -> None:
    if empty:
        (leader / "journal.jsonl").touch()
    assert kept_journals.fetch(CLUSTER, None) == b""
    assert kept_journals.keep(CLUSTER, None) is None
    assert kept_journals.kept("c", None) is None


def test_journal_is_kept_for_its_owner_alone_and_found_again(leader: Path, tmp_path: Path) -> None:
    (leader / "journal.jsonl").write_text(line(0) + "\n")
    path = kept_journals.keep(CLUSTER, None)
    assert path == tmp_path / "state/toilctl/journals/us-west-2/c/0123abcd.jsonl.gz"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    assert list(kept_journals.read([path])) == [line(0)]
    assert kept_journals.kept("c", "us-west-2") == kept_journals.KeptJournal(path, "us-west-2")
    assert (kept_journals.kept("c", "us-east-1"), kept_journals.kept("d", None)) == (None, None)


def test_second_attempt_to_destroy_replaces_what_the_first_one_kept(leader: Path) -> None:
    for count in (1, 2):
        (leader / "journal.jsonl").write_text("".join(f"{line(at)}\n" for at in range(count)))
        path = kept_journals.keep(CLUSTER, None)
    assert path is not None
    assert len(list(kept_journals.read([path]))) == 2
    assert len(list(path.parent.iterdir())) == 1


def test_newest_of_several_of_one_name_is_found(leader: Path) -> None:
    (leader / "journal.jsonl").write_text(line(0) + "\n")
    generations = [("us-west-2", "a"), ("us-east-1", "c"), ("us-west-2", "b")]
    for age_s, (region, generation) in enumerate(generations):
        path = kept_journals.keep(replace(CLUSTER, region=region, generation=generation), None)
        assert path
        os.utime(path, (1e9 - age_s, 1e9 - age_s))
    found = kept_journals.kept("c", None)
    assert found
    assert (found.path.name, found.others) == ("a.jsonl.gz", 2)
    elsewhere = kept_journals.kept("c", "us-east-1")
    assert elsewhere
    assert (elsewhere.path.name, elsewhere.region, elsewhere.others) == ("c.jsonl.gz", "us-east-1", 0)


def test_oldest_go_when_there_are_too_many_of_whatever_name(leader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_journals, "MOST_KEPT", 3)
    (leader / "journal.jsonl").write_text(line(0) + "\n")
    for number in range(5):
        path = kept_journals.keep(replace(CLUSTER, name=f"c{number}"), None)
        assert path
        os.utime(path, (1e9 + number, 1e9 + number))
    assert [kept_journals.kept(f"c{number}", None) is None for number in range(5)] == [True, True, False, False, False]


@pytest.mark.parametrize("generation", ["", "../../other"])
def test_cluster_without_a_sound_generation_is_kept_by_the_time(leader: Path, generation: str) -> None:
    (leader / "journal.jsonl").write_text(line(0) + "\n")
    path = kept_journals.keep(replace(CLUSTER, generation=generation), None)
    assert path
    assert path.parent.name == "c"
    assert path.name[8] == "T"


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ConnectError("Nothing answers."), "Nothing answers."),
        (subprocess.TimeoutExpired("ssh", 20), "no answer in 20 s."),
        (subprocess.CalledProcessError(1, "sudo", "", "sudo: no\n"), "sudo: no."),
        (RuntimeError("the sky is falling"), "the sky is falling."),
    ],
)
def test_whatever_keeps_a_journal_from_being_kept_is_a_note(
    leader: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, why: str
) -> None:
    fails(monkeypatch, error)
    assert kept_journals.keep(CLUSTER, None) is None
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith("The autoscaler's journal is not kept. ")
    assert told.endswith(why)


def test_state_directory_that_cannot_be_written_is_a_note(
    leader: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (leader / "journal.jsonl").write_text(line(0) + "\n")
    (tmp_path / "state").write_text("a file")
    assert kept_journals.keep(CLUSTER, None) is None
    assert "The autoscaler's journal is not kept." in capsys.readouterr().err


@pytest.mark.parametrize(
    "cluster",
    [
        replace(CLUSTER, nodes=()),
        replace(CLUSTER, nodes=(replace(LEADER, state="shutting-down"),)),
        replace(CLUSTER, settings={tags.ENGINE: "slurm"}),
    ],
    ids=["no leader", "a leader that goes", "no autoscaler"],
)
def test_where_there_is_no_journal_nobody_is_asked_and_nothing_said(
    leader: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cluster: Cluster
) -> None:
    fails(monkeypatch, AssertionError("asked"))
    assert kept_journals.keep(cluster, None) is None
    assert capsys.readouterr().err == ""


def test_leader_that_is_stopped_is_not_waited_for(
    leader: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fails(monkeypatch, AssertionError("asked"))
    assert kept_journals.keep(replace(CLUSTER, nodes=(replace(LEADER, state="stopped"),)), None) is None
    assert "Leader i-1 of cluster 'c' is stopped." in capsys.readouterr().err


def test_leader_is_given_twenty_seconds_at_most(leader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []
    monkeypatch.setattr("toilctl.system.ssh.capture", lambda *asked: given.append(asked[2]) or "")
    kept_journals.keep(CLUSTER, None)
    assert given == [20.0]


PACK: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda text: text,
    "packed": gzip.compress,
    "packed in parts": lambda text: gzip.compress(text[:700]) + gzip.compress(text[700:]),
}


@pytest.mark.parametrize("form", PACK)
def test_files_are_read_packed_or_not(tmp_path: Path, form: str) -> None:
    lines = [line(at) for at in range(3)]
    path = tmp_path / "copy"
    path.write_bytes(PACK[form]("".join(f"{one}\n" for one in lines).encode()))
    assert list(kept_journals.read([path])) == lines


def test_packed_file_that_is_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    lines = [line(at) for at in range(2000)]
    packed = gzip.compress("\n".join(lines).encode())
    path = tmp_path / "copy.gz"
    path.write_bytes(packed[: len(packed) // 2])
    found = list(kept_journals.read([path]))
    assert 100 < len(found) < 2000
    assert found[:-1] == lines[: len(found) - 1]


def test_directory_stands_for_all_journals_in_it(tmp_path: Path) -> None:
    for number, name in enumerate(("journal.jsonl", "journal.jsonl.1", "kept.jsonl.gz")):
        (tmp_path / name).write_text(f"{number}\n")
    (tmp_path / "last.json").write_text("{}\n")
    assert sorted(kept_journals.read([tmp_path])) == ["0", "1", "2"]


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.jsonl cannot be read: no such file or directory"):
        list(kept_journals.read([tmp_path / "gone.jsonl"]))
