"""What becomes of job stores: through Toil on this machine, and through what ssh would be told on a leader."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import ROOT
from tests.unit.nodes.leader.ended_stores import Ended, ended
from tests.unit.nodes.plugin.workflows import Running, wait_for
from toilctl.system import ssh
from toilctl.values.cluster import Cluster, Node, Role
from toilctl.values.errors import ConflictError, ConnectError, HostError, NotFoundError, ToilctlError, UsageError
from toilctl.values.node_types import NodeType
from toilctl.verbs.job_stores import clean, job_stores, toil
from toilctl.verbs.job_stores.toil import OnLeader, ToilHere, ToilOutput
from toilctl.workflows.job_stores import How, JobStoreState
from toilctl.workflows.locator import Locator

LEADER = Node(
    "i-1", Role.LEADER, NodeType(("t2.medium",)), "t2.medium", "running", "us-west-2a", "172.31.0.5", None, False, ""
)
CLUSTER = Cluster("c", "us-west-2", "0123abcd", "sg-1", {}, (LEADER,))
BUCKET = Locator.parse("aws:us-west-2:sort")


def use(*, leader: dict[str, Any] | None = None, begun: bool = True, **changed: Any) -> dict[str, Any]:
    """Return what the leader's program tells of a workflow that has failed; ``leader`` says what is else with it."""
    usual = {
        "job_store": str(BUCKET), "exists": True, "broken": "", "foreign": False, "state": "failed", "stats": True,
        "kill_asked": False, "processes": [], "runs": [],
    }  # fmt: skip
    ended = {"pid": 87, "name": "", "here": True, "alive": False, "since": None, "failed": True}
    return {**usual, **changed, "leader": {**ended, **(leader or {})} if begun else None}


@dataclass
class Answers:
    """A Toil that answers so, and notes what it is asked to do."""

    told: dict[str, Any] = field(default_factory=use)
    place: str = "on this machine"
    cluster_name: str | None = None
    output: ToilOutput = field(default_factory=lambda: ToilOutput(0, "{}"))
    ran: list[tuple[str, ...]] = field(default_factory=list)

    def ask(self, verb: str, request: Mapping[str, Any], doing: str) -> Any:
        return self.told

    def run(self, words: Sequence[str]) -> int:
        self.ran.append(tuple(words))
        return self.output.exit_code

    def capture(self, words: Sequence[str]) -> ToilOutput:
        self.ran.append(tuple(words))
        return self.output


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """What ended workflows have left; nobody changes it."""
    return ended(tmp_path_factory.mktemp("workflows"))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A workflow whose jobs wait for its ``go``."""
    workflow = Running(tmp_path / "w", tmp_path, "--writeMessages", str(tmp_path / "bus"))
    yield workflow
    workflow.kill()


def at(path: Path) -> Locator:
    return Locator.parse(f"file:{path}")


def test_status_here_is_of_the_toil_beside_toilctl(left: Ended) -> None:
    view = job_stores.status(toil.choose(None, None, None, None), at(left.failed))
    assert (view.status.state, view.place, view.cluster) == (JobStoreState.FAILED, "on this machine", None)
    assert [job.name for job in view.status.failed] == ["child"]
    assert (view.status.jobs.succeeded, view.status.jobs.left) == (5, 2)


def test_files_in_the_working_directory_are_not_imported(
    left: Ended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("toil", "json", "toilctl_leader"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    assert job_stores.status(ToilHere(), at(left.finished)).status.state is JobStoreState.FINISHED
    assert job_stores.pass_on(ToilHere(), "status", at(left.finished), ()) == 0


def test_python_path_of_the_user_is_kept(left: Ended, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    assert toil._environment()["PYTHONPATH"].split(os.pathsep)[1:] == ["/nowhere"]


def test_without_toil_here_a_cluster_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toil, "find_spec", lambda _: None)
    with pytest.raises(HostError, match="not installed beside toilctl") as caught:
        toil.choose(None, None, None, None)
    assert "--cluster NAME" in caught.value.next_step
    assert "pip install 'toilctl[toil]'" in caught.value.next_step


def test_program_that_breaks_off_here_says_its_last_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toil.ask_leader, "PROGRAM", ("python3", "-m", "toilctl_nothing"))
    with pytest.raises(ToilctlError, match="No module named toilctl_nothing"):
        ToilHere().ask("stores.users", {}, "Ask")


def test_exit_code_of_toil_is_passed_on(left: Ended, capfd: pytest.CaptureFixture[str]) -> None:
    assert job_stores.pass_on(ToilHere(), "status", at(left.failed), ("--failIfNotComplete", "--printFailed")) == 1
    assert "'child' kind-child" in capfd.readouterr().out


def test_what_toil_writes_can_be_had_as_text(left: Ended, capfd: pytest.CaptureFixture[str]) -> None:
    written = job_stores.written(ToilHere(), "status", at(left.failed), ("--printDot",))
    assert (written.exit_code, written.command) == (0, ("status", "--printDot"))
    assert "digraph toil_graph" in written.text
    assert capfd.readouterr() == ("", "")


def test_messages_of_a_toil_that_fails_are_shown(capfd: pytest.CaptureFixture[str]) -> None:
    answers = Answers(output=ToilOutput(3, "", "Traceback\nKeyError: 'x'"))
    assert job_stores.statistics(answers, BUCKET, ()).exit_code == 3
    assert "KeyError" in capfd.readouterr().err


def test_statistics_are_toils_own_as_data(left: Ended) -> None:
    result = job_stores.statistics(ToilHere(), at(left.finished), ("--categories", "time"))
    assert result.exit_code == 0
    assert result.statistics["jobs"]["total_number"] == 8
    assert result.statistics["batch_system"] == "single_machine"


def test_workflow_without_stats_has_no_statistics(left: Ended) -> None:
    with pytest.raises(NotFoundError, match="without --stats"):
        job_stores.check_statistics(ToilHere(), at(left.failed))
    job_stores.check_statistics(ToilHere(), at(left.finished))


@pytest.mark.parametrize("verb", [job_stores.check_statistics, lambda *where: job_stores.kill(*where, ())])
def test_job_store_that_is_not_there_is_not_found(verb: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no job store"):
        verb(ToilHere(), at(tmp_path / "nope"))


def test_kill_ends_the_leader_that_runs_beside(running: Running, capfd: pytest.CaptureFixture[str]) -> None:
    store = running.directory / "store"
    wait_for((store / "shared/_toil_kill_flag").exists, "the workflow has begun")
    killed = job_stores.kill(ToilHere(), at(store), ())
    assert (killed.how, killed.pid, killed.name, killed.exit_code) == (
        How.SIGNALLED, running.process.pid, "workflow.py", 0,
    )  # fmt: skip
    assert running.process.wait(180) != 0
    # What is to be said of it, toilctl says.
    assert capfd.readouterr() == ("", "")
    assert job_stores.kill(ToilHere(), at(store), ()).how is How.NOBODY


def test_kill_leaves_a_note_for_a_leader_elsewhere(left: Ended, tmp_path: Path) -> None:
    store = left.copy("failed", tmp_path / "store")
    (store / "shared/leader_node_id.log").write_text("another")
    (store / "shared/failed.log").unlink()
    assert job_stores.kill(ToilHere(), at(store), ()).how is How.ASKED
    assert (store / "shared/_toil_kill_flag").read_text() == "YES"


def test_kill_passes_on_force_and_where_to_log() -> None:
    answers = Answers(use(state="running", leader={"alive": True}))
    job_stores.kill(answers, BUCKET, ("--force", "--logDebug"))
    job_stores.kill(answers, BUCKET, ("--force",))
    assert answers.ran == [
        ("kill", str(BUCKET), "--force", "--logDebug"), ("kill", str(BUCKET), "--force", "--logWarning"),
    ]  # fmt: skip


def test_workflow_that_imports_files_cannot_be_killed_so_yet() -> None:
    answers = Answers(use(begun=False, state="stopped", processes=[{"pid": 91, "name": "cactus"}]))
    with pytest.raises(ConflictError, match=r"cactus \(process 91\)") as caught:
        job_stores.kill(answers, BUCKET, ())
    assert "kill 91" in caught.value.next_step
    assert answers.ran == []


def test_clean_deletes_a_job_store_and_says_nothing_of_toils(
    left: Ended, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    store = left.copy("failed", tmp_path / "store")
    deletion = clean.plan(ToilHere(), at(store))
    assert deletion is not None
    assert (deletion.where, deletion.doubt) == (f"the directory {store} on this machine", "")
    assert clean.clean(ToilHere(), deletion, ()).exit_code == 0
    assert not store.exists()
    assert capfd.readouterr() == ("", "")
    assert clean.plan(ToilHere(), at(store)) is None


def test_job_store_that_a_workflow_uses_is_not_deleted(running: Running) -> None:
    store = running.directory / "store"
    wait_for((store / "shared/config.pickle").exists, "the workflow has a job store")
    with pytest.raises(ConflictError, match=rf"in use by workflow.py \(process {running.process.pid}\)") as caught:
        clean.plan(ToilHere(), at(store))
    assert caught.value.next_step == f"End it first: toilctl kill file:{store}"


def test_job_store_that_a_run_uses_is_not_deleted() -> None:
    runs = [{"name": "sort-2", "state": "running"}, {"name": "sort-1", "state": "failed"}]
    answers = Answers(use(runs=runs, processes=[{"pid": 91, "name": "sort.py"}]), cluster_name="c")
    with pytest.raises(ConflictError, match="in use by run 'sort-2'") as caught:
        clean.plan(answers, BUCKET)
    assert caught.value.next_step == "Stop it first: toilctl stop c sort-2"
    assert caught.value.facts["users"] == ("run 'sort-2'",)


def test_directory_with_other_files_is_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ConflictError, match="is no job store"):
        clean.plan(ToilHere(), at(tmp_path))
    assert (tmp_path / "thesis.tex").exists()


def test_unattended_deletion_wants_yes() -> None:
    deletion = clean.plan(Answers(), BUCKET)
    assert deletion is not None
    assert deletion.where == "the bucket sort--toil in us-west-2"
    with pytest.raises(UsageError, match="sort--toil") as caught:
        clean.allow_unasked(deletion, yes=False, force=True)
    assert "--yes" in caught.value.next_step
    clean.allow_unasked(deletion, yes=True, force=False)


@pytest.mark.parametrize(
    ("told", "why", "step"),
    [
        (
            {"state": "unknown", "leader": {"alive": None, "here": False}},
            "does not run on the leader of c",
            "--cluster",
        ),
        ({"state": None, "begun": False, "broken": "it has no configuration"}, "cannot be read", "Add --force"),
    ],
)
def test_doubtful_deletion_wants_force_besides(told: dict[str, Any], why: str, step: str) -> None:
    deletion = clean.plan(Answers(use(**told), place="on the leader of c"), BUCKET)
    assert deletion is not None
    with pytest.raises(ConflictError, match=why) as caught:
        clean.allow_unasked(deletion, yes=True, force=False)
    assert step in caught.value.next_step
    clean.allow_unasked(deletion, yes=True, force=True)


def test_google_is_looked_for_before_toils_own_command() -> None:
    class Lacking(Answers):
        def ask(self, verb: str, request: Mapping[str, Any], doing: str) -> Any:
            raise HostError("The Toil here cannot open google:p:s.", "")

    lacking = Lacking()
    with pytest.raises(HostError):
        job_stores.pass_on(lacking, "status", Locator.parse("google:p:s"), ("--perJob",))
    assert lacking.ran == []
    assert job_stores.pass_on(lacking, "status", BUCKET, ("--perJob",)) == 0


def typed(command: str) -> list[str]:
    """Return the words that a command on the leader's host runs in its container, by whichever program."""
    started, _, rest = command.rpartition("; code=$?")
    assert rest
    words = shlex.split(started)
    return words[4 if words[0] == "/usr/bin/python3" else 6 :]


@pytest.fixture
def leader(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A leader whose container is this machine; the commands that it was given."""
    given: list[str] = []

    def words(command: str) -> list[str]:
        given.append(command)
        return typed(command)

    def capture(_: ssh.SshTarget, command: str, timeout_s: float, text: str = "") -> str:
        argv, program = words(command), ROOT / "roles/appliance/files"
        bin_directory = Path(sys.executable).parent
        done = subprocess.run(
            argv, input=text, capture_output=True, text=True, timeout=180, check=False,
            env={**os.environ, "PYTHONPATH": str(program), "PATH": f"{bin_directory}:{os.environ['PATH']}"},
        )  # fmt: skip
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, argv, done.stdout, done.stderr)
        return done.stdout

    monkeypatch.setattr(ssh, "capture", capture)
    monkeypatch.setattr(ssh, "run", lambda target, command, *, cleaned: words(command) and 7 * cleaned)
    monkeypatch.setattr("toilctl.verbs.connect.ssh_cluster.session_key", lambda *_: None)
    return given


def test_leader_is_asked_for_its_runs_too(leader: list[str], left: Ended, tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []
    there = OnLeader(CLUSTER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toil.ask_leader, "ask", lambda *words, **_: asked.append(words[3]) or use())
        job_stores.look(there, BUCKET)
    assert asked == [{"job_store": str(BUCKET), "existing": False, "runs": True}]
    assert (there.place, there.cluster_name) == ("on the leader of c", "c")


def test_toil_on_the_leader_gets_its_words_exactly(leader: list[str]) -> None:
    code = job_stores.pass_on(OnLeader(CLUSTER), "status", at(Path("/data/a b")), ("--jobs", "kind-x/instance y"))
    assert code == 7
    assert typed(leader[0]) == ["toil", "status", "file:/data/a b", "--jobs", "kind-x/instance y"]


def test_toil_here_shows_what_jobs_wrote_and_lets_it_steer_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[str, bool]] = []
    monkeypatch.setattr(toil.terminal, "run", lambda argv, *, cleaned: ran.append((argv[-1], cleaned)) or 5)
    assert job_stores.pass_on(ToilHere(), "status", BUCKET, ("--printLogs",)) == 5
    assert ran == [("--printLogs", True)]


def test_exit_code_and_messages_of_toil_on_the_leader_are_kept(leader: list[str], tmp_path: Path) -> None:
    output = OnLeader(CLUSTER).capture(("stats", str(tmp_path / "nope")))
    assert (output.exit_code, output.text) == (1, "")
    assert "does not exist" in output.messages


def test_leader_that_cannot_be_reached_is_no_exit_code_of_toil(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object) -> str:
        raise ConnectError("No.", "")

    monkeypatch.setattr(ssh, "capture", silent)
    with pytest.raises(ConnectError):
        OnLeader(CLUSTER).capture(("stats", "x"))


def test_answers_of_a_later_program_are_read_as_far_as_they_are_known(left: Ended) -> None:
    document = ToilHere().ask("stores.status", {"job_store": str(left.failed)}, "Ask")
    document["leader"]["later"] = document["failed"][0]["later"] = document["later"] = 1
    answers = Answers(json.loads(json.dumps(document)))
    assert job_stores.status(answers, at(left.failed)).status.state is JobStoreState.FAILED
