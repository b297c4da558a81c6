"""The faults that can be set on the rehearsal cloud: what AWS does on a bad day, and moto never.

They are set through HTTP (``/_toilctl/faults``), through ``toilctl local fault``, and by tests in Python:
``cloud.faults.set("insufficient-capacity", instance_type="c4.8xlarge", zone="us-west-2a", market="spot")``.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from toilctl.values.errors import UsageError
from toilctl.values.wording import ON_DEMAND, SPOT

ANY: Final = "*"
MARKETS: Final = (ON_DEMAND, SPOT)
_REQUIRED: Final = object()


class Noticed(StrEnum):
    """The status of a spot request whose instance has its notice and runs on.

    "State changes for a Spot request" in the EC2 user guide: when EC2 needs the capacity back, the request is closed
    with the notice; for other reasons it stays active and is marked.
    """

    MARKED = "marked-for-termination"
    NO_CAPACITY = "instance-terminated-no-capacity"


@dataclass(frozen=True)
class FaultKind:
    """A fault's parameters: the fields that say where it applies, and those that say how."""

    summary: str
    where: Mapping[str, Any]
    """Text fields with their defaults; two faults that differ in one of them are two."""
    how: Mapping[str, tuple[type, Any]]
    """The other fields: type and default."""


_POOL: Final = {"instance_type": ANY, "zone": ANY, "market": ANY}
_INSTANCE: Final = {"instance_id": ANY, "instance_type": ANY, "zone": ANY}

KINDS: Final[Mapping[str, FaultKind]] = {
    "insufficient-capacity": FaultKind(
        "EC2 has COUNT more instances (default 0) of an instance type in a zone and market, and then none",
        _POOL, {"count": (int, 0)},
    ),
    "vcpu-quota": FaultKind(
        "the account may run VCPUS vCPUs in a market and region", {"market": ANY}, {"vcpus": (int, _REQUIRED)}
    ),
    "throttle": FaultKind(
        "the next COUNT calls of an action (ec2:RunInstances, RunInstances, or *) are refused",
        {"action": ANY}, {"count": (int, 1)},
    ),
    "rate-limits": FaultKind(
        "EC2 refuses calls that come faster than it refills its buckets of tokens, as it does for each account", {}, {}
    ),
    "slow-answer": FaultKind(
        "the answers to the next COUNT calls of an action (ec2:CreateFleet, CreateFleet, or *) come SECONDS after what "
        "was asked for is done",
        {"action": ANY}, {"seconds": (float, _REQUIRED), "count": (int, 1)},
    ),
    "boot-delay": FaultKind(
        "new instances stay pending for SECONDS", {"instance_type": ANY}, {"seconds": (float, _REQUIRED)}
    ),
    "never-boot": FaultKind(
        "the next COUNT instances (default: all) are said to run and have no host that answers",
        {"instance_type": ANY}, {"count": (int, -1)},
    ),
    "profile-delay": FaultKind(
        "EC2 does not see an instance profile for its first SECONDS (10 unless set)",
        {}, {"seconds": (float, _REQUIRED)},
    ),
    "iam-lag": FaultKind(
        "IAM finds no new role or instance profile for SECONDS, and for as long deletes none that something was taken "
        "away from",
        {}, {"seconds": (float, _REQUIRED)},
    ),
    "service-linked-role-missing": FaultKind(
        "the account has no service-linked role for spot.amazonaws.com",
        {"service": _REQUIRED}, {},
    ),
    "interface-lag": FaultKind(
        "a terminated instance's network interface, and so its security group, is in use for SECONDS more",
        {}, {"seconds": (float, _REQUIRED)},
    ),
    "api-lag": FaultKind(
        "new instances are missing from descriptions for SECONDS", {}, {"seconds": (float, _REQUIRED)}
    ),
    "template-lag": FaultKind(
        "new launch templates, and new versions of them, are missing from descriptions and for launches for SECONDS",
        {}, {"seconds": (float, _REQUIRED)},
    ),
    "spot-price": FaultKind(
        "the spot price of an instance type in a zone, USD per hour",
        {"instance_type": ANY, "zone": ANY}, {"price": (float, _REQUIRED)},
    ),
    "interrupt": FaultKind(
        "EC2 gives the next COUNT running spot instances (1 unless set, -1 for all from now on) notice and takes them "
        "SECONDS later (120 unless set; 0: at once, without notice); from the notice on the spot request's status is "
        f"STATUS, {Noticed.NO_CAPACITY} unless set, or {Noticed.MARKED}",
        _INSTANCE, {"count": (int, 1), "seconds": (float, 120.0), "status": (Noticed, Noticed.NO_CAPACITY)},
    ),
    "rebalance": FaultKind(
        "EC2 recommends that the next COUNT running spot instances (1 unless set, -1 for all from now on) be replaced",
        _INSTANCE, {"count": (int, 1)},
    ),
    "no-prices": FaultKind("AWS's Price List service refuses every request (AccessDeniedException)", {}, {}),
}  # fmt: skip

DEFAULT_SECONDS: Final = {
    "profile-delay": 10.0, "boot-delay": 0.0, "interface-lag": 0.0, "api-lag": 0.0, "template-lag": 0.0, "iam-lag": 0.0,
}  # fmt: skip


@dataclass
class Fault:
    """One fault that is set."""

    name: str
    where: dict[str, str]
    how: dict[str, Any]

    def applies(self, place: Mapping[str, str]) -> bool:
        """Whether it is about this place: equal in each field that the fault does not leave open."""
        return all(value in (ANY, place.get(key, ANY)) for key, value in self.where.items())

    def describe(self) -> dict[str, Any]:
        """Return it as the HTTP interface shows it."""
        return {"name": self.name, **self.where, **self.how}


class Faults:
    """The faults that are set; safe to use from several threads."""

    def __init__(self) -> None:
        self._set: list[Fault] = []
        self._lock = threading.RLock()
        self.checks: dict[str, Callable[[Fault], None]] = {}
        """By name, what raises a UsageError for a fault that the cloud, as it is now, cannot have."""

    def set(self, name: str, **params: Any) -> dict[str, Any]:
        """Set a fault, replacing one of the same name and place.

        :raises UsageError: for an unknown name, an unknown or missing parameter, or one that makes no sense.
        """
        fault = _parse(name, params)
        if check := self.checks.get(name):
            check(fault)
        with self._lock:
            self._set = [other for other in self._set if (other.name, other.where) != (fault.name, fault.where)]
            self._set.append(fault)
        return fault.describe()

    def clear(self, name: str | None = None, **where: str) -> int:
        """Clear the faults of a name and place, or all of them; return how many there were."""
        if name is not None and name not in KINDS:
            raise _unknown(name)
        with self._lock:
            gone = [f for f in self._set if name in (None, f.name) and where.items() <= f.where.items()]
            self._set = [fault for fault in self._set if fault not in gone]
            return len(gone)

    def active(self) -> list[dict[str, Any]]:
        """Return the faults that are set."""
        with self._lock:
            return [fault.describe() for fault in self._set]

    def find(self, name: str, **place: str) -> Fault | None:
        """Return the fault that applies to a place; the one set last, when several do."""
        with self._lock:
            return next((f for f in reversed(self._set) if f.name == name and f.applies(place)), None)

    def seconds(self, name: str, **place: str) -> float:
        """Return how long a delay is at a place."""
        fault = self.find(name, **place)
        return DEFAULT_SECONDS[name] if fault is None else float(fault.how["seconds"])

    def use(self, name: str, **place: str) -> Fault | None:
        """Use up one of a counted fault's occasions; return the fault, or None when none applies or is left."""
        with self._lock:
            applying = (f for f in reversed(self._set) if f.name == name and f.applies(place) and f.how["count"])
            fault = next(applying, None)
            if fault is not None:
                fault.how["count"] -= 1
            return fault

    def take(self, name: str, **place: str) -> bool:
        """Use up one of a counted fault's occasions; False when none applies or is left."""
        return self.use(name, **place) is not None


def _parse(name: str, params: Mapping[str, Any]) -> Fault:
    if name not in KINDS:
        raise _unknown(name)
    kind = KINDS[name]
    unknown = sorted(params.keys() - kind.where.keys() - kind.how.keys())
    required = {key for key, default in kind.where.items() if default is _REQUIRED}
    required |= {key for key, (_, default) in kind.how.items() if default is _REQUIRED}
    if unknown or required - params.keys():
        wanted = ", ".join([*kind.where, *kind.how])
        problem = f"no parameter {unknown[0]}" if unknown else f"a parameter {min(required - params.keys())}"
        verb = "has" if unknown else "needs"
        raise UsageError(f"The fault {name} {verb} {problem}.", f"Its parameters are {wanted}.", fault=name)
    where = {key: str(params.get(key, default)) for key, default in kind.where.items()}
    if where.get("market", ANY) not in (ANY, *MARKETS):
        raise UsageError(f"{where['market']!r} is not a market.", f"Use {' or '.join(MARKETS)}.", fault=name)
    how = {key: _convert(name, key, of, params.get(key, default)) for key, (of, default) in kind.how.items()}
    return Fault(name, where, how)


def _convert(name: str, key: str, of: type, value: Any) -> Any:
    try:
        converted = of(value)
    except (TypeError, ValueError, OverflowError):
        if issubclass(of, StrEnum):
            problem = f"{key} of the fault {name} cannot be {value!r}."
            raise UsageError(problem, f"Use {' or '.join(of)}.", fault=name) from None
        converted = math.nan
    if isinstance(converted, float) and not math.isfinite(converted):
        raise UsageError(f"{key} of the fault {name} is not a number: {value!r}.", "Write digits.", fault=name)
    return converted


def _unknown(name: str) -> UsageError:
    return UsageError(f"There is no fault {name!r}.", f"The faults are {', '.join(KINDS)}.", fault=name)
