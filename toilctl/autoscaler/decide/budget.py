"""What a user allows the cluster to cost: per hour, and in all. Money is in US dollars."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from toilctl.autoscaler.decide.workers import Workers
from toilctl.autoscaler.model.plan import Money
from toilctl.autoscaler.model.reasons import WaitReason
from toilctl.autoscaler.model.snapshot import Offer, Snapshot
from toilctl.values.scaling_policy import Policy

_ROUNDING: Final = 1e-9


@dataclass(frozen=True)
class Purse(Money):
    """What is left of it."""

    @classmethod
    def of(cls, snapshot: Snapshot, policy: Policy, workers: Workers) -> Purse:
        """Return what a snapshot leaves of a policy's money."""
        tuning = policy.tuning
        most = snapshot.leader_usd_per_hour + workers.most_usd_per_hour()
        return cls(tuning.max_usd_per_hour, most, tuning.budget_usd, snapshot.spent_usd)

    @property
    def bounded(self) -> bool:
        """Whether there is any bound."""
        return bool(self.max_usd_per_hour or self.budget_usd)

    def nodes(self, offer: Offer | None, beside: float) -> float:
        """Return for how many nodes the money lasts, beside what is launched anyway (USD per hour)."""
        if self.exhausted:
            return 0
        if not self.max_usd_per_hour or offer is None:
            return math.inf
        if offer.most_usd_per_hour is None:
            return 0
        left = self.max_usd_per_hour - self.most_usd_per_hour - beside
        return max(0, (left + _ROUNDING) // offer.most_usd_per_hour) if offer.most_usd_per_hour else math.inf

    def why_not(self, offer: Offer | None, beside: float) -> tuple[WaitReason, str]:
        """Return why there is no money for one more, without a full stop."""
        if self.exhausted:
            text = f"the cluster has cost ${self.spent_usd:.2f} of its budget of ${self.budget_usd:.2f}"
            return WaitReason.BUDGET, text
        bound = f"the cluster may cost ${self.max_usd_per_hour:.2f} per hour"
        kind = offer.node_type if offer else "node"
        if offer is None or offer.most_usd_per_hour is None:
            return WaitReason.COST_PER_HOUR, f"{bound}, and the price of a {kind} is not known"
        used, price = self.most_usd_per_hour + beside, offer.most_usd_per_hour
        text = f"{bound}, costs ${used:.2f} at the most, and a {kind} would add ${price:.2f}"
        return WaitReason.COST_PER_HOUR, text
