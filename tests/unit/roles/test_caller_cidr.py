"""The address that may reach port 22 when nobody says otherwise."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType

import pytest

Module = Callable[[str], ModuleType]


@contextmanager
def answering(text: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


def test_the_first_service_that_answers_sensibly_is_believed(module: Module) -> None:
    with answering("<html>busy</html>") as bad, answering("198.51.100.7\n") as good:
        assert module("caller_cidr").seen_by(["http://127.0.0.1:1/", bad, good], 5) == "198.51.100.7/32"


@pytest.mark.parametrize("answer", ["0.0.0.0/0", "0.0.0.0", "198.51.100.0/24", "::", ""])
def test_an_answer_that_is_not_one_address_opens_nothing(answer: str, module: Module, aws_utils: ModuleType) -> None:
    with answering(answer) as url, pytest.raises(aws_utils.AwsError) as error:
        module("caller_cidr").seen_by([url], 5)
    assert "--ssh-cidr" in error.value.next_step


def test_with_an_endpoint_of_ones_own_the_address_towards_it_is_taken(module: Module) -> None:
    assert module("caller_cidr").used_towards("http://127.0.0.1:4566") == "127.0.0.1/32"


def test_an_ipv6_address_is_one_address(module: Module) -> None:
    assert module("caller_cidr").one_address("2001:db8::7") == "2001:db8::7/128"
