"""What to type so that jobs can run that no node type of a cluster can run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from toilctl.autoscaler.model.advice import Advice, Remedy
from toilctl.autoscaler.model.plan import Infeasible
from toilctl.values.node_types import NodeType
from toilctl.values.scaling_policy import Limits
from toilctl.values.wording import listed

_COUNT: Final = "N"
_TYPE: Final = "TYPE"
_TOILS: Final = {"--node-types": "--nodeTypes", "--max-nodes": "--maxNodes", "--node-storage": "--nodeStorage"}
_NONE: Final = Limits()


@dataclass(frozen=True)
class Place:
    """Where it is typed."""

    cluster: str = ""
    """Empty where there is none yet: then options alone are told."""
    limits: Limits = _NONE
    """The cluster's own; without any, its workflows ask for nodes."""

    def line(self, options: Iterable[str]) -> str:
        """Return what to type, as a sentence has it behind ``with``."""
        text = " ".join(options)
        if not self.cluster:
            return text
        if not self.limits:
            for ours, toils in _TOILS.items():
                text = text.replace(ours, toils)
            return f"the workflow's own {text}"
        return f"'toilctl autoscale {self.cluster} {text}'"


def words(of: Infeasible, remedy: Remedy, place: Place) -> str:
    """Say what makes a place for jobs that have none, without a full stop."""
    if remedy.advice is Advice.ENLARGE_DISKS:
        return f"give {remedy.node_type} larger disks with {place.line(_storage(remedy, place.limits, 0))}"
    if remedy.advice is Advice.ALLOW_NODES:
        options = [_maxima(remedy.node_type, place.limits), *_storage(remedy, place.limits, 0)]
        return f"raise the maximum of {remedy.node_type} with {place.line(options)}"
    line = place.line([*_added(remedy.node_type or _TYPE, place.limits), *_storage(remedy, place.limits, 1)])
    if remedy.advice is Advice.ADD_ON_DEMAND:
        return f"add {remedy.node_type}, on demand, with {line}{_or_preemptible(of)}"
    sizes = [f"{remedy.cores} {'core' if remedy.cores == 1 else 'cores'}", f"{remedy.memory_gib} GiB of memory"]
    sizes += [f"{remedy.instance_store_gb} GB of instance store"] if remedy.instance_store_gb else []
    kind = "a node type" if of.shape.preemptible else "an on-demand node type"
    return f"add {kind} that has at least {listed(sizes)} with {line}"


def _maxima(node_type: str, limits: Limits) -> str:
    if NodeType.parse(node_type) not in {one.node_type for one in limits}:
        return "--max-nodes …"
    most = [_COUNT if str(one.node_type) == node_type else str(one.max_nodes) for one in limits]
    return f"--max-nodes {','.join(most)}"


def _added(node_type: str, limits: Limits) -> list[str]:
    if not limits:
        return ["--node-types …"]
    names = [*(str(one.node_type) for one in limits), node_type]
    most = [*(str(one.max_nodes) for one in limits), _COUNT]
    return [f"--node-types {','.join(names)}", f"--max-nodes {','.join(most)}"]


def _storage(remedy: Remedy, limits: Limits, more: int) -> list[str]:
    """Return the option for root volumes: what workflows ask for beside the limits is not among its sizes."""
    sizes = remedy.storage_gb
    if len(sizes) > 1 and len(sizes) != len(limits) + more:
        sizes = (max(sizes),)
    return [f"--node-storage {','.join(map(str, sizes))}"] if sizes else []


def _or_preemptible(of: Infeasible) -> str:
    """Name the other way where spot nodes are large enough."""
    lacking: dict[str, set[str]] = {}
    for one in of.lacks:
        lacking.setdefault(one.node_type, set()).add(one.resource)
    helps = {"preemptible"} in lacking.values()
    return ", or run the workflow with --defaultPreemptible" if helps else ""
