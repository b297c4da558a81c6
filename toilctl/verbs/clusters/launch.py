"""launch-cluster: the plan carried out, and what came of it as EC2 and the engine tell."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from toilctl.system import inventory, playbooks, price_table, ssh
from toilctl.values.cluster import Cluster
from toilctl.values.errors import ConnectError, CredentialsError, PartialError
from toilctl.values.node_types import NodeType
from toilctl.verbs.clusters import nodes, undo
from toilctl.verbs.clusters.launch_plan import LaunchPlan
from toilctl.verbs.provisioner import Provisioner, ProvisionerName
from toilctl.verbs.settings import custom_init, sse_key
from toilctl.verbs.settings.software import Software

_WAITING_MENDS_NOTHING: Final = frozenset({"host-key", "key-file", "agent", "permission"})
"""Reasons of ssh's for which the same launch again would end in the same way."""
_NOTES: Final = {"sse_key_replaced": sse_key.NOTE, "custom_init_failed": custom_init.NOTE}
"""What a playbook tells that its user is to know."""


@dataclass(frozen=True)
class Launched:
    """A cluster that runs."""

    cluster: str
    region: str
    nodes: tuple[nodes.NodeLine, ...]
    software: Software
    cost: price_table.Cost
    next_commands: tuple[str, ...]
    note: str = ""
    """What a user may not expect of it."""


def launch(plan: LaunchPlan, provisioner: Provisioner) -> Launched:
    """Launch, or complete, a cluster.

    :raises PartialError: when it works and something is missing; ``facts["result"]`` is what there is.
    :raises ToilctlError: when it does not work; the same command goes on from there.
    """
    result = playbooks.run(
        "launch.yml",
        playbooks.PlaybookTarget(plan.region, plan.cluster),
        {**provisioner.extra_variables, **plan.variables()},
        resume="The same command goes on from here; "
        f"'{command('destroy-cluster', plan.cluster, plan.zones[0], provisioner)}' removes what was made.",
    )
    found = inventory.clusters(plan.region, plan.cluster)
    if not found or found[0].leader is None or any(failure.error for failure in result.failures):
        _fail(plan, result, provisioner)
    return _outcome(plan, found[0], result, provisioner)


def _fail(plan: LaunchPlan, result: playbooks.PlaybookResult, provisioner: Provisioner) -> None:
    """Raise what a failed playbook means; nothing, when it did not fail."""
    try:
        playbooks.raise_failure(result)
    except CredentialsError as error:
        raise undo.refused(error, plan, provisioner) from error


def command(verb: str, cluster: str, zone: str, provisioner: Provisioner, rest: str = "") -> str:
    """Return a command line that a user can type, with what it needs to find the cluster from anywhere."""
    named = provisioner.name is ProvisionerName.AWS or os.environ.get("TOILCTL_PROVISIONER") == provisioner.name
    where = f"-z {zone}" + ("" if named else f" --provisioner {provisioner.name}")
    return f"toilctl {verb} {where} {cluster} {rest}".rstrip()


def missing_text(short: Mapping[NodeType, int], members: nodes.NodesOutcome, shortfalls: Sequence[Any]) -> str:
    """Say what a cluster lacks: nodes that EC2 did not give, and nodes that are not in the engine."""
    told = [str(one["message"]).rstrip(".") for one in shortfalls if isinstance(one, Mapping) and one.get("message")]
    if not told:
        told = [f"{count} of {kind} are not there" for kind, count in short.items()]
    if members.trouble:
        told.append(f"the engine could not be asked ({members.trouble.rstrip('.')})")
    elif members.missing:
        told.append(f"{', '.join(members.missing)} did not join the engine")
    return "; ".join(told)


def advice(shortfalls: Sequence[Any]) -> str:
    """Say what to do about the first of what EC2 did not give."""
    steps = [str(one["next_step"]) for one in shortfalls if isinstance(one, Mapping) and one.get("next_step")]
    return f"{steps[0]}\n" if steps else ""


def _outcome(
    plan: LaunchPlan, cluster: Cluster, result: playbooks.PlaybookResult, provisioner: Provisioner
) -> Launched:
    patiently = result.succeeded and not (plan.scaling and plan.exists)
    members = nodes.wait_for_members(cluster, plan.private_key.path, patiently=patiently)
    if plan.scaling and plan.exists and not members.trouble:
        # Whether they join is their autoscaler's business, which may have launched some just now.
        members = nodes.NodesOutcome(members.members, ())
    short = nodes.short_of(cluster, dict(zip(plan.node_types, plan.worker_counts, strict=True)))
    launched = Launched(
        cluster=plan.cluster,
        region=plan.region,
        nodes=nodes.lines(cluster, members.members),
        software=plan.software,
        cost=price_table.cost(plan.region, price_table.there(cluster.nodes)),
        next_commands=tuple(
            command(verb, plan.cluster, plan.zones[0], provisioner, rest)
            for verb, rest in (
                ("rsync-cluster", "workflow.py :/tmp"),
                ("ssh-cluster", ""),
                *((("explain", ""),) if plan.scaling else ()),
                ("destroy-cluster", ""),
            )
        ),
        note=" ".join(note for told, note in _NOTES.items() if result.data.get(told)),
    )
    if members.trouble and not result.succeeded:
        _raise_if_leader_is_silent(plan, cluster, result, provisioner)
        playbooks.raise_failure(result)
    missing = missing_text(short, members, result.data.get("shortfalls", ()))
    if missing:
        raise PartialError(
            f"Cluster {plan.cluster!r} works in part: {missing}.",
            f"{advice(result.data.get('shortfalls', ()))}The same command tries again for what is missing"
            f"{_replacement(plan, members, provisioner)}; {result.log} has the details.",
            result=launched, missing=members.missing, log=result.log,
        )  # fmt: skip
    playbooks.raise_failure(result)
    return launched


def _replacement(plan: LaunchPlan, members: nodes.NodesOutcome, provisioner: Provisioner) -> str:
    """Say how to get rid of workers that do not join, and of them only: they are the first to go."""
    if members.trouble or not members.missing or len(plan.node_types) != 1 or plan.scaling:
        return ""
    fewer = sum(plan.worker_counts) - len(members.missing)
    scale = command("scale-cluster", plan.cluster, plan.zones[0], provisioner, f"-w {fewer}")
    return f", and '{scale}' followed by -w {sum(plan.worker_counts)} replaces it"


def _raise_if_leader_is_silent(
    plan: LaunchPlan, cluster: Cluster, result: playbooks.PlaybookResult, provisioner: Provisioner
) -> None:
    leader = cluster.leader.instance_id if cluster.leader else ""
    for failure in result.failures:
        if not (failure.unreachable and failure.host == leader):
            continue
        told = ssh.explain(ssh.leader_of(cluster, plan.private_key.path), failure.message)
        if told and told.facts.get("reason") in _WAITING_MENDS_NOTHING:
            raise told
        raise ConnectError(
            f"The leader {leader} does not answer over ssh.",
            "The same command waits for it once more; "
            f"'{command('destroy-cluster', plan.cluster, plan.zones[0], provisioner)}' clears the way for a new one.",
            instance_id=leader, log=result.log,
        )  # fmt: skip
