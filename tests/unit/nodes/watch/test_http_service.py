"""Many who say nothing, or speak slowly, keep nobody from being heard."""

from __future__ import annotations

import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress

import pytest

from tests.unit.nodes.watch.conftest import TERMINATE, TIMEOUT_S, eventually
from toilctl.nodes.watch import http_service, worker

MANY = 1000


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process have both ends of all connections."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def crowd(leader, many_files) -> Iterator[list[socket.socket]]:
    """A thousand connections, of many addresses with more than each may have."""
    with ExitStack() as opened:
        yield [
            opened.enter_context(
                socket.create_connection(("127.0.0.1", leader.port), 60, (f"127.0.1.{1 + number // 50}", 0))
            )
            for number in range(MANY)
        ]


@pytest.mark.parametrize("said", [b"", b"G", b"POST /notices HTTP/1.0\r\nContent-Length: 99\r\n\r\n{"])
def test_leader_answers_while_a_thousand_connections_come_to_nothing(leader, worker, metadata, crowd, said):
    for one in crowd:
        with suppress(OSError):
            one.sendall(said)
    metadata.announce("terminate")
    worker.poll_for(TIMEOUT_S + 60)
    assert not worker.powered_off
    assert leader.notice()["kind"] == "terminate"
    assert leader.ask("GET", "/")[0] == 200
    assert len(leader.server.http.open) <= MANY * http_service.OF_ONE // 50 + 2


def test_leader_answers_while_a_thousand_speak_byte_by_byte(leader, crowd):
    for byte in b"GET / HT":
        for one in crowd:
            with suppress(OSError):
                one.sendall(bytes([byte]))
        assert leader.ask("GET", "/")[0] == 200
        assert leader.post(**TERMINATE)[0] == 200


def test_one_address_has_so_many_connections_and_its_newest_is_heard(leader, many_files):
    with ExitStack() as opened:
        for _ in range(200):
            opened.enter_context(socket.create_connection(("127.0.0.1", leader.port), 60))
        assert leader.ask("GET", "/")[0] == 200
        assert len(leader.server.http.open) <= http_service.OF_ONE


def test_all_addresses_have_so_many_connections_together(leader, monkeypatch, request):
    monkeypatch.setattr(http_service, "OF_ALL", 100)
    request.getfixturevalue("crowd")
    assert leader.ask("GET", "/")[0] == 200
    assert len(leader.server.http.open) <= 100


def test_who_is_too_slow_is_hung_up_on(leader, monkeypatch):
    monkeypatch.setattr(http_service, "WHOLE_S", 0.1)
    with socket.create_connection(("127.0.0.1", leader.port), 60) as one:
        one.sendall(b"GET / HTTP/1.0\r\n")
        with suppress(ConnectionResetError):
            assert one.recv(100) == b""
    assert eventually(lambda: not leader.server.http.open)


def test_disk_that_hangs_keeps_only_notices_waiting(leader, monkeypatch):
    goes_on = threading.Event()
    monkeypatch.setattr(http_service, "WAITING", 2)
    monkeypatch.setattr(leader.server.notices, "keep", lambda *_: goes_on.wait(60))
    answers: list[int] = []
    telling = [threading.Thread(target=lambda: answers.append(leader.post(**TERMINATE)[0])) for _ in range(2)]
    try:
        for one in telling:
            one.start()
        assert eventually(lambda: leader.server.http.waiting == 2)
        assert leader.ask("GET", "/")[0] == 200
        assert leader.post(**TERMINATE) == (503, "Too many wait already.\n")
    finally:
        goes_on.set()
        for one in telling:
            one.join(60)
    assert answers == [200, 200]


@pytest.mark.parametrize("reset", [False, True])
def test_answer_that_never_ends_keeps_no_worker_waiting(reset):
    """Each byte comes in time, and the whole never does; a request that was not read is answered by a reset."""
    ends = threading.Event()

    def trickle(listening: socket.socket) -> None:
        with closing(listening.accept()[0]) as one, suppress(OSError):
            if not reset:
                one.recv(1000)
            one.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
            while not ends.wait(0.02):
                one.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        speaks = threading.Thread(target=trickle, args=(listening,))
        speaks.start()
        try:
            with pytest.raises(TimeoutError):
                worker.fetch(f"http://127.0.0.1:{listening.getsockname()[1]}/", 0.1)
        finally:
            ends.set()
            speaks.join(60)


def test_worker_goes_nowhere_an_answer_points(leader):
    def point(listening: socket.socket) -> None:
        with closing(listening.accept()[0]) as one:
            one.recv(1000)
            one.sendall(f"HTTP/1.0 302 Found\r\nLocation: {leader.url}/\r\n\r\n".encode())

    with socket.create_server(("127.0.0.1", 0)) as listening:
        speaks = threading.Thread(target=point, args=(listening,))
        speaks.start()
        with pytest.raises(worker.Refused, match="HTTP 302 Found"):
            worker.fetch(f"http://127.0.0.1:{listening.getsockname()[1]}/", 60)
        speaks.join(60)
