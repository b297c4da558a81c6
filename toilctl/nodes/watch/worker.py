"""worker_watch.py run SETTINGS.json: tell the leader what EC2 is about to do to this host, and end it without a leader.

The instance metadata is asked every few seconds for a spot interruption and a rebalance recommendation. The leader
is told until it acknowledges, and again when EC2 announces something else. A leader that has not been heard for
orphan_timeout_s, by the monotonic clock, since this service started or last heard it, is gone: the host shuts down.
Only an answer that names the same cluster counts, because addresses are reused.

SETTINGS.json: {"cluster", "leader": URL, "metadata": URL, "orphan_timeout_s" (0: never), "interval_s",
"power_off": command, "console": path}. Runs with the host's own Python; standard library only.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .systemd import ALIVE, tell_systemd

ACTIONS = ("terminate", "stop", "hibernate")
# Both spot/instance-action and the token's time to live, 6 h at most: the EC2 user guide.
TOKEN_TTL_S = 21600
METADATA_S = 2.0
LEADER_S = 5.0
ASK_S = 30.0
POWER_OFF_S = 60.0
ANSWER_BYTES = 65536
NO_ANSWER = (OSError, TypeError, ValueError, RecursionError, http.client.HTTPException)


class Refused(OSError):
    """An answer with another status than 200."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"HTTP {status} {reason[:80]}")
        self.status = status


def fetch(
    url: str, timeout_s: float, method: str = "GET", body: bytes | None = None, headers: dict[str, str] | None = None
) -> str:
    """Return the body of an answer, asked for without any proxy, and without going where the answer points."""
    where = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=timeout_s)
    late = threading.Event()
    with contextlib.closing(connection):
        connection.connect()
        # The timeout is that of each byte; who sends one after the other is hung up on.
        timer = threading.Timer(2 * timeout_s, hang_up, [connection.sock, late])
        timer.daemon = True
        timer.start()
        try:
            connection.request(method, where.path, body, headers or {})
            answer = connection.getresponse()
            text = answer.read(ANSWER_BYTES).decode()
        except (OSError, http.client.HTTPException):
            # Whoever is hung up on may answer with a reset.
            if not late.is_set():
                raise
        finally:
            timer.cancel()
    if late.is_set():
        raise TimeoutError("timed out")
    if answer.status != 200:
        raise Refused(answer.status, answer.reason)
    return text


def hang_up(connection: socket.socket, late: threading.Event) -> None:
    """End a connection, in whichever thread it is waited for."""
    late.set()
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def parsed(text: str) -> dict[str, Any]:
    """Return the JSON object in a text."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise TypeError(f"{text[:80]!r} is no JSON object")
    return found


class Metadata:
    """The instance metadata, with the tokens of its second version."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.token = ""
        self.id: str | None = None

    def get(self, path: str, renewed: bool = False) -> str | None:
        """Return the text at a path; None where there is nothing."""
        if not self.token:
            headers = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_TTL_S)}
            self.token = fetch(f"{self.url}/latest/api/token", METADATA_S, "PUT", headers=headers)
        try:
            headers = {"X-aws-ec2-metadata-token": self.token}
            return fetch(f"{self.url}/latest/meta-data/{path}", METADATA_S, headers=headers)
        except Refused as error:
            if error.status == 404:
                return None
            if error.status != 401 or renewed:
                raise
        self.token = ""
        return self.get(path, renewed=True)

    def notice(self) -> tuple[str, str | None] | None:
        """Return what EC2 announces, as kind and time; an interruption goes before a recommendation."""
        text = self.get("spot/instance-action")
        if text is None:
            recommended = self.get("events/recommendations/rebalance")
            return None if recommended is None else ("rebalance", None)
        action = parsed(text)
        if action.get("action") not in ACTIONS:
            raise ValueError(f"the instance action {text[:80]!r} is unknown")
        return action["action"], action.get("time")

    def instance_id(self) -> str:
        """Return this host's id."""
        self.id = self.id or self.get("instance-id")
        if not self.id:
            raise ValueError("the metadata has no instance id")
        return self.id


class Leader:
    """The leader's service."""

    def __init__(self, url: str, cluster: str) -> None:
        self.url = url
        self.cluster = cluster

    def ask(self) -> None:
        """Return if the leader of this cluster answers."""
        self.check(fetch(f"{self.url}/", LEADER_S))

    def tell(self, instance_id: str, kind: str, takes_at: str | None) -> None:
        """Return if the leader has taken a notice."""
        body = json.dumps({"instance_id": instance_id, "kind": kind, "takes_at": takes_at}).encode()
        self.check(fetch(f"{self.url}/notices", LEADER_S, "POST", body, {"Content-Type": "application/json"}))

    def check(self, text: str) -> None:
        """Refuse the answer of anybody else."""
        found = parsed(text)
        if found.get("toilctl") != 1 or found.get("cluster") != self.cluster:
            raise ValueError("another host answers at its address")


class Watch:
    """What a worker's service knows, and what it does every few seconds."""

    def __init__(self, settings: dict[str, Any], clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.clock = clock
        self.metadata = Metadata(settings["metadata"])
        self.leader = Leader(settings["leader"], settings["cluster"])
        self.timeout_s: float = settings["orphan_timeout_s"]
        self.ask_every_s = min(ASK_S, self.timeout_s / 4)
        self.heard_at = self.ask_at = clock()
        self.notice: tuple[str, str | None] | None = None
        self.told: tuple[str, str | None] | None = None
        self.states: dict[str, object] = {}

    def step(self) -> None:
        """Look and tell once."""
        self.look()
        if self.notice and self.notice != self.told:
            self.tell(self.notice)
        if self.timeout_s:
            self.look_for_leader()

    def look(self) -> None:
        """Learn what EC2 announces; what it announced before holds while the metadata is silent."""
        try:
            self.notice = self.metadata.notice() or self.notice
        except NO_ANSWER as error:
            self.say("metadata", "silent", f"The instance metadata gives no answer: {error}.")
        else:
            self.say("metadata", "there", "The instance metadata answers.")

    def tell(self, notice: tuple[str, str | None]) -> None:
        """Tell the leader of a notice."""
        kind, takes_at = notice
        about = f"EC2's notice, {kind}" + (f" at {takes_at}" if takes_at else "")
        try:
            self.leader.tell(self.metadata.instance_id(), kind, takes_at)
        except NO_ANSWER as error:
            self.say("notice", (notice, False), f"The leader was not told of {about}, and will be: {error}.")
        else:
            self.told = notice
            self.heard()
            self.say("notice", (notice, True), f"The leader was told of {about}.")

    def look_for_leader(self) -> None:
        """Ask the leader now and then, and once more before it counts as gone."""
        if self.clock() < self.ask_at and not self.orphaned():
            return
        self.ask_at = self.clock() + self.ask_every_s
        try:
            self.leader.ask()
        except NO_ANSWER as error:
            self.say("leader", "silent", f"The leader at {self.leader.url} gives no answer: {error}.")
            if self.orphaned():
                self.end()
        else:
            self.heard()

    def heard(self) -> None:
        """Count from now on."""
        self.heard_at = self.clock()
        self.states.pop("host", None)
        self.say("leader", "there", f"The leader at {self.leader.url} answers.")

    def orphaned(self) -> bool:
        """Tell whether the leader has been silent for too long."""
        return self.clock() - self.heard_at >= self.timeout_s

    def end(self) -> None:
        """Shut the host down, which ends its instance, and say why; called again while the host goes on."""
        line = (
            f"The leader of cluster {self.settings['cluster']} at {self.leader.url} was not heard for "
            f"{self.clock() - self.heard_at:.0f} s; the orphan timeout is {self.timeout_s:g} s: shutting down."
        )
        if self.say("host", "ends", line):
            write_console(self.settings["console"], f"toilctl: {line}")
        try:
            command = self.settings["power_off"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=POWER_OFF_S, check=False)
            failed = done.stderr.strip() or f"exit status {done.returncode}" if done.returncode else ""
        except (OSError, subprocess.SubprocessError) as error:
            failed = str(error)
        if failed:
            self.say("power", "on", f"This host could not be shut down, which is tried again: {failed}")

    def say(self, about: str, state: object, line: str) -> bool:
        """Write a line to the journal where a state is another one than before; return whether it is."""
        if self.states.get(about) == state:
            return False
        self.states[about] = state
        print(line, flush=True)
        return True


def write_console(path: str, line: str) -> None:
    """Write a line to the console, which EC2 keeps, if there is one that takes it at once."""
    with contextlib.suppress(OSError):
        console = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            os.write(console, f"\r\n{line}\r\n".encode())
        finally:
            os.close(console)


def main() -> None:
    """Watch until the service is stopped."""
    _, _, path = sys.argv
    settings = json.loads(Path(path).read_text())
    watch = Watch(settings)
    while True:
        began = time.monotonic()
        tell_systemd(ALIVE)
        watch.step()
        time.sleep(max(0.0, settings["interval_s"] - (time.monotonic() - began)))
