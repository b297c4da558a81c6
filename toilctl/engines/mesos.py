"""Mesos, by its master's HTTP interface, asked with curl from the leader's container."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from toilctl.engines import mesos_demand, mesos_http, mesos_tasks
from toilctl.engines.client import UNREADABLE, EngineNode, Run, nonsense, unknown_node
from toilctl.engines.mesos_http import CUT, NAME
from toilctl.engines.mesos_tasks import Task
from toilctl.engines.published import Published
from toilctl.values.capacity import Resources
from toilctl.values.cluster import NodeState
from toilctl.values.errors import EngineError
from toilctl.values.jobs import Demand

PORT: Final = 5050
MARKS: Final = "/var/lib/mesos/toilctl-draining"
"""Where an empty file, named after its id, tells an agent that toilctl drains from one that a human cordoned."""

GRACE_S: Final = 5.0
"""Between asking tasks to end, and killing them, on an agent whose host is about to be taken away."""
PAGE: Final = 5000
"""Tasks in an answer: some 5 MB."""
_MOST_PAGES: Final = 250
_OVERLAP: Final = 1000
"""Tasks that two pages share: as many ended ones as the master forgets when it forgets a framework's."""

_SHOW_MARKS: Final = rf'ls -1 "$1" 2>/dev/null; printf "\\{ord(CUT):03o}"; shift; exec "$@"'
_MARK: Final = 'mkdir -p "$1" && : > "$1/$2" && shift 2 && exec "$@"'
_UNMARK: Final = 'rm -f "$1/$2"'
_AGENT_ID: Final = re.compile(r"\w[\w.-]*")


@dataclass(frozen=True)
class _Look:
    """The world at one time."""

    marked: frozenset[str]
    agents: tuple[Mapping[str, Any], ...]
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class Mesos:
    """A Mesos master. Its nodes' names are agent ids."""

    run: Run
    leader_address: str
    published: Published | None = None
    """What workflows publish of their jobs; None away from the leader."""
    port: int = PORT
    marks: str = MARKS
    timeout_s: float = 20.0
    """How long the master may take for an answer."""

    def nodes(self) -> tuple[EngineNode, ...]:
        """Return the agents that are registered, and what runs on each; for a minute after a restart there are none."""
        look = self._look()
        running = defaultdict[str, tuple[str, ...]](tuple)
        for task in look.tasks:
            running[task.agent_id] += (task.job_id,)
        try:
            return tuple(_node(agent, running[agent["id"]], look.marked) for agent in look.agents)
        except UNREADABLE:
            raise nonsense(NAME, str(look.agents)) from None

    def tasks(self) -> tuple[Task, ...]:
        """Return the tasks that have not ended; those that wait are known to Toil alone."""
        return self._look().tasks

    def demand(self) -> Demand:
        """Return the jobs that workflows publish, and the master's tasks; nodes are named by agent id or address.

        :raises EngineError: when the master does not answer, or away from the leader, where nothing is published.
        """
        if self.published is None:
            raise EngineError(
                "Only on its leader is it known which jobs of a Mesos cluster wait.",
                "Ask there: toilctl explain NAME.", engine=NAME,
            )  # fmt: skip
        # Before the tasks: a job that starts between the two looks is then a task of its own, not one that waits.
        workflows = self.published.workflows()
        return mesos_demand.demand(workflows, self.tasks(), self.published.run_times_s())

    def cordon(self, name: str) -> None:
        """Give an agent no new tasks, until ``uncordon``; from then on that is a human's decision."""
        self._call("DEACTIVATE_AGENT", name)
        self._unmark(name)

    def uncordon(self, name: str) -> None:
        """Give an agent tasks again."""
        self._call("REACTIVATE_AGENT", name)
        self._unmark(name)

    def drain(self, name: str) -> None:
        """Give an agent no new tasks, since it will be terminated; Mesos' own drain would kill those that run."""
        try:
            self._call("DEACTIVATE_AGENT", name, script=("sh", "-c", _MARK, "mark", self.marks, name))
        except EngineError as error:
            if "node" in error.facts:
                self._unmark(name)
            raise

    def lost(self, node: EngineNode) -> None:
        """Do nothing: the master finds out by itself within 90 s, and its agents do not tell their instance ids."""

    def evacuate(self, node: EngineNode) -> None:
        """Make an agent kill its tasks within seconds and leave for good; Toil tries the tasks again."""
        grace = {"nanoseconds": round(GRACE_S * 1e9)}
        self._call("DRAIN_AGENT", node.name, max_grace_period=grace, mark_gone=True)

    def _look(self) -> _Look:
        words = ("sh", "-c", _SHOW_MARKS, "look", self.marks, *mesos_http.curl(self.timeout_s))
        printed = mesos_http.answer(self.run, [*words, self._url("slaves"), self._tasks_url(0)])
        marks, _, rest = printed.partition(CUT)
        agents, first = mesos_http.read(rest, 2)
        try:
            tasks = mesos_tasks.active(self._pages(first["tasks"]), agents["slaves"])
            return _Look(frozenset(marks.split()), tuple(agents["slaves"]), tasks)
        except UNREADABLE:
            raise nonsense(NAME, rest.replace(CUT, " ")) from None

    def _pages(self, page: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """Yield all tasks from the first page on; one that moves while they are read may come twice."""
        yield from page
        for number in range(1, _MOST_PAGES):
            if len(page) < PAGE:
                return
            # In ascending order tasks move to a later place when they start, and to an earlier one only when others
            # are forgotten.
            words = [*mesos_http.curl(self.timeout_s), self._tasks_url(number * (PAGE - _OVERLAP))]
            (answer,) = mesos_http.read(mesos_http.answer(self.run, words), 1)
            page = answer["tasks"]
            yield from page

    def _call(self, kind: str, agent: str, script: tuple[str, ...] = (), **arguments: Any) -> None:
        # It becomes part of a file's name.
        if not _AGENT_ID.fullmatch(agent):
            raise unknown_node(agent)
        posted = mesos_http.posted(kind, agent, **arguments)
        words = [*script, *mesos_http.curl(self.timeout_s), *posted, self._url("api/v1")]
        mesos_http.read(mesos_http.answer(self.run, words), 1, agent)

    def _unmark(self, name: str) -> None:
        mesos_http.answer(self.run, ["sh", "-c", _UNMARK, "unmark", self.marks, name])

    def _url(self, path: str) -> str:
        return f"http://{self.leader_address}:{self.port}/{path}"

    def _tasks_url(self, offset: int) -> str:
        return self._url(f"tasks?limit={PAGE}&offset={offset}&order=asc")


def _node(agent: Mapping[str, Any], running: tuple[str, ...], marked: frozenset[str]) -> EngineNode:
    total, used = agent["resources"], agent.get("used_resources")
    return EngineNode(
        name=agent["id"],
        instance_id=mesos_tasks.instance_id(agent),
        private_address=mesos_tasks.address(agent),
        state=_state(agent, marked),
        running=running,
        resources=Resources(int(total["cpus"]), int(total["mem"]), int(total["disk"])),
        used=None if used is None else mesos_tasks.resources(used),
    )


def _state(agent: Mapping[str, Any], marked: frozenset[str]) -> NodeState:
    if agent.get("drain_info"):
        return NodeState.DRAINING
    if agent.get("deactivated"):
        return NodeState.DRAINING if agent["id"] in marked else NodeState.CORDONED
    return NodeState.JOINED if agent["active"] else NodeState.DOWN
