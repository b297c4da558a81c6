"""Workers, leaders and metadata, without hosts."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.unit.roles.conftest import ROLES
from toilctl.nodes.watch import leader as leader_watch
from toilctl.nodes.watch import worker as worker_watch

FILES = ROLES / "watch/files"
INSTANCE = "i-0123456789abcdef0"
NOW = datetime(2030, 1, 2, 3, 2, 5, tzinfo=UTC)
TAKES_AT = "2030-01-02T03:04:05Z"
TERMINATE = {"instance_id": INSTANCE, "kind": "terminate", "takes_at": TAKES_AT}
TIMEOUT_S = 1800
PATIENCE_S = 60


class Metadata:
    """An instance metadata service of version 2."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {"instance-id": INSTANCE}
        self.tokens: set[str | None] = set()
        self.silent = False
        metadata = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                fits = self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
                if fits:
                    metadata.tokens.add(f"token-{len(metadata.tokens)}")
                self.answer(200 if fits else 400, f"token-{len(metadata.tokens) - 1}")

            def do_GET(self) -> None:
                if self.headers["X-aws-ec2-metadata-token"] not in metadata.tokens:
                    self.answer(401, "")
                    return
                found = metadata.values.get(self.path.removeprefix("/latest/meta-data/"))
                self.answer(500 if metadata.silent else 404 if found is None else 200, found or "")

            def answer(self, status: int, text: str) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def announce(self, action: str, time: str = TAKES_AT) -> None:
        self.values["spot/instance-action"] = json.dumps({"action": action, "time": time})

    def recommend(self) -> None:
        self.values["events/recommendations/rebalance"] = json.dumps({"noticeTime": "2030-01-02T03:00:00Z"})


class Leader:
    """A leader's service that can be stopped and started at one address."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.port, self.server, self.now = directory, 0, None, NOW
        self.start()

    def start(self, cluster: str = "lab") -> None:
        settings = {"cluster": cluster, "address": "127.0.0.1", "port": self.port, "directory": str(self.directory)}
        self.server = leader_watch.Server(settings, lambda: self.now)
        self.port = self.server.http.port
        self.thread = threading.Thread(target=self.server.http.run, args=(self.server.beat, 0.01), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        if self.server:
            self.server.http.stop()
            self.thread.join()
        self.server = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def notice(self, address: str = "127.0.0.1") -> dict[str, Any] | None:
        path = self.directory / f"{address}.json"
        return json.loads(path.read_text()) if path.exists() else None

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def post(self, **notice: Any) -> tuple[int, str]:
        return self.ask("POST", "/notices", json.dumps(notice).encode())


class Worker:
    """A worker's service whose time the test moves."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.now = 1000.0
        self.ended = Path(settings["power_off"][-1])
        self.watch = worker_watch.Watch(settings, lambda: self.now)

    def poll(self) -> None:
        self.watch.step()
        self.now += 5

    def poll_for(self, seconds: float) -> None:
        for _ in range(int(seconds // 5)):
            self.poll()

    @property
    def powered_off(self) -> bool:
        return self.ended.exists()


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    service = Metadata()
    threading.Thread(target=service.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield service
    service.server.shutdown()
    service.server.server_close()


@pytest.fixture
def leader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Leader]:
    # Here notices follow each other at once.
    monkeypatch.setattr(leader_watch, "NEWS_S", 0)
    service = Leader(tmp_path / "notices")
    yield service
    service.stop()


@pytest.fixture
def settings(metadata: Metadata, leader: Leader, tmp_path: Path) -> dict[str, Any]:
    return {
        "cluster": "lab", "leader": leader.url, "metadata": metadata.url, "orphan_timeout_s": TIMEOUT_S,
        "interval_s": 0.05, "power_off": ["touch", str(tmp_path / "off")], "console": str(tmp_path / "console"),
    }  # fmt: skip


@pytest.fixture
def worker(settings: dict[str, Any]) -> Worker:
    return Worker(settings)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Run a program as its unit does."""
    running = []

    def start(name: str, settings: dict[str, Any]) -> subprocess.Popen[str]:
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(settings))
        words = [sys.executable, "-I", str(FILES / f"{name}.py"), "run", str(path)]
        running.append(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return running[-1]

    yield start
    for program in running:
        program.kill()
        program.communicate()


def eventually(true: Callable[[], Any]) -> Any:
    until = time.monotonic() + PATIENCE_S
    while not (found := true()) and time.monotonic() < until:
        time.sleep(0.01)
    return found
