"""A WSGI application served from a thread."""

from __future__ import annotations

import logging
import threading
from typing import Any

_log = logging.getLogger(__name__)


class Serving:
    """An application that answers at an address until it is stopped."""

    def __init__(self, application: Any, host: str, port: int) -> None:
        """Begin to answer; port 0 takes any that is free.

        :raises OSError: when the address is in use.
        """
        self._server = _make_server(application, host, port)
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


def _make_server(application: Any, host: str, port: int) -> Any:
    import socket

    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    class Handler(MotoRequestHandler):
        def log(self, type: str, message: str, *args: Any) -> None:
            _log.log(logging.DEBUG if type == "info" else logging.WARNING, message, *args)

    # Bound here, for werkzeug prints a page of advice when an address is taken, and exits.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    # The server keeps its own copy of the descriptor.
    server = make_server(host, port, application, threaded=True, request_handler=Handler, fd=listening.fileno())
    listening.detach()
    server.daemon_threads = True  # type: ignore[attr-defined]
    return server
