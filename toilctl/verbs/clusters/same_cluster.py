"""Whether a launch is that of a cluster which is there already; a name in use with other settings is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from toilctl.values import tags
from toilctl.values.cluster import Cluster
from toilctl.values.errors import ConflictError
from toilctl.values.tuning import SETTINGS
from toilctl.values.units import exact
from toilctl.verbs.settings import meaning, scaling

if TYPE_CHECKING:
    from toilctl.verbs.clusters.launch_plan import LaunchPlan

_OF_THE_AUTOSCALER: Final = {
    tags.LIMITS, tags.AUTOSCALER, tags.DEFAULT_PREEMPTIBLE, tags.NODE_TYPES, tags.NODE_STORAGE, tags.WORKERS
}  # fmt: skip
"""What 'toilctl autoscale' changes."""


def checked(plan: LaunchPlan, existing: Cluster) -> LaunchPlan:
    """Return the plan of a launch that completes a cluster; the workers of an autoscaled one are its autoscaler's.

    While it has no nodes, as after a launch for which EC2 had no capacity, only its network is settled.

    :raises ConflictError: when the cluster has other settings, saying which.
    """
    wanted, had = plan.settings(), meaning.of(existing.settings)
    asked = {tag: value for tag, value in meaning.of(wanted).items() if tag in wanted or tag == tags.NODE_TYPES}
    if asked[tags.NODE_TYPES] != had[tags.NODE_TYPES] or (scaling.is_autoscaled(existing) and plan.scaling):
        del asked[tags.WORKERS]
    if not any(node.live for node in existing.nodes):
        asked = {tags.VPC_SUBNET: asked[tags.VPC_SUBNET]}
    differing = {tag: (had.get(tag, ""), value) for tag, value in asked.items() if had.get(tag, "") != value}
    if differing:
        _refuse(plan, existing, differing)
    if not (plan.scaling and scaling.is_autoscaled(existing) and existing.leader):
        return plan
    return replace(plan, worker_counts=(0,) * len(plan.node_types))


def _shown(tag: str, had: str, asked: str) -> tuple[str, str]:
    """Return two values as people compare them: of many settings in one tag those that differ."""
    if tag != tags.AUTOSCALER or not (had and asked):
        return had, asked
    pairs = zip(had.split(), asked.split(), strict=True)
    differing = [pair for pair in pairs if pair[0] != pair[1]]
    return " ".join(one for one, _ in differing), " ".join(one for _, one in differing)


def _refuse(plan: LaunchPlan, existing: Cluster, differing: Mapping[str, tuple[str, str]]) -> None:
    short = {tag.partition(":")[2]: pair for tag, pair in differing.items()}
    shown = {tag.partition(":")[2]: _shown(tag, *pair) for tag, pair in differing.items()}
    told = "; ".join(f"{name} is {had or 'none'}, not {asked or 'none'}" for name, (had, asked) in shown.items())
    raise ConflictError(
        f"There is a cluster {plan.cluster!r} in {plan.region} with other settings: {told}.",
        _way_out(plan, existing, set(differing)),
        differing=short,
    )


def _way_out(plan: LaunchPlan, existing: Cluster, differing: set[str]) -> str:
    where = f"-z {plan.zones[0]} {plan.cluster}"
    if differing == {tags.WORKERS}:
        return f"Resize it: toilctl scale-cluster {where} -w {','.join(map(str, plan.worker_counts))}"
    if differing <= _OF_THE_AUTOSCALER and plan.scaling:
        return f"Change them: toilctl autoscale {where} {' '.join(_options(plan, plan.scaling, existing, differing))}"
    if differing <= _OF_THE_AUTOSCALER and scaling.is_autoscaled(existing):
        return f"It is autoscaled: 'toilctl autoscale {where}' shows and changes how."
    zone = (existing.settings.get(tags.ZONES) or plan.zones[0]).partition(",")[0]
    return f"Choose another name, or destroy that cluster first: toilctl destroy-cluster -z {zone} {plan.cluster}"


def _options(plan: LaunchPlan, asked: scaling.Scaling, existing: Cluster, differing: set[str]) -> Iterator[str]:
    """Yield the options of autoscale that make the cluster as it was asked for."""
    if differing & {tags.LIMITS, tags.NODE_TYPES}:
        for name in ("min_nodes", "max_nodes"):
            yield f"--{name.replace('_', '-')} {','.join(str(getattr(one, name)) for one in asked.limits)}"
    if tags.NODE_TYPES in differing:
        yield f"--node-types {plan.node_types}"
    had = scaling.of_cluster(existing)
    for name, value in asked.tuning.values.items() if tags.AUTOSCALER in differing else ():
        if had is None or had.tuning.values[name] != value:
            yield f"{SETTINGS[name].flag} {exact(value)}"
    if tags.DEFAULT_PREEMPTIBLE in differing:
        yield f"--{'' if plan.default_preemptible else 'no-'}default-preemptible"
    if tags.NODE_STORAGE in differing:
        yield f"--node-storage {plan.node_storage_gb}"
