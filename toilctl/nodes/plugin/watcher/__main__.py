"""Publishes the jobs of workflows that do not do so themselves: those whose batch system is Toil's own.

Run in the leader's container, as ``python -m toilctl_plugin.watcher``. It finds such workflows by their processes,
reads from their message buses which jobs were issued, and each such job's description once from the job store. Which
of the jobs run is not on the bus; Mesos's master knows.
"""

from __future__ import annotations

import argparse
import logging
import time

from .. import job_store, known_toil
from ..processes import Process, Processes
from ..publication.publication import directory
from .publishers import Publishers
from .workflow import Followed

logger = logging.getLogger(__name__)

EVERY_S = 2.0
BATCH_SYSTEM = "mesos"
"""The queues of others can be asked for."""
CONSEQUENCE = "jobs of workflows without the plugin stay unknown to the autoscaler until they run"


class Watcher:
    """All workflows of this container that do not publish."""

    def __init__(self, batch_system: str = BATCH_SYSTEM, every_s: float = EVERY_S) -> None:
        self._batch_system, self._every_s = batch_system, every_s
        self._processes, self._publishers = Processes(), Publishers()
        self._followed: dict[Process, Followed] = {}
        self._alone: set[Process] = set()
        """Those that publish by themselves, or did."""
        self._usable: bool | None = None
        """Whether the installed Toil is known; it is imported when the first workflow is there."""

    def run(self) -> None:
        """Look again and again."""
        said = ""
        while True:
            try:
                self.look()
            except Exception as error:
                if repr(error) != said:
                    said = repr(error)
                    logger.warning("Processes cannot be looked at: %s", said)
            time.sleep(self._every_s)

    def look(self) -> None:
        """Follow workflows that are new, and let those go that have ended."""
        if self._usable is False or not directory().is_dir():
            return
        there = self._processes.look()
        for process in self._followed.keys() - there:
            self._followed.pop(process).end()
        self._alone &= there
        for process in there - self._alone:
            if self._publishers.publishes(process.pid):
                self._leave_alone(process)
            elif process not in self._followed and process.locators() and self._is_usable():
                self._followed[process] = Followed(process, self._publishers, self._batch_system, self._every_s)

    def _leave_alone(self, process: Process) -> None:
        self._alone.add(process)
        if process in self._followed:
            self._followed.pop(process).end()

    def _is_usable(self) -> bool:
        if self._usable is None:
            lacking = job_store.lacking()
            self._usable = not lacking
            if lacking:
                known_toil.warn(lacking, CONSEQUENCE)
        return self._usable


def main() -> None:
    """Watch until killed."""
    parser = argparse.ArgumentParser(prog="python -m toilctl_plugin.watcher", description=__doc__)
    parser.add_argument("--batch-system", default=BATCH_SYSTEM, help="whose workflows (default: %(default)s)")
    parser.add_argument("--every", type=float, default=EVERY_S, metavar="SECONDS", help="default: %(default)s")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    # It tells of each retry; what matters is said here, once. The plugin's own messages go by its name, too.
    logging.getLogger("toil").setLevel(logging.ERROR)
    logging.getLogger("toil.toilctl_plugin").setLevel(logging.INFO)
    Watcher(chosen.batch_system, chosen.every).run()


if __name__ == "__main__":
    main()
