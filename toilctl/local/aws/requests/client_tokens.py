"""Client tokens as EC2 keeps them.

"Ensuring idempotency in Amazon EC2 API requests": a request that repeats a token and all parameters gets the first
one's answer and starts nothing; the same token with other parameters is refused with IdempotentParameterMismatch, and
with IdempotentInstanceTerminated when the instances that it made have all ended.
RunInstances and CreateFleet remember a token for a day after its instances are gone, so an answer is kept for as long
as one of the instances that it names lives, and a day more. A request that was refused leaves no trace.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from toilctl.local.aws.requests.call import Call
from toilctl.local.aws.requests.refusals import Refusal
from toilctl.values import aws_errors
from toilctl.values.aws_limits import CLIENT_TOKEN_LENGTH

ACTIONS: Final = frozenset(
    {"RunInstances", "CreateFleet", "CreateLaunchTemplate", "CreateLaunchTemplateVersion", "CreateVolume"}
)
REMEMBERED_S: Final = 24 * 3600.0

_INSTANCE_ID = re.compile(rb"\bi-[0-9a-f]{8,17}\b")


@dataclass
class Answer:
    """A response, to be given again."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes


@dataclass
class _Entry:
    fingerprint: str
    answer: Answer
    instance_ids: frozenset[str]
    last_alive: float


class Tokens:
    """The answers that EC2 remembers, by region, action and token."""

    def __init__(self, now: Callable[[], float], is_alive: Callable[[str, str], bool]) -> None:
        """Keep answers; ``is_alive(region, instance_id)`` tells whether an instance is anything but gone."""
        self._now = now
        self._is_alive = is_alive
        self._entries: dict[tuple[str, str, str], _Entry] = {}

    def recall(self, call: Call) -> Answer | None:
        """Return the answer that this call already got, if any.

        :raises Refusal: when the token came with other parameters before, is too long, or has outlived its instances.
        """
        token = _token(call)
        if len(token) > CLIENT_TOKEN_LENGTH:
            raise Refusal("InvalidParameterValue", f"Value ({token}) for parameter clientToken is invalid.")
        entry = self._entries.get(_key(call))
        if entry is None or self._forgotten(call.region, entry):
            return None
        if entry.fingerprint != _fingerprint(call.params):
            raise Refusal(
                "IdempotentParameterMismatch",
                "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
            )
        if entry.instance_ids and not self._lives(call.region, entry):
            raise Refusal(
                aws_errors.OUTLIVED,
                "The client token you have provided is associated with a terminated instance. Please use a different "
                "client token.",
            )
        return entry.answer

    def remember(self, call: Call, answer: Answer) -> None:
        """Keep the answer of a call that succeeded."""
        ids = frozenset(match.decode() for match in _INSTANCE_ID.findall(answer.body))
        self._entries[_key(call)] = _Entry(_fingerprint(call.params), answer, ids, self._now())

    def touch(self) -> None:
        """Note which answers' instances live now; called whenever an instance changes its state."""
        for (region, _, _), entry in self._entries.items():
            if self._lives(region, entry):
                entry.last_alive = self._now()

    def _forgotten(self, region: str, entry: _Entry) -> bool:
        return not self._lives(region, entry) and self._now() - entry.last_alive > REMEMBERED_S

    def _lives(self, region: str, entry: _Entry) -> bool:
        return any(self._is_alive(region, instance_id) for instance_id in entry.instance_ids)


def applies(call: Call) -> bool:
    """Whether a call carries a token that counts."""
    return call.service == "ec2" and call.action in ACTIONS and bool(_token(call)) and not call.dry_run


def _token(call: Call) -> str:
    return str(call.params.get("ClientToken", ""))


def _key(call: Call) -> tuple[str, str, str]:
    return call.region, call.action, _token(call)


def _fingerprint(params: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()
