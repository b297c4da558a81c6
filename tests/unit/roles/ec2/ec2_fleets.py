"""Launches of fleets that crash where a test says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Launch = Callable[..., dict[str, Any]]


class Crash(Exception):
    """The machine that launches loses power."""


class CrashingClient:
    """A client whose process ends before or after EC2 processes a call, so that the answer is lost."""

    def __init__(self, client: Any, action: str, *, processed: bool) -> None:
        self.client, self.action, self.processed = client, action, processed

    def __getattr__(self, name: str) -> Any:
        return self._crash if name == self.action else getattr(self.client, name)

    def _crash(self, **params: Any) -> None:
        if self.processed:
            getattr(self.client, self.action)(**params)
        raise Crash


def live(ec2: Any, **tags: str) -> list[dict[str, Any]]:
    wanted = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    wanted += [{"Name": f"tag:toilctl:{name}", "Values": [value]} for name, value in tags.items()]
    found = ec2.describe_instances(Filters=wanted)["Reservations"]
    return [instance for reservation in found for instance in reservation["Instances"]]


def tags_of(resource: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in resource["Tags"]}
