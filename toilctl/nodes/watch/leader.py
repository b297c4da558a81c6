"""leader_watch.py run SETTINGS.json: hear from workers that EC2 is about to take them; they hear that the leader lives.

GET /          {"toilctl": 1, "cluster": NAME}
POST /notices  {"instance_id", "kind", "takes_at"} becomes DIRECTORY/INSTANCE_ID.json, with the sender's address and the
               time; the answer is that of GET. Whatever cannot be is answered by 400 and one sentence.

SETTINGS.json: {"cluster", "address", "port", "directory"}. Runs with the host's own Python; standard library only.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import threading
import time
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any

KINDS = ("terminate", "stop", "hibernate", "rebalance")
# EC2's ids have 8 or 17 digits; more than a file's name can have would be an error of another kind.
INSTANCE_ID = re.compile(r"i-[0-9a-f]{1,64}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)")
BODY_BYTES = 4096
# Of a body that is too long so much is read all the same: who still sends does not hear the answer.
DRAINED_BYTES = 65536
LIMIT = 1000
KEPT_S = 86400.0
TIDY_S = 3600.0


class BadRequest(Exception):
    """What is wrong with a request, as one sentence."""


def checked(body: bytes) -> dict[str, Any]:
    """Return what a body says as instance id, kind and time; nothing else of it counts."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("The body is not JSON.") from None
    if not isinstance(said, dict):
        raise BadRequest("The body is not a JSON object.")
    instance_id, kind, takes_at = (said.get(name) for name in ("instance_id", "kind", "takes_at"))
    if not isinstance(instance_id, str) or not INSTANCE_ID.fullmatch(instance_id):
        raise BadRequest("instance_id is not the id of an EC2 instance.")
    if kind not in KINDS:
        raise BadRequest(f"kind is none of {', '.join(KINDS)}.")
    if takes_at is not None and not is_time(takes_at):
        raise BadRequest("takes_at is neither null nor a time such as 2030-01-02T03:04:05Z.")
    return {"instance_id": instance_id, "kind": kind, "takes_at": takes_at}


def is_time(text: object) -> bool:
    """Tell whether a text is an ISO 8601 time in UTC that there is."""
    if not isinstance(text, str) or not TIME.fullmatch(text):
        return False
    try:
        # Older Pythons read no Z, and not any number of digits behind the seconds.
        datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")
    except ValueError:
        return False
    return True


class Notices:
    """The notices of a cluster's workers, a file of each."""

    def __init__(self, directory: str) -> None:
        self.directory = Path(directory)
        self.lock = threading.Lock()

    def keep(self, notice: dict[str, Any], address: str) -> bool:
        """Write a notice, and return whether it is news; the same one again keeps the time at which it was heard."""
        notice = {**notice, "address": address}
        path = self.directory / f"{notice['instance_id']}.json"
        with self.lock:
            if self.had(path) == notice:
                return False
            self.directory.mkdir(mode=0o755, parents=True, exist_ok=True)
            self.remove_old(room=0 if path.exists() else 1)
            heard_at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")  # noqa: UP017 - Python 3.9
            self.write(path, json.dumps({**notice, "heard_at": heard_at}))
        return True

    def had(self, path: Path) -> Any:
        """Return the notice in a file, without its time; None when there is none."""
        try:
            found = json.loads(path.read_text())
            del found["heard_at"]
        except (OSError, ValueError, LookupError, TypeError):
            return None
        return found

    def write(self, path: Path, text: str) -> None:
        """Put a file there at once, so that its readers never see half of it."""
        new = path.with_name(f".{path.stem}.new")
        new.write_text(f"{text}\n")
        new.chmod(0o644)
        new.replace(path)

    def tidy(self) -> None:
        """Remove what is older than a day."""
        with self.lock:
            self.remove_old()

    def remove_old(self, room: int = 0) -> None:
        """Remove files older than a day, and the oldest of too many."""
        try:
            found = sorted((entry.stat().st_mtime, entry.path) for entry in os.scandir(self.directory))
        except FileNotFoundError:
            return
        too_many = len(found) + room - LIMIT
        for number, (written_at, path) in enumerate(found):
            if number < too_many or written_at < time.time() - KEPT_S:
                Path(path).unlink(missing_ok=True)


class Handler(BaseHTTPRequestHandler):
    """Answers one request; says nothing of it in the journal but what is news."""

    server: Server
    # Who sends nothing for so many seconds is left alone.
    timeout = 10

    def do_GET(self) -> None:
        """Say whose leader this is."""
        if self.path != "/":
            self.send_error(404)
            return
        self.answer(200, json.dumps({"toilctl": 1, "cluster": self.server.cluster}), "application/json")

    def do_POST(self) -> None:
        """Keep a notice."""
        if self.path != "/notices":
            self.send_error(404)
            return
        try:
            notice = checked(self.body())
        except BadRequest as error:
            self.answer(400, str(error))
            return
        self.answer(*self.server.keep(notice, self.client_address[0]))

    def body(self) -> bytes:
        """Return the request's body."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()):
            raise BadRequest("The request does not say how long its body is.")
        size = int(length[:12])
        body = self.rfile.read(min(size, DRAINED_BYTES))
        if size > BODY_BYTES:
            raise BadRequest(f"The body has more than {BODY_BYTES} bytes.")
        return body

    def answer(self, status: int, text: str, kind: str = "text/plain; charset=utf-8") -> None:
        """Send an answer."""
        content = f"{text}\n".encode("utf-8", "replace")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Answer what is no request of ours, by one sentence, where the base class would send a page."""
        self.close_connection = True
        told = {404: "There are / and /notices here.", 501: "There are GET and POST here."}
        self.answer(code, told.get(code) or f"{message or 'This is no request'}.")

    def log_message(self, format: str, *args: object) -> None:
        """Keep the journal for what is news."""


class Server(ThreadingHTTPServer):
    """A leader's service."""

    daemon_threads = True
    # All workers may ask at once, after a network was away.
    request_queue_size = 256

    def __init__(self, settings: dict[str, Any]) -> None:
        self.cluster = settings["cluster"]
        self.notices = Notices(settings["directory"])
        self.trouble = ""
        self.tidy_at = 0.0
        super().__init__((settings["address"], settings["port"]), Handler)
        self.service_actions()

    def server_bind(self) -> None:
        """Bind, without the base class's question for this host's name, which a resolver may leave open for long."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def keep(self, notice: dict[str, Any], address: str) -> tuple[int, str, str]:
        """Keep a notice; return the answer's status, text and kind."""
        try:
            news = self.notices.keep(notice, address)
        except OSError as error:
            self.say(f"Notices cannot be kept: {error}.")
            return 500, "The notice could not be kept.", "text/plain; charset=utf-8"
        self.say("")
        if news:
            when = f" at {notice['takes_at']}" if notice["takes_at"] else ""
            say(f"EC2's notice to {notice['instance_id']} ({address}): {notice['kind']}{when}.")
        return 200, json.dumps({"toilctl": 1, "cluster": self.cluster}), "application/json"

    def say(self, trouble: str) -> None:
        """Say that there is trouble, or none any more, once."""
        if trouble != self.trouble:
            say(trouble or "Notices can be kept again.")
        self.trouble = trouble

    def service_actions(self) -> None:
        """Tidy up now and then."""
        if time.monotonic() < self.tidy_at:
            return
        self.tidy_at = time.monotonic() + TIDY_S
        try:
            self.notices.tidy()
        except OSError as error:
            self.say(f"Old notices cannot be removed: {error}.")

    def handle_error(self, request: object, client_address: Any) -> None:  # noqa: ARG002
        """Let a sender that hangs up go; of anything else a line is enough."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            say(f"A request of {client_address[0]} was not answered: {error!r}.")


def say(line: str) -> None:
    """Write a line to the journal."""
    print(line, flush=True)


def tell_systemd(state: str) -> None:
    """Tell a unit of Type=notify's state, so that a service that cannot listen is seen at its start."""
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.sendto(state.encode(), path.replace("@", "\0", 1))


def main() -> None:
    """Serve until the service is stopped."""
    _, _, path = sys.argv
    settings = json.loads(Path(path).read_text())
    try:
        server = Server(settings)
    except OSError as error:
        raise SystemExit(f"Nobody is heard at {settings['address']}:{settings['port']}: {error}.") from None
    tell_systemd("READY=1")
    say(f"The workers of cluster {server.cluster} are heard at {settings['address']}:{server.server_port}.")
    server.serve_forever(poll_interval=10)


if __name__ == "__main__":
    main()
