"""Why each node that stays does so: for each reason its rule, and the sentence that people read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from toilctl.autoscaler.decide.scale_in import ScaleInDraft, at_minimum, goes_at, timed_out
from toilctl.autoscaler.decide.workers import Member, Workers
from toilctl.autoscaler.model.phases import Phase, deadline
from toilctl.autoscaler.model.plan import Kept
from toilctl.autoscaler.model.reasons import KeepReason
from toilctl.values.node_types import NodeType
from toilctl.values.scaling_policy import Policy
from toilctl.values.wording import at, number


@dataclass(frozen=True)
class Keeping:
    """What the reasons rest on."""

    workers: Workers
    policy: Policy
    needed: frozenset[str]
    scale_in: ScaleInDraft
    unsure: str
    """Why no node is scaled in at the moment; empty when nodes are."""
    now: datetime

    def kept(self, acted_on: set[str]) -> tuple[Kept, ...]:
        """Return the nodes on which nothing is done, with the reason."""
        return tuple(self._kept(one) for one in self.workers.members if one.node.instance_id not in acted_on)

    @cached_property
    def at_minimum(self) -> Mapping[NodeType, bool]:
        """Of which node types no more nodes can go."""
        return at_minimum(self.workers, self.policy, self.scale_in.ids())

    def _kept(self, member: Member) -> Kept:
        for reason, rule in _RULES:
            if detail := rule(self, member):
                return Kept(member.node.instance_id, reason, detail)
        raise ValueError(f"nothing is done with {member.node.instance_id}, and no rule keeps it")


def _too_many(keeping: Keeping, member: Member) -> str:
    above = member.node.instance_id in keeping.scale_in.pending
    return "It is above the maximum and goes once it has joined." if above else ""


def _fixed(_: Keeping, member: Member) -> str:
    stays = member.node.fixed and member.phase is not Phase.INTERRUPTED
    return "This cluster has no limits of its own, so its workers are left alone." if stays else ""


def _needed(keeping: Keeping, member: Member) -> str:
    needed = member.phase is Phase.IDLE and member.node.instance_id in keeping.needed
    return "Waiting jobs have room there and are about to run." if needed else ""


def _at_minimum(keeping: Keeping, member: Member) -> str:
    node_type = member.node.node_type
    if member.phase is not Phase.IDLE or not keeping.at_minimum.get(node_type, False):
        return ""
    return f"The minimum of {node_type} is {keeping.policy.limits_of(node_type).min_nodes}."


def _engine_unsure(keeping: Keeping, member: Member) -> str:
    if member.phase is Phase.IDLE:
        would_go = timed_out(member, keeping.policy, keeping.now)
    else:
        unseen = member.phase is Phase.MISSING and member.node.missing_since is None
        would_go = bool(member.traits.goes) or member.phase is Phase.DRAINING or unseen
    return f"It stays because {keeping.unsure}." if keeping.unsure and would_go else ""


def _recently_idle(keeping: Keeping, member: Member) -> str:
    if member.phase is not Phase.IDLE:
        return ""
    goes = goes_at(member, keeping.policy)
    if goes is None:
        return "It runs nothing; nobody knows yet since when."
    return f"It runs nothing since {at(member.node.idle_since or keeping.now)} and goes at {at(goes)}."


def _booting(keeping: Keeping, member: Member) -> str:
    if member.phase is not Phase.BOOTING:
        return ""
    doing = "is being set up" if member.node.set_up_by else "boots"
    return f"It {doing}, and is replaced if it has not joined by {at(deadline(member.node, keeping.policy))}."


def _busy(_: Keeping, member: Member) -> str:
    return f"It runs {_jobs(member)}." if member.phase is Phase.BUSY else ""


def _cordoned(_: Keeping, member: Member) -> str:
    text = "Somebody cordoned it, so the autoscaler leaves it alone until the engine gives it jobs again."
    return text if member.phase is Phase.CORDONED else ""


def _draining(_: Keeping, member: Member) -> str:
    goes = f"It gets no new jobs and goes once its {_jobs(member)} ended."
    return goes if member.phase is Phase.DRAINING else ""


def _leaving(_: Keeping, member: Member) -> str:
    return "It is being drained and terminated." if member.phase is Phase.LEAVING else ""


def _interrupted(_: Keeping, member: Member) -> str:
    if member.phase is not Phase.INTERRUPTED:
        return ""
    takes_at = member.node.notice and member.node.notice.takes_at
    when = f" at {at(takes_at)}" if takes_at else ""
    then = f"what of its {_jobs(member)} has not ended runs again" if member.node.running else "it runs nothing"
    return f"EC2 takes it away{when}; {then}."


def _at_risk(_: Keeping, member: Member) -> str:
    if member.phase is not Phase.AT_RISK:
        return ""
    then = f"goes once its {_jobs(member)} ended" if member.node.running else "goes"
    return f"EC2 may soon take it away, so it gets no new jobs and {then}."


def _missing(keeping: Keeping, member: Member) -> str:
    if member.phase not in (Phase.RETURNING, Phase.MISSING, Phase.DOWN):
        return ""
    by = at(deadline(member.node, keeping.policy)) if member.node.missing_since else ""
    until = f" if it is not back by {by}" if by else " later"
    how = "holds it for dead" if member.phase is Phase.DOWN else "does not list it"
    return f"The engine {how}; it is replaced{until}."


def _jobs(member: Member) -> str:
    return number(len(member.node.running), "job")


_RULES: Final[tuple[tuple[KeepReason, Callable[[Keeping, Member], str]], ...]] = (
    (KeepReason.BOOTING, _too_many),
    (KeepReason.FIXED, _fixed),
    (KeepReason.NEEDED, _needed),
    (KeepReason.AT_MINIMUM, _at_minimum),
    (KeepReason.ENGINE_UNSURE, _engine_unsure),
    (KeepReason.RECENTLY_IDLE, _recently_idle),
    (KeepReason.BOOTING, _booting),
    (KeepReason.BUSY, _busy),
    (KeepReason.CORDONED, _cordoned),
    (KeepReason.DRAINING, _draining),
    (KeepReason.LEAVING, _leaving),
    (KeepReason.INTERRUPTED, _interrupted),
    (KeepReason.AT_RISK, _at_risk),
    (KeepReason.MISSING, _missing),
)
"""Of several that hold, the first; a rule that does not hold has no sentence."""
