"""Talking to the rehearsal cloud's process: starting it, stopping it, its faults and hosts."""

from __future__ import annotations

import json
import operator
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Final

from toilctl.local import state
from toilctl.local.state import LocalState
from toilctl.system import paths
from toilctl.system.waiting import wait_until
from toilctl.values.errors import HostError, UsageError

START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 30.0
_LOOK_S: Final = 0.05
_EXIT_IN_USE: Final = 98
_LOG_LINES: Final = 15


def start_background(settings: Mapping[str, Any] | None = None) -> LocalState:
    """Start the process and return when it answers; the running one is returned when there is one.

    :param settings: what settings.json shall have; see ``server.Settings``.
    :raises HostError: when its port is in use, or it ended before it answered.
    """
    running = state.find()
    if running is not None:
        return running
    state.local_dir().mkdir(parents=True, exist_ok=True)
    (state.local_dir() / "settings.json").write_text(json.dumps(dict(settings or {}), indent=2))
    state.remove()
    command = [sys.executable, "-m", "toilctl.local.process.server", "--state-dir", str(paths.state_dir())]
    with state.log_file().open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True
        )
    return _wait_until_answering(process)


def stop_background() -> bool:
    """End the process and return when it has ended; return whether there was one.

    :raises HostError: when it does not end.
    """
    running = state.find()
    if running is None:
        state.remove()
        return False
    os.kill(running.pid, signal.SIGTERM)
    if wait_until(lambda: state.is_alive(running.pid), operator.not_, STOP_TIMEOUT_S, _LOOK_S):
        raise HostError(
            f"The rehearsal cloud's process {running.pid} does not end.",
            f"Look into {state.log_file()}, and end the process.",
            pid=running.pid,
        )
    state.remove()
    return True


def set_fault(name: str, **params: Any) -> dict[str, Any]:
    """Set a fault.

    :raises UsageError: for one that does not exist, or wrong parameters.
    """
    answer: dict[str, Any] = _ask("POST", "faults", {"name": name, **params})
    return answer


def clear_faults(name: str | None = None, **where: str) -> int:
    """Clear the faults of a name and place, or all of them; return how many there were."""
    answer = _ask("DELETE", "faults", {**({"name": name} if name else {}), **where})
    return int(answer["cleared"])


def faults() -> list[dict[str, Any]]:
    """Return the faults that are set."""
    answer: list[dict[str, Any]] = _ask("GET", "faults")
    return answer


def bring_key(name: str, public_key: str) -> bool:
    """Make a key pair of a public key; return False when it is there.

    :raises UsageError: for a name or key that EC2 refuses, and when the key pair is there with another key.
    """
    return bool(_ask("POST", "keys", {"name": name, "public_key": public_key})["new"])


def hosts() -> list[dict[str, Any]]:
    """Return the instances whose hosts there should be: id, state, addresses, zone, type."""
    answer: list[dict[str, Any]] = _ask("GET", "hosts")
    return answer


def calls() -> dict[str, int]:
    """Return how often each AWS action was called."""
    answer: dict[str, int] = _ask("GET", "calls")
    return answer


def _wait_until_answering(process: subprocess.Popen[bytes]) -> LocalState:
    running = wait_until(state.find, lambda found: found or process.poll() is not None, START_TIMEOUT_S, _LOOK_S)
    if running is not None:
        return running
    if process.poll() is not None:
        raise _died(process.returncode)
    process.terminate()
    raise HostError("The rehearsal cloud did not answer in time.", f"Look into {state.log_file()}.")


def _died(returncode: int) -> HostError:
    log = "\n".join(state.log_file().read_text(errors="replace").splitlines()[-_LOG_LINES:])
    if returncode == _EXIT_IN_USE:
        return HostError("The rehearsal cloud's port is in use.", "End what uses it, or choose another.", log=log)
    return HostError(
        f"The rehearsal cloud ended with exit code {returncode} before it answered; its last words:\n{log}\n",
        f"All of them are in {state.log_file()}.",
        log=log,
    )


def _ask(method: str, what: str, document: Mapping[str, Any] | None = None) -> Any:
    running = state.load()
    url = f"{running.endpoint}/_toilctl/{what}"
    body = None if document is None else json.dumps(document).encode()
    headers = {"Content-Type": "application/json"}
    headers[state.CONTROL_HEADER] = state.control_token(running.secret_access_key)
    request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - our own state file's http URL
    # Straight there: a proxy of the environment knows no rehearsal cloud.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        answer = json.loads(error.read() or b"{}")
        raise UsageError(answer.get("message", str(error)), answer.get("next_step", "")) from None
    except OSError as error:
        text = f"The rehearsal cloud does not answer at {url}: {error}."
        raise HostError(text, "Restart it: toilctl local down; toilctl local up") from None
