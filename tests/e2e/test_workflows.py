"""Workflows between launch and destroy: deployed, run, watched, stopped, restarted; job stores looked at."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import pexpect
import pytest

from tests.e2e.autoscaled import GROW_S, LONG_S, RUN_S, WORKFLOWS, OnSlurm
from tests.e2e.world import KEY_PAIR, REGION, SOON_S, Finished, World, wait_for

pytestmark = pytest.mark.e2e

CLUSTER, WORKER = "flow", "t2.medium"
LAUNCH = (
    "launch-cluster", CLUSTER, "--leaderNodeType", "t2.medium", "-z", "us-west-2a", "--keyPairName", KEY_PAIR,
    "--engine", "slurm", "--nodeTypes", WORKER, "--minNodes", "1", "--maxNodes", "2", "--scale-interval", "2",
    "--idle-timeout", "20", "--shared", "nfs", "--enable-fuse",
)  # fmt: skip
SSE_KEY = "0123456789abcdef0123456789abcdef"
APPLIANCE_PYTHON = "3.11"
OTHER_REGION = "eu-west-1"
NOT_FOUND, CONFLICT, USAGE = 4, 5, 2


@dataclass
class Flow(OnSlurm):
    """The cluster, and what its users do."""

    def deploy(self, path: str | Path, *options: str) -> Any:
        return self.world.data("deploy", *options, CLUSTER, str(path))

    def run(self, *words: str, options: tuple[str, ...] = (), check: bool = True) -> Finished:
        return self.world.toilctl("run", *options, "--wait", CLUSTER, "--", *words, check=check)

    def runs(self) -> dict[str, dict[str, Any]]:
        return {one["name"]: one for one in self.world.data("runs", CLUSTER)["runs"]}

    def state(self, name: str) -> str:
        found: str = self.runs()[name]["state"]
        return found

    def counting(self) -> list[str]:
        """Return the workers on which a line is being counted."""
        jobs = self.on_leader("squeue", "-h", "-t", "R", "-o", "%j %N").splitlines()
        return [node for name, _, node in (job.partition(" ") for job in jobs) if name.endswith("_counted")]

    def wait_for_empty_queue(self) -> None:
        """Wait until what was cancelled has left the engine, too."""
        wait_for(lambda: not self.on_leader("squeue", "-h", "-o", "%i"), SOON_S, "an empty queue")

    def wrote(self, deployment: str, file: str) -> str:
        return self.on_leader("cat", f"/var/lib/toilctl/workflows/deployed/{deployment}/source/{file}")


@pytest.fixture(scope="module")
def flow(world: World) -> Iterator[Flow]:
    before = world.everything()
    key = world.home / "sse.key"
    key.write_text(SSE_KEY)
    world.toilctl(*LAUNCH, "--sse-key", key)
    yield Flow(world, CLUSTER, before)
    world.toilctl("destroy-cluster", CLUSTER, check=False)


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a leader without a package index needs for CWL, and for a project with a dependency."""
    directory = tmp_path_factory.mktemp("wheelhouse")
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--dest", directory, "--only-binary=:all:",
         "--python-version", APPLIANCE_PYTHON, f"toil[cwl]=={version('toil')}", "tabulate", "setuptools<81"],
        check=True,
    )  # fmt: skip
    return directory


def store() -> str:
    return f"aws:{REGION}:flow-{uuid4().hex[:8]}"


def attach_and_leave(flow: Flow, run: str) -> None:
    """Look at a run's terminal, as a user does."""
    # Where the tests run there may be no terminal, or one that cannot be cleared.
    env = flow.world.env | {"TERM": "xterm"}
    terminal = pexpect.spawn("toilctl", ["attach", CLUSTER, run], env=env, timeout=SOON_S, encoding="utf-8")
    terminal.expect("Issued job")
    terminal.send("\x02d")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


def copied(layout: str, tmp_path: Path) -> Path:
    """Return a copy of a layout that a test may change."""
    return Path(shutil.copytree(WORKFLOWS / layout, tmp_path / layout))


def test_script_runs_with_the_modules_beside_it(flow: Flow) -> None:
    deployed = flow.deploy(WORKFLOWS / "siblings/count.py")
    assert {"count.py", "words.py"} <= set(deployed["files"])
    done = flow.run("python", "count.py", store())
    assert "counted [3, 2, 1]" in done.stdout
    assert "succeeded" in done.stderr
    assert flow.wrote("count", "count.txt") == "6\n"


def test_same_deployment_again_sends_and_installs_nothing(flow: Flow) -> None:
    flow.deploy(WORKFLOWS / "siblings/count.py")
    assert flow.deploy(WORKFLOWS / "siblings/count.py")["changed"] is False


def test_package_hierarchy_runs_with_m(flow: Flow) -> None:
    deployed = flow.deploy(WORKFLOWS / "hierarchy")
    assert any("python -m texts.main" in one for one in deployed["commands"])
    flow.run("python", "-m", "texts.main", store(), "--text", "hello")
    assert flow.wrote("hierarchy", "shouted.txt") == "HELLO\n"


def test_project_runs_in_its_virtualenv(flow: Flow, wheelhouse: Path) -> None:
    deployed = flow.deploy(WORKFLOWS / "project", "--wheelhouse", str(wheelhouse))
    assert any(f"toilctl run {CLUSTER} -- tallies " in one for one in deployed["commands"])
    toil = ("/var/lib/toilctl/workflows/deployed/tallies/venv/bin/python", "-c", "import toil; print(toil.__file__)")
    assert "deployed" not in flow.on_leader(*toil)
    done = flow.run("tallies", store(), "--numbers", "3")
    assert "drawn on i-" in done.stdout
    assert flow.wrote("tallies", "table.txt").split()[-2:] == ["3", "9"]


def test_dependency_that_cannot_be_installed_is_named_and_nothing_is_lost(
    flow: Flow, wheelhouse: Path, tmp_path: Path
) -> None:
    flow.deploy(WORKFLOWS / "project", "--wheelhouse", str(wheelhouse))
    project = copied("project", tmp_path)
    text = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(text.replace("tabulate>=0.9", "no-such-package-at-all"))
    refused = flow.world.toilctl("deploy", "--wheelhouse", wheelhouse, CLUSTER, project, check=False)
    assert refused.returncode in (NOT_FOUND, CONFLICT)
    assert "no-such-package-at-all" in refused.stderr
    assert "install.log" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert flow.run("tallies", store(), "--numbers", "2").returncode == 0


def test_project_that_needs_another_toil_is_refused_with_its_appliance(flow: Flow, tmp_path: Path) -> None:
    project = copied("project", tmp_path)
    text = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(text.replace("toil>=9", "toil==8.0.0"))
    refused = flow.world.toilctl("deploy", CLUSTER, project, check=False)
    assert refused.returncode == CONFLICT
    assert "8.0.0" in refused.stderr
    assert "launch-cluster" in refused.stderr


def test_cwl_runs_on_present_and_future_workers(flow: Flow, wheelhouse: Path, tmp_path: Path) -> None:
    deployed = flow.deploy(f"toil[cwl]=={version('toil')}", "--wheelhouse", str(wheelhouse), "--name", "cwl")
    assert deployed["native"] is True
    (tmp_path / "text.txt").write_text("hello\n")
    flow.world.toilctl("rsync-cluster", CLUSTER, WORKFLOWS / "cwl/shout.cwl", tmp_path / "text.txt", ":/root/")
    python = "/var/lib/toilctl/workflows/deployed/cwl/venv/bin/python"
    present = flow.lasting_worker()
    imports = (python, "-c", "import schema_salad.codegen as module; print(module.__file__)")
    assert ".so" in flow.world.toilctl("ssh-cluster", "--node", present, CLUSTER, *imports).stdout
    words = (
        "toil-cwl-runner",
        "--jobStore",
        store(),
        "--outdir",
        "/root/out",
        "/root/shout.cwl",
        "--text",
        "/root/text.txt",
    )
    flow.run(*words, options=("--deployment", "cwl"))
    assert flow.on_leader("cat", "/root/out/shouted.txt") == "HELLO\n"
    # A second one that this run had may just go.
    present = flow.lasting_worker()
    long = ("--array", "1-2", "--wrap", f"sleep {LONG_S}")
    flow.on_leader("sbatch", "--parsable", "-o", "/dev/null", "--exclusive", *long)
    (future,) = flow.wait_for_workers(2, GROW_S) - {present}
    wait_for(lambda: future in flow.in_engine(), GROW_S, "the new worker")
    assert ".so" in flow.world.toilctl("ssh-cluster", "--node", future, CLUSTER, *imports).stdout
    flow.on_leader("scancel", "--user", "root")
    flow.wait_for_empty_queue()


def test_run_is_recorded_and_replayed_for_another_cluster(flow: Flow, tmp_path: Path) -> None:
    flow.deploy(WORKFLOWS / "siblings/count.py")
    flow.run("python", "count.py", store(), "--seconds", "4", options=("--name", "recorded"))
    limits = ("--node-types", "t2.medium,m5.large:0.05", "--max-nodes", "1,2")
    assert flow.replay("recorded", tmp_path, *limits)["makespan_s"] >= 4


def test_failed_run_goes_on_where_it_ended_once_its_code_is_right(flow: Flow, tmp_path: Path) -> None:
    siblings, locator = copied("siblings", tmp_path), store()
    good = (siblings / "words.py").read_text()
    (siblings / "words.py").write_text(
        good.replace("return len", 'if line == "six":\n        raise ValueError("six")\n    return len')
    )
    flow.deploy(siblings / "count.py")
    name = ("--name", "mended")
    failed = flow.run("python", "count.py", locator, "--retryCount", "0", "--stats", options=name, check=False)
    assert failed.returncode == 1
    assert "ValueError: six" in failed.stdout
    assert "toilctl run flow --name mended --restart" in failed.stderr
    listed = flow.world.toilctl("runs", CLUSTER).stdout
    assert "mended" in listed
    assert flow.runs()["mended"]["progress"]["failed"] >= 1
    status = flow.world.data("status", "--cluster", CLUSTER, locator)
    assert status["status"]["state"] == "failed"
    (siblings / "words.py").write_text(good)
    flow.deploy(siblings / "count.py")
    again = flow.world.toilctl("run", CLUSTER, *name, "--restart", "--wait")
    assert "counting 'six'" in again.stdout
    # The log of the first attempt is shown, too; what was done then is not done again.
    assert again.stdout.count("counting 'one two three'") == 1
    assert flow.wrote("count", "count.txt") == "6\n"


def test_run_survives_a_lost_connection_and_a_lost_worker(flow: Flow) -> None:
    flow.deploy(WORKFLOWS / "siblings/count.py")
    words = ("run", "--name", "survivor", "--wait", CLUSTER, "--", "python", "count.py", store(), "--seconds", "30")
    waiting = flow.world.start(*words)
    busy = wait_for(flow.counting, RUN_S, "a job that takes its time")

    def connections() -> list[str]:
        return flow.world.run("pgrep", "-P", str(waiting.pid), "ssh", check=False).stdout.split()

    os.kill(int(wait_for(connections, SOON_S, "the connection")[0]), signal.SIGKILL)
    flow.world.client("ec2").terminate_instances(InstanceIds=[busy[0]])
    said, _ = waiting.communicate(timeout=2 * RUN_S)
    assert waiting.returncode == 0, said
    assert "The connection broke" in said
    assert flow.wrote("count", "count.txt") == "6\n"


def test_second_run_on_a_job_store_is_refused_and_a_stopped_run_goes_on(flow: Flow, tmp_path: Path) -> None:
    world, locator = flow.world, store()
    siblings = copied("siblings", tmp_path)
    flow.deploy(siblings / "count.py")
    long = ("python", "count.py", locator, "--seconds", str(LONG_S))
    began = world.toilctl("run", "--name", "first", CLUSTER, "--", *long)
    assert "toilctl logs flow first -f" in began.stdout
    wait_for(flow.counting, RUN_S, "a job that takes its time")
    attach_and_leave(flow, "first")
    refused = world.toilctl("run", "--name", "second", CLUSTER, "--", *long, check=False)
    assert (refused.returncode, "'first'" in refused.stderr) == (CONFLICT, True)
    kept = world.toilctl("clean", "--yes", "--cluster", CLUSTER, locator, check=False)
    assert (kept.returncode, "first" in kept.stderr) == (CONFLICT, True)
    assert world.data("status", "--cluster", CLUSTER, locator)["status"]["state"] == "running"
    assert "restart" in world.toilctl("stop", CLUSTER, "first").stdout
    assert flow.state("first") == "stopped"
    flow.wait_for_empty_queue()
    taken = world.toilctl("run", "--name", "third", CLUSTER, "--", *long, check=False)
    assert (taken.returncode, "exists already" in taken.stderr) == (CONFLICT, True)
    # What took too long for all this to happen meanwhile now takes no time.
    slow = (siblings / "words.py").read_text()
    (siblings / "words.py").write_text(slow.replace("time.sleep(seconds)", "time.sleep(0)"))
    flow.deploy(siblings / "count.py")
    assert world.toilctl("run", CLUSTER, "--name", "first", "--restart", "--wait").returncode == 0
    assert flow.state("first") == "succeeded"


def test_stats_clean_and_kill(flow: Flow) -> None:
    world, locator = flow.world, store()
    flow.deploy(WORKFLOWS / "siblings/count.py")
    flow.run("python", "count.py", locator, "--stats", "--clean", "never")
    assert "counted" in world.toilctl("stats", "--cluster", CLUSTER, locator).stdout
    asked = world.toilctl("clean", "--cluster", CLUSTER, locator, check=False)
    assert (asked.returncode, "--yes" in asked.stderr) == (USAGE, True)
    world.toilctl("clean", "--yes", "--cluster", CLUSTER, locator)
    assert world.toilctl("status", "--cluster", CLUSTER, locator, check=False).returncode == NOT_FOUND
    world.toilctl("run", "--name", "killed", CLUSTER, "--", "python", "count.py", locator, "--seconds", str(LONG_S))
    wait_for(flow.counting, RUN_S, "a job that takes its time")
    world.toilctl("kill", "--cluster", CLUSTER, locator)
    wait_for(lambda: flow.state("killed") in ("failed", "stopped"), RUN_S, "the run's end")
    flow.wait_for_empty_queue()
    world.toilctl("clean", "--yes", "--cluster", CLUSTER, locator)


def test_file_job_store_that_workers_cannot_see_is_refused(flow: Flow) -> None:
    flow.deploy(WORKFLOWS / "siblings/count.py")
    at_once = flow.run("python", "count.py", "file:/root/store", check=False)
    assert (at_once.returncode, "/shared" in at_once.stderr) == (USAGE, True)
    later = flow.run("python", "count.py", "./store", check=False)
    assert later.returncode == USAGE
    assert "/shared" in later.stdout + later.stderr


def test_file_job_store_works_where_all_nodes_share_it(flow: Flow) -> None:
    flow.deploy(WORKFLOWS / "siblings/count.py")
    done = flow.run("python", "count.py", "file:/shared/store", "--clean", "never")
    assert "counted [3, 2, 1]" in done.stdout
    worker = flow.lasting_worker()
    assert flow.world.toilctl("ssh-cluster", "--node", worker, CLUSTER, "ls", "/shared/store").stdout
    flow.world.toilctl("clean", "--yes", "--cluster", CLUSTER, "file:/shared/store")
    assert flow.on_leader("ls", "/shared") == ""


def test_workers_have_the_key_docker_and_fuse(flow: Flow) -> None:
    def on_worker(*words: str) -> str:
        return flow.world.toilctl("ssh-cluster", "--node", worker, CLUSTER, *words).stdout

    worker = flow.lasting_worker()
    assert on_worker("cat", "/etc/toilctl/sse.key") == SSE_KEY
    on_worker("docker", "run", "--rm", flow.on_leader("printenv", "TOIL_APPLIANCE_SELF").strip(), "true")
    on_worker("test", "-w", "/dev/fuse")
    logs = flow.world.home.glob("state/toilctl/clusters/*/*/logs/*")
    assert not [log for log in logs if SSE_KEY in log.read_text(errors="replace")]


def test_job_store_in_another_region_is_refused(flow: Flow) -> None:
    s3 = flow.world.client("s3", OTHER_REGION)
    name = f"flow-{uuid4().hex[:8]}"
    s3.create_bucket(Bucket=f"{name}--toil", CreateBucketConfiguration={"LocationConstraint": OTHER_REGION})
    try:
        refused = flow.run("python", "count.py", f"aws:{REGION}:{name}", check=False)
        assert refused.returncode in (USAGE, CONFLICT)
        assert OTHER_REGION in refused.stderr
    finally:
        s3.delete_bucket(Bucket=f"{name}--toil")


def test_run_in_which_the_leader_reboots_is_reported_and_goes_on(flow: Flow) -> None:
    flow.deploy(WORKFLOWS / "siblings/count.py")
    world = flow.world
    world.toilctl("run", "--name", "rebooted", CLUSTER, "--", "python", "count.py", store(), "--seconds", "30")
    wait_for(flow.counting, RUN_S, "a job that takes its time")
    world.reboot_leader(CLUSTER)
    wait_for(lambda: world.toilctl("runs", CLUSTER, check=False).returncode == 0, SOON_S, "the runs")
    lost = flow.runs()["rebooted"]
    assert lost["state"] == "lost"
    assert "restarted" in lost["reason"]
    assert "toilctl run flow --name rebooted --restart" in world.toilctl("runs", CLUSTER).stdout
    assert world.toilctl("run", CLUSTER, "--name", "rebooted", "--restart", "--wait").returncode == 0


def test_log_can_be_read_later(flow: Flow) -> None:
    options = ("--name", "shell", "--env", "SECOND=two")
    flow.run("bash", "-c", "echo one; echo $SECOND; exit 3", options=options, check=False)
    assert flow.world.toilctl("logs", "--lines", "1", CLUSTER, "shell").stdout == "two\n"
    assert json.loads(flow.world.toilctl("runs", CLUSTER, "--output", "json").stdout)["kind"] == "runs"
    assert flow.runs()["shell"]["exit_code"] == 3
    assert flow.world.toilctl("logs", CLUSTER, "nonsense", check=False).returncode == NOT_FOUND


def test_destruction_leaves_nothing(flow: Flow) -> None:
    flow.world.toilctl("destroy-cluster", CLUSTER)
    assert flow.world.everything() == flow.before
