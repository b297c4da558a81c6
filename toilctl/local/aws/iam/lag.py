"""IAM's eventual consistency: what is new is not found for a while, and what was taken away is still in the way.

"Changes that I make are not always immediately visible" in the IAM user guide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from toilctl.local.aws.base.clock import Clock
from toilctl.local.aws.base.faults import Faults
from toilctl.local.aws.requests.call import Call
from toilctl.local.aws.requests.refusals import Refusal

if TYPE_CHECKING:
    from moto.iam.models import IAMBackend

_KINDS: Final = {"RoleName": "role", "InstanceProfileName": "instance profile"}
_CREATE: Final = frozenset({"CreateRole", "CreateInstanceProfile"})
_TAKE_AWAY: Final = frozenset({"RemoveRoleFromInstanceProfile", "DeleteRolePolicy", "DetachRolePolicy"})
_DELETE: Final = frozenset({"DeleteRole", "DeleteInstanceProfile"})


class Lag:
    """Which roles and instance profiles are not seen yet, and which are still in use."""

    def __init__(self, clock: Clock, faults: Faults) -> None:
        self._clock, self._faults = clock, faults
        self._seen_from: dict[tuple[str, str], float] = {}
        self._used_until: dict[tuple[str, str], float] = {}

    def check(self, call: Call, iam: IAMBackend) -> None:
        """Refuse a call of IAM's that comes too soon after another; remember what others may come too soon after.

        :raises Refusal: with NoSuchEntity or DeleteConflict.
        """
        if call.service != "iam":
            return
        named = [(kind, str(call.params[key])) for key, kind in _KINDS.items() if key in call.params]
        now = self._clock.now()
        until = now + self._faults.seconds("iam-lag")
        if call.action in _CREATE:
            self._seen_from.update((one, until) for one in named if not _exists(iam, *one))
            return
        for kind, name in named:
            if self._seen_from.get((kind, name), now) > now:
                raise Refusal("NoSuchEntity", f"The {kind} with name {name} cannot be found.", 404)
        if call.action in _DELETE and any(self._used_until.get(one, now) > now for one in named):
            text = "Cannot delete entity, must remove roles from instance profile first."
            raise Refusal("DeleteConflict", text, 409)
        if call.action in _TAKE_AWAY:
            self._used_until.update((one, until) for one in named)


def _exists(iam: IAMBackend, kind: str, name: str) -> bool:
    existing = iam.roles if kind == "role" else iam.instance_profiles
    return any(one.name == name for one in existing.values())
