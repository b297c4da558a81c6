"""Mesos, by its master's HTTP interface, asked with curl from the leader's container."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from toilctl.autoscaler.model import Demand
from toilctl.capacity import Resources
from toilctl.cluster import NodeState
from toilctl.engines import EngineNode, Run, ask, nonsense, unknown_node
from toilctl.errors import EngineError, NotYetError

PORT: Final = 5050

_NAME: Final = "Mesos"
_CURL: Final = ("curl", "--silent", "--show-error", "--max-time", "20", "--write-out", r"\n%{http_code}\n")
# The master pages at 100 unless told otherwise, and remembers up to 1,000 finished tasks per framework.
_MANY: Final = 1_000_000
_ENDED: Final = frozenset(
    f"TASK_{state}"
    for state in ("FINISHED", "FAILED", "KILLED", "ERROR", "LOST", "DROPPED", "GONE", "GONE_BY_OPERATOR")
)
_ADDRESS: Final = re.compile(r"@(.+):\d+$")


@dataclass(frozen=True)
class Mesos:
    """A Mesos master. Its nodes' names are agent ids."""

    run: Run
    leader_address: str

    def nodes(self) -> tuple[EngineNode, ...]:
        """Return the agents that are registered, and what runs on each; for a minute after a restart there are none."""
        agents, tasks = self._ask(f"{self._url}/slaves", f"{self._url}/tasks?limit={_MANY}")
        running = defaultdict[str, tuple[str, ...]](tuple)
        try:
            for task in tasks["tasks"]:
                if task["state"] not in _ENDED:
                    # Two workflows number their tasks alike.
                    running[task["slave_id"]] += (f"{task['framework_id']}/{task['id']}",)
            return tuple(_node(agent, running) for agent in agents["slaves"])
        except (KeyError, TypeError, ValueError):
            raise nonsense(_NAME, json.dumps(agents)) from None

    def demand(self) -> Demand:
        """Refuse: a Mesos master knows no job before it runs.

        :raises NotYetError: always.
        """
        raise NotYetError(
            "toilctl cannot learn from Mesos yet which jobs wait, so it cannot autoscale a Mesos cluster.",
            "Launch the cluster with --engine slurm.",
            engine=_NAME,
        )

    def cordon(self, name: str) -> None:
        """Give an agent no new tasks, until ``uncordon``."""
        self._call("DEACTIVATE_AGENT", name)

    def uncordon(self, name: str) -> None:
        """Give an agent tasks again."""
        self._call("REACTIVATE_AGENT", name)

    def drain(self, name: str) -> None:
        """Give an agent no new tasks, since it will be terminated; Mesos' own drain would kill those that run."""
        self._call("DEACTIVATE_AGENT", name)

    @property
    def _url(self) -> str:
        return f"http://{self.leader_address}:{PORT}"

    def _call(self, kind: str, agent: str) -> None:
        body = {"type": kind, kind.lower(): {"agent_id": {"value": agent}}}
        self._ask("--header", "Content-Type: application/json", "--data", json.dumps(body), f"{self._url}/api/v1")

    def _ask(self, *words: str) -> list[Any]:
        """Return the answers to one or more requests; an empty one is None."""
        answer = ask(self.run, [*_CURL, *words], _NAME)
        lines = answer.removesuffix("\n").split("\n")
        bodies, codes = lines[::2], lines[1::2]
        if any(not code.isdigit() for code in codes) or len(bodies) != len(codes):
            raise nonsense(_NAME, answer)
        for body, code in zip(bodies, codes, strict=True):
            if code != "200":
                raise _refused(code, body, words)
        try:
            return [json.loads(body) if body else None for body in bodies]
        except ValueError:
            raise nonsense(_NAME, answer) from None


def _refused(code: str, body: str, words: tuple[str, ...]) -> EngineError:
    if code == "400" and "Unknown agent" in body:
        asked = re.search(r'"value": "([^"]+)"', " ".join(words))
        return unknown_node(asked[1] if asked else "?")
    return EngineError(
        f"Mesos refuses with {code}: {body.strip() or 'no message'}.",
        "Look at its page: toilctl ssh-cluster -L 5050 NAME, then http://localhost:5050.",
        engine=_NAME, status=int(code),
    )  # fmt: skip


def _node(agent: Mapping[str, Any], running: Mapping[str, tuple[str, ...]]) -> EngineNode:
    address, total = _ADDRESS.search(agent["pid"]), agent["resources"]
    return EngineNode(
        name=agent["id"],
        instance_id=agent.get("attributes", {}).get("instance_id"),
        private_address=address[1] if address else agent["hostname"],
        state=_state(agent),
        running=running.get(agent["id"], ()),
        resources=Resources(int(total["cpus"]), int(total["mem"]), int(total["disk"])),
    )


def _state(agent: Mapping[str, Any]) -> NodeState:
    if agent.get("drain_info"):
        return NodeState.DRAINING
    if agent.get("deactivated"):
        return NodeState.CORDONED
    return NodeState.JOINED if agent["active"] else NodeState.DOWN
