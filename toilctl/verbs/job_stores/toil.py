"""Toil's own commands, where Toil is: in the container of a cluster's leader, or beside toilctl on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Protocol

from toilctl.autoscaler.model.plan import Infeasible
from toilctl.system import inventory, paths, progress, ssh
from toilctl.system.ssh import terminal
from toilctl.values.cluster import Cluster
from toilctl.values.errors import HostError, ToilctlError
from toilctl.values.units import DAY_S
from toilctl.verbs.connect import ask_leader, let_in
from toilctl.verbs.connect import ssh_cluster as sessions
from toilctl.verbs.reports import explain

# Without -P, files in the working directory would be imported instead of Python's modules of their names.
_PYTHON: Final = (sys.executable, "-P")
_TOIL: Final = (*_PYTHON, "-c", "from toil.utils.toilMain import main; main()")
_LONGEST_S: Final = DAY_S
"""Toil's statistics of a hundred thousand jobs take an hour."""


@dataclass(frozen=True)
class ToilOutput:
    """What a command of Toil's wrote, and how it ended."""

    exit_code: int
    text: str
    """Its standard output."""
    messages: str = ""
    """Its standard error."""


class Toil(Protocol):
    """Where Toil is."""

    @property
    def place(self) -> str:
        """How a sentence says it: ``on …``."""

    @property
    def cluster_name(self) -> str | None:
        """The cluster whose leader it is; None is this machine."""

    def ask(self, verb: str, request: Mapping[str, Any], doing: str) -> Any:
        """Let ``toilctl_leader`` answer there.

        :raises ToilctlError: of the class whose code it named.
        """

    def never_run(self) -> tuple[Infeasible, ...]:
        """Return the jobs that wait there and can never run, as far as an autoscaler tells."""

    def run(self, words: Sequence[str]) -> int:
        """Run a command of Toil's on this terminal, which jobs' logs in it do not steer, and return its exit code."""

    def capture(self, words: Sequence[str]) -> ToilOutput:
        """Run a command of Toil's, and return what it wrote."""


@dataclass(frozen=True)
class OnLeader:
    """In the leader's container."""

    cluster: Cluster
    key: Path | None = None

    @property
    def place(self) -> str:
        """The leader of this cluster."""
        return f"on the leader of {self.cluster.name}"

    @property
    def cluster_name(self) -> str | None:
        """The cluster's name."""
        return self.cluster.name

    def ask(self, verb: str, request: Mapping[str, Any], doing: str) -> Any:
        """Let the leader answer, which has runs, too."""
        return ask_leader.ask(self.cluster, self.key, verb, {**request, "runs": True}, doing=doing)

    def never_run(self) -> tuple[Infeasible, ...]:
        """Return those that the autoscaler on the leader told of."""
        return explain.never_run(self.cluster, self.key)

    def run(self, words: Sequence[str]) -> int:
        """Run Toil's command through ssh.

        :raises ConnectError: when the leader, or its container, cannot be reached.
        """
        target, command = self._command(words)
        return let_in.with_admission(self.cluster, lambda: ssh.run(target, command, cleaned=True))

    def capture(self, words: Sequence[str]) -> ToilOutput:
        """Run Toil's command through ssh, and return what it wrote.

        :raises ConnectError: as ``run``.
        """
        target, command = self._command(words)
        try:
            text = let_in.with_admission(self.cluster, lambda: ssh.capture(target, command, _LONGEST_S))
        except subprocess.CalledProcessError as error:
            return ToilOutput(error.returncode, error.stdout, error.stderr)
        return ToilOutput(0, text)

    def _command(self, words: Sequence[str]) -> tuple[ssh.SshTarget, str]:
        target = ssh.leader_of(self.cluster, self.key)
        return target, ssh.in_container(target.container, ("toil", *words), tethered=True)


@dataclass(frozen=True)
class ToilHere:
    """In the Python that runs toilctl."""

    place: str = "on this machine"
    cluster_name: str | None = None

    def ask(self, verb: str, request: Mapping[str, Any], doing: str) -> Any:
        """Let the leader's program answer on this machine.

        :raises ToilctlError: of the class whose code it named, or when it cannot be run.
        """
        argv = (*_PYTHON, "-m", ask_leader.PROGRAM[-1], verb)
        with progress.step(doing):
            done = subprocess.run(
                argv, input=json.dumps(request), capture_output=True, text=True, check=False, env=_environment()
            )
        progress.debug(done.stderr.strip())
        if done.returncode:
            said = ask_leader.last_words(done.stderr, done.returncode)
            raise ToilctlError(f"Toil could not do {verb} on this machine: {said}", "Add --debug to see more.")
        return ask_leader.answered(done.stdout, verb)

    def never_run(self) -> tuple[Infeasible, ...]:
        """Return none: no autoscaler is here."""
        return ()

    def run(self, words: Sequence[str]) -> int:
        """Run Toil's command on this machine."""
        return terminal.run((*_TOIL, *words), cleaned=True)

    def capture(self, words: Sequence[str]) -> ToilOutput:
        """Run Toil's command on this machine, and return what it wrote."""
        done = subprocess.run((*_TOIL, *words), capture_output=True, text=True, check=False)
        return ToilOutput(done.returncode, done.stdout, done.stderr)


def choose(cluster: str | None, zone: str | None, region: str | None, ssh_key: Path | None) -> Toil:
    """Return where Toil is to be asked: on the leader of a cluster, else here.

    :raises NotFoundError: when there is no such cluster, or it has no leader.
    :raises HostError: when none is named, and Toil is not installed beside toilctl.
    """
    if cluster is not None:
        found = inventory.find(cluster, zone, region)
        return OnLeader(found, sessions.session_key(found, ssh_key))
    # Looked for and not imported: that would take a second.
    if find_spec("toil") is None:
        raise HostError(
            "Toil is not installed beside toilctl.",
            "Name the cluster whose leader is to be asked, with --cluster NAME, or: pip install 'toilctl[toil]'.",
            program="toil",
        )
    return ToilHere()


def _environment() -> dict[str, str]:
    """Return this process's environment, in which the leader's program is found."""
    program = str(paths.ansible_dir() / "roles/appliance/files")
    own = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (program, own)))}
