"""What is refused before anything begins, with a sentence that says why and one that says what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.nodes.leader.here import Here, RefusedHere, eventually
from toilctl.local.process.testing import TestCloud, cloud

NAME = f"sort-{uuid.uuid4().hex[:12]}"
STORE = f"aws:us-west-2:{NAME}"
"""Other tests' workflows may run on this machine meanwhile, and are found by the names of their job stores."""
HOLDS_A_STORE = "import sys, time\ntime.sleep(600)\n"


def refused(here: Here, *argv: str, **request: Any) -> tuple[str, str]:
    """Return code and sentences of a refused start, after which there is no more than before."""
    before = sorted(path.name for path in (here.workflows / "runs").glob("[a-z]*"))
    with pytest.raises(RefusedHere) as caught:
        here.start(*argv, **request)
    assert sorted(path.name for path in (here.workflows / "runs").glob("[a-z]*")) == before
    return caught.value.code, str(caught.value)


def made(directory: Path) -> Path:
    """Make a directory that is a job store, as far as one sees."""
    (directory / "shared").mkdir(parents=True)
    (directory / "shared/config.pickle").touch()
    return directory


def test_no_command(here: Here) -> None:
    code, said = refused(here)
    assert (code, "toilctl run my -- COMMAND" in said) == ("usage", True)


@pytest.mark.parametrize("name", ["", "A", "-a", ".a", "a/b", "a b", "é", "a" * 64, "../x"])
def test_name_that_is_none(here: Here, name: str) -> None:
    assert refused(here, "true", name=name)[0] == "usage"


def test_name_that_is_taken(here: Here) -> None:
    here.start("true", name="a" * 63)
    here.ended("a" * 63)
    code, said = refused(here, "true", name="a" * 63)
    assert code == "conflict"
    assert f"toilctl run my --name {'a' * 63} --restart; or choose another --name" in said


def test_name_that_terminals_do_not_tell_from_another(here: Here) -> None:
    here.start("true", name="a.b")
    here.ended("a.b")
    code, said = refused(here, "true", name="a_b")
    assert (code, "'a.b'" in said, "another --name" in said) == ("conflict", True, True)


def test_run_that_goes_on_is_not_restarted_nor_replaced(here: Here) -> None:
    here.start("sleep", "600", name="long")
    for more in ({"restart": True}, {"replace": True}):
        code, said = refused(here, "true", name="long", **more)
        assert (code, "goes on" in said, "toilctl stop my long" in said) == ("conflict", True, True)
    assert here.show("long")["state"] == "running"


@pytest.mark.parametrize("argv", [(), ("true",)])
def test_restart_of_a_run_that_is_unknown(here: Here, argv: tuple[str, ...]) -> None:
    here.start("true", name="known")
    here.ended("known")
    code, said = refused(here, *argv, name="unknown", restart=True)
    assert (code, "'unknown'" in said, "There are: known." in said) == ("not-found", True, True)


@pytest.mark.parametrize("verb", ["runs.show", "runs.stop"])
@pytest.mark.parametrize("name", ["unknown", "../known", None])
def test_unknown_run_is_neither_shown_nor_stopped(here: Here, verb: str, name: str | None) -> None:
    with pytest.raises(RefusedHere, match="toilctl run my -- COMMAND") as caught:
        here.ask(verb, name=name)
    assert caught.value.code == "not-found"


def test_restart_where_there_was_no_run(here: Here) -> None:
    assert refused(here, restart=True)[0] == "not-found"


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("nonsense",), "toilctl deploy my PATH"),
        (("env", "A=1", "nonsense"), "'nonsense'"),
        (("./nonsense",), "'./nonsense'"),
        (("sort.py",), "write: python sort.py"),
        (("run.sh",), "Write: bash run.sh"),
        (("./run.sh",), "is not executable"),
    ],
)
def test_program_that_is_not_there(here: Here, argv: tuple[str, ...], says: str) -> None:
    here.script("sort.py", "")
    here.script("run.sh", "")
    code, said = refused(here, *argv)
    assert (code, says in said) == ("not-found", True), said


@pytest.mark.parametrize(
    "argv",
    [
        ("python", "sort.py"), ("python3", "-u", "-W", "ignore", "sort.py", "count.py"),
        ("env", "A=1", "python", "sort.py"), ("python", "/none/sort.py"),
    ],
)  # fmt: skip
def test_script_that_is_not_there_and_what_is(here: Here, argv: tuple[str, ...]) -> None:
    here.script("count.py", "")
    here.script("notes.txt", "")
    code, said = refused(here, *argv)
    assert (code, "There are count.py." in said, "toilctl deploy my PATH" in said) == ("not-found", True, True), said


@pytest.mark.parametrize(
    "argv",
    [("python", "-c", "pass"), ("python", "-m", "json.tool", "-h"), ("python", "-uc", "pass"), ("bash", "-ec", "true"),
     ("python", "-V"), ("env", "-i", "true")],
)  # fmt: skip
def test_interpreter_without_a_script_is_run(here: Here, argv: tuple[str, ...]) -> None:
    assert here.ended(here.start(*argv)["name"])["exit_code"] == 0


def test_restart_in_a_directory_that_is_gone(here: Here) -> None:
    source = here.workflows / "deployed/tally/source"
    source.mkdir(parents=True)
    facts = {"name": "tally", "deployed_at": "2026-11-26T12:00:00+00:00"}
    (source.parent / "deployment.json").write_text(json.dumps(facts))
    here.start("false", name="tally", deployment="tally")
    here.ended("tally")
    source.rmdir()
    code, said = refused(here, name="tally", restart=True)
    assert (code, f"There is no directory {source} on the leader." in said) == ("not-found", True)


def test_deployment_that_is_not_there(here: Here) -> None:
    code, said = refused(here, "true", deployment="sort")
    assert (code, "There is none yet: toilctl deploy my PATH" in said) == ("not-found", True)
    for name in ("tally", "half"):
        (here.workflows / "deployed" / name).mkdir(parents=True)
    facts = {"name": "tally", "deployed_at": "2026-11-26T12:00:00+00:00"}
    (here.workflows / "deployed/tally/deployment.json").write_text(json.dumps(facts))
    code, said = refused(here, "true", deployment="half")
    assert (code, "There are: tally." in said) == ("not-found", True)


def test_job_store_in_a_directory_that_workers_cannot_see(here: Here) -> None:
    for store in ("file:store", "./store", f"file:{here.home}/store"):
        code, said = refused(here, "true", job_store=store, workers_possible=True)
        assert code == "usage"
        assert "--shared" in said
        assert "--batchSystem single_machine" in said
    run = here.start("true", job_store="file:store", workers_possible=True, shared=[str(here.home)])
    assert run["job_store"] == [f"file:{here.home}/store"]
    assert here.start("true", job_store="file:other", workers_possible=False)
    # As the container of a cluster with a shared file system has it.
    here.environment["TOILCTL_SHARED"] = str(here.home / "shared")
    assert here.start("true", job_store="file:shared/store", workers_possible=True)
    said = refused(here, "true", job_store="file:third", workers_possible=True)[1]
    assert f"or below {here.home}/shared" in said


@pytest.mark.parametrize("store", ["file:store", "./store"])
def test_job_store_that_exists_is_begun_only_by_a_restart(here: Here, store: str) -> None:
    made(here.home / "store")
    code, said = refused(here, "true", job_store=store)
    assert code == "conflict"
    assert f"Job store {store} exists already." in said
    assert "--restart" in said
    assert f"toilctl clean --cluster my {store}" in said
    run = here.start("true", job_store=store, restart=True)
    assert here.ended(run["name"])["state"] == "succeeded"


def test_job_store_that_does_not_exist_is_not_gone_on_with(here: Here) -> None:
    code, said = refused(here, "true", job_store="file:store", restart=True)
    assert (code, "Leave --restart out" in said) == ("not-found", True)
    here.start("true", name="good", job_store="file:store")
    here.ended("good")
    code, said = refused(here, "true", "--restart", name="good", job_store="file:store", restart=True)
    assert (code, "Run 'good' succeeded" in said) == ("not-found", True)


def test_directory_that_is_no_job_store_is_not_gone_on_with(here: Here) -> None:
    (here.home / "store").mkdir()
    code, said = refused(here, "true", job_store="file:store", restart=True)
    assert (code, "it has no configuration" in said) == ("conflict", True)


@pytest.mark.parametrize("restart", [False, True])
def test_job_store_of_another_run_that_goes_on(here: Here, restart: bool) -> None:
    here.start("sleep", "600", name="first", job_store="file:store")
    made(here.home / "store")
    code, said = refused(here, "true", job_store=f"file:{here.home}/./store", restart=restart)
    assert code == "conflict"
    assert ("Run 'first' goes on still" if restart else "Run 'first' uses") in said
    assert "toilctl attach my first" in said
    assert "toilctl stop my first" in said
    here.ask("runs.stop", name="first")
    assert "exists already" in refused(here, "true", job_store="file:store")[1]


def test_job_store_that_only_the_workflow_itself_told_of(here: Here) -> None:
    here.start("sleep", "600", name="first")
    told = {"pid": 1, "job_store": f"file:{here.home}/store", "batch_system": "slurm", "bus": None, "at": 1.0}
    (here.directory("first") / "workflows.jsonl").write_text(json.dumps(told) + "\n")
    assert "Run 'first' uses" in refused(here, "true", job_store="file:store")[1]
    assert here.show("first")["job_store"] == [told["job_store"]]


def test_job_store_of_a_program_that_was_started_by_hand(here: Here) -> None:
    made(here.home / "store")
    script = here.script("by_hand.py", HOLDS_A_STORE)
    words = [sys.executable, str(script), "file:store", "--restart"]
    by_hand = subprocess.Popen(words, cwd=here.home, env=here.environment)
    eventually(lambda: "by_hand.py" in Path(f"/proc/{by_hand.pid}/cmdline").read_text(), "the program")
    code, said = refused(here, "true", job_store="file:store", restart=True)
    by_hand.kill()
    by_hand.wait()
    assert code == "conflict"
    assert f"by_hand.py (process {by_hand.pid} on the leader) uses" in said
    assert here.start("true", job_store="file:store", restart=True)


@pytest.fixture(scope="module")
def aws() -> Iterator[TestCloud]:
    with cloud() as one:
        yield one


@pytest.fixture
def on_aws(here: Here, aws: TestCloud) -> Here:
    here.environment |= aws.env
    return here


def bucket(aws: TestCloud, name: str, region: str) -> None:
    settings = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    aws.client("s3", region).create_bucket(Bucket=name, **settings)


def test_job_store_in_a_bucket_of_another_region(on_aws: Here, aws: TestCloud) -> None:
    bucket(aws, f"far-{NAME}--toil", "eu-west-1")
    for restart in (False, True):
        code, said = refused(on_aws, "true", job_store=f"aws:us-west-2:far-{NAME}", restart=restart)
        assert code == "conflict"
        assert "is in eu-west-1" in said
        assert f"aws:eu-west-1:far-{NAME}" in said


def test_job_store_in_a_bucket_that_exists_or_not(on_aws: Here, aws: TestCloud) -> None:
    bucket(aws, f"{NAME}--toil", "us-west-2")
    code, said = refused(on_aws, "true", job_store=STORE)
    assert (code, f"Job store {STORE} exists already." in said) == ("conflict", True)
    code, said = refused(on_aws, "true", job_store=STORE, restart=True)
    assert (code, "it has no configuration" in said) == ("conflict", True)
    code, said = refused(on_aws, "true", job_store="aws:us-west-2:none", restart=True)
    assert (code, "There is no job store aws:us-west-2:none" in said) == ("not-found", True)
    assert on_aws.start("true", job_store="aws:us-west-2:none")["job_store"] == ["aws:us-west-2:none"]


def test_job_store_that_toil_does_not_take_or_cannot_look_for(on_aws: Here) -> None:
    assert refused(on_aws, "true", job_store="aws:nowhere-1:sort")[0] == "usage"
    on_aws.environment |= {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    code, said = refused(on_aws, "true", job_store=STORE)
    assert (code, "credentials" in said) == ("credentials", True)


def test_toil_that_hangs_is_not_waited_for(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    from toilctl_leader.refused import RefusedError
    from toilctl_leader.runs import job_store_checks

    slow = here.script("slow", "#!/bin/sh\nexec sleep 600\n")
    slow.chmod(0o755)
    monkeypatch.setattr(job_store_checks, "PATIENCE_S", 0.2)
    with pytest.raises(RefusedError, match=f"cannot tell whether the job store {STORE} exists") as caught:
        job_store_checks.check_there(job_store_checks.Wanted(STORE, here.home, False), [str(slow)], os.environ)
    assert "toilctl ssh-cluster" in caught.value.next_step


def test_python_without_toil_leaves_it_to_the_one_that_has_it(on_aws: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    from toilctl_leader.runs import job_store_checks

    # In isolated mode, without what is installed, an interpreter has the standard library only.
    bare = on_aws.script("bare", f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    wanted = job_store_checks.Wanted("aws:us-west-2:none-either", on_aws.home, False)
    job_store_checks.check_there(wanted, [str(bare)], on_aws.environment)
