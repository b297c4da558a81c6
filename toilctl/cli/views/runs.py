"""How runs read."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from toilctl.cli.base.render import pairs, table
from toilctl.cli.views.explain import never_run
from toilctl.system import progress
from toilctl.values.outside import one_line
from toilctl.workflows.runs import RunState

if TYPE_CHECKING:
    from toilctl.verbs.workflows.runs import RunList, Started, Stopped
    from toilctl.workflows.runs import Run

_COMMAND_LENGTH: Final = 48
_COLUMNS: Final = ("NAME", "STATE", "DONE", "RUNNING", "QUEUED", "FAILED", "TIME", "COST", "COMMAND")


def started(result: Started) -> str:
    """Say what runs, and how to look at it."""
    name = result.run.name
    following = {
        "watch": f"toilctl logs {result.cluster} {name} -f",
        "progress": f"toilctl runs {result.cluster}",
        "terminal": f"toilctl attach {result.cluster} {name}",
        "stop": f"toilctl stop {result.cluster} {name}",
    }
    first = f"Run {name!r} {'goes on where it ended' if result.restarted else 'has begun'}, also without this terminal."
    return "\n".join((*_notes(result), first, pairs({**_facts(result.run), **following}, indent="  ")))


def announce(result: Started) -> None:
    """Say on stderr what has begun, before its log is shown."""
    for line in _notes(result):
        progress.note(line)
    progress.note(f"Run {result.run.name!r} has begun; Ctrl-C ends only this view of it.")


def say_end(run: Run, cluster: str) -> None:
    """Say on stderr how a run ended."""
    progress.note(_end(run, cluster))


def runs(result: RunList) -> str:
    """One line per run, newest first, and what to do about those that did not end well."""
    if not result.runs:
        return f"There were no runs on {result.cluster} yet: toilctl run {result.cluster} -- COMMAND"
    ended_badly = [one for one in result.runs if one.state in (RunState.FAILED, RunState.LOST)]
    shown = table(_COLUMNS, map(_row, result.runs))
    notes = "\n".join(_end(one, result.cluster) for one in ended_badly)
    return "\n\n".join(filter(None, (shown, never_run(result.never_run, result.cluster), notes)))


def stopped(result: Stopped) -> str:
    """Say what a stop did, and how to go on."""
    run = result.run
    if not result.was_running:
        return f"Run {run.name!r} had ended already ({run.state})."
    return f"Run {run.name!r} is stopped. It goes on with: toilctl run {result.cluster} --name {run.name} --restart"


def duration(seconds: float) -> str:
    """Return ``0:03:20``, with days in the hours."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _facts(run: Run) -> dict[str, str]:
    return {
        "command": shlex.join(run.command),
        "deployment": run.deployment or "",
        "job store": ", ".join(run.job_stores),
        "log": run.log,
    }


def _row(run: Run) -> tuple[object, ...]:
    jobs = run.progress
    numbers = (jobs.done, jobs.running, jobs.queued, jobs.failed) if jobs else (None,) * 4
    cost = None if run.usd is None else f"${run.usd:.2f}"
    return (run.name, run.state, *numbers, duration(run.seconds), cost, _short(shlex.join(run.command)))


def _short(text: str) -> str:
    return text if len(text) <= _COMMAND_LENGTH else f"{text[: _COMMAND_LENGTH - 1]}…"


def _notes(result: Started) -> Iterator[str]:
    for before, after, why in result.rewritten:
        yield f"{before} became {after or 'nothing'}: {why}"
    if result.without:
        also = f" So have {', '.join(result.also)}; --deployment chooses." if result.also else ""
        yield f"Deployment {result.run.deployment} has it, and {result.without}, deployed last, has not.{also}"


def _end(run: Run, cluster: str) -> str:
    after = f"after {duration(run.seconds)}"
    again = f"toilctl run {cluster} --name {run.name} --restart"
    match run.state:
        case RunState.SUCCEEDED:
            return f"Run {run.name!r} succeeded {after}."
        case RunState.FAILED:
            return (
                f"Run {run.name!r} failed {after} with exit code {run.exit_code}.\n"
                f"  Why: toilctl logs {cluster} {run.name}    Once that is put right: {again}"
            )
        case RunState.LOST:
            why = one_line(run.reason) or "it ended without a word"
            return f"Run {run.name!r} is lost: {why}.\n  It goes on with: {again}"
        case _:
            return f"Run {run.name!r} is {run.state} {after}."
