"""What workers hear of EC2 reaches the leader, and a worker without a leader ends: the real programs."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROLES, load

FILES = ROLES / "watch/files"
leader_watch = load("toilctl_leader_watch", FILES / "leader_watch.py")
worker_watch = load("toilctl_worker_watch", FILES / "worker_watch.py")
INSTANCE = "i-0123456789abcdef0"
TAKES_AT = "2030-01-02T03:04:05Z"
TERMINATE = {"instance_id": INSTANCE, "kind": "terminate", "takes_at": TAKES_AT}
TIMEOUT_S = 1800


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
        self.directory, self.port, self.server = directory, 0, None
        self.start()

    def start(self, cluster: str = "lab") -> None:
        settings = {"cluster": cluster, "address": "127.0.0.1", "port": self.port, "directory": str(self.directory)}
        self.server = leader_watch.Server(settings)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        if self.server:
            self.server.shutdown()
            self.server.server_close()
        self.server = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def notice(self, instance_id: str = INSTANCE) -> dict[str, Any] | None:
        path = self.directory / f"{instance_id}.json"
        return json.loads(path.read_text()) if path.exists() else None

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
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
def leader(tmp_path: Path) -> Iterator[Leader]:
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


def test_interruption_is_told_within_one_poll_and_once(worker, leader, metadata, capsys):
    worker.poll()
    assert leader.notice() is None
    metadata.announce("terminate")
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    worker.poll()
    told = leader.notice()
    assert before <= datetime.fromisoformat(told.pop("heard_at")) <= datetime.now(UTC)
    assert told == TERMINATE | {"address": "127.0.0.1"}
    (leader.directory / f"{INSTANCE}.json").unlink()
    worker.poll()
    assert leader.notice() is None
    assert capsys.readouterr().out.count(f"The leader was told of EC2's notice, terminate at {TAKES_AT}.") == 1


def test_notice_is_told_again_until_the_leader_acknowledges_it(worker, leader, metadata, capsys):
    leader.stop()
    metadata.announce("stop")
    worker.poll_for(20)
    leader.start("another")
    worker.poll()
    (leader.directory / f"{INSTANCE}.json").unlink()
    leader.stop()
    leader.start()
    # Although the metadata is silent meanwhile.
    metadata.silent = True
    worker.poll()
    assert leader.notice()["kind"] == "stop"
    said = capsys.readouterr().out
    assert said.count("The leader was not told of EC2's notice") == 1
    assert said.count("The leader was told") == 1


def test_notice_that_changes_is_told_anew(worker, leader, metadata):
    metadata.recommend()
    worker.poll()
    first = leader.notice()
    assert (first["kind"], first["takes_at"]) == ("rebalance", None)
    metadata.announce("hibernate")
    worker.poll()
    assert leader.notice()["kind"] == "hibernate"
    metadata.announce("terminate", "2030-01-02T03:05:00Z")
    worker.poll()
    assert leader.notice()["takes_at"] == "2030-01-02T03:05:00Z"


def test_interruption_goes_before_a_recommendation(worker, leader, metadata):
    metadata.announce("terminate")
    metadata.recommend()
    worker.poll()
    assert leader.notice()["kind"] == "terminate"


def test_token_that_has_expired_is_renewed(worker, leader, metadata):
    worker.poll()
    worker.poll()
    assert metadata.tokens == {"token-0"}
    metadata.tokens.clear()
    metadata.tokens.add("another")
    metadata.announce("terminate")
    worker.poll()
    assert leader.notice()["kind"] == "terminate"


@pytest.mark.parametrize("text", ["", "[", "[]", '"x"', "{}", '{"action": "explode"}', "[" * 60000])
def test_metadata_that_makes_no_sense_ends_nothing(worker, leader, metadata, capsys, text):
    metadata.values["spot/instance-action"] = text
    worker.poll_for(15)
    assert leader.notice() is None
    assert capsys.readouterr().out.count("The instance metadata gives no answer") == 1


def test_metadata_that_fails_is_one_line_per_change(worker, metadata, capsys):
    for silent in (False, True, False):
        metadata.silent = silent
        worker.poll_for(30)
    said = [line for line in capsys.readouterr().out.splitlines() if "metadata" in line]
    assert [line.partition(":")[0] for line in said] == [
        "The instance metadata answers.", "The instance metadata gives no answer", "The instance metadata answers.",
    ]  # fmt: skip


def test_worker_whose_leader_is_silent_for_the_timeout_shuts_down_and_says_why(worker, leader, tmp_path, capsys):
    (tmp_path / "console").touch()
    worker.poll_for(600)
    leader.stop()
    worker.poll_for(TIMEOUT_S - 60)
    assert not worker.powered_off
    worker.poll_for(70)
    assert worker.powered_off
    why = f"The leader of cluster lab at {leader.url} was not heard for 1800 s; the orphan timeout is 1800 s"
    assert capsys.readouterr().out.count(why) == 1
    assert f"toilctl: {why}: shutting down." in (tmp_path / "console").read_text()


def test_worker_that_never_heard_a_leader_shuts_down(worker, leader):
    leader.stop()
    worker.poll_for(TIMEOUT_S)
    assert not worker.powered_off
    worker.poll()
    assert worker.powered_off


def test_leader_that_comes_back_in_time_keeps_its_workers(worker, leader):
    for _ in range(3):
        leader.stop()
        worker.poll_for(TIMEOUT_S - 40)
        leader.start()
        worker.poll_for(60)
    leader.stop()
    worker.poll_for(TIMEOUT_S - 60)
    assert not worker.powered_off


def test_leader_that_is_back_just_before_the_end_is_asked_once_more(worker, leader):
    leader.stop()
    while worker.now < 1000 + TIMEOUT_S:
        worker.poll()
    leader.start()
    worker.poll()
    assert not worker.powered_off


def test_another_clusters_answer_does_not_count(worker, leader, capsys):
    worker.poll()
    leader.stop()
    leader.start("another")
    worker.poll_for(TIMEOUT_S + 60)
    assert worker.powered_off
    assert "gives no answer: another host answers at its address." in capsys.readouterr().out


def test_what_is_no_leader_at_all_does_not_count(settings, metadata):
    metadata.tokens.add(None)
    metadata.values["/"] = "Welcome."
    worker = Worker(settings | {"leader": metadata.url})
    worker.poll_for(TIMEOUT_S + 60)
    assert worker.powered_off


def test_timeout_of_0_asks_nobody_and_ends_nothing(settings, leader, metadata, capsys):
    leader.stop()
    worker = Worker(settings | {"orphan_timeout_s": 0})
    worker.poll_for(2 * TIMEOUT_S)
    assert not worker.powered_off
    assert "The leader" not in capsys.readouterr().out
    leader.start()
    metadata.announce("terminate")
    worker.poll()
    assert leader.notice()["kind"] == "terminate"


@pytest.mark.parametrize(("timeout_s", "every_s"), [(60, 15), (120, 30), (TIMEOUT_S, 30)])
def test_leader_is_asked_every_30_s_or_4_times_per_timeout(settings, monkeypatch, timeout_s, every_s):
    asked: list[float] = []
    worker = Worker(settings | {"orphan_timeout_s": timeout_s})
    monkeypatch.setattr(worker.watch.leader, "ask", lambda: asked.append(worker.now))
    worker.poll_for(4 * every_s)
    assert asked == [1000 + number * every_s for number in range(4)]


def test_host_that_does_not_go_is_told_again(settings, leader, capsys):
    leader.stop()
    worker = Worker(settings | {"power_off": ["false", "x"], "orphan_timeout_s": 60})
    worker.poll_for(120)
    worker.watch.settings["power_off"] = ["touch", str(worker.ended)]
    assert not worker.powered_off
    worker.poll()
    said = capsys.readouterr().out
    assert (said.count("shutting down"), said.count("could not be shut down")) == (1, 1)
    worker.ended.unlink()


def test_leader_says_whose_it_is(leader):
    status, text = leader.ask("GET", "/")
    assert (status, json.loads(text)) == (200, {"toilctl": 1, "cluster": "lab"})


def test_same_notice_again_keeps_the_time_when_it_was_first_heard(leader):
    assert leader.post(**TERMINATE) == (200, '{"toilctl": 1, "cluster": "lab"}\n')
    first = leader.notice()
    time.sleep(0.01)
    assert leader.post(**TERMINATE)[0] == 200
    assert leader.notice() == first
    assert leader.post(**TERMINATE | {"takes_at": None})[0] == 200
    assert leader.notice()["heard_at"] > first["heard_at"]


def test_address_is_where_the_notice_comes_from_whatever_it_says(leader):
    leader.post(**TERMINATE, address="10.0.0.9", heard_at="never")
    found = leader.notice()
    assert (found["address"], set(found)) == ("127.0.0.1", {*TERMINATE, "address", "heard_at"})


def test_files_are_for_all_to_read_and_nothing_else_is_left(leader):
    old = os.umask(0o022)
    try:
        leader.post(**TERMINATE)
    finally:
        os.umask(old)
    assert [path.name for path in leader.directory.iterdir()] == [f"{INSTANCE}.json"]
    assert (
        leader.directory.stat().st_mode & 0o777,
        leader.directory.joinpath(f"{INSTANCE}.json").stat().st_mode & 0o777,
    ) == (0o755, 0o644)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "The body is not JSON."), (b"{", "The body is not JSON."), (b"\xff\xfe", "The body is not JSON."),
        (b"[" * 4096, "The body is not JSON."), (b"[]", "The body is not a JSON object."),
        (b"null", "The body is not a JSON object."), (b" " * 4097, "The body has more than 4096 bytes."),
        (b" " * 70000, "The body has more than 4096 bytes."),
    ],
)  # fmt: skip
def test_body_that_is_no_notice(leader, body, told):
    assert leader.ask("POST", "/notices", body) == (400, f"{told}\n")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        *(({"instance_id": bad}, "instance_id is not the id of an EC2 instance.")
          for bad in (None, 7, "", "i-", "i-XYZ", "i-12/../../x", "../i-12", "i-12\n", "i-" + "0" * 65, ["i-12"])),
        *(({"kind": bad}, "kind is none of terminate, stop, hibernate, rebalance.")
          for bad in (None, "", "Terminate", 1, ["stop"], "\ud800")),
        *(({"takes_at": bad}, "takes_at is neither null nor a time such as 2030-01-02T03:04:05Z.")
          for bad in ("", "soon", "2030-01-02", "2030-01-02T03:04:05", "2030-13-02T03:04:05Z", 1893553445, {},
                      "2030-01-02T03:04:05+02:00", "2030-01-02T03:04:05Z\n")),
    ],
)  # fmt: skip
def test_value_that_cannot_be(leader, changed, told):
    assert leader.post(**TERMINATE | changed) == (400, f"{told}\n")
    assert not leader.directory.exists()


@pytest.mark.parametrize("takes_at", ["2030-01-02T03:04:05Z", "2030-01-02T03:04:05.123Z", "2030-01-02T03:04:05+00:00"])
def test_times_in_utc_are_taken(leader, takes_at):
    assert leader.post(**TERMINATE | {"takes_at": takes_at})[0] == 200
    assert leader.notice()["takes_at"] == takes_at


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/notices", 404), ("GET", "/../etc/passwd", 404), ("POST", "/", 404), ("DELETE", "/notices", 501)],
)
def test_request_that_is_none(leader, method, path, status):
    found, text = leader.ask(method, path)
    assert (found, text.count("\n")) == (status, 1)


@pytest.mark.parametrize("length", ["", "-1", "x", "1_0", "²", "9" * 5000])
def test_length_that_is_none(leader, length):
    import socket

    with socket.create_connection(("127.0.0.1", leader.port), timeout=10) as connection:
        head = f"POST /notices HTTP/1.0\r\nContent-Length: {length}\r\n\r\n".encode("latin-1")
        connection.sendall(head)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()
    assert b" 400 " in answer.splitlines()[0]


def test_nobody_gets_a_traceback(leader, capfd):
    import socket

    for sent in (
        b"",
        b"\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"x" * 70000,
        b"POST /notices HTTP/1.0\r\nContent-Length: 9\r\n\r\n{",
    ):
        with socket.create_connection(("127.0.0.1", leader.port), timeout=10) as connection:
            connection.sendall(sent)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert leader.post(**TERMINATE)[0] == 200
    assert "Traceback" not in "".join(capfd.readouterr())


def test_disk_that_takes_nothing_is_said_once_and_not_acknowledged(leader, worker, metadata, capsys):
    leader.directory.write_text("a file where the directory would be")
    metadata.announce("terminate")
    worker.poll_for(15)
    assert capsys.readouterr().out.count("Notices cannot be kept") == 1
    leader.directory.unlink()
    worker.poll()
    assert leader.notice()["kind"] == "terminate"


def aged(path: Path, seconds: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def test_notices_of_the_day_before_are_removed_at_the_start_and_later(leader):
    old, new = (aged(leader.directory / f"i-{name}.json", age) for name, age in (("0a", 86500), ("0b", 86000)))
    leader.stop()
    leader.start()
    assert (old.exists(), new.exists()) == (False, True)
    aged(old, 90000)
    leader.server.tidy_at = 0.0
    leader.ask("GET", "/")
    for _ in range(500):
        if not old.exists():
            break
        time.sleep(0.01)
    assert (old.exists(), new.exists()) == (False, True)


def test_of_too_many_notices_the_oldest_goes(leader):
    for number in range(1000):
        aged(leader.directory / f"i-{number:x}.json", 5000 - number)
    leader.post(**TERMINATE)
    left = {path.stem for path in leader.directory.iterdir()}
    assert (len(left), "i-0" in left, "i-1" in left, INSTANCE in left) == (1000, False, True, True)


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
    for _ in range(2000):
        if found := true():
            return found
        time.sleep(0.01)
    return true()


def test_programs_as_their_units_run_them(run, settings, leader, metadata, tmp_path):
    leader.stop()
    on_leader = {"cluster": "lab", "address": "127.0.0.1", "port": leader.port, "directory": str(leader.directory)}
    serving = run("leader_watch", on_leader)
    assert serving.stdout.readline() == f"The workers of cluster lab are heard at 127.0.0.1:{leader.port}.\n"
    run("worker_watch", settings | {"orphan_timeout_s": 1})
    metadata.announce("terminate")
    assert eventually(leader.notice)["kind"] == "terminate"
    serving.kill()
    assert eventually((tmp_path / "off").exists)


def test_port_in_use_is_one_sentence(run, leader):
    again = run("leader_watch", {"cluster": "lab", "address": "127.0.0.1", "port": leader.port, "directory": "/x"})
    _, told = again.communicate(timeout=30)
    assert (again.returncode, told) == (
        1,
        f"Nobody is heard at 127.0.0.1:{leader.port}: [Errno 98] Address already in use.\n",
    )
