"""What a leader hears, keeps and refuses."""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.nodes.watch.conftest import NOW, TERMINATE, eventually
from toilctl.nodes.watch import leader as leader_watch


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
    assert [path.name for path in leader.directory.iterdir()] == ["127.0.0.1.json"]
    assert (
        leader.directory.stat().st_mode & 0o777,
        leader.directory.joinpath("127.0.0.1.json").stat().st_mode & 0o777,
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
          for bad in ("", "soon", "2030-01-02", "2030-01-02T03:04:05", "2030-13-02T03:04:05Z", "2030-01-02T03:04:05.Z",
                      1893553445, {},
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

    with socket.create_connection(("127.0.0.1", leader.port), timeout=60) as connection:
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
        with socket.create_connection(("127.0.0.1", leader.port), timeout=60) as connection:
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
    old, new = (aged(leader.directory / f"10.0.0.{name}.json", age) for name, age in ((1, 86500), (2, 86000)))
    leader.stop()
    leader.start()
    assert eventually(lambda: not old.exists())
    assert (old.exists(), new.exists()) == (False, True)
    aged(old, 90000)
    leader.server.tidy_at = 0.0
    assert eventually(lambda: not old.exists())
    assert (old.exists(), new.exists()) == (False, True)


def test_of_too_many_notices_the_oldest_goes(leader, monkeypatch):
    monkeypatch.setattr(leader_watch, "LIMIT", 10)
    for number in range(10):
        aged(leader.directory / f"10.0.0.{number}.json", 5000 - number)
    leader.post(**TERMINATE)
    left = {path.stem for path in leader.directory.iterdir()}
    assert (len(left), "10.0.0.0" in left, "10.0.0.1" in left, "127.0.0.1" in left) == (10, False, True, True)


def test_address_has_one_notice_whatever_it_says_of_others(leader):
    real = aged(leader.directory / "10.0.0.5.json", 10)
    for number in range(50):
        assert leader.post(**TERMINATE | {"instance_id": f"i-{number:x}"})[0] == 200
    assert sorted(path.name for path in leader.directory.iterdir()) == ["10.0.0.5.json", "127.0.0.1.json"]
    assert (real.read_text(), leader.notice()["instance_id"]) == ("{}", "i-31")


@pytest.mark.parametrize("seconds", [-61, 181, 3600, 1e9])
def test_end_that_ec2_cannot_have_announced_is_refused(leader, seconds):
    leader.now = NOW - timedelta(seconds=seconds - 120)
    told = "takes_at is not within the next 120 s, which is EC2's notice.\n"
    assert leader.post(**TERMINATE) == (400, told)
    assert leader.notice() is None


@pytest.mark.parametrize("seconds", [-59, 0, 120, 179])
def test_clocks_may_differ_a_little(leader, seconds):
    leader.now = NOW - timedelta(seconds=seconds - 120)
    assert leader.post(**TERMINATE)[0] == 200


def test_what_is_no_file_is_in_nobodys_way(leader):
    (leader.directory / "stray").mkdir(parents=True)
    os.utime(leader.directory / "stray", (0, 0))
    assert leader.post(**TERMINATE)[0] == 200


def test_address_is_not_heard_again_at_once(leader, monkeypatch):
    monkeypatch.setattr(leader_watch, "NEWS_S", 60)
    assert leader.post(**TERMINATE)[0] == 200
    first = leader.notice()
    assert leader.post(**TERMINATE | {"kind": "stop"}) == (429, "One notice in 60 s is heard.\n")
    assert leader.post(**TERMINATE)[0] == 200
    assert leader.notice() == first
    aged(leader.directory / "127.0.0.1.json", 61)
    assert leader.post(**TERMINATE | {"kind": "stop"})[0] == 200
