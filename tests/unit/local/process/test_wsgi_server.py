"""What answers for the rehearsal cloud: to whom, and whatever others do to it."""

from __future__ import annotations

import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from toilctl.local.aws.cloud import ADMITTED
from toilctl.local.process import wsgi_server
from toilctl.local.process.wsgi_server import Connections, Serving

MOST = 4


def hello(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"hello"]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connections.__init__, "__defaults__", (MOST,))


@pytest.fixture
def serve() -> Iterator[Callable[..., Serving]]:
    running: list[Serving] = []

    def begin(application: Any = hello, **more: Any) -> Serving:
        running.append(Serving(application, "127.0.0.1", 0, **more))
        return running[-1]

    yield begin
    for one in running:
        one.stop()


def fetch(serving: Serving) -> bytes:
    with urllib.request.urlopen(serving.url, timeout=60) as answer:
        content: bytes = answer.read()
    return content


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nslow"])
def test_clients_that_say_nothing_or_half_keep_nobody_out(serve: Callable[..., Serving], said: bytes) -> None:
    serving = serve()
    idle = [socket.create_connection((serving.host, serving.port), timeout=60) for _ in range(5 * MOST)]
    try:
        for one in idle:
            one.sendall(said)
        assert fetch(serving) == b"hello"
        # The one that came first has lost its place.
        assert idle[0].recv(1000) == b""
    finally:
        for one in idle:
            one.close()


def test_client_that_says_nothing_more_is_let_go(
    serve: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wsgi_server, "IDLE_S", 0.05)
    serving = serve()
    with socket.create_connection((serving.host, serving.port), timeout=60) as idle:
        assert idle.recv(1000) == b""


def test_admitted_request_is_answered_however_many_others_come(serve: Callable[..., Serving]) -> None:
    came, may_end = threading.Event(), threading.Event()

    def slow(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        environ[ADMITTED]()
        came.set()
        may_end.wait(60)
        return hello(environ, start_response)

    serving = serve(slow)
    with socket.create_connection((serving.host, serving.port), timeout=60) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert came.wait(60)
        others = [socket.create_connection((serving.host, serving.port), timeout=60) for _ in range(5 * MOST)]
        assert others[0].recv(1000) == b""
        may_end.set()
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        for one in others:
            one.close()


def ask_from(address: str, serving: Serving) -> bytes:
    with socket.socket() as peer:
        peer.bind((address, 0))
        peer.settimeout(60)
        peer.connect((serving.host, serving.port))
        try:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            return peer.recv(1000)
        except ConnectionError:
            return b""


def test_connections_of_those_who_are_no_peers_are_dropped(
    serve: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wsgi_server, "is_this_machines", lambda address: str(address) == "127.0.0.1")
    serving = serve(peers=[IPv4Network("127.0.1.0/24")])
    for address in ("127.0.0.1", "127.0.1.7"):
        assert ask_from(address, serving).startswith(b"HTTP/1.1 200")
    assert ask_from("127.0.2.7", serving) == b""


@pytest.mark.parametrize(("address", "ours"), [("127.0.0.1", True), ("192.0.2.77", False), ("8.8.8.8", False)])
def test_addresses_of_this_machine_are_known(address: str, ours: bool) -> None:
    assert wsgi_server.is_this_machines(IPv4Address(address)) == ours


def test_nothing_listens_after_the_end(serve: Callable[..., Serving]) -> None:
    serving = serve()
    serving.stop()
    serving.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((serving.host, serving.port), timeout=60)
