"""Starts a run, or restarts one: everything that can be known to be wrong is refused before anything begins."""

from __future__ import annotations

import re
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from toilctl_plugin import locators

from .. import places
from ..deployments.deployment import Place
from ..records import attempts, files, processes
from ..records.attempts import SUCCEEDED, Attempt, Here
from ..records.files import NAME, RunFiles
from ..refused import RefusedError
from . import document, job_store_checks, terminals
from . import environment as run_environment
from .job_store_checks import Wanted

BEGIN_S = 20.0
LOOK_S = 0.1
RESTART = "--restart"
SHORTER = 40
"""How long a name that is made may be, without its number."""


@dataclass(frozen=True)
class Asked:
    """What is to be run."""

    name: str | None
    argv: tuple[str, ...]
    environment: dict[str, str]
    deployment: str | None
    job_store: str | None
    restart: bool
    shared: tuple[str, ...]
    workers_possible: bool
    cwd: str | None = None
    """Where the last attempt ran, of a restart in its deployment."""

    @classmethod
    def of(cls, request: dict[str, Any]) -> Asked:
        """Read a request; what is left out is not asked for."""
        return cls(
            name=request.get("name"),
            argv=tuple(map(str, request.get("argv") or ())),
            environment={str(name): str(value) for name, value in (request.get("environment") or {}).items()},
            deployment=request.get("deployment"),
            job_store=request.get("job_store"),
            restart=bool(request.get("restart")),
            shared=run_environment.shared_directories(map(str, request.get("shared") or ())),
            workers_possible=bool(request.get("workers_possible")),
        )


@dataclass(frozen=True)
class Prepared:
    """What is about to be run, where and how."""

    asked: Asked
    before: RunFiles | None
    """The run that goes on, of a restart."""
    deployment: Place | None
    cwd: Path
    extra: dict[str, str]
    """Variables that were asked for, now or in an earlier attempt."""
    without: str = ""
    """The deployment that was deployed last, where it does not have what is to be run, and another one was chosen."""
    also: tuple[str, ...] = ()
    """Older ones that have it, too, in that case."""


def start(request: dict[str, Any]) -> tuple[RunFiles, Prepared]:
    """Start a run, or restart one; return it when it has begun, and how it was prepared.

    :raises RefusedError: when it cannot be run, or would get in the way of what is there.
    """
    prepared = _prepared(Asked.of(request))
    _check_names(prepared)
    _check(prepared)
    with files.one_at_a_time():
        # Another one may have begun meanwhile.
        _check_names(prepared)
        run = _chosen(prepared)
        number = _written(run, prepared)
        terminals.end(run.name)
        attempts.tell(run, number, terminal=terminals.start(run.name, prepared.cwd))
    _wait(run)
    return run, prepared


def _prepared(asked: Asked) -> Prepared:
    """Decide which run, which deployment and which directory it is."""
    if asked.name is not None and not NAME.fullmatch(asked.name):
        raise RefusedError(
            "usage", f"{asked.name!r} cannot be a run's name.",
            "Use up to 63 lower-case letters, digits, points, hyphens and underscores, a letter or digit first.",
            name=asked.name,
        )  # fmt: skip
    before = _before(asked) if asked.restart else None
    if before:
        asked = _as_before(asked, attempts.last(before))
    if not asked.argv:
        raise RefusedError("usage", "There is no command to run.", f"toilctl run {places.cluster()} -- COMMAND")
    former = files.read(before.variables) if before else None
    extra = {**(former or {}), **asked.environment}
    deployment, without, also = run_environment.deployment_for(asked.deployment, asked.argv, extra)
    cwd = run_environment.working_directory(asked.cwd, deployment)
    return Prepared(asked, before, deployment, cwd, extra, without, also)


def _before(asked: Asked) -> RunFiles | None:
    """Return the run that is to go on; None when a command goes on that was no run so far.

    :raises RefusedError: when there is none of that name, or none at all.
    """
    if asked.name is not None:
        return files.named(asked.name)
    runs = document.newest_first(files.all_runs())
    if asked.argv:
        return next((run for run in runs if _is_of(run, asked)), None)
    if not runs:
        raise files.no_run("There is no run to restart.")
    return runs[0]


def _is_of(run: RunFiles, asked: Asked) -> bool:
    """Tell whether a run used the job store that is to be gone on with; a plain path may be any word."""
    cwd, used = attempts.last(run).cwd, job_store_checks.stores_of(run)
    words = (asked.job_store,) if asked.job_store else asked.argv
    return any(locators.canonical(word, cwd) in used for word in words if word)


def _as_before(asked: Asked, attempt: Attempt) -> Asked:
    """Fill in what the last attempt had: it may not be the deployment of today, nor its directory."""
    if not asked.argv:
        again = (RESTART,) if attempt.job_store and RESTART not in attempt.argv else ()
        asked = replace(asked, argv=(*attempt.argv, *again), job_store=attempt.job_store)
    if asked.deployment is None:
        asked = replace(asked, deployment=attempt.deployment or "", cwd=attempt.cwd)
    return asked


def _check_names(prepared: Prepared) -> None:
    """Refuse a name that is taken, a run that goes on, and a job store that another run uses.

    :raises RefusedError: when it is so.
    """
    asked, cluster = prepared.asked, places.cluster()
    run = prepared.before or (RunFiles(asked.name) if asked.name else None)
    if run and run.exists:
        ending = attempts.ending(run, attempts.last(run))
        if ending.goes_on:
            raise RefusedError(
                "conflict", f"Run {run.name!r} goes on still.",
                f"Look at it: toilctl attach {cluster} {run.name}; or end it: toilctl stop {cluster} {run.name}",
                run=run.name, state=ending.state,
            )  # fmt: skip
        if prepared.before is None:
            became = {"stopped": "was stopped", "lost": "is lost"}.get(ending.state, ending.state)
            raise RefusedError(
                "conflict", f"There is a run {run.name!r} already; it {became}.",
                f"Go on with it: toilctl run {cluster} --name {run.name} --restart; or choose another --name.",
                run=run.name, state=ending.state,
            )  # fmt: skip
    if run and not run.exists:
        _check_session(run)
    if asked.job_store:
        job_store_checks.check_unused(_wanted(prepared), run.name if run else None)


def _check_session(run: RunFiles) -> None:
    """Refuse a name that would share a terminal with another one.

    :raises RefusedError: when it would.
    """
    session = terminals.session_of(run.name)
    for other in files.all_runs():
        if terminals.session_of(other.name) == session:
            raise RefusedError(
                "conflict", f"There is a run {other.name!r}, and terminals know no difference to {run.name!r}.",
                "Choose another --name.", run=other.name,
            )  # fmt: skip


def _check(prepared: Prepared) -> None:
    """Refuse a program that is not there, and a job store that cannot be used.

    :raises RefusedError: when it is so.
    """
    asked = prepared.asked
    environment = _environment(prepared, Path())
    try:
        program = run_environment.check_program(asked.argv, environment, prepared.cwd)
    except RefusedError as error:
        if not asked.restart and (found := run_environment.deployments_with(asked.argv, prepared.extra)):
            error.next_step = f"Deployment {found[0].name!r} has it: add --deployment {found[0].name}"
        raise
    if asked.job_store is None:
        return
    job_store_checks.check_seen(_wanted(prepared))
    job_store_checks.check_there(_wanted(prepared), _pythons(prepared, program), environment, _instead(prepared))


def _wanted(prepared: Prepared) -> Wanted:
    asked = prepared.asked
    return Wanted(asked.job_store or "", prepared.cwd, asked.restart, asked.workers_possible, asked.shared)


def _pythons(prepared: Prepared, program: str) -> Iterator[str]:
    """Return the interpreters that may have the run's Toil."""
    interpreter = run_environment.interpreter_of(program)
    if interpreter:
        yield interpreter
    if prepared.deployment and (prepared.deployment.venv / "bin/python").exists():
        yield str(prepared.deployment.venv / "bin/python")


def _instead(prepared: Prepared) -> str:
    """Return what to do where there is nothing to restart."""
    run = prepared.before
    if run and attempts.ending(run, attempts.last(run)).state == SUCCEEDED:
        return f"Run {run.name!r} succeeded, and Toil deletes the job store then. Leave --restart out to run it again."
    return ""


def _environment(prepared: Prepared, directory: Path) -> dict[str, str]:
    return run_environment.variables(
        prepared.extra, prepared.deployment, directory, prepared.cwd, prepared.asked.shared
    )


def _chosen(prepared: Prepared) -> RunFiles:
    """Return the run to be started, with an empty directory if it is new."""
    if prepared.before:
        return prepared.before
    run = RunFiles(prepared.asked.name or _new_name(prepared.asked.argv))
    # Left there by something else than a run, or it would have been refused.
    if run.directory.exists():
        shutil.rmtree(run.directory)
    run.directory.mkdir(parents=True)
    return run


def _written(run: RunFiles, prepared: Prepared) -> int:
    """Write down what the supervisor is to start; return the attempt's number."""
    number, asked, here = 1, prepared.asked, Here.now()
    if run.exists:
        number = _close(run) + 1
    # What an earlier attempt left behind may hold the lock of this file.
    run.alive.unlink(missing_ok=True)
    run.result.unlink(missing_ok=True)
    files.write(run.variables, prepared.extra, 0o600)
    files.write(run.environment, _environment(prepared, run.directory), 0o600)
    with run.log.open("a") as log:
        if number > 1:
            log.write(f"toilctl: attempt {number}, a restart at {attempts.now()}\n")
    attempts.tell(
        run, number, started_at=attempts.now(), argv=list(asked.argv), cwd=str(prepared.cwd),
        deployment=prepared.deployment.name if prepared.deployment else None, job_store=asked.job_store,
        boot=here.boot, container=here.container,
    )  # fmt: skip
    return number


def _close(run: RunFiles) -> int:
    """Write down how the last attempt ended where nobody could, before its traces are gone; return its number."""
    attempt = attempts.last(run)
    ending = attempts.ending(run, attempt)
    # Jobs that outlived their leader would write to the job store beside those of the restart.
    for pid in processes.of(run, attempt):
        processes.send(pid, signal.SIGKILL)
    if not attempt.ended_at:
        attempts.tell(run, attempt.number, ended_at=ending.at, exit_code=None, reason=ending.reason)
    return attempt.number


def _new_name(argv: tuple[str, ...]) -> str:
    """Return a name that no run has: the program's, and the number behind the highest one."""
    stem = re.sub(r"[^a-z0-9_-]+", "-", run_environment.called(argv).lower()).strip("-_")[:SHORTER] or "run"
    before = terminals.session_of(f"{stem}-")
    behind = [one.partition(before)[2] for one in (terminals.session_of(run.name) for run in files.all_runs())]
    return f"{stem}-{max((int(one) for one in behind if one.isdigit()), default=0) + 1}"


def _wait(run: RunFiles) -> None:
    """Wait until the command has begun; when that takes long, it is only said to be starting."""
    until = time.monotonic() + BEGIN_S
    while time.monotonic() < until:
        attempt = attempts.last(run)
        if attempt.pid or attempt.ended_at:
            return
        time.sleep(LOOK_S)
