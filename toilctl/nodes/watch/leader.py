"""leader_watch.py run SETTINGS.json: hear from workers that EC2 is about to take them; they hear that the leader lives.

GET /          {"toilctl": 1, "cluster": NAME}
POST /notices  {"instance_id", "kind", "takes_at"} becomes DIRECTORY/ADDRESS.json, by the sender's address: each has one
               notice, whatever it says. The answer is that of GET. What cannot be gets 400 and one sentence.

SETTINGS.json: {"cluster", "address", "port", "directory"}. Runs with the host's own Python; standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .http_service import JSON, Answer, BadRequest, HttpService, Request
from .systemd import ALIVE, tell_systemd

KINDS = ("terminate", "stop", "hibernate", "rebalance")
# EC2's ids have 8 or 17 digits; more than a file's name can have would be an error of another kind.
INSTANCE_ID = re.compile(r"i-[0-9a-f]{1,64}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)")
# From EC2's notice to the end: the EC2 user guide, "Spot Instance interruption notices". And what clocks differ by.
NOTICE_S, SLACK_S = 120.0, 60.0
LIMIT = 10_000
# As often a worker looks at its metadata: what differs sooner is no news of EC2's, and each one is looked at by the
# autoscaler at once.
NEWS_S = 5.0
KEPT_S = 86400.0
TIDY_S = 3600.0


def checked(body: bytes, now: datetime) -> dict[str, Any]:
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
    if takes_at is not None and not -SLACK_S <= (moment(takes_at) - now).total_seconds() <= NOTICE_S + SLACK_S:
        raise BadRequest(f"takes_at is not within the next {NOTICE_S:.0f} s, which is EC2's notice.")
    return {"instance_id": instance_id, "kind": kind, "takes_at": takes_at}


def moment(text: object) -> datetime:
    """Read an ISO 8601 time in UTC."""
    try:
        if isinstance(text, str) and TIME.fullmatch(text):
            # Older Pythons read no Z, and not any number of digits behind the seconds.
            whole = datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")
            return whole.replace(tzinfo=timezone.utc)  # noqa: UP017 - Python 3.9 has no UTC
    except ValueError:
        pass
    raise BadRequest("takes_at is neither null nor a time such as 2030-01-02T03:04:05Z.")


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(timezone.utc)  # noqa: UP017 - Python 3.9 has no UTC


class TooSoon(Exception):
    """An address has told something else a moment ago."""


class Notices:
    """The notices of a cluster's workers, a file for each address."""

    def __init__(self, directory: str) -> None:
        self.directory = Path(directory)

    def keep(self, notice: dict[str, Any], address: str) -> bool:
        """Write a notice, and return whether it is news; the same one again keeps the time at which it was heard."""
        notice = {**notice, "address": address}
        path = self.directory / f"{address}.json"
        if self.had(path) == notice:
            return False
        with contextlib.suppress(FileNotFoundError):
            if 0 <= time.time() - path.stat().st_mtime < NEWS_S:
                raise TooSoon
        self.directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.tidy(room=0 if path.exists() else 1)
        self.write(path, json.dumps({**notice, "heard_at": utc_now().isoformat(timespec="milliseconds")}))
        return True

    def had(self, path: Path) -> Any:
        """Return the notice in a file, without its time; None when there is none."""
        try:
            found = json.loads(path.read_text())
            del found["heard_at"]
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return None
        return found

    def write(self, path: Path, text: str) -> None:
        """Put a file there at once, so that its readers never see half of it."""
        new = path.with_name(f".{path.stem}.new")
        new.write_text(f"{text}\n")
        new.chmod(0o644)
        new.replace(path)

    def tidy(self, room: int = 0) -> None:
        """Remove files older than a day, and the oldest of too many."""
        try:
            found = sorted(
                (entry.stat(follow_symlinks=False).st_mtime, entry.path) for entry in os.scandir(self.directory)
            )
        except FileNotFoundError:
            return
        too_many = len(found) + room - LIMIT
        for number, (written_at, path) in enumerate(found):
            if number < too_many or written_at < time.time() - KEPT_S:
                # What is no file may lie there for ever.
                with contextlib.suppress(OSError):
                    Path(path).unlink()


class Server:
    """A leader's service."""

    def __init__(self, settings: dict[str, Any], now: Callable[[], datetime] = utc_now) -> None:
        self.cluster = settings["cluster"]
        self.notices = Notices(settings["directory"])
        self.now = now
        self.trouble = ""
        self.tidy_at = 0.0
        self.http = HttpService(settings["address"], settings["port"], self.respond)

    def respond(self, request: Request) -> Answer | Callable[[], Answer]:
        """Answer a request; a notice has to wait for the disk, and nothing else waits with it."""
        if request.method not in ("GET", "POST"):
            return Answer(501, "There are GET and POST here.")
        if (request.method, request.path) == ("GET", "/"):
            return self.mine()
        if (request.method, request.path) != ("POST", "/notices"):
            return Answer(404, "There are / and /notices here.")
        notice = checked(request.body, self.now())
        return lambda: self.keep(notice, request.source)

    def mine(self) -> Answer:
        """Say whose leader this is."""
        return Answer(200, json.dumps({"toilctl": 1, "cluster": self.cluster}), JSON)

    def keep(self, notice: dict[str, Any], address: str) -> Answer:
        """Keep a notice."""
        try:
            news = self.notices.keep(notice, address)
        except OSError as error:
            self.say(f"Notices cannot be kept: {error}.")
            return Answer(500, "The notice could not be kept.")
        except TooSoon:
            return Answer(429, f"One notice in {NEWS_S:.0f} s is heard.")
        self.say("")
        if news:
            when = f" at {notice['takes_at']}" if notice["takes_at"] else ""
            say(f"EC2's notice to {notice['instance_id']} ({address}): {notice['kind']}{when}.")
        return self.mine()

    def say(self, trouble: str) -> None:
        """Say that there is trouble, or none any more, once."""
        if trouble != self.trouble:
            say(trouble or "Notices can be kept again.")
        self.trouble = trouble

    def beat(self) -> None:
        """Tell systemd that all is well, and tidy up now and then."""
        tell_systemd(ALIVE)
        if time.monotonic() >= self.tidy_at:
            self.tidy_at = time.monotonic() + TIDY_S
            self.http.slow.submit(self.tidy)

    def tidy(self) -> None:
        """Remove what is old."""
        try:
            self.notices.tidy()
        except OSError as error:
            self.say(f"Old notices cannot be removed: {error}.")


def say(line: str) -> None:
    """Write a line to the journal."""
    print(line, flush=True)


def open_more_files() -> None:
    """Let this process have as many connections as it may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main() -> None:
    """Serve until the service is stopped."""
    _, _, path = sys.argv
    settings = json.loads(Path(path).read_text())
    open_more_files()
    try:
        server = Server(settings)
    except OSError as error:
        raise SystemExit(f"Nobody is heard at {settings['address']}:{settings['port']}: {error}.") from None
    # A service that cannot listen is seen at its start.
    tell_systemd("READY=1")
    say(f"The workers of cluster {server.cluster} are heard at {settings['address']}:{server.http.port}.")
    server.http.run(server.beat)
