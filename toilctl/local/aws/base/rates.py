"""How often EC2 may be called: one bucket of tokens for each action and region.

Sizes and refill rates are those of "Request throttling for the Amazon EC2 API" in the EC2 API developer guide. Without
the fault ``rate-limits`` nothing is refused, so that tests need not wait.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from toilctl.local.aws.requests.call import Call

Rate = tuple[float, float]
"""How many tokens a bucket holds, and how many come back in a second."""

READING: Final[Rate] = (100, 20)
READING_ALL: Final[Rate] = (50, 10)
"""A description with neither filters nor pages."""
CHANGING: Final[Rate] = (50, 5)
REQUESTS: Final[Mapping[str, Rate]] = {
    "RunInstances": (5, 2), "StartInstances": (5, 2), "RequestSpotInstances": (5, 2), "TerminateInstances": (100, 5),
    "CreateTags": (100, 10), "DeleteTags": (100, 10),
}  # fmt: skip
"""Actions with a bucket of their own size."""
RESOURCES: Final[Mapping[str, Rate]] = {
    "RunInstances": (1000, 2), "StartInstances": (1000, 2), "TerminateInstances": (1000, 20),
    "StopInstances": (1000, 20),
}  # fmt: skip
"""A second bucket, of which each instance of a request takes a token."""


@dataclass
class _Bucket:
    left: float
    since: float


class Rates:
    """The buckets of an account."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Begin with full ones."""
        self._now = now
        self._buckets: dict[tuple[str, str, str], _Bucket] = {}

    def allow(self, call: Call) -> bool:
        """Tell whether EC2 answers a call, and take what it costs; one that is refused costs nothing."""
        needs = [(self._bucket("requests", call, rate := _requests(call)), 1.0, rate)]
        if (most := RESOURCES.get(call.action)) is not None:
            needs.append((self._bucket("resources", call, most), float(_instances(call)), most))
        if any(bucket.left < min(cost, size) for bucket, cost, (size, _) in needs):
            return False
        for bucket, cost, _ in needs:
            bucket.left -= cost
        return True

    def _bucket(self, kind: str, call: Call, rate: Rate) -> _Bucket:
        (size, refill), now = rate, self._now()
        # A description of everything has a smaller bucket than others of the same action.
        key = f"{kind} {size:g}", call.region, call.action
        bucket = self._buckets.setdefault(key, _Bucket(size, now))
        bucket.left, bucket.since = min(size, bucket.left + (now - bucket.since) * refill), now
        return bucket


def _requests(call: Call) -> Rate:
    if not call.action.startswith(("Describe", "Get", "List", "Search")):
        return REQUESTS.get(call.action, CHANGING)
    narrowed = any(name.startswith("Filter.") or name == "MaxResults" or ".1" in name for name in call.params)
    return READING if narrowed else READING_ALL


def _instances(call: Call) -> int:
    if call.action == "RunInstances":
        return int(call.params.get("MaxCount") or 1)
    return len(call.listed("InstanceId"))
