"""Real Toil workflows in processes of their own, on this machine, published through the base class of Mesos' plugin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.checkout import ROOT

PLUGIN_DIR = ROOT / "roles/appliance/files"

RECORDED = """
import json, os
from toilctl_plugin.batch_systems.registry import replace_batch_system


def recorded():
    from toil.batchSystems.singleMachine import SingleMachineBatchSystem
    from toilctl_plugin.batch_systems.publishing import publishing

    class Recording(SingleMachineBatchSystem):
        def issueBatchJob(self, command, job, job_environment=None):
            job_id = super().issueBatchJob(command, job, job_environment)
            facts = [str(job_id), job.jobName, job.cores, job.memory, job.disk, bool(job.preemptible)]
            with open(os.environ["ISSUED"], "a") as out:
                print(json.dumps(facts), file=out)
            return job_id

    return publishing(Recording)


replace_batch_system("single_machine", recorded)
"""
"""A plugin of the tests' own: it records what Toil issues, and publishes by the same class as on Mesos."""

SCRIPT = """
import os, time
from toil.common import Toil
from toil.job import Job


def child(job, number):
    while not os.path.exists(os.environ["GO"]):
        time.sleep(0.1)
    if number == 0 and not os.path.exists(os.environ["GO"] + ".failed"):
        open(os.environ["GO"] + ".failed", "w").close()
        raise RuntimeError("at the first try")
    if number == 1:
        time.sleep(1)


def root(job):
    for number in range(int(os.environ["CHILDREN"])):
        job.addChildJobFn(
            child, number, cores=(1, 0.5, 0.1)[number % 3], memory=(100 + number) * 2**20, disk=(10 + number) * 2**20,
            preemptible=number % 2 == 0,
        )


if __name__ == "__main__":
    parser = Job.Runner.getDefaultArgumentParser()
    options = parser.parse_args()
    with Toil(options) as toil:
        toil.restart() if options.restart else toil.start(Job.wrapJobFn(root, memory="100Mi", disk="10Mi"))
"""


class Running:
    """A workflow that was started."""

    def __init__(self, directory: Path, demand: Path, *options: str, children: int = 6, **environment: str) -> None:
        directory.mkdir(exist_ok=True)
        self.directory, self.go, self.issued = directory, directory / "go", directory / "issued.jsonl"
        plugins = directory / "plugins"
        plugins.mkdir(exist_ok=True)
        (plugins / "toil_batch_system_recorded.py").write_text(RECORDED)
        script = directory / "workflow.py"
        script.write_text(SCRIPT)
        env = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(directory), "PYTHONPATH": f"{PLUGIN_DIR}{os.pathsep}{plugins}", "GO": str(self.go),
            "ISSUED": str(self.issued), "CHILDREN": str(children), "TOILCTL_DEMAND_DIR": str(demand), **environment,
        }  # fmt: skip
        words = [sys.executable, str(script), f"file:{directory}/store", "--workDir", str(directory),
                 "--retryCount", "1", "--maxMemory", "2Gi", *options]  # fmt: skip
        self.log = directory / "log"
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                words, cwd=directory, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )

    def recorded(self) -> list[Any]:
        """Return what Toil issued, in order."""
        return [json.loads(line) for line in self.issued.read_text().splitlines()] if self.issued.exists() else []

    def finish(self, seconds: float = 180) -> str:
        """Let the jobs go on and wait for the end; return what was said."""
        self.go.touch()
        assert self.process.wait(seconds) == 0, self.log.read_text()
        return self.log.read_text()

    def kill(self) -> None:
        """End the workflow's leader as a crash does, and leave its workers nothing to wait for."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, 9)
            self.process.wait()
        self.go.touch()


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 120) -> Any:
    """Return what the condition gives once it is true."""
    deadline = time.monotonic() + seconds
    while not (met := condition()):
        assert time.monotonic() < deadline, f"{what} not within {seconds} s"
        time.sleep(0.05)
    return met
