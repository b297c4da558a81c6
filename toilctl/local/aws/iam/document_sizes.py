"""Policies that IAM refuses for their length, and moto takes: "IAM and AWS STS quotas", character limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from toilctl.local.aws.requests.call import Call
from toilctl.local.aws.requests.refusals import Refusal
from toilctl.values import policies
from toilctl.values.aws_limits import ROLE_POLICY_CHARACTERS

if TYPE_CHECKING:
    from moto.iam.models import IAMBackend

_INLINE: Final = {
    "PutUserPolicy": ("user", 2048),
    "PutGroupPolicy": ("group", 5120),
    "PutRolePolicy": ("role", ROLE_POLICY_CHARACTERS),
}
"""Whose, and the characters of all its policies together."""
_MANAGED: Final = ("CreatePolicy", "CreatePolicyVersion")


def check(call: Call, iam: IAMBackend) -> None:
    """Refuse a call of IAM's whose policy is too long; white space does not count.

    :raises Refusal: with LimitExceeded.
    """
    if call.service != "iam":
        return
    length = _length(str(call.params.get("PolicyDocument", "")))
    if call.action in _MANAGED and length > policies.MAX_LENGTH:
        raise Refusal("LimitExceeded", f"Cannot exceed quota for PolicySize: {policies.MAX_LENGTH}", 409)
    if call.action in _INLINE:
        kind, most = _INLINE[call.action]
        name = str(call.params.get(f"{kind.title()}Name", ""))
        others = {**_inline(iam, kind, name)}
        others.pop(str(call.params.get("PolicyName", "")), None)
        if length + sum(map(_length, others.values())) > most:
            raise Refusal("LimitExceeded", f"Maximum policy size of {most} bytes exceeded for {kind} {name}", 409)


def _inline(iam: IAMBackend, kind: str, name: str) -> Mapping[str, str]:
    owners: dict[str, Any] = {"user": iam.users, "group": iam.groups, "role": iam.roles}
    found = next((one for one in owners[kind].values() if one.name == name), None)
    return found.policies if found else {}


def _length(text: str) -> int:
    return len("".join(text.split()))
