"""How job stores read."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from toilctl.cli.base.render import counted, pairs, table
from toilctl.cli.views.explain import never_run
from toilctl.workflows.job_stores import How, JobStoreState

if TYPE_CHECKING:
    from toilctl.verbs.job_stores.clean import Cleaned, Deletion
    from toilctl.verbs.job_stores.job_stores import Killed, View
    from toilctl.workflows.job_stores import FailedJob, JobStoreStatus, StoreJobs

_BAR_WIDTH: Final = 40
_SHOWN: Final = 10


def status(view: View) -> str:
    """Say what became of a workflow, how far it is, which jobs failed, and what to do next."""
    result = view.status
    parts = [
        "\n".join(filter(None, (f"{result.job_store} {_what(view)}.", _progress(result)))),
        never_run(view.never_run, view.cluster or ""),
        _jobs("Failed jobs", result.failed),
        _jobs("Jobs that failed and are tried again", result.tried_again),
        _refused(result),
        pairs(_next_steps(view)),
    ]
    return "\n\n".join(part for part in parts if part)


def killed(result: Killed) -> str:
    """Say in one line what a kill did."""
    name = result.name or "A workflow"
    if result.exit_code:
        return ""
    match result.how:
        case How.NOBODY:
            return f"No workflow works on {result.job_store}: there is nothing to kill."
        case How.SIGNALLED:
            return f"{name} (process {result.pid}) was told to end; {result.job_store} goes on with --restart."
        case How.ASKED:
            return (
                f"{name} on {result.job_store} was asked to end: it runs elsewhere, if at all, and reads that in its "
                "job store within seconds."
            )


def question(deletion: Deletion) -> str:
    """Say what would be deleted, and what that would cost."""
    state = deletion.use.state
    lost = {
        JobStoreState.FINISHED: "Its workflow has finished.",
        JobStoreState.FAILED: "Its workflow failed, and could not be restarted any more.",
        JobStoreState.STOPPED: "Its workflow is stopped, and could not be restarted any more.",
    }
    why = deletion.doubt or (lost.get(state, "") if state else "")
    return " ".join(filter(None, (f"{deletion.job_store} is {deletion.where}.", why, "Delete it?")))


def cleaned(result: Cleaned) -> str:
    """Say that a job store is gone."""
    if not result.existed:
        return f"There is no job store {result.job_store}: nothing to delete."
    return "" if result.exit_code else f"Deleted the job store {result.job_store}."


def _what(view: View) -> str:
    result, leader = view.status, view.status.leader
    if result.state is JobStoreState.RUNNING and leader:
        who = f"{leader.name or 'a program'} (process {leader.pid}) {view.place}"
        return f"is running: {who}{_since(leader.since)}" + (", and was asked to end" if result.kill_asked else "")
    if result.state is JobStoreState.STOPPED and result.processes:
        first = result.processes[0]
        return f"is about to begin: {first.name} (process {first.pid}) {view.place}"
    if result.state is JobStoreState.STOPPED and not result.begun:
        return "has never begun: its workflow ended before the first job"
    return {
        JobStoreState.FINISHED: "has finished: no job is left",
        JobStoreState.FAILED: f"has failed: {counted(result.jobs.failed, 'job')} without a try left",
        JobStoreState.STOPPED: "is stopped: its leader is gone, and jobs are left",
    }.get(
        result.state or JobStoreState.UNKNOWN,
        f"is running elsewhere, or lost: its leader does not run {view.place}, and did not say that it ended",
    )


def _since(at: str | None) -> str:
    return f", since {datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else ""


def _progress(result: JobStoreStatus) -> str:
    jobs = result.jobs
    so_far = "" if jobs.complete else " (there was no time to look at all)"
    if jobs.succeeded is None:
        # Without the leader's own account, a job that runs looks like one that waits.
        numbers = ", ".join(filter(None, (f"{counted(jobs.left, 'job')} left", _number(jobs.failed, "failed"))))
        return f"  {numbers}{so_far}" if jobs.left else ""
    total = jobs.succeeded + jobs.left
    if not total:
        return ""
    return f"  {_bar(jobs.succeeded, total)}  {jobs.succeeded} of {total} jobs so far\n  {_numbers(jobs)}{so_far}"


def _bar(done: int, total: int) -> str:
    full = _BAR_WIDTH * done // total
    return "█" * full + "░" * (_BAR_WIDTH - full)


def _numbers(jobs: StoreJobs) -> str:
    known = jobs.running is not None
    return ", ".join(
        filter(None, (
            _number(jobs.succeeded, "succeeded"), _number(jobs.running, "running"), _number(jobs.queued, "queued"),
            "" if known else _number(jobs.issued, "running or queued"), _number(jobs.waiting, "waiting"),
            _number(jobs.failed, "failed"),
        ))
    )  # fmt: skip


def _number(count: int | None, what: str) -> str:
    return f"{count} {what}" if count else ""


def _jobs(title: str, jobs: tuple[FailedJob, ...]) -> str:
    if not jobs:
        return ""
    lines = [title, table(("JOB", "TRIES LEFT", "LOG"), ((one.name, one.tries_left, one.log) for one in jobs[:_SHOWN]),
                          "  ")]  # fmt: skip
    if len(jobs) > _SHOWN:
        lines.append(f"  … and {len(jobs) - _SHOWN} more")
    return "\n".join(lines)


def _refused(result: JobStoreStatus) -> str:
    """Say how jobs may write where S3 refused them."""
    places = [one.s3_refused for one in (*result.failed, *result.tried_again) if one.s3_refused]
    buckets = list(dict.fromkeys(place.partition("/")[0] for place in places))
    if not buckets:
        return ""
    flags = shlex.join(word for bucket in buckets for word in ("--s3-write", bucket))
    return (
        f"S3 refused to let a job write to {places[0]}: jobs write to job stores, and where the launch of their "
        f"cluster allows.\nAllow it: the command that launched the cluster once more, with {flags}"
    )


def _next_steps(view: View) -> dict[str, str]:
    result = view.status
    logged = next((one for one in (*result.failed, *result.tried_again) if one.log), None)
    steps = {"log": _command(view, "status", "--print-logs", "--jobs", logged.id)} if logged else {}
    if result.state is JobStoreState.RUNNING:
        return {**steps, "stop": _stop(view)}
    if result.state is JobStoreState.UNKNOWN:
        return {**steps, "ask": "where it ran, with --cluster NAME", "stop": _command(view, "kill")}
    if result.processes:
        return steps
    if result.begun and result.state is not JobStoreState.FINISHED:
        steps["go on"] = _restart(view)
    return {**steps, "delete": _command(view, "clean")}


def _stop(view: View) -> str:
    runs = view.status.runs_going_on
    return shlex.join(("toilctl", "stop", view.cluster, runs[0])) if runs and view.cluster else _command(view, "kill")


def _restart(view: View) -> str:
    if view.status.runs and view.cluster:
        # The newest one is the first.
        return shlex.join(("toilctl", "run", view.cluster, "--name", view.status.runs[0].name, "--restart"))
    return "the workflow's command line again, with --restart"


def _command(view: View, verb: str, *words: str) -> str:
    there = ("--cluster", view.cluster) if view.cluster else ()
    return shlex.join(("toilctl", verb, view.status.job_store, *there, *words))
