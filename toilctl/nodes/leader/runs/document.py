"""A run as JSON has it, for the laptop."""

from __future__ import annotations

from typing import Any

from .. import places
from ..records import attempts as run_attempts
from ..records import progress
from ..records.attempts import FAILED, LOST, STOPPED, Attempt, Ending
from ..records.files import RunFiles
from . import job_store_checks


def of(run: RunFiles) -> dict[str, Any]:
    """Return everything that is known of a run."""
    attempts = run_attempts.of(run)
    endings = [run_attempts.ending(run, one, is_last=one is attempts[-1]) for one in attempts]
    last, ending = attempts[-1], endings[-1]
    return {
        "name": run.name,
        "state": ending.state,
        "reason": ending.reason,
        "next_step": _next_step(run, ending),
        "command": list(last.argv),
        "cwd": last.cwd,
        "deployment": last.deployment,
        "job_store": job_store_checks.stores_of(run),
        "started_at": attempts[0].started_at,
        "ended_at": ending.at,
        "seconds": sum(map(_seconds, attempts, endings)),
        "exit_code": last.exit_code,
        "attempts": list(map(_attempt, attempts, endings)),
        "progress": progress.of(run, last, goes_on=ending.goes_on),
        "log": str(run.log),
        "terminal": last.terminal,
    }


def newest_first(runs: list[RunFiles]) -> list[RunFiles]:
    """Return runs by when they were started or restarted last."""
    return sorted(runs, key=lambda run: (run_attempts.last(run).started_at, run.name), reverse=True)


def _attempt(attempt: Attempt, ending: Ending) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "state": ending.state,
        "reason": ending.reason,
        "started_at": attempt.started_at,
        "ended_at": ending.at,
        "exit_code": attempt.exit_code,
    }


def _seconds(attempt: Attempt, ending: Ending) -> float:
    return run_attempts.seconds_between(attempt.started_at, ending.at or run_attempts.now())


def _next_step(run: RunFiles, ending: Ending) -> str:
    again = f"toilctl run {places.cluster()} --name {run.name} --restart"
    if ending.state in (LOST, STOPPED):
        return f"It goes on with: {again}"
    if ending.state == FAILED:
        return f"Why: toilctl logs {places.cluster()} {run.name}; once that is put right: {again}"
    return ""
