"""status, stats, clean, kill: job stores, where Toil is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from toilctl.autoscaler.model.plan import Infeasible
from toilctl.system import progress
from toilctl.values import outside
from toilctl.values.errors import ConflictError, NotFoundError
from toilctl.verbs.connect import ask_leader
from toilctl.verbs.job_stores.toil import Toil, ToilOutput
from toilctl.workflows.job_stores import How, JobStoreState, JobStoreStatus, Use
from toilctl.workflows.locator import Locator, LocatorKind

_LOOK: Final = "Look into the job store"


@dataclass(frozen=True)
class View:
    """A status, and where it was asked for."""

    status: JobStoreStatus
    place: str
    """As a sentence says it."""
    cluster: str | None
    """None is this machine."""
    never_run: tuple[Infeasible, ...] = ()
    """The jobs that wait on the cluster, of whichever workflow, and can never run there; none unless this one runs."""


@dataclass(frozen=True)
class Written:
    """What a command of Toil's wrote."""

    job_store: str
    command: tuple[str, ...]
    exit_code: int
    text: str


@dataclass(frozen=True)
class Statistics:
    """What a workflow's jobs used, as Toil adds it up; None when Toil failed."""

    job_store: str
    exit_code: int
    statistics: Any


@dataclass(frozen=True)
class Killed:
    """What became of a kill."""

    job_store: str
    how: How
    pid: int | None
    name: str
    exit_code: int
    """Toil's."""


def status(toil: Toil, store: Locator) -> View:
    """Return how far a workflow is.

    :raises NotFoundError: when there is no such job store.
    :raises ConflictError: when it cannot be read as one.
    """
    document = toil.ask("stores.status", {"job_store": str(store)}, _LOOK)
    with ask_leader.understood("stores.status"):
        found = JobStoreStatus.of(document)
    never_run = toil.never_run() if found.state is JobStoreState.RUNNING else ()
    return View(found, toil.place, toil.cluster_name, never_run)


def pass_on(toil: Toil, command: str, store: Locator, words: Sequence[str]) -> int:
    """Run Toil's own command with Toil's own options on this terminal, and return its exit code.

    :raises HostError: when the Toil there lacks what Google's job stores need.
    """
    _check_google(toil, store)
    return toil.run((command, str(store), *words))


def written(toil: Toil, command: str, store: Locator, words: Sequence[str]) -> Written:
    """Return what Toil's own command writes with Toil's own options.

    :raises HostError: as ``pass_on``.
    """
    _check_google(toil, store)
    output = _captured(toil, (command, str(store), *words))
    return Written(str(store), (command, *words), output.exit_code, output.text)


def check_statistics(toil: Toil, store: Locator) -> None:
    """Make sure that a job store has statistics: without, Toil shows a table of zeros.

    :raises NotFoundError: when it has none, or is not there.
    """
    use = look(toil, store, existing=True)
    if use.stats is False:
        raise NotFoundError(
            f"{use.job_store} has no statistics: its workflow was started without --stats.",
            "Start it with --stats; a restart with --stats collects them from then on.", job_store=use.job_store,
        )  # fmt: skip


def statistics(toil: Toil, store: Locator, words: Sequence[str]) -> Statistics:
    """Return Toil's statistics as data.

    :raises NotFoundError: as ``check_statistics``.
    """
    check_statistics(toil, store)
    raw = () if "--raw" in words else ("--raw",)
    output = _captured(toil, ("stats", str(store), *words, *raw))
    if output.exit_code:
        return Statistics(str(store), output.exit_code, None)
    with ask_leader.understood("toil stats"):
        return Statistics(str(store), output.exit_code, outside.document(output.text, otherwise=lambda _: None))


def kill(toil: Toil, store: Locator, words: Sequence[str]) -> Killed:
    """End the workflow that works on a job store; it can be restarted.

    :raises NotFoundError: when there is no such job store.
    :raises ConflictError: when the workflow cannot be reached so yet.
    """
    use = look(toil, store, existing=True)
    leader = use.leader
    if leader is None or leader.alive is False:
        _raise_if_early(use)
        return Killed(use.job_store, How.NOBODY, None, "", 0)
    code = toil.run(("kill", str(store), *quietly(words)))
    how = How.SIGNALLED if leader.alive else How.ASKED
    return Killed(use.job_store, how, leader.pid, leader.name, code)


def look(toil: Toil, store: Locator, *, existing: bool = False) -> Use:
    """Return what is there, and who uses it.

    :raises NotFoundError: when it is not there, and must be.
    :raises ConflictError: when it cannot be read, and must be.
    :raises ToilctlError: when Toil there cannot look for it: a part, credentials or the connection is missing.
    """
    document = toil.ask("stores.users", {"job_store": str(store), "existing": existing}, _LOOK)
    with ask_leader.understood("stores.users"):
        return Use.of(document)


def quietly(words: Sequence[str]) -> tuple[str, ...]:
    """Leave out what Toil tells when all goes well: toilctl says that itself."""
    return tuple(words) if any(word.startswith("--log") for word in words) else (*words, "--logWarning")


def _check_google(toil: Toil, store: Locator) -> None:
    """Let it be said in a sentence when Google's library is missing, which Toil says in a traceback."""
    if store.kind is LocatorKind.GOOGLE:
        look(toil, store)


def _captured(toil: Toil, words: Sequence[str]) -> ToilOutput:
    output = toil.capture(words)
    if output.exit_code:
        progress.note(output.messages.strip())
    else:
        progress.debug(output.messages.strip())
    return output


def _raise_if_early(use: Use) -> None:
    if use.processes:
        first = use.processes[0]
        raise ConflictError(
            f"{first.name} (process {first.pid}) names {use.job_store}, and has not begun with its jobs there.",
            f"Try again in a minute, or end the process where it runs: kill {first.pid}", job_store=use.job_store,
            pid=first.pid,
        )  # fmt: skip
