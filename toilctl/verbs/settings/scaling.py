"""What a user asks of an autoscaler, and what comes of it: limits per node type, and how eager scaling is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toilctl.system import variables
from toilctl.values import tags
from toilctl.values.cluster import Cluster, Engine
from toilctl.values.errors import UsageError
from toilctl.values.node_types import NodeType, NodeTypes
from toilctl.values.scaling_policy import Limits, NodeLimits, zip_limits
from toilctl.values.tuning import Tuning
from toilctl.values.wording import number
from toilctl.verbs.settings import meaning


@dataclass(frozen=True)
class ScalingWish:
    """What was asked for; None and empty leave it as it is, or to the shared defaults."""

    min_nodes: tuple[int, ...] | None = None
    """One number per node type, or one for all."""
    max_nodes: tuple[int, ...] | None = None
    min_preemptible_nodes: int | None = None
    """Older Toil's: the minimum of the node types with a bid, of which ``min_nodes`` then says nothing."""
    max_preemptible_nodes: int | None = None
    tuning: Mapping[str, float] = field(default_factory=dict)
    """Those of ``tuning.SETTINGS`` that were asked for."""
    default_preemptible: bool | None = None

    @property
    def limits_nodes(self) -> bool:
        """Whether there are limits in it; a cluster that is launched with some is autoscaled."""
        numbers = (self.min_nodes, self.max_nodes, self.min_preemptible_nodes, self.max_preemptible_nodes)
        return any(number is not None for number in numbers)

    @property
    def empty(self) -> bool:
        """Whether nothing was asked for."""
        return not self.limits_nodes and not self.tuning and self.default_preemptible is None


@dataclass(frozen=True)
class Scaling:
    """How an autoscaled cluster scales: what its security group's tags say."""

    limits: Limits
    tuning: Tuning
    default_preemptible: bool = False
    """Whether jobs that say nothing about it may run on spot workers."""

    def settings(self) -> dict[str, str]:
        """Return the tags."""
        return {
            tags.LIMITS: str(self.limits),
            tags.AUTOSCALER: str(self.tuning),
            tags.DEFAULT_PREEMPTIBLE: meaning.yes_or_no(self.default_preemptible),
        }

    def variables(self) -> dict[str, Any]:
        """Return the extra variables of playbooks/launch.yml."""
        return variables.extra_vars(limits=[str(one) for one in self.limits], tuning=str(self.tuning))

    @property
    def node_types(self) -> NodeTypes:
        """The node types, in the user's order."""
        return NodeTypes(one.node_type for one in self.limits)

    @property
    def note(self) -> str:
        """What a user may not expect of the limits."""
        usable = [one.node_type for one in self.limits if one.max_nodes]
        if self.default_preemptible or not all(one.preemptible for one in usable):
            return ""
        return (
            "There are only spot workers: jobs run there when their workflow calls them preemptible. "
            "--default-preemptible does so for all jobs that say nothing."
        )


def of_cluster(cluster: Cluster) -> Scaling | None:
    """Return how a cluster scales; None when it is not autoscaled."""
    return told(cluster) if is_autoscaled(cluster) else None


def told(cluster: Cluster) -> Scaling:
    """Return what a cluster was told of scaling: without limits, it is not autoscaled."""
    has = cluster.settings
    tuning = Tuning.parse(has.get(tags.AUTOSCALER, ""), otherwise=variables.defaults())
    return Scaling(Limits.parse(has.get(tags.LIMITS, "")), tuning, has.get(tags.DEFAULT_PREEMPTIBLE) == "yes")


def is_autoscaled(cluster: Cluster) -> bool:
    """Tell whether the autoscaler, and nobody else, decides on a cluster's workers."""
    return bool(cluster.settings.get(tags.LIMITS))


def follows_workflows(cluster: Cluster) -> bool:
    """Tell whether workflows on the leader may ask for nodes, although the cluster has no limits of its own."""
    return Engine(cluster.settings.get(tags.ENGINE, Engine.MESOS)) is Engine.MESOS


def has_autoscaler(cluster: Cluster) -> bool:
    """Tell whether an autoscaler on a cluster's leader writes a journal."""
    return is_autoscaled(cluster) or follows_workflows(cluster)


def is_paused(cluster: Cluster) -> bool:
    """Tell whether the autoscaler only watches."""
    return cluster.settings.get(tags.PAUSED) == "yes"


def decide(wish: ScalingWish, node_types: Sequence[NodeType], before: Scaling | None = None) -> Scaling:
    """Bring a wish, what was before, and the shared defaults together.

    :raises UsageError: for limits that cannot work.
    """
    had = before.limits if before else Limits()
    lows = [_before(had, one, "min_nodes", missing=0) for one in node_types]
    least = spread(node_types, wish.min_nodes, wish.min_preemptible_nodes, lows, "min")
    highs = [_before(had, one, "max_nodes") for one in node_types]
    most = spread(node_types, wish.max_nodes, wish.max_preemptible_nodes, highs, "max")
    limits = zip_limits(node_types, least, most)
    _check(limits)
    defaults = variables.defaults()
    tuning = before.tuning.values if before else {}
    return Scaling(limits, Tuning.of({**defaults, **tuning, **wish.tuning}), default_preemptible(wish, before))


def default_preemptible(wish: ScalingWish, before: Scaling | None) -> bool:
    """Tell whether jobs that say nothing about it may run on spot workers, with limits or without."""
    had = before.default_preemptible if before else None
    return bool(variables.settled("default_preemptible", wish.default_preemptible, had))


def spread(
    node_types: Sequence[NodeType],
    counts: tuple[int, ...] | None,
    of_preemptible: int | None,
    before: Sequence[int | None],
    what: str,
) -> list[int]:
    """Return one number per node type: as asked for, else as ``before``; a single number is that of all.

    :raises UsageError: for numbers that do not fit the node types, and when one has neither.
    """
    preemptible = [one.preemptible and of_preemptible is not None for one in node_types]
    if of_preemptible is not None and not any(preemptible):
        raise UsageError(
            f"--{what}-preemptible-nodes needs a node type with a bid, and there is none.",
            f"Name one with --node-types TYPE:BID, or use --{what}-nodes.",
        )
    rest = iter(_of_the_rest(node_types, preemptible, counts, what))
    found = [of_preemptible if spot else next(rest) for spot in preemptible]
    chosen = [old if new is None else new for new, old in zip(found, before, strict=True)]
    missing = [str(kind) for kind, number in zip(node_types, chosen, strict=True) if number is None]
    if missing:
        raise UsageError(
            f"How many nodes of {' and '.join(missing)} there may be was not said.",
            f"Give --max-nodes, such as --max-nodes {','.join('2' for _ in node_types)}: one number per node type, "
            "or one for all.", node_types=missing,
        )  # fmt: skip
    return [number for number in chosen if number is not None]


def check_sizes(scaling: Scaling, engine: Engine) -> None:
    """Make sure that limits fit into Slurm's tables, where it is the engine.

    :raises UsageError: when they do not.
    """
    most, room = sum(one.max_nodes for one in scaling.limits), int(variables.defaults()["slurm_max_node_count"])
    if engine is Engine.SLURM and most > room:
        raise UsageError(
            f"--max-nodes add up to {most} workers, and Slurm here has room for {room}.",
            "Lower them; the playbooks' variable slurm_max_node_count is the room.", max_nodes=most, room=room,
        )  # fmt: skip


def start_counts(limits: Iterable[NodeLimits], workers: tuple[int, ...] | None) -> tuple[int, ...]:
    """Return how many workers a cluster begins with: its minimum, unless other numbers are given.

    :raises UsageError: for numbers that do not fit the limits.
    """
    limits = tuple(limits)
    if workers is None:
        return tuple(one.min_nodes for one in limits)
    if len(workers) != len(limits):
        raise UsageError(
            f"--node-types has {len(limits)} and --workers {len(workers)}.",
            "Give one number of workers per node type, or leave -w out to begin with the minimum.",
            node_types=[one.node_type for one in limits], workers=workers,
        )  # fmt: skip
    for one, count in zip(limits, workers, strict=True):
        if not one.min_nodes <= count <= one.max_nodes:
            raise UsageError(
                f"-w {count} of {one.node_type} is not within its limits, {one.min_nodes} to {one.max_nodes}.",
                "Leave -w out to begin with the minimum, or change the limits.", node_type=one.node_type, workers=count,
            )  # fmt: skip
    return workers


def _of_the_rest(
    node_types: Sequence[NodeType], preemptible: Sequence[bool], counts: tuple[int, ...] | None, what: str
) -> Sequence[int | None]:
    rest = preemptible.count(False)
    if counts is None:
        return [None] * rest
    if len(counts) == 1:
        return [*counts] * rest
    if len(counts) != rest:
        raise UsageError(
            f"There {'is' if len(node_types) == 1 else 'are'} {number(len(node_types), 'node type')} "
            f"({', '.join(map(str, node_types)) or 'none'}), and --{what}-nodes has {number(len(counts), 'number')}.",
            "Give one number per node type, in their order, or one for all.", node_types=node_types, counts=counts,
        )  # fmt: skip
    return counts


def _before(limits: Limits, node_type: NodeType, what: str, missing: int | None = None) -> int | None:
    return next((getattr(one, what) for one in limits if one.node_type == node_type), missing)


def _check(limits: Limits) -> None:
    if not limits:
        raise UsageError("There are limits and no node types.", "Name them with --node-types TYPE[:BID],…")
    if not any(one.max_nodes for one in limits):
        raise UsageError(
            "All of --max-nodes are 0: no job could ever run.", "Allow at least one node of one node type."
        )
