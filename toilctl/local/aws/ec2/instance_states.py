"""Instances through their states, in time; moto's change at once.

After "Amazon EC2 instance state changes": pending → running, running → stopping → stopped → pending, any of them →
shutting-down → terminated; a terminated instance stays in descriptions for about an hour, without addresses. With
real hosts a stopping or shutting-down instance has come to rest once its host has; without them, at once. A network
interface, and with it the use of its security groups, ends with the instance or a lag later.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from toilctl.local.aws.base.clock import Clock
from toilctl.local.aws.base.faults import Faults
from toilctl.local.aws.requests.refusals import Refusal
from toilctl.values import aws_errors

if TYPE_CHECKING:
    from moto.ec2.models.instances import Instance, InstanceState

VISIBLE_S: Final = 3600.0
"""How long a terminated instance is described."""

_CODES: Final = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
_LEAVING: Final = {"stopping": "stopped", "shutting-down": "terminated"}
BY_USER: Final = "Client.UserInitiatedShutdown"
BY_HOST: Final = "Client.InstanceInitiatedShutdown"
BY_SPOT: Final = "Server.SpotInstanceTermination"
BY_DISK_KEY: Final = aws_errors.CLIENT_ERROR
_REASONS: Final = {
    BY_USER: ("User initiated shutdown", "User initiated"),
    BY_HOST: ("Instance initiated shutdown", "Instance initiated shutdown"),
    BY_SPOT: ("Spot instance termination", "Service initiated"),
    BY_DISK_KEY: ("Client error on launch", ""),
}
"""What StateReason's message and StateTransitionReason say."""
ENDING: Final = ("shutting-down", "terminated")


@dataclass
class Life:
    """One instance's time."""

    instance: Instance
    region: str
    never_boots: bool
    visible_from: float
    pending_until: float
    changed_at: float
    """When it was launched, or last asked to change its state."""
    reboots: int = 0
    ended_at: float | None = None
    freed: bool = False
    """Whether its network interface is gone."""


class Lifetimes:
    """All instances of the account, and the changes that are under way."""

    def __init__(self, clock: Clock, faults: Faults, *, hosts: bool) -> None:
        """Follow instances; with ``hosts``, a stop or an end waits for ``settle``."""
        self._clock = clock
        self._faults = faults
        self._hosts = hosts
        self._lives: dict[str, Life] = {}
        self._moving: dict[str, Life] = {}
        self.by_address: dict[str, Life] = {}
        """Private addresses in use."""

    def begin(self, instance: Instance) -> None:
        """Start the life of an instance that has just been launched."""
        now, kind = self._clock.now(), instance.instance_type
        life = Life(
            instance,
            instance.region_name,
            never_boots=self._faults.take("never-boot", instance_type=kind),
            visible_from=now + self._faults.seconds("api-lag"),
            pending_until=now + self._faults.seconds("boot-delay", instance_type=kind),
            changed_at=now,
        )
        self._lives[instance.id] = self._moving[instance.id] = life
        self.by_address[str(instance.private_ip_address)] = life
        _enter(instance, "pending")

    def advance(self) -> None:
        """Let the changes happen whose time has come."""
        for life in list(self._moving.values()):
            self._advance(life)

    def settle(self, instance_ids: Iterable[str]) -> None:
        """Note that these instances' hosts are as asked: stopped ones stopped, ended ones gone."""
        for life in [self._moving[i] for i in instance_ids if i in self._moving]:
            self._settle(life)
            self._advance(life)

    def start(self, instance: Instance) -> InstanceState:
        """Start a stopped instance."""
        before = self._change(instance, {"stopped": "pending", "pending": "", "running": ""})
        if before.name == "stopped":
            for nic in instance.nics.values():
                nic.start()
            life = self._lives[instance.id]
            delay = self._faults.seconds("boot-delay", instance_type=instance.instance_type)
            life.pending_until = self._clock.now() + delay
        return before

    def stop(self, instance: Instance, reason: str = BY_USER) -> InstanceState:
        """Stop a running instance."""
        before = self._change(
            instance, {"running": "stopping", "pending": "stopping", "stopping": "", "stopped": ""}, reason
        )
        for nic in instance.nics.values():
            nic.stop()
        return before

    def terminate(self, instance: Instance, reason: str = BY_USER) -> InstanceState:
        """Begin to end an instance, whatever it does; ending it twice is no error."""
        going = dict.fromkeys(("pending", "running", "stopping", "stopped"), "shutting-down")
        return self._change(instance, {**going, "shutting-down": "", "terminated": ""}, reason)

    def reboot(self, instance: Instance) -> None:
        """Ask for one more reboot."""
        self._change(instance, {"running": ""})
        self._lives[instance.id].reboots += 1

    def powered_off(self, instance_id: str) -> None:
        """Note that a host switched itself off: its instance stops or ends, as it was launched to."""
        life = self._lives.get(instance_id)
        if life is None or life.instance.state not in ("pending", "running"):
            return
        ends = life.instance.instance_initiated_shutdown_behavior == "terminate"
        (self.terminate if ends else self.stop)(life.instance, BY_HOST)
        self.advance()

    def lives(self) -> Iterator[Life]:
        """Yield the instances that are described or may still have a host, oldest first."""
        yield from list(self._lives.values())

    def find(self, instance_id: str) -> Life | None:
        """Return an instance's life, if it is still known."""
        return self._lives.get(instance_id)

    def is_alive(self, instance_id: str) -> bool:
        """Whether an instance is anything but gone."""
        life = self._lives.get(instance_id)
        return life is not None and life.ended_at is None

    def is_described(self, instance_id: str) -> bool:
        """Whether descriptions have it yet."""
        life = self._lives.get(instance_id)
        return life is None or self._clock.now() >= life.visible_from

    def _change(self, instance: Instance, allowed: dict[str, str], reason: str = "") -> InstanceState:
        before = copy.copy(instance.instance_state)
        if before.name not in allowed:
            raise Refusal(
                "IncorrectInstanceState",
                f"The instance '{instance.id}' is not in a state from which it can be changed so ({before.name}).",
            )
        if allowed[before.name]:
            life = self._moving[instance.id] = self._lives[instance.id]
            life.changed_at = self._clock.now()
            _enter(instance, allowed[before.name], reason, self._clock.utcnow())
        return before

    def _advance(self, life: Life) -> None:
        state = life.instance.state
        if state == "pending" and self._clock.now() >= life.pending_until:
            _enter(life.instance, "running")
        elif state in _LEAVING and not self._hosts:
            self._settle(life)
        if life.ended_at is not None:
            self._forget(life, self._clock.now() - life.ended_at)
        elif life.instance.state in ("running", "stopped"):
            self._moving.pop(life.instance.id, None)

    def _settle(self, life: Life) -> None:
        state = life.instance.state
        if state == "stopping":
            _set_state(life.instance, "stopped")
        elif state == "shutting-down":
            _set_state(life.instance, "terminated")
            life.ended_at = self._clock.now()
            self.by_address.pop(str(life.instance.private_ip_address), None)
            _release(life.instance)

    def _forget(self, life: Life, ended_for: float) -> None:
        if not life.freed and ended_for >= self._faults.seconds("interface-lag"):
            for nic in life.instance.nics.values():
                nic.delete()
            life.instance.nics = {}
            life.freed = True
        if life.freed and ended_for >= VISIBLE_S:
            for table in (self._moving, self._lives):
                table.pop(life.instance.id, None)
            _drop(life.instance)


def _enter(instance: Instance, state: str, reason: str = "", at: datetime | None = None) -> None:
    from moto.ec2.models.instances import StateReason

    _set_state(instance, state)
    message, transition = _REASONS.get(reason, ("", ""))
    instance.state_reason = StateReason(f"{reason}: {message}" if reason else "", reason)
    instance._reason = f"{transition} ({at:%Y-%m-%d %H:%M:%S} GMT)" if transition else ""


def _set_state(instance: Instance, state: str) -> None:
    instance._state.name, instance._state.code = state, _CODES[state]


def _release(instance: Instance) -> None:
    """Give back what an instance had, but for its network interface: volumes, public address, profile."""
    backend: Any = instance.ec2_backend
    instance.teardown_defaults()
    for nic in instance.nics.values():
        nic.stop()
    association = backend.iam_instance_profile_associations.get(instance.id)
    if association is not None:
        backend.disassociate_iam_instance_profile(association_id=association.association_id)


def _drop(instance: Instance) -> None:
    backend: Any = instance.ec2_backend
    for key, reservation in list(backend.reservations.items()):
        if instance in reservation.instances:
            reservation.instances.remove(instance)
            if not reservation.instances:
                del backend.reservations[key]
    request_id = getattr(instance, "spot_instance_request_id", None)
    backend.spot_instance_requests.pop(request_id, None)
    for resource_id in (instance.id, request_id):
        backend.tags.pop(resource_id, None)
