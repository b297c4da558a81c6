"""Stands in for a Mesos master: serves what a real one was recorded to say, and fails as one can fail.

A script is a list of moments and failing answers. Each question for ``/slaves`` turns to the next one until the last:
both toilctl's adapter and its drain script begin every look at the world with it.
"""

from __future__ import annotations

import copy
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

DATA = Path(__file__).parents[1] / "data/mesos"
TASK_LIMIT = 100


@dataclass
class Moment:
    """What a master says at one time."""

    agents: list[dict[str, Any]]
    tasks: list[dict[str, Any]]
    uptime_s: float
    frameworks: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def recorded(cls, name: str, uptime_s: float | None = None) -> Self:
        """Return a recorded moment; its master may be made older or younger."""
        slaves, tasks, metrics, frameworks = (
            json.loads((DATA / f"{name}-{what}.json").read_text())
            for what in ("slaves", "tasks", "metrics-snapshot", "frameworks")
        )
        age_s = metrics["master/uptime_secs"] if uptime_s is None else uptime_s
        return cls(slaves["slaves"], tasks["tasks"], age_s, frameworks)

    def agent(self, name: str) -> dict[str, Any]:
        """Return an agent by its id or host name."""
        return next(agent for agent in self.agents if name in (agent["id"], agent["hostname"]))

    def without_tasks(self) -> Self:
        """Return the same moment with all tasks ended."""
        later = copy.deepcopy(self)
        for task in later.tasks:
            task["state"] = "TASK_FINISHED"
        return later


@dataclass(frozen=True)
class Answer:
    """One answer; in a script, the answer to everything at a time when the master cannot do better."""

    status: int = 200
    body: str = ""
    location: str = ""
    missing: int = 0
    """How many bytes of the announced length never come."""
    delay_s: float = 0.0
    silent: bool = False
    """Whether the connection is closed without a word."""


@dataclass(frozen=True)
class Call:
    """A call of the operator API."""

    kind: str
    agent: str
    arguments: dict[str, Any]


class MesosMaster:
    """A master on 127.0.0.1, from ``with`` until its end."""

    def __init__(self, *script: Moment | Answer) -> None:
        self._script = copy.deepcopy(list(script))
        self._lock = threading.Lock()
        self.calls: list[Call] = []
        self.paths: list[str] = []
        """All that was asked with GET."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.just_after: dict[str, Callable[[], None]] = {}
        """What happens once, as soon as a path was answered."""

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Refuse connections from now on."""
        self._server.shutdown()
        self._server.server_close()

    @property
    def now(self) -> Moment | Answer:
        """The moment at which the script is."""
        return self._script[0]

    def turn(self) -> None:
        """Go on to the next moment, if there is one."""
        if len(self._script) > 1:
            self._script.pop(0)

    def turn_to(self, moment: Moment) -> None:
        """Go to another moment at once."""
        self._script[0] = moment

    def kinds(self) -> list[str]:
        """Return what kinds of calls came."""
        return [call.kind for call in self.calls]

    def get(self, url: str) -> Answer:
        """Answer a question; the first for the agents does not turn the script."""
        path, query = urlsplit(url).path, parse_qs(urlsplit(url).query)
        with self._lock:
            if path == "/slaves" and path in self.paths:
                self.turn()
            self.paths.append(path)
            moment = self.now
            if isinstance(moment, Answer):
                return moment
            answer = self._answer(moment, path, query)
            self.just_after.pop(path, lambda: None)()
        return Answer(404) if answer is None else Answer(body=json.dumps(answer))

    def _answer(self, moment: Moment, path: str, query: dict[str, list[str]]) -> Any:
        if path == "/tasks":
            return {"tasks": _page(moment.tasks, query)}
        return {
            "/slaves": {"slaves": moment.agents, "recovered_slaves": []},
            "/metrics/snapshot": {"master/elected": 1.0, "master/uptime_secs": moment.uptime_s},
            "/frameworks": moment.frameworks,
        }.get(path)

    def post(self, body: bytes) -> Answer:
        """Carry a call of the operator API out."""
        asked = json.loads(body)
        kind = asked.get("type")
        if kind not in _OPERATIONS:
            return _recorded("call-badtype.txt")
        arguments = asked.get(kind.lower())
        if arguments is None:
            return _recorded("call-badjson.txt")
        agent = arguments["agent_id"]["value"]
        with self._lock:
            self.calls.append(Call(kind, agent, arguments))
            moment = self.now
            if isinstance(moment, Answer):
                return moment
            if agent not in {one["id"] for one in moment.agents}:
                return _recorded("call-unknown.txt")
            _OPERATIONS[kind](moment, agent)
        return _recorded("call-deactivate.txt")


def _page(tasks: Sequence[dict[str, Any]], query: dict[str, list[str]]) -> list[dict[str, Any]]:
    """Sort and cut as the master does (``TaskComparator`` in ``src/master/http.cpp``)."""
    newest_first = query.get("order", ["desc"]) != ["asc"]
    ordered = sorted(tasks, key=lambda task: task["statuses"][0]["timestamp"] if task["statuses"] else 0.0)
    ordered = ordered[::-1] if newest_first else ordered
    offset, limit = int(query.get("offset", ["0"])[0]), int(query.get("limit", [str(TASK_LIMIT)])[0])
    return ordered[offset : offset + limit]


def _set_deactivated(deactivated: bool) -> Callable[[Moment, str], None]:
    def change(moment: Moment, agent: str) -> None:
        moment.agent(agent).update(active=not deactivated, deactivated=deactivated)

    return change


def _leave(moment: Moment, agent: str) -> None:
    moment.agents.remove(moment.agent(agent))
    for task in moment.tasks:
        if task["slave_id"] == agent and task["state"] == "TASK_RUNNING":
            task["state"] = "TASK_KILLED"


_OPERATIONS = {
    "DEACTIVATE_AGENT": _set_deactivated(True),
    "REACTIVATE_AGENT": _set_deactivated(False),
    "DRAIN_AGENT": _leave,
    "MARK_AGENT_GONE": _leave,
}


def _recorded(name: str) -> Answer:
    """Return a whole answer as it was recorded."""
    head, _, body = (DATA / name).read_bytes().decode().replace("\r\n", "\n").partition("\n\n")
    return Answer(int(head.split()[1]), body.strip())


def _handler(master: MesosMaster) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send(master.get(self.path))

        def do_POST(self) -> None:
            self.send(master.post(self.rfile.read(int(self.headers["Content-Length"]))))

        def send(self, answer: Answer) -> None:
            time.sleep(answer.delay_s)
            if answer.silent:
                return
            content = answer.body.encode()
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(content) + answer.missing))
            if answer.location:
                self.send_header("Location", answer.location)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
