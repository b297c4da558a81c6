"""The rehearsal cloud's state file: how any process on this machine finds the running cloud."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from toilctl.system import paths
from toilctl.values.errors import HostError

REGION: Final = "us-west-2"
"""Where the seeded images, parameters and hosts are; as on AWS, another region is another world."""
CONTROL_HEADER: Final = "X-Toilctl-Control"
"""The header by which a request to ``/_toilctl`` shows that it comes from the cloud's owner; see ``control_token``."""


@dataclass(frozen=True)
class LocalState:
    """A running rehearsal cloud."""

    cloud_id: str
    endpoint: str
    pid: int
    region: str
    access_key_id: str
    secret_access_key: str
    cidr: str
    public_cidr: str
    appliance_image: str
    engines: tuple[str, ...]
    ami: dict[str, str]
    """Machine image ids by kind, ``prepared`` and ``plain``."""
    image: str
    """The kind that the Debian parameter names: ``prepared`` or ``plain``."""
    registry: str
    hosts: bool
    """Whether instances are real hosts, or the API's word only."""
    imds_port: int = 0
    login_user: str = "admin"
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote."""
        document = json.loads(text)
        return cls(**{**document, "engines": tuple(document["engines"])})

    def to_json(self) -> str:
        """Write it as the state file has it."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"

    @property
    def env(self) -> dict[str, str]:
        """The variables that point an AWS client at this cloud."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_DEFAULT_REGION": self.region,
            # A profile may say otherwise, too, and the endpoint would count for nothing.
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
        }


def control_token(secret_access_key: str) -> str:
    """Return what opens a cloud's own interface: who has its secret key knows it, and the key does not travel."""
    return hmac.new(secret_access_key.encode(), b"/_toilctl", hashlib.sha256).hexdigest()


def local_dir() -> Path:
    """Return the rehearsal cloud's directory; its state file, lock and log are in it."""
    return paths.state_dir() / "local"


def state_file() -> Path:
    """Return the state file's path."""
    return local_dir() / "state.json"


def log_file() -> Path:
    """Return the background process's log."""
    return local_dir() / "server.log"


def cloud_id() -> str:
    """Return this state directory's cloud: the same directory is the same cloud, another one another."""
    return hashlib.sha256(str(paths.state_dir()).encode()).hexdigest()[:8]


def find() -> LocalState | None:
    """Return the running cloud, or None when there is none."""
    try:
        state = LocalState.from_json(state_file().read_text())
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None
    return state if is_alive(state.pid) else None


def load() -> LocalState:
    """Return the running cloud.

    :raises HostError: when none is running.
    """
    state = find()
    if state is None:
        raise HostError("No rehearsal cloud is running.", "Start one: toilctl local up", directory=str(local_dir()))
    return state


def save(state: LocalState) -> None:
    """Write the state file so that a reader sees all of it or none; it holds credentials, so only its owner may."""
    local_dir().mkdir(parents=True, exist_ok=True)
    part = state_file().with_suffix(f".{os.getpid()}")
    part.touch(mode=0o600)
    part.write_text(state.to_json())
    part.replace(state_file())


def remove() -> None:
    """Delete the state file, if any."""
    state_file().unlink(missing_ok=True)


def is_alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return _answers_signal(pid) if not Path("/proc/self").exists() else False
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def _answers_signal(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
