"""Tasks as a Mesos master lists them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from toilctl.engines.client import UNREADABLE, moment
from toilctl.values.capacity import Resources

_ENDED: Final = frozenset(
    f"TASK_{state}"
    for state in ("FINISHED", "FAILED", "KILLED", "ERROR", "LOST", "DROPPED", "GONE", "GONE_BY_OPERATOR")
)
_ADDRESS: Final = re.compile(r"@(.+):\d+$")


@dataclass(frozen=True)
class Task:
    """A task that holds an agent's resources: one that was sent there, runs, or is being killed."""

    framework: str
    """The id of the framework, that is, of the workflow."""
    task_id: str
    """Toil's batch id; two workflows number their tasks alike."""
    name: str
    agent_id: str
    address: str | None
    """The agent's private address; None when the master does not list the agent."""
    instance_id: str | None
    """The agent's instance id, where it tells it."""
    resources: Resources
    started: datetime | None
    """None when it does not run yet, or its executor tells no moment."""

    @property
    def job_id(self) -> str:
        """The id under which toilctl knows it, ``FRAMEWORK/TASK``."""
        return f"{self.framework}/{self.task_id}"


def active(listed: Iterable[Mapping[str, Any]], agents: Iterable[Mapping[str, Any]]) -> tuple[Task, ...]:
    """Return the tasks that have not ended, each once although it may be listed twice.

    :raises Exception: one of ``client.UNREADABLE`` when the master's answers are not of its form.
    """
    known = {agent["id"]: agent for agent in agents}
    # What was read last is the newest.
    tasks = {(task["framework_id"], task["id"]): task for task in listed}
    return tuple(_task(task, known.get(task["slave_id"])) for task in tasks.values() if task["state"] not in _ENDED)


def address(agent: Mapping[str, Any]) -> str:
    """Return an agent's private address: a process id tells it even where the host name is a name."""
    found = _ADDRESS.search(agent["pid"])
    return found[1] if found else str(agent["hostname"])


def instance_id(agent: Mapping[str, Any]) -> str | None:
    """Return an agent's instance id, where an attribute tells it."""
    found = agent.get("attributes", {}).get("instance_id")
    return None if found is None else str(found)


def resources(held: Mapping[str, Any]) -> Resources:
    """Return what tasks hold; a part of a MiB counts as one."""
    return Resources(float(held["cpus"]), math.ceil(held["mem"]), math.ceil(held["disk"]))


def _task(task: Mapping[str, Any], agent: Mapping[str, Any] | None) -> Task:
    return Task(
        framework=_text(task["framework_id"]),
        task_id=_text(task["id"]),
        name=_text(task["name"]),
        agent_id=_text(task["slave_id"]),
        address=address(agent) if agent else None,
        instance_id=instance_id(agent) if agent else None,
        resources=resources(task["resources"]),
        started=_started(task["statuses"]),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _started(statuses: Iterable[Mapping[str, Any]]) -> datetime | None:
    running = [one["timestamp"] for one in statuses if one["state"] == "TASK_RUNNING"]
    try:
        return moment(min(running)) if running else None
    except UNREADABLE:
        # Executors tell it, and anybody may write one.
        return None
