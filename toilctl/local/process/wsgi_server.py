"""A WSGI application served from threads, to whom it is for, and to no more of them at once than it has threads for.

A connection is a stranger's until the application says whose request it is (``ADMITTED``). When all threads are taken,
the stranger who has kept one for longest loses it: whoever connects and says nothing, or says it slowly, keeps nobody
out. What an admitted request asks for is always done.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final

from toilctl.local.aws.cloud import ADMITTED

MAX_CONNECTIONS: Final = 256
"""At once. Each takes a thread and a file descriptor, of which a process may have 1,024 in all."""
IDLE_S: Final = 30.0
"""How long a client may send nothing, or take nothing, before its connection ends."""

_log = logging.getLogger(__name__)


class Serving:
    """An application that answers at an address until it is stopped."""

    def __init__(self, application: Any, host: str, port: int, peers: Sequence[IPv4Network] = ()) -> None:
        """Begin to answer; port 0 takes any that is free.

        :param peers: the networks whose connections are taken, beside this machine's own.
        :raises OSError: when the address is in use.
        """
        self._server = _make_server(application, host, port, peers)
        self.host, self.port = host, int(self._server.socket.getsockname()[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self.host}:{self.port}"

    def stop(self) -> None:
        """Stop answering; a second call does nothing."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


class Connections:
    """The connections that are open, the strangers' among them in the order in which they came."""

    def __init__(self, most: int = MAX_CONNECTIONS) -> None:
        """Allow so many."""
        self._most = most
        self._lock = threading.Lock()
        self._strangers: dict[socket.socket, None] = {}
        self._admitted: set[socket.socket] = set()

    def open(self, one: socket.socket) -> None:
        """Count a connection in; when that is one too many, end the stranger who came first."""
        with self._lock:
            self._strangers[one] = None
            if len(self._strangers) + len(self._admitted) > self._most:
                self._end(next(iter(self._strangers)))

    def admit(self, one: socket.socket) -> None:
        """Note whose a connection is: it is no stranger's any more."""
        with self._lock:
            if one in self._strangers:
                del self._strangers[one]
                self._admitted.add(one)

    def close(self, one: socket.socket) -> None:
        """Count a connection out."""
        with self._lock:
            self._strangers.pop(one, None)
            self._admitted.discard(one)

    def _end(self, one: socket.socket) -> None:
        # Whoever reads or writes there finds the end, and closes it.
        del self._strangers[one]
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def is_this_machines(address: IPv4Address) -> bool:
    """Tell whether an address is one of this machine's: its own connections come from any, for Docker masks them."""
    with socket.socket() as attempt:
        try:
            attempt.bind((str(address), 0))
        except OSError:
            return False
    return True


def _make_server(application: Any, host: str, port: int, peers: Sequence[IPv4Network]) -> Any:
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import ThreadedWSGIServer

    connections = Connections()

    class Handler(MotoRequestHandler):
        timeout = IDLE_S

        def make_environ(self) -> dict[str, Any]:
            return super().make_environ() | {ADMITTED: partial(connections.admit, self.connection)}

        def log(self, type: str, message: str, *args: Any) -> None:
            _log.log(logging.DEBUG if type == "info" else logging.WARNING, message, *args)

    class Server(ThreadedWSGIServer):
        daemon_threads = True

        def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 - socketserver's
            address = IPv4Address(client_address[0])
            return any(address in peer for peer in peers) or is_this_machines(address)

        def process_request(self, request: Any, client_address: Any) -> None:
            connections.open(request)
            super().process_request(request, client_address)

        def shutdown_request(self, request: Any) -> None:
            connections.close(request)
            super().shutdown_request(request)

    # Bound here, for werkzeug prints a page of advice when an address is taken, and exits.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    # The server has its own copy of the descriptor.
    server = Server(host, port, application, handler=Handler, fd=listening.fileno())
    listening.close()
    return server
