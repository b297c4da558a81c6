"""run, runs, stop: workflows that go on in the leader's container, whatever becomes of the connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from toilctl.autoscaler.model.plan import Infeasible
from toilctl.system import inventory, progress
from toilctl.values import tags
from toilctl.values.cluster import Cluster
from toilctl.values.errors import ConflictError, UsageError
from toilctl.values.shared_storage import Shared
from toilctl.verbs.connect import ask_leader
from toilctl.verbs.reports import explain, run_costs
from toilctl.verbs.settings import scaling
from toilctl.workflows import told
from toilctl.workflows.command_line import WorkflowCommand
from toilctl.workflows.runs import Run

STOP_PATIENCE_S: Final = 60.0
_SINGLE_MACHINE: Final = "single_machine"


@dataclass(frozen=True)
class RunRequest:
    """What is to be run; without words, with ``restart``, what the run of that name ran before."""

    words: tuple[str, ...] = ()
    name: str | None = None
    deployment: str | None = None
    """None is the one deployed last of those that have what is run, an empty string is none."""
    restart: bool = False
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables of the command, beside the leader's; a restart has those of before, too."""


@dataclass(frozen=True)
class Started:
    """A run that has begun."""

    cluster: str
    region: str
    run: Run
    restarted: bool
    rewritten: tuple[tuple[str, str, str], ...] = ()
    """What today's Toil spells otherwise: before, after, why."""
    without: str = ""
    """The deployment that was deployed last, where another one was chosen since only that has what is run."""
    also: tuple[str, ...] = ()
    """Older deployments that have it, too, in that case."""


@dataclass(frozen=True)
class RunList:
    """The runs of a cluster, newest first."""

    cluster: str
    region: str
    runs: tuple[Run, ...]
    never_run: tuple[Infeasible, ...] = ()
    """The jobs that wait on the cluster, of whichever run, and can never run there; none once no run goes on."""


@dataclass(frozen=True)
class Stopped:
    """A run that does not go on."""

    cluster: str
    run: Run
    was_running: bool


def start(cluster: Cluster, request: RunRequest, ssh_key: Path | None) -> Started:
    """Start a run, detached from this terminal.

    :raises UsageError: when the command line cannot be run, or its job store cannot be seen by workers.
    :raises ConflictError: when the name or the job store is in use.
    :raises NotFoundError: when what is to be run, or restarted, is not there.
    """
    command = _command(cluster, request, ssh_key)
    store = command.job_store
    if store and store.region and store.region != cluster.region:
        progress.note(
            f"The job store is in {store.region} and the cluster in {cluster.region}: each transfer is slower and "
            "costs money."
        )
    restart = request.restart or command.restart
    answer = ask_leader.ask(
        cluster, ssh_key, "runs.start",
        {
            "name": request.name,
            "argv": list(command.words),
            "environment": dict(request.environment),
            "deployment": request.deployment,
            "job_store": str(store) if store else None,
            "restart": restart,
            "shared": _shared(cluster),
            "workers_possible": _has_workers(cluster) and _SINGLE_MACHINE not in " ".join(command.words),
        },
        doing="Start the run",
    )  # fmt: skip
    with ask_leader.understood("runs.start"):
        run, without = Run.of(answer), told.text(answer.get("without") or "")
        also = told.texts(answer.get("also") or ())
    return Started(cluster.name, cluster.region, run, restart, command.rewritten, without, also)


def listing(cluster: Cluster, ssh_key: Path | None) -> RunList:
    """Return a cluster's runs, with what they cost.

    :raises ConnectError: when the leader cannot be reached.
    """
    answer = ask_leader.ask(cluster, ssh_key, "runs.list", {})
    with ask_leader.understood("runs.list"):
        now, runs = told.when(answer["now"]), [Run.of(one) for one in told.items(answer["runs"])]
    spans = [[(begin, end or now) for begin, end in one.spans] for one in runs]
    costs = run_costs.within(cluster, ssh_key, spans)
    never_run = explain.never_run(cluster, ssh_key) if any(one.state.goes_on for one in runs) else ()
    priced = tuple(replace(one, usd=usd) for one, usd in zip(runs, costs, strict=True))
    return RunList(cluster.name, cluster.region, priced, never_run)


def show(cluster: Cluster, name: str | None, ssh_key: Path | None) -> Run:
    """Return a run; without a name, the only one that goes on, else the newest.

    :raises NotFoundError: when there is none.
    """
    answer = ask_leader.ask(cluster, ssh_key, "runs.show", {"name": name})
    with ask_leader.understood("runs.show"):
        return Run.of(answer)


def stop(cluster: Cluster, name: str | None, ssh_key: Path | None, *, force: bool = False) -> Stopped:
    """End a run so that it can be restarted; one that has ended stays as it is.

    :raises NotFoundError: when there is none of that name.
    :raises ConflictError: when it does not end, and is not forced to.
    """
    answer = ask_leader.ask(
        cluster, ssh_key, "runs.stop", {"name": name, "patience_s": STOP_PATIENCE_S, "force": force},
        doing="Stop the run", timeout_s=2 * STOP_PATIENCE_S,
    )  # fmt: skip
    with ask_leader.understood("runs.stop"):
        return Stopped(cluster.name, Run.of(answer["run"]), bool(answer["was_running"]))


def exit_code(run: Run) -> int:
    """Return what a command that waited for a run ends with: the workflow's own exit code.

    :raises ConflictError: when the run is lost.
    """
    if run.exit_code is None:
        raise ConflictError(
            f"Run {run.name!r} is {run.state}: {run.reason or 'it ended without a word'}.",
            "Go on with it: the same command with --restart.", name=run.name, state=run.state,
        )  # fmt: skip
    return run.exit_code


def find(name: str, zone: str | None, region: str | None) -> Cluster:
    """Return the cluster of that name.

    :raises NotFoundError: when there is none.
    """
    return inventory.find(name, zone, region)


def _command(cluster: Cluster, request: RunRequest, ssh_key: Path | None) -> WorkflowCommand:
    """Return what is to be run: what was typed, else what the run had before."""
    if request.words:
        command = WorkflowCommand.parse(request.words)
    elif request.restart:
        command = WorkflowCommand.parse(show(cluster, request.name, ssh_key).command)
    else:
        raise UsageError(
            "There is no command to run.",
            f"Write it behind --, such as: toilctl run {cluster.name} -- python sort.py "
            f"aws:{cluster.region}:sort-jobstore",
        )
    return command.with_restart() if request.restart and not command.restart else command


def _has_workers(cluster: Cluster) -> bool:
    return (
        any(node.live for node in cluster.workers)
        or scaling.is_autoscaled(cluster)
        or (scaling.follows_workflows(cluster))
    )


def _shared(cluster: Cluster) -> list[str]:
    """Return the directory that all nodes share, if there is one."""
    shared = cluster.settings.get(tags.SHARED)
    return [Shared(shared).path] if shared else []
