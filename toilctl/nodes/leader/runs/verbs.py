"""Runs: commands that a leader starts and keeps account of, whatever becomes of the connection."""

from __future__ import annotations

from typing import Any

from ..records import attempts, files
from ..records.files import RunFiles
from . import document
from . import start as start_run
from . import stop as stop_run

PATIENCE_S = 60.0


def start(request: dict[str, Any]) -> dict[str, Any]:
    """Start a run, or restart one, and tell of it.

    :param request: ``start_run.Asked``'s fields; only ``argv`` is needed.
    :raises RefusedError: when it cannot be run, or would get in the way of what is there.
    """
    run, prepared = start_run.start(request)
    return {**document.of(run), "without": prepared.without, "also": list(prepared.also)}


def listed(_request: dict[str, Any]) -> dict[str, Any]:
    """Tell of all runs, newest first, and what time it is here."""
    runs = document.newest_first(files.all_runs())
    return {"now": attempts.now(), "runs": [document.of(run) for run in runs]}


def show(request: dict[str, Any]) -> dict[str, Any]:
    """Tell of one run.

    :param request: ``{"name": …}``; null is the only one that goes on, else the newest.
    :raises RefusedError: when there is none.
    """
    return document.of(_chosen(request.get("name")))


def stop(request: dict[str, Any]) -> dict[str, Any]:
    """End a run so that it can be restarted, and tell of it; one that has ended stays as it is.

    :param request: ``{"name": as for show, "patience_s": 60, "force": false}``.
    :raises RefusedError: when there is none, or it does not end and may not be killed.
    """
    run = _chosen(request.get("name"))
    patience_s = float(request.get("patience_s") or PATIENCE_S)
    was_running = stop_run.stop(run, patience_s, force=bool(request.get("force")))
    return {"run": document.of(run), "was_running": was_running}


def _chosen(name: str | None) -> RunFiles:
    if name is not None:
        return files.named(name)
    runs = document.newest_first(files.all_runs())
    if not runs:
        raise files.no_run("There is no run.")
    going_on = [run for run in runs if attempts.ending(run, attempts.last(run)).goes_on]
    return going_on[0] if len(going_on) == 1 else runs[0]


VERBS = {"start": start, "list": listed, "show": show, "stop": stop}
