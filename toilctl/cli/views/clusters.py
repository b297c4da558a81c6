"""How results of the cluster commands read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from toilctl.cli.base.render import counted, pairs, table
from toilctl.cli.views import costs as cost_views
from toilctl.cli.views.autoscale import limits
from toilctl.system import progress
from toilctl.values.cluster import Role
from toilctl.values.wording import bought, listed, priced

if TYPE_CHECKING:
    from toilctl.values.shared_storage import Shared
    from toilctl.verbs.clusters.describe import Description
    from toilctl.verbs.clusters.destroy import Destroyed
    from toilctl.verbs.clusters.launch import Launched
    from toilctl.verbs.clusters.launch_plan import LaunchPlan
    from toilctl.verbs.clusters.list import ClusterList
    from toilctl.verbs.clusters.nodes import NodeLine
    from toilctl.verbs.clusters.scale import Scaled, ScalePlan
    from toilctl.verbs.settings.software import Software


def clusters(found: ClusterList) -> str:
    """One line per cluster."""
    if not found.clusters:
        return f"There are no clusters in {found.where}."
    rows = [
        (one.name, one.region, one.state, one.leader_address, len(one.workers), one.engine, one.owner)
        for one in found.clusters
    ]
    return table(("NAME", "REGION", "STATE", "LEADER", "WORKERS", "ENGINE", "OWNER"), rows)


def announce(plan: LaunchPlan) -> None:
    """Say on stderr what is about to be launched, and what a user may not expect of it."""
    for note in _notes(plan):
        progress.note(note)
    doing = "Completing" if plan.exists else "Launching"
    progress.note(f"{doing} {plan.cluster} in {', '.join(plan.zones)}: {_shape(plan)}.")


def launch_plan(plan: LaunchPlan) -> str:
    """Say what a launch would make."""
    first = (
        f"Would {'complete' if plan.exists else 'launch'} {plan.cluster} in {', '.join(plan.zones)}: {_shape(plan)}."
    )
    facts = {
        "image": f"{plan.ami} (login user {plan.login_user})",
        "storage": f"leader {plan.leader_storage_gb} GB, workers {plan.node_storage_gb} GB",
        "subnet": plan.vpc_subnet,
        "key pair": f"{plan.key_pair_name} (private key: {plan.private_key})",
        "ssh from": ", ".join(plan.ssh_cidrs) or "this machine's address",
        "profile": plan.aws_ec2_profile_arn,
        "groups": ", ".join(plan.aws_ec2_extra_security_group_ids),
        "owner": plan.owner,
        "tags": _tags(plan.extra_tags),
        **_software(plan.software),
        "orphans": _orphans(plan.orphan_timeout_s),
        **_more(plan.shared, plan.enable_fuse, plan.s3_write),
        "sse key": plan.sse_key,
        **_scaling(plan),
        "cost": _cost(plan),
    }
    return "\n".join((first, *_notes(plan), pairs(facts, indent="  ")))


def launched(result: Launched) -> str:
    """Addresses, cost, and what to type next."""
    facts = pairs({**_software(result.software), "cost": result.cost.text()})
    following = "\n".join(f"  {line}" for line in result.next_commands)
    parts = (_nodes(result.nodes), facts, result.note, f"Next:\n{following}")
    return "\n\n".join(part for part in parts if part)


def description(result: Description) -> str:
    """Show a cluster's settings and nodes."""
    wanted = ", ".join(f"{count} {kind}" for kind, count in result.desired.items()) or "none"
    if result.limits:
        wanted = f"{limits(result.limits)}, {'autoscaling is paused' if result.paused else 'autoscaled'}"
    facts = {
        "state": result.state,
        "zones": ", ".join(result.zones) or result.region,
        "workers": wanted,
        "engine": result.engine,
        "appliance": result.appliance_image,
        "image": result.ami,
        "orphans": _orphans(result.orphan_timeout_s),
        **_more(result.shared, result.enable_fuse, result.s3_write),
        "sse key": "on all nodes" if result.sse_key else "",
        "key pair": result.key_pair_name,
        "owner": result.owner,
        "tags": _tags(result.tags),
        "cost": cost_views.brief(result.costs) if result.costs else result.cost.text(),
    }
    head = f"Cluster {result.cluster} in {result.region}\n{pairs(facts, indent='  ')}"
    costs = cost_views.text(result.costs, result.budget) if result.costs else ""
    return "\n\n".join(filter(None, (head, _nodes(result.nodes), costs, result.note)))


def scale_plan(plan: ScalePlan) -> str:
    """Say what scaling would do."""
    if plan.nothing_to_do:
        return f"Nothing to do: {plan.cluster} has {_counts(plan.after.items())}."
    told = [f"launch {count} {kind}" for kind, count in plan.launches.items()]
    if plan.terminate:
        told.append(f"{'terminate' if plan.force else 'drain and terminate'} {', '.join(plan.terminate)}")
    if plan.configure:
        told.append(f"set up {', '.join(plan.configure)} again")
    return f"Would scale {plan.cluster} to {_counts(plan.after.items())}: {'; '.join(told)}."


def scaled(result: Scaled) -> str:
    """Show the nodes as they are now."""
    if result.plan.nothing_to_do:
        return scale_plan(result.plan)
    before = _counts(result.plan.before.items())
    workers = [node.node_type for node in result.nodes if node.role is Role.WORKER]
    there = _counts((kind, workers.count(kind)) for kind in result.plan.after)
    first = f"{result.plan.cluster} went from {before} to {there}."
    return f"{first}\n\n{_nodes(result.nodes)}"


def destroyed(result: Destroyed) -> str:
    """One sentence."""
    if not result.existed:
        return f"There is no cluster {result.cluster} in {result.where}: nothing to destroy.\n{result.next_step}"
    first = f"{result.cluster} in {result.where} is destroyed; nothing of it is left."
    if result.journal is None:
        return first
    return f"{first}\nIts journal is kept in {result.journal}: 'toilctl timeline {result.cluster}' draws it."


def _nodes(nodes: Iterable[NodeLine]) -> str:
    rows = [
        (
            node.role, node.instance_id, node.instance_type, bought(node.market), node.state, node.engine_state,
            node.jobs, node.public_address, node.private_address,
        )
        for node in nodes
    ]  # fmt: skip
    return table(("ROLE", "ID", "TYPE", "MARKET", "STATE", "ENGINE", "JOBS", "PUBLIC", "PRIVATE"), rows)


def _shape(plan: LaunchPlan) -> str:
    kinds = [(str(kind), count) for kind, count in zip(plan.node_types, plan.worker_counts, strict=True) if count]
    workers = f" and {_counts(kinds)}" if kinds else ""
    if plan.scaling:
        workers += f" and, as jobs demand, {limits(plan.scaling.limits)}"
    return f"1 leader ({plan.leader_node_type}){workers}, engine {plan.software.engine}{_cost(plan)}"


def _cost(plan: LaunchPlan) -> str:
    """Return the end of the sentence that says what is launched."""
    unknown = {*plan.cost.unknown, *(plan.cost_at_maximum.unknown if plan.cost_at_maximum else ())}
    if unknown:
        return f"; what it costs is not known here, for there is no price of {listed(sorted(unknown))}"
    if plan.cost_at_maximum is None:
        return f", {plan.cost.text()}"
    least, most = (cost.text(dated=False) for cost in (plan.cost, plan.cost_at_maximum))
    return f", {least} to begin with and {most} at the maximum ({priced(plan.cost.prices_as_of)})"


def _scaling(plan: LaunchPlan) -> dict[str, str]:
    if plan.scaling is None:
        return {}
    tuning = plan.scaling.tuning
    return {
        "limits": limits(plan.scaling.limits),
        "pace": f"jobs wait at most {tuning.said('target_time_s')}, decisions every {tuning.said('scale_interval_s')}, "
        f"idle workers go after {tuning.said('idle_timeout_s')}",
    }


def _notes(plan: LaunchPlan) -> list[str]:
    return [note for note in (plan.software.note, plan.scaling.note if plan.scaling else "") if note]


def _counts(kinds: Iterable[tuple[str, int]]) -> str:
    return " and ".join(f"{counted(count, 'worker')} ({kind})" for kind, count in kinds) or "no workers"


def _software(software: Software) -> dict[str, str]:
    return {"engine": software.engine, "appliance": f"{software.appliance_image} (by {software.rule})"}


def _more(shared: Shared | None, enable_fuse: bool, s3_write: Sequence[str]) -> dict[str, str]:
    return {
        "shared": shared.about if shared else "",
        "S3": f"jobs may write to {', '.join(s3_write)}" if s3_write else "",
        "fuse": "jobs may mount" if enable_fuse else "",
    }


def _orphans(timeout_s: int) -> str:
    return f"workers end after {timeout_s} s without the leader" if timeout_s else "workers stay without the leader"


def _tags(tags: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in tags.items())
