"""A workflow for the watcher's tests: jobs of different sizes that wait for files beside the job store.

All go on when "gate" is there, each one when "gate-NAME" is; "fails-once" fails first when "fail" is there.
"""

import os
import time
from pathlib import Path

from configargparse import ArgParser
from toil.common import Toil
from toil.job import Job

HERE = Path.cwd()
JOBS = int(os.environ.get("JOBS", "4"))
# All of them at once, on two cores: one that waits for a core while others wait for their gates never runs.
SIZES = [(0.1 * (number % 2 + 1), 100 + number, 200 + number, number % 2 == 0) for number in range(JOBS)]


class Waits(Job):
    def __init__(self, name, cores, memory_mib, disk_mib, preemptible, **kwargs):
        super().__init__(
            cores=cores,
            memory=memory_mib * 2**20,
            disk=disk_mib * 2**20,
            preemptible=preemptible,
            unitName=name,
            **kwargs,
        )

    def run(self, file_store):
        self.wait("gate", f"gate-{self.description.unitName}")

    def wait(self, *names):
        while not any((HERE / name).exists() for name in names):
            time.sleep(0.05)


class OnLeader(Waits):
    pass


class FailsOnce(Waits):
    def run(self, file_store):
        self.wait("gate", "fail")
        if not (HERE / "failed").exists():
            (HERE / "failed").touch()
            raise RuntimeError("on purpose")
        super().run(file_store)


class Root(Job):
    def __init__(self):
        super().__init__(cores=0.1, memory="100Mi", disk="100Mi")

    def run(self, file_store):
        for number, size in enumerate(SIZES):
            self.addChild(Waits(f"waits-{number}", *size))
        self.addChild(OnLeader("on-leader", 0.1, 50, 50, False, local=True))
        self.addChild(FailsOnce("fails-once", 0.1, 50, 50, False))


def publish_by_itself():
    from toil.batchSystems.registry import add_batch_system_factory
    from toil.batchSystems.singleMachine import SingleMachineBatchSystem
    from toilctl_plugin.batch_systems.publishing import publishing

    add_batch_system_factory("single_machine", lambda: publishing(SingleMachineBatchSystem))


if __name__ == "__main__":
    parser = ArgParser()
    Job.Runner.addToilOptions(parser)
    options = parser.parse_args()
    if "PUBLISHES" in os.environ:
        publish_by_itself()
    with Toil(options) as toil:
        toil.restart() if options.restart else toil.start(Root())
