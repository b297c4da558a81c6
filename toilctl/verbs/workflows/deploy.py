"""deploy: a workflow onto the leader, with what it needs, so that it can be run there and by all workers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from toilctl.system import playbooks, progress
from toilctl.values import tags
from toilctl.values.cluster import Cluster
from toilctl.values.errors import ConflictError, PartialError, UsageError
from toilctl.values.units import HOUR_S
from toilctl.verbs.checks import key_pairs
from toilctl.verbs.clusters.scale import check_usable, cluster_variables
from toilctl.verbs.connect import ask_leader, send_files
from toilctl.verbs.connect import ssh_cluster as sessions
from toilctl.verbs.provisioner import Provisioner
from toilctl.verbs.workflows import git_revision, toil_mismatch
from toilctl.workflows import deployment, told, trees
from toilctl.workflows.deployment import Deployment, SourceKind
from toilctl.workflows.deployment_answers import Installed, Prepared
from toilctl.workflows.locator import Locator, LocatorKind, store_name

INSTALL_TIMEOUT_S: Final = HOUR_S
"""Some packages are compiled from source."""
_RUNNERS: Final = {"toil-cwl-runner": "WORKFLOW.cwl INPUTS.yml", "toil-wdl-runner": "WORKFLOW.wdl INPUTS.json"}
"""They take the job store as an option, and a workflow as a word."""


@dataclass(frozen=True)
class DeploymentPlan:
    """What is to be deployed, and a directory with distributions to install from instead of a package index."""

    deployment: Deployment
    wheelhouse: Path | None = None
    wheels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Deployed:
    """What is on the leader now."""

    cluster: str
    region: str
    name: str
    kind: SourceKind
    path: str
    """As it was typed."""
    changed: bool
    """False when all of it was there."""
    files: tuple[str, ...]
    sent: tuple[str, ...]
    """Those that were not there as they are, and wheels."""
    removed: tuple[str, ...]
    """Files that an earlier deployment of the name had."""
    native: bool
    """Whether packages have native code."""
    on_workers: bool
    """Whether its packages are installed on workers, too."""
    packages: Mapping[str, str]
    """Versions by name, beyond what the appliance has."""
    toil: str
    python: str
    commands: tuple[str, ...]
    """Complete ones, with a job store that may not be there yet."""
    left_out: tuple[str, ...] = ()
    """Secrets, and what git ignores, which stay here; a directory ends with a slash."""
    replaced: str = ""
    """The other path that the name was deployed from before."""


def plan(
    path: str, name: str | None, requirements: Path | None, wheelhouse: Path | None, include: Collection[str] = ()
) -> DeploymentPlan:
    """Look at what is to be deployed.

    :param include: what of a directory is sent although it may be a secret, or git ignores it.
    :raises UsageError: when it cannot be.
    :raises NotFoundError: when something that is named is not there.
    """
    planned = deployment.plan(path, name, requirements, include)
    if planned.kind is SourceKind.PACKAGE:
        where = "the wheelhouse" if wheelhouse else "the leader's package index"
        progress.note(f"There is no file or directory {path} here; it is a package of {where}.")
    if wheelhouse is None:
        return DeploymentPlan(planned)
    directory = wheelhouse.expanduser()
    return DeploymentPlan(planned, directory, deployment.wheels(directory))


def carry_out(planned: DeploymentPlan, cluster: Cluster, ssh_key: Path | None, provisioner: Provisioner) -> Deployed:
    """Send what the leader lacks and install it there, and on workers where Toil does not bring it.

    :raises ConflictError: when it needs another Toil than the appliance's, or other requirements exclude each other.
    :raises NotFoundError: when a package that it needs is not to be had.
    :raises PartialError: when some workers could not get it.
    """
    check_usable(cluster)
    wanted, request = planned.deployment, _request(planned)
    key = sessions.session_key(cluster, ssh_key)
    said = ask_leader.ask(cluster, key, "deployments.prepare", request, doing="Compare with the leader")
    with ask_leader.understood("deployments.prepare"):
        there = Prepared.of(said, wanted.files, planned.wheels)
        toil_mismatch.check(cluster, wanted.toil, there.toil, there.python)
    sent: tuple[str, ...] = ()
    answer: Mapping[str, Any] = {"deployment": there.before, "built": False, "removed": ()}
    if not there.unchanged:
        sent = _send(planned, cluster, key, there)
        answer = _install(cluster, key, request, there)
    with ask_leader.understood("deployments.install"):
        found, removed, built = Installed.of(answer["deployment"]), told.texts(answer["removed"]), bool(answer["built"])
    if found.on_workers and cluster.workers:
        _bring_to_workers(cluster, ssh_key, provisioner, wanted.name)
    return Deployed(
        cluster=cluster.name, region=cluster.region, name=wanted.name, kind=wanted.kind, path=wanted.given,
        changed=bool(sent or built or removed), files=wanted.files, sent=sent, left_out=wanted.left_out,
        removed=removed, native=found.native, on_workers=found.on_workers, packages=found.packages, toil=found.toil,
        python=found.python,
        commands=commands(cluster, wanted.name, found.programs), replaced=there.replaced(wanted.given),
    )  # fmt: skip


def commands(cluster: Cluster, name: str, programs: Iterable[str]) -> tuple[str, ...]:
    """Return what to type to run each program of a deployment."""
    # Buckets of all accounts share their names: the cluster's id makes this one nobody else's.
    mark = cluster.settings.get(tags.GENERATION, "jobstore")
    store = Locator(LocatorKind.AWS, store_name(name, mark), cluster.region)
    return tuple(
        f"toilctl run {cluster.name} -- {program} --jobStore {store} {_RUNNERS[program]}"
        if program in _RUNNERS else f"toilctl run {cluster.name} -- {program} {store}"
        for program in programs
    )  # fmt: skip


def _request(planned: DeploymentPlan) -> dict[str, Any]:
    """Return what the leader is asked; files and wheels by their digests."""
    wanted = planned.deployment
    said = git_revision.of(wanted.root) if wanted.root and wanted.project else git_revision.Revision()
    with progress.step("Read the files"):
        files = _digests(wanted.root, wanted.files) if wanted.root else {}
        wheels = _digests(planned.wheelhouse, planned.wheels) if planned.wheelhouse else None
    return {
        "name": wanted.name, "kind": wanted.kind, "path": wanted.given, "files": files, "wheels": wheels,
        "installed": wanted.installed, "requirements": list(wanted.requirements),
        "constraints": list(wanted.constraints), "programs": list(wanted.programs), "project": wanted.project,
        "commit": said.commit, "version": said.version,
    }  # fmt: skip


def _digests(root: Path, names: Iterable[str]) -> dict[str, str]:
    try:
        return {name: trees.digest(root / name) for name in names}
    except OSError as error:
        raise UsageError(
            f"{error.filename} could not be read: {error.strerror}.", "Make it readable.", path=error.filename
        ) from error


def _send(planned: DeploymentPlan, cluster: Cluster, key: Path | None, there: Prepared) -> tuple[str, ...]:
    incoming = there.incoming
    if planned.deployment.root:
        send_files.send(cluster, key, planned.deployment.root, there.files, f"{incoming}/source")
    if planned.wheelhouse:
        send_files.send(cluster, key, planned.wheelhouse, there.wheels, f"{incoming}/wheelhouse", what="wheel")
    return (*there.files, *there.wheels)


def _install(cluster: Cluster, key: Path | None, request: Mapping[str, Any], there: Prepared) -> Any:
    doing = "Install it on the leader" if there.installs else "Put it in place"
    try:
        return ask_leader.ask(cluster, key, "deployments.install", request, doing=doing, timeout_s=INSTALL_TIMEOUT_S)
    except ConflictError as error:
        needed = error.facts.get("toil_needed")
        if not needed:
            raise
        refused = toil_mismatch.conflict(cluster, error.message, str(needed), there.toil, there.python)
        refused.facts = {**error.facts, **refused.facts}
        raise refused from None


def _bring_to_workers(cluster: Cluster, ssh_key: Path | None, provisioner: Provisioner, name: str) -> None:
    """Install what the leader has on the workers that there are; later ones get it before they join."""
    private_key = key_pairs.of_cluster(cluster, ssh_key)
    variables = {**provisioner.extra_variables, **cluster_variables(cluster, private_key)}
    result = playbooks.run("deployments.yml", playbooks.PlaybookTarget(cluster.region, cluster.name), variables)
    hosts = sorted({failure.host for failure in result.failures} - {"localhost"})
    if result.succeeded or not hosts:
        playbooks.raise_failure(result)
        return
    raise PartialError(
        f"{name!r} is on the leader, but its packages did not reach {', '.join(hosts)}: {result.failures[0].message}",
        f"Type the same command again; {result.log} has all of it.", workers=hosts, log=result.log,
    )  # fmt: skip
