"""What people and programs read of job stores, and which words of a command line are Toil's."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pexpect
import pytest
import typer
from typer.testing import CliRunner

from toilctl.autoscaler.model.plan import Infeasible
from toilctl.cli.base import command, render, toil_words
from toilctl.cli.commands import job_stores
from toilctl.values.errors import NotFoundError, UsageError
from toilctl.values.jobs import Shape
from toilctl.verbs.job_stores import toil
from toilctl.verbs.job_stores.toil import ToilOutput

STORE = "aws:us-west-2:sort"
PROGRAM = """
import typer
from toilctl.cli.base import command
from toilctl.cli.commands import job_stores
app = typer.Typer(cls=command.Root, context_settings={"token_normalize_func": command.kebab})
app.add_typer(job_stores.commands)
app()
"""


def told(**changed: Any) -> dict[str, Any]:
    """Return what is told of a workflow that runs: 12 jobs succeeded, 14 are left."""
    usual = {
        "job_store": STORE, "exists": True, "broken": "", "foreign": False, "state": "running", "stats": True,
        "leader": {"pid": 87, "name": "sort.py", "here": True, "alive": True, "since": "2026-11-26T13:02:00+00:00"},
        "kill_asked": False, "processes": [{"pid": 87, "name": "sort.py"}], "runs": [], "batch_system": "slurm",
        "begun": True, "failed": [], "tried_again": [],
        "jobs": {"succeeded": 12, "issued": 10, "running": 4, "queued": 6, "waiting": 4, "failed": 0, "complete": True},
    }  # fmt: skip
    return {**usual, **changed}


def failed(**changed: Any) -> dict[str, Any]:
    """Return what is told of a workflow with a failed job."""
    child = {"name": "child", "id": "0a1b", "tries_left": 0, "log": f"s3://sort--toil/files-flat/{7}/log"}
    usual = told(
        state="failed", processes=[], failed=[child], leader={**told()["leader"], "name": "", "alive": False},
        jobs={"succeeded": 12, "issued": 0, "running": 0, "queued": 0, "waiting": 3, "failed": 1, "complete": True},
    )  # fmt: skip
    return {**usual, **changed}


def ended(**changed: Any) -> dict[str, Any]:
    """Return what is told of a workflow that ended, with what is else."""
    return failed(failed=[], **changed)


@dataclass
class Answers:
    """A Toil that answers so, and notes what it is asked to do."""

    told: dict[str, Any] = field(default_factory=told)
    cluster_name: str | None = "c"
    place: str = "on the leader of c"
    output: ToilOutput = field(default_factory=lambda: ToilOutput(0, "{}"))
    ran: list[tuple[str, ...]] = field(default_factory=list)
    chosen: tuple[Any, ...] = ()
    never: tuple[Infeasible, ...] = ()

    def ask(self, verb: str, request: Mapping[str, Any], doing: str) -> Any:
        return self.told

    def never_run(self) -> tuple[Infeasible, ...]:
        return self.never

    def run(self, words: Sequence[str]) -> int:
        self.ran.append(tuple(words))
        return self.output.exit_code

    def capture(self, words: Sequence[str]) -> ToilOutput:
        self.ran.append(tuple(words))
        return self.output


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Where Toil is."""
    for name in ("TOILCTL_PROVISIONER", "TOIL_AWS_ZONE"):
        monkeypatch.delenv(name, raising=False)
    there = Answers()

    def choose(*where: Any) -> Answers:
        there.chosen = where
        return there

    monkeypatch.setattr(toil, "choose", choose)
    monkeypatch.setitem(render._state, "output", render.Output.TEXT)
    return there


@pytest.fixture
def app() -> typer.Typer:
    """The commands alone, in a program as toilctl is one."""
    program = typer.Typer(cls=command.Root, context_settings={"token_normalize_func": command.kebab})
    program.add_typer(job_stores.commands)
    return program


def test_running_workflow_reads_at_a_glance(app: typer.Typer, answers: Answers) -> None:
    result = CliRunner().invoke(app, ["status", STORE, "--cluster", "c"])
    assert result.stdout == (
        "aws:us-west-2:sort is running: sort.py (process 87) on the leader of c, since 2026-11-26 13:02 UTC.\n"
        f"  {'█' * 18}{'░' * 22}  12 of 26 jobs so far\n"
        "  12 succeeded, 4 running, 6 queued, 4 waiting\n"
        "\n"
        "stop  toilctl kill aws:us-west-2:sort --cluster c\n"
    )
    assert answers.chosen == ("c", None, None, None)


def test_job_of_a_running_workflow_that_can_never_run_is_told(app: typer.Typer, answers: Answers) -> None:
    answers.never = (Infeasible(Shape(64, 1, 1, False), 1, ("huge",), "cores", "It needs 64 cores."),)
    shown = CliRunner().invoke(app, ["status", STORE, "--cluster", "c"]).stdout
    assert "\n\n1 job can never run here (huge). It needs 64 cores.\nWhy jobs wait: toilctl explain c\n\n" in shown
    answers.told = ended(state="stopped")
    assert "never" not in CliRunner().invoke(app, ["status", STORE, "--cluster", "c"]).stdout.replace("has never", "")


def test_failed_workflow_names_jobs_logs_and_what_to_do(app: typer.Typer, answers: Answers) -> None:
    answers.told = failed()
    assert CliRunner().invoke(app, ["status", STORE]).stdout == (
        "aws:us-west-2:sort has failed: 1 job without a try left.\n"
        f"  {'█' * 30}{'░' * 10}  12 of 16 jobs so far\n"
        "  12 succeeded, 3 waiting, 1 failed\n"
        "\n"
        "Failed jobs\n"
        "  JOB    TRIES LEFT  LOG\n"
        "  child           0  s3://sort--toil/files-flat/7/log\n"
        "\n"
        "log     toilctl status aws:us-west-2:sort --cluster c --print-logs --jobs 0a1b\n"
        "go on   the workflow's command line again, with --restart\n"
        "delete  toilctl clean aws:us-west-2:sort --cluster c\n"
    )


def test_runs_are_stopped_and_restarted_by_their_names(app: typer.Typer, answers: Answers) -> None:
    answers.told = told(runs=[{"name": "sort-2", "state": "running"}])
    assert "stop  toilctl stop c sort-2\n" in CliRunner().invoke(app, ["status", STORE]).stdout
    answers.told = failed(runs=[{"name": "sort-2", "state": "failed"}, {"name": "sort-1", "state": "failed"}])
    assert "go on   toilctl run c --name sort-2 --restart\n" in CliRunner().invoke(app, ["status", STORE]).stdout


@pytest.mark.parametrize(
    ("document", "said", "steps"),
    [
        (ended(state="finished"), "has finished: no job is left.", ["delete"]),
        (ended(state="stopped"), "is stopped: its leader is gone, and jobs are left.", ["go on", "delete"]),
        (ended(state="stopped", begun=False), "has never begun", ["delete"]),
        (ended(state="stopped", processes=[{"pid": 9, "name": "cactus"}]), "is about to begin: cactus", []),
        (ended(state="unknown"), "is running elsewhere, or lost", ["ask", "stop"]),
        (told(kill_asked=True), "UTC, and was asked to end.", ["stop"]),
    ],
)
def test_each_state_has_its_sentence_and_its_steps(
    app: typer.Typer, answers: Answers, document: dict[str, Any], said: str, steps: list[str]
) -> None:
    answers.told = document
    lines = CliRunner().invoke(app, ["status", STORE]).stdout.splitlines()
    assert said in lines[0]
    assert [line.partition("  ")[0] for line in lines if line[:1] not in ("", " ")][1:] == steps


def test_numbers_that_nobody_knows_are_not_shown_as_zero(app: typer.Typer, answers: Answers) -> None:
    jobs = {"succeeded": None, "issued": 0, "running": 0, "queued": 0, "waiting": 3, "failed": 1, "complete": False}
    answers.told = failed(jobs=jobs)
    assert CliRunner().invoke(app, ["status", STORE]).stdout.splitlines()[1] == (
        "  4 jobs left, 1 failed (there was no time to look at all)"
    )
    answers.told = told(jobs={**told()["jobs"], "running": None, "queued": None})
    assert "12 succeeded, 10 running or queued, 4 waiting" in CliRunner().invoke(app, ["status", STORE]).stdout


def test_job_that_s3_refused_names_the_flag_that_lets_it_write(app: typer.Typer, answers: Answers) -> None:
    (job,) = failed()["failed"]
    answers.told = failed(failed=[{**job, "s3_refused": "results/sorted/out.txt"}, {**job, "s3_refused": "results/b"}])
    said = " ".join(CliRunner().invoke(app, ["status", STORE]).stdout.split())
    assert "S3 refused to let a job write to results/sorted/out.txt" in said
    assert "the command that launched the cluster once more, with --s3-write results" in said
    answers.told = failed()
    assert "S3 refused" not in CliRunner().invoke(app, ["status", STORE]).stdout


def test_many_failed_jobs_are_cut_short(app: typer.Typer, answers: Answers) -> None:
    (job,) = failed()["failed"]
    answers.told = failed(failed=[job] * 14)
    shown = CliRunner().invoke(app, ["status", STORE]).stdout
    assert (shown.count("s3://"), "  … and 4 more\n" in shown) == (10, True)


def test_programs_read_the_same_and_more(app: typer.Typer, answers: Answers) -> None:
    answers.told = failed()
    document = json.loads(CliRunner().invoke(app, ["status", STORE, "--output", "json"]).stdout)
    data = document["data"]
    assert (document["kind"], data["cluster"], data["status"]["state"]) == ("status", "c", "failed")
    assert data["status"]["jobs"]["succeeded"] == 12
    assert data["status"]["failed"][0]["log"] == "s3://sort--toil/files-flat/7/log"


@pytest.mark.parametrize(
    "words",
    [
        ("status", STORE, "--perJob", "--jobs", "a", "b"),
        ("status", STORE, "--per-job", "-z", "us-west-2a", "--jobs", "a", "b"),
        ("status", "-z", "us-west-2a", "--per-job", STORE, "--jobs", "a", "b"),
    ],
)
def test_toils_options_are_toils_in_either_spelling_and_anywhere(
    app: typer.Typer, answers: Answers, words: tuple[str, ...]
) -> None:
    answers.output = ToilOutput(1, "")
    assert CliRunner().invoke(app, list(words)).exit_code == 1
    assert answers.ran == [("status", STORE, "--perJob", "--jobs", "a", "b")]


def test_log_level_is_toils_too(app: typer.Typer, answers: Answers) -> None:
    CliRunner().invoke(app, ["stats", "--logLevel", "ERROR", STORE, "--sortCategory=memory"])
    assert answers.ran == [("stats", STORE, "--sortCategory=memory", "--logLevel", "ERROR")]


def test_what_toil_writes_is_in_the_envelope(app: typer.Typer, answers: Answers) -> None:
    answers.output = ToilOutput(1, "digraph {}\n")
    result = CliRunner().invoke(app, ["status", "--output", "json", STORE, "--print-dot"])
    document = json.loads(result.stdout)
    assert (result.exit_code, document["kind"], document["data"]) == (
        1, "toil-status",
        {"job_store": STORE, "command": ["status", "--printDot"], "exit_code": 1, "text": "digraph {}\n"},
    )  # fmt: skip


def test_statistics_are_toils_own_as_data(app: typer.Typer, answers: Answers) -> None:
    answers.output = ToilOutput(0, '{"jobs": {"total_number": 8.0}}')
    result = CliRunner().invoke(app, ["stats", STORE, "--output", "json"])
    assert answers.ran == [("stats", STORE, "--raw")]
    assert json.loads(result.stdout)["data"]["statistics"] == {"jobs": {"total_number": 8.0}}


def test_statistics_that_there_are_none_of_are_an_error(app: typer.Typer, answers: Answers) -> None:
    answers.told = told(stats=False)
    result = CliRunner().invoke(app, ["stats", STORE])
    assert (result.exit_code, answers.ran) == (NotFoundError.exit_code, [])
    assert "--stats" in result.stderr


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (told(), "sort.py (process 87) was told to end; aws:us-west-2:sort goes on with --restart.\n"),
        (failed(), "No workflow works on aws:us-west-2:sort: there is nothing to kill.\n"),
        (
            failed(state="unknown", leader={**told()["leader"], "name": "", "alive": None}),
            "A workflow on aws:us-west-2:sort was asked to end: it runs elsewhere, if at all, and reads that in its "
            "job store within seconds.\n",
        ),
    ],
)
def test_kill_says_in_a_line_what_happened(
    app: typer.Typer, answers: Answers, document: dict[str, Any], said: str
) -> None:
    answers.told = document
    result = CliRunner().invoke(app, ["kill", "--force", STORE])
    assert (result.exit_code, result.stdout) == (0, said)


def test_exit_code_of_a_toil_that_fails_is_passed_on(app: typer.Typer, answers: Answers) -> None:
    answers.output = ToilOutput(1, "")
    answers.told = told()
    assert CliRunner().invoke(app, ["kill", STORE]).exit_code == 1
    answers.told = failed()
    result = CliRunner().invoke(app, ["clean", STORE, "--yes"])
    assert (result.exit_code, result.stdout) == (1, "")


def test_clean_without_a_terminal_wants_yes(app: typer.Typer, answers: Answers) -> None:
    answers.told = failed()
    result = CliRunner().invoke(app, ["clean", STORE], input="y\n")
    assert (result.exit_code, answers.ran) == (UsageError.exit_code, [])
    assert "--yes" in result.stderr
    result = CliRunner().invoke(app, ["clean", "-y", STORE])
    assert (result.exit_code, result.stdout) == (0, "Deleted the job store aws:us-west-2:sort.\n")
    assert answers.ran == [("clean", STORE, "--logWarning")]


def test_nothing_to_clean_is_success(app: typer.Typer, answers: Answers) -> None:
    answers.told = told(exists=False, state=None, leader=None, processes=[])
    result = CliRunner().invoke(app, ["clean", STORE])
    assert (result.exit_code, "nothing to delete" in result.stdout, answers.ran) == (0, True, [])


@pytest.mark.parametrize(("answer", "code", "there"), [("n", 130, True), ("y", 0, False)])
def test_clean_asks_on_a_terminal(tmp_path: Path, answer: str, code: int, there: bool) -> None:
    store = tmp_path / "store"
    (store / "shared").mkdir(parents=True)
    environment = {**os.environ, "TOILCTL_PROVISIONER": "aws", "COLUMNS": "500"}
    asked = pexpect.spawn(
        sys.executable, ["-c", PROGRAM, "clean", f"file:{store}"], env=environment, encoding="utf-8", timeout=180,
        dimensions=(24, 500),
    )  # fmt: skip
    asked.expect_exact(f"file:{store} is the directory {store} on this machine. It cannot be read")
    asked.expect_exact("Delete it? [y/N]: ")
    asked.sendline(answer)
    asked.expect(pexpect.EOF)
    asked.close()
    assert (asked.exitstatus, store.exists()) == (code, there)


@pytest.mark.parametrize("words", [[], ["--perJob"], ["--logLevel", "INFO"]])
def test_job_store_must_be_named(words: list[str]) -> None:
    with pytest.raises(UsageError, match="Which job store"):
        toil_words.split(words)


def test_value_of_an_option_is_not_taken_for_the_job_store() -> None:
    store, rest = toil_words.split(["--log-file", "log", "--outputFile=x", "file:/data/store", "--human"])
    assert (str(store), rest) == ("file:/data/store", ("--logFile", "log", "--outputFile=x", "--human"))


def test_rehearsal_cloud_is_where_a_toil_here_looks(
    app: typer.Typer, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = SimpleNamespace(
        env={"AWS_ENDPOINT_URL": "http://172.30.255.254:1"}, endpoint="http://172.30.255.254:1", registry="r",
        appliance_image="a", engines=("slurm",),
    )  # fmt: skip
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "before")
    monkeypatch.setattr("toilctl.local.state.load", lambda: cloud)
    CliRunner().invoke(app, ["status", STORE, "--provisioner", "local"])
    assert toil._environment()["AWS_ENDPOINT_URL"] == "http://172.30.255.254:1"
    assert "AWS_PROFILE" not in toil._environment()
