"""The leader's /etc/toilctl/cluster.yml as the autoscaler follows it, read again at each tick."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from toilctl.autoscaler.model.advice import Advice
from toilctl.autoscaler.model.workflow_limits import Asked, widened
from toilctl.values.cluster import Engine
from toilctl.values.errors import UsageError
from toilctl.values.node_types import NodeType
from toilctl.values.scaling_policy import Limits, Policy
from toilctl.values.tuning import Tuning
from toilctl.values.worker_tags import NodeStorage

SETTINGS_FILE: Final = "/etc/toilctl/cluster.yml"
DEFAULT_STORAGE_GB: Final = 50
"""For node types that a workflow asks for in a cluster that says nothing of storage."""
_MAX_PORT: Final = 65535
_MOST: Final = 1e9


@dataclass(frozen=True)
class AutoscalerSettings:
    """The cluster, and what its user allows."""

    cluster: str
    region: str
    engine: Engine
    leader_address: str
    policy: Policy
    storage_gb: Mapping[NodeType, int]
    """Root volumes, GiB; of all node types of the policy."""
    boot_timeout_s: float
    metrics_port: int = 0
    """Where metrics are served on the leader's private address; 0 for nowhere."""
    storage: NodeStorage = field(default_factory=NodeStorage)
    """The cluster's own root volumes, of whichever node type."""
    raised_gb: Mapping[NodeType, int] = field(default_factory=dict)
    """Root volumes, GiB, of the node types for which workflows ask for larger ones than the cluster's own."""
    limited: bool = True
    """Whether the cluster has limits of its own; else only what workflows ask for is launched, and ended again."""

    @property
    def autoscaled(self) -> bool:
        """Whether there are limits at all; without any, no node is the autoscaler's business."""
        return bool(self.policy.limits)

    @property
    def follows_workflows(self) -> bool:
        """Whether workflows may ask for nodes although the cluster has no limits."""
        return self.engine is Engine.MESOS

    def widened(self, asked: Asked) -> Self:
        """Return settings that allow what workflows ask for, too: of two root volumes the larger counts."""
        policy = widened(self.policy, asked)
        own = {one: self.storage.gb(one) or DEFAULT_STORAGE_GB for one in policy.node_types} | dict(self.storage_gb)
        raised = {one: gb for one, gb in asked.storage_gb.items() if gb > own.get(one, gb)}
        return replace(self, policy=policy, storage_gb=own | raised, raised_gb=raised, limited=self.autoscaled)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Take the settings from a mapping that may have more.

        :raises UsageError: naming what is missing or cannot be.
        """
        limits = Limits.parse(",".join(_texts(values, "limits")))
        storage = _storage(values)
        return cls(
            cluster=_text(values, "cluster_name"),
            region=_text(values, "region"),
            engine=_engine(_text(values, "engine")),
            leader_address=_text(values, "leader_address"),
            policy=Policy(
                limits, Tuning.parse(_text(values, "tuning")), _texts(values, "zones"), _flag(values, "paused")
            ),
            storage_gb={one.node_type: storage.gb(one.node_type) for one in limits},
            storage=storage,
            boot_timeout_s=_number(values, "boot_timeout_s"),
            metrics_port=_port(values, "metrics_port"),
        )


class SettingsFile:
    """A file of settings, of which the last good ones are kept while it is broken."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last_good: AutoscalerSettings | None = None
        self.problem = ""
        """What is wrong with the file now; empty when nothing is."""
        self.advice: Mapping[str, tuple[Advice, ...]] = {}
        """What helps, by the sentence of the problem."""

    def read(self) -> AutoscalerSettings | None:
        """Return the settings, else the last good ones, else None."""
        try:
            self.last_good, self.problem, self.advice = AutoscalerSettings.of(_load(self.path)), "", {}
        except UsageError as error:
            kept = "The last good settings are followed." if self.last_good else "Nothing is done until it is right."
            fault = f"{self.path}: {error}"
            self.problem = f"{fault} {kept}"
            self.advice = {} if error.next_step else {fault: (Advice.WRITE_SETTINGS,)}
        return self.last_good

    def changed_at(self) -> float:
        """Return when the file was written, in seconds since the epoch; 0 when there is none."""
        try:
            return self.path.stat().st_mtime
        except OSError:
            return 0.0


def _load(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        values = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"it cannot be read: {getattr(error, 'strerror', error)}.") from error
    # A text such as 2026-13-01 is a time to YAML, and none at all.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"it is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(values, Mapping):
        raise UsageError("it has no settings.")
    return values


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not value:
        raise UsageError(f"{value!r} is no {name}.", name=name)
    return value


def _texts(values: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = values.get(name)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise UsageError(f"{value!r} is no {name}, which is a list of texts.", name=name)
    return tuple(value)


def _flag(values: Mapping[str, Any], name: str) -> bool:
    value = values.get(name, False)
    if not isinstance(value, bool):
        raise UsageError(f"{value!r} is no {name}, which is true or false.", name=name)
    return value


def _number(values: Mapping[str, Any], name: str) -> float:
    try:
        number = float(values[name])
    except (KeyError, TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0 <= number <= _MOST:
        raise UsageError(f"{values.get(name)!r} is no {name}, which is a number.", name=name)
    return number


def _port(values: Mapping[str, Any], name: str) -> int:
    """Read a port; 0, for none, where an older leader's file does not name it."""
    text = str(values.get(name, 0))
    if not text.isdecimal() or len(text) > len(str(_MAX_PORT)) or int(text) > _MAX_PORT:
        raise UsageError(f"{text!r} is no {name}, which is a port, or 0 for none.", name=name)
    return int(text)


def _engine(name: str) -> Engine:
    try:
        return Engine(name)
    except ValueError:
        raise UsageError(f"There is no engine {name!r}.", f"It is {' or '.join(Engine)}.", name=name) from None


def _storage(values: Mapping[str, Any]) -> NodeStorage:
    """Read one number for all node types, or one for each; a node type without one gets the first."""
    node_types = [NodeType.parse(one) for one in _texts(values, "node_types")]
    try:
        return NodeStorage.parse(str(values.get("node_storage_gb", "")), node_types)
    except UsageError:
        raise UsageError(
            f"{values.get('node_storage_gb')!r} is no node_storage_gb, which is a number, or one for each node type.",
        ) from None
