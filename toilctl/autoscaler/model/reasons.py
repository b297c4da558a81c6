"""Why a node is launched, ends or stays, and why a job waits.

Each reason has its word in reports, journals and metrics; those that people read have ``words`` for it, too. Below each
is what it means, and where the rule stands that gives it, with the sentence on the single case.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class LaunchReason(StrEnum):
    """Why nodes of a type are launched; of several, the first. ``launch_draft`` gives them."""

    DEMAND = "demand"
    """Waiting jobs have no place within the target time. ``scale_out``: ``_launch``."""
    COMPENSATION = "compensation"
    """On demand, for the user's share of spot nodes that cannot be had. ``spot_fallback``: ``compensate``."""
    SPOT_FALLBACK = "spot-fallback"
    """On demand, since spot nodes could not be had for too long. ``spot_fallback``: ``compensate``."""
    MINIMUM = "minimum"
    """There are fewer than the user's minimum. ``scale_out``: ``fulfil_minimum``."""


class _Worded(StrEnum):
    """A reason that people read as a few words."""

    words: str

    def __new__(cls, value: str, words: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.words = words
        return member

    @classmethod
    def read(cls, value: str) -> Self:
        """Return the reason of a report; one that only another version gives has no other words."""
        known = {one.value: one for one in cls}
        if value in known:
            return known[value]
        other = str.__new__(cls, value)
        other._name_ = other._value_ = other.words = value
        return other


class EndReason(_Worded):
    """Why a node goes."""

    IDLE = "idle", "idle for long enough"
    """It has run nothing for the idle timeout, no waiting job needs it, nor the minimum. ``scale_in``: ``_idle``."""
    OVER_MAXIMUM = "over-maximum", "more than the maximum"
    """There are more of its type than the user's maximum. ``scale_in``: ``over_maximum``."""
    REBALANCE = "rebalance", "EC2 recommended to do without it"
    """EC2 recommends to be prepared for its interruption, and it runs nothing now. ``scale_in``: ``draft_scale_in``."""
    INTERRUPTED_DRAIN = "interrupted-drain", "it was being drained before"
    """It was being drained when the autoscaler stopped, and is idle. ``scale_in``: ``draft_scale_in``."""
    RETURN_TO_SPOT = "return-to-spot", "there are spot workers again"
    """It was launched while spot nodes were lacking, and there are some again. ``spot_fallback``: ``SpotReturn``."""
    NEVER_JOINED = "never-joined", "it never joined"
    """It has not joined the engine within the deadline. ``phases``: ``Phase.LATE``."""
    LOST = "lost", "the engine lost it"
    """The engine had it, and has held it for dead or not listed it for the deadline. ``phases``: ``Phase.LOST``."""
    STOPPED = "stopped", "EC2 stopped it"
    """``phases``: ``Phase.STOPPED``."""


class KeepReason(_Worded):
    """Why a node stays; of several, the first in ``explain_nodes``, where each rule has its sentence."""

    FIXED = "fixed", "the cluster has no limits of its own"
    """A person launched it for a cluster without limits. ``explain_nodes``: ``_fixed``."""
    NEEDED = "needed", "waiting jobs are about to run there"
    """It is idle, and has room for jobs that wait. ``explain_nodes``: ``_needed``."""
    AT_MINIMUM = "at-minimum", "the minimum"
    """It is idle, and there are no more of its type than the user's minimum. ``explain_nodes``: ``_at_minimum``."""
    ENGINE_UNSURE = "engine-unsure", "the engine's word cannot be trusted now"
    """The engine does not answer, or lists fewer nodes than EC2 has. ``explain_nodes``: ``_engine_unsure``."""
    RECENTLY_IDLE = "recently-idle", "not idle for long enough"
    """It is idle, for less than the idle timeout. ``explain_nodes``: ``_recently_idle``."""
    BOOTING = "booting", "it has not joined yet"
    """It has not joined the engine, within the deadline. ``explain_nodes``: ``_booting``."""
    BUSY = "busy", "it runs jobs"
    """``explain_nodes``: ``_busy``."""
    CORDONED = "cordoned", "somebody keeps jobs away from it"
    """Somebody cordoned it, and the autoscaler leaves it alone. ``explain_nodes``: ``_cordoned``."""
    DRAINING = "draining", "it finishes its jobs before it goes"
    """``explain_nodes``: ``_draining``."""
    LEAVING = "leaving", "it is being terminated"
    """``explain_nodes``: ``_leaving``."""
    INTERRUPTED = "interrupted", "EC2 takes it away"
    """EC2 takes it away within minutes. ``explain_nodes``: ``_interrupted``."""
    AT_RISK = "at-risk", "EC2 may soon take it away"
    """EC2 recommends to be prepared for its interruption, and it still runs jobs. ``explain_nodes``: ``_at_risk``."""
    MISSING = "missing", "the engine does not list it now"
    """The engine does not have it at the moment, and may again soon. ``explain_nodes``: ``_missing``."""
    PAUSED = "paused", "paused"
    """Something would be done with it, but for the pause. ``paused``: ``paused``."""


class WaitReason(_Worded):
    """Why a job waits; ``explain_jobs`` gives them, with a sentence each."""

    PLACED = "placed", "has a place"
    """A node that is there, or boots, has room for it. ``explain_jobs``: ``Explainer._placed``."""
    LAUNCHING = "launching", "workers are coming"
    """Nodes are launched for it at this tick. ``explain_jobs``: ``Explainer._why``."""
    SMOOTHED = "smoothed", "growing step by step"
    """Later ticks launch the rest. ``scale_out``: ``_smooth``."""
    TIME = "time", "soon enough on what is there"
    """It runs within the target time on a node that works on others first. ``demand``: ``reuse``."""
    MAXIMUM = "maximum", "the maximum is reached"
    """There are as many nodes as the user's maximum. ``supply``: ``Supplies.obstacle``."""
    QUOTA = "quota", "the account's quota is reached"
    """Its quota, or a refusal of EC2's, leaves the account no more vCPUs. ``supply``: ``Supplies.obstacle``."""
    CAPACITY = "capacity", "EC2 has no capacity"
    """All offerings that it fits are set aside, since EC2 refused them. ``supply``: ``_obstacle``."""
    BACKED_OFF = "backed-off", "new workers fail to join"
    """Nodes of the types that it fits failed to join several times in a row. ``supply``: ``_obstacle``."""
    SPOT_SHORT = "spot-short", "spot cannot be had"
    """Only spot may be bought for it, and none can be had. ``explain_jobs``: ``Explainer._blocked``."""
    COST_PER_HOUR = "cost-per-hour", "more would cost too much"
    """One more node would cost more than the user allows. ``budget``: ``Purse.why_not``."""
    BUDGET = "budget", "the budget is spent"
    """The cluster has cost what it may. ``budget``: ``Purse.why_not``."""
    HELD = "held", "held"
    """No node helps it: somebody or something holds it. ``explain_jobs``: ``held``."""
    ENGINE_UNSURE = KeepReason.ENGINE_UNSURE.value, KeepReason.ENGINE_UNSURE.words
    """The engine does not answer, so nothing is launched for it. ``explain_jobs``: ``unsure``."""
    PAUSED = KeepReason.PAUSED.value, KeepReason.PAUSED.words
    """Something would be done for it, but for the pause. ``explain_jobs``: ``Explainer._why``."""


WORDS = {one.value: one.words for kind in (EndReason, KeepReason, WaitReason) for one in kind}
"""By a reason's word in reports."""
