"""What EC2 does to spot instances: it gives notice and takes them, or recommends to replace them.

After "Spot Instance interruption notices" and "EC2 instance rebalance recommendations" of the EC2 user guide. A notice
is never taken back: clearing the fault spares the instances that have none yet. On-demand instances are left alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from toilctl.local.aws.base.clock import Clock
from toilctl.local.aws.base.faults import ANY, Fault, Faults, Noticed
from toilctl.local.aws.ec2.instance_states import BY_SPOT, ENDING, Life, Lifetimes
from toilctl.values.errors import UsageError

if TYPE_CHECKING:
    from moto.ec2.models.instances import Instance

_FAULTS: Final = ("interrupt", "rebalance")
_NEXT_STEP: Final = "Name a running spot instance, or leave instance-id out."


@dataclass(frozen=True)
class Notice:
    """An interruption that an instance was told of; times in seconds since the epoch."""

    given_at: float
    due_at: float
    """When EC2 takes the instance."""
    status: Noticed
    """The spot request's status from the notice on."""


class Interruptions:
    """The notices and recommendations that spot instances have."""

    def __init__(self, clock: Clock, faults: Faults, lifetimes: Lifetimes) -> None:
        """Follow what the faults interrupt and rebalance ask for."""
        self._clock = clock
        self._faults = faults
        self._lifetimes = lifetimes
        self._notices: dict[str, Notice] = {}
        self._recommended_at: dict[str, float] = {}
        faults.checks.update(dict.fromkeys(_FAULTS, self._check))

    def advance(self) -> bool:
        """Give what the faults ask for, and take what is due; return whether an instance began to end."""
        taken = False
        for life in self._lifetimes.lives():
            if life.instance.lifecycle != "spot":
                continue
            if life.instance.state == "running":
                self._recommend(life.instance)
                self._give_notice(life.instance)
            taken = self._take(life) or taken
        for told in (self._notices, self._recommended_at):
            for instance_id in [one for one in told if self._lifetimes.find(one) is None]:
                del told[instance_id]
        return taken

    def notice(self, instance_id: str) -> Notice | None:
        """Return the notice that an instance has, if any."""
        return self._notices.get(instance_id)

    def metadata(self, instance_id: str) -> dict[str, Any]:
        """Return the metadata categories by which an instance learns of it: ``spot`` and ``events``."""
        tree: dict[str, Any] = {}
        if notice := self.notice(instance_id):
            time = _text(notice.due_at)
            action = json.dumps({"action": "terminate", "time": time})
            tree["spot"] = {"instance-action": action, "termination-time": time}
        if (at := self._recommended_at.get(instance_id)) is not None:
            tree["events"] = {"recommendations": {"rebalance": json.dumps({"noticeTime": _text(at)})}}
        return tree

    def _recommend(self, instance: Instance) -> None:
        if instance.id not in self._recommended_at and self._faults.use("rebalance", **_place(instance)):
            self._recommended_at[instance.id] = self._clock.now()

    def _give_notice(self, instance: Instance) -> None:
        if instance.id in self._notices:
            return
        if fault := self._faults.use("interrupt", **_place(instance)):
            now = self._clock.now()
            self._notices[instance.id] = Notice(now, now + fault.how["seconds"], fault.how["status"])

    def _take(self, life: Life) -> bool:
        notice = self.notice(life.instance.id)
        if notice is None or notice.due_at > self._clock.now() or life.instance.state in ENDING:
            return False
        if notice.due_at <= notice.given_at:
            # Nobody was told.
            del self._notices[life.instance.id]
        self._lifetimes.terminate(life.instance, BY_SPOT)
        return True

    def _check(self, fault: Fault) -> None:
        instance_id = fault.where["instance_id"]
        if instance_id == ANY:
            return
        life, notice = self._lifetimes.find(instance_id), self.notice(instance_id)
        if life is None:
            problem = f"There is no instance {instance_id}."
        elif life.instance.lifecycle != "spot":
            problem = f"{instance_id} is an on-demand instance, and those are not interrupted."
        elif life.instance.state in ENDING:
            problem = f"{instance_id} is {life.instance.state} already."
        elif notice and fault.name == "interrupt":
            problem = f"{instance_id} has its notice already: EC2 takes it at {_text(notice.due_at)}."
        else:
            return
        raise UsageError(problem, _NEXT_STEP, fault=fault.name, instance_id=instance_id)


def _place(instance: Instance) -> dict[str, str]:
    zone = instance.availability_zone or ""
    return {"instance_id": instance.id, "instance_type": instance.instance_type, "zone": zone}


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
