"""Why each node that stays does so, in the words that people read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from toilctl.autoscaler.fleet import Fleet, Member
from toilctl.autoscaler.lifecycle import Phase, deadline
from toilctl.autoscaler.plan import Kept, Reason
from toilctl.autoscaler.policy import Policy
from toilctl.autoscaler.scale_in import Shrinkage, at_minimum, goes_at, timed_out
from toilctl.autoscaler.wording import at, number


@dataclass(frozen=True)
class Keeping:
    """What the reasons rest on."""

    fleet: Fleet
    policy: Policy
    needed: frozenset[str]
    shrinkage: Shrinkage
    unsure: str
    """Why no node is scaled in at the moment; empty when nodes are."""
    now: datetime

    def kept(self, acted_on: set[str]) -> tuple[Kept, ...]:
        """Return the nodes on which nothing is done, with the reason."""
        full = at_minimum(self.fleet, self.policy, self.shrinkage.ids())
        return tuple(
            self._kept(member, at_minimum=full.get(member.node.node_type, False))
            for member in self.fleet.members
            if member.node.instance_id not in acted_on
        )

    def _kept(self, member: Member, *, at_minimum: bool) -> Kept:
        instance_id = member.node.instance_id
        if instance_id in self.shrinkage.pending:
            return Kept(instance_id, Reason.BOOTING, "It is above the maximum and goes once it has joined.")
        if member.node.fixed and member.phase is not Phase.INTERRUPTED:
            detail = "This cluster has no limits of its own, so its workers are left alone."
            return Kept(instance_id, Reason.FIXED, detail)
        if member.phase is Phase.IDLE:
            return self._idle(member, at_minimum=at_minimum)
        unseen = member.phase is Phase.MISSING and member.node.missing_since is None
        if self.unsure and (member.traits.goes or member.phase is Phase.DRAINING or unseen):
            return Kept(instance_id, Reason.ENGINE_UNSURE, f"It stays because {self.unsure}.")
        return Kept(instance_id, member.traits.stays, _DETAILS[member.phase](member, self.policy))

    def _idle(self, member: Member, *, at_minimum: bool) -> Kept:
        instance_id, goes = member.node.instance_id, goes_at(member, self.policy)
        if instance_id in self.needed:
            return Kept(instance_id, Reason.NEEDED, "Waiting jobs have room there and are about to run.")
        if at_minimum:
            least = self.policy.limits_of(member.node.node_type).min_nodes
            return Kept(instance_id, Reason.AT_MINIMUM, f"The minimum of {member.node.node_type} is {least}.")
        if self.unsure and timed_out(member, self.policy, self.now):
            return Kept(instance_id, Reason.ENGINE_UNSURE, f"It stays because {self.unsure}.")
        if goes is None:
            return Kept(instance_id, Reason.RECENTLY_IDLE, "It runs nothing; nobody knows yet since when.")
        detail = f"It runs nothing since {at(member.node.idle_since or self.now)} and goes at {at(goes)}."
        return Kept(instance_id, Reason.RECENTLY_IDLE, detail)


def _booting(member: Member, policy: Policy) -> str:
    end = at(deadline(member.node, policy))
    doing = "is being set up" if member.node.set_up_by else "boots"
    return f"It {doing}, and is replaced if it has not joined by {end}."


def _busy(member: Member, _: Policy) -> str:
    return f"It runs {number(len(member.node.running), 'job')}."


def _draining(member: Member, _: Policy) -> str:
    return f"It gets no new jobs and goes once its {number(len(member.node.running), 'job')} ended."


def _interrupted(member: Member, _: Policy) -> str:
    takes_at = member.node.notice and member.node.notice.takes_at
    when = f" at {at(takes_at)}" if takes_at else ""
    if not member.node.running:
        return f"EC2 takes it away{when}; it runs nothing."
    return f"EC2 takes it away{when}; what of its {number(len(member.node.running), 'job')} has not ended runs again."


def _at_risk(member: Member, _: Policy) -> str:
    then = f"goes once its {number(len(member.node.running), 'job')} ended" if member.node.running else "goes"
    return f"EC2 may soon take it away, so it gets no new jobs and {then}."


def _missing(member: Member, policy: Policy) -> str:
    until = f" if it is not back by {at(deadline(member.node, policy))}" if member.node.missing_since else " later"
    how = "holds it for dead" if member.phase is Phase.DOWN else "does not list it"
    return f"The engine {how}; it is replaced{until}."


_DETAILS: Final[dict[Phase, Callable[[Member, Policy], str]]] = {
    Phase.BOOTING: _booting,
    Phase.BUSY: _busy,
    Phase.CORDONED: lambda *_: (
        "Somebody cordoned it, so the autoscaler leaves it alone until the engine gives it jobs again."
    ),
    Phase.DRAINING: _draining,
    Phase.LEAVING: lambda *_: "It is being drained and terminated.",
    Phase.INTERRUPTED: _interrupted,
    Phase.AT_RISK: _at_risk,
    Phase.RETURNING: _missing,
    Phase.MISSING: _missing,
    Phase.DOWN: _missing,
}
