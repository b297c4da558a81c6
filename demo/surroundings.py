"""What the demo's commands find around them: an environment, and an ssh agent with its key."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def environment() -> dict[str, str]:
    """Return this environment without what would lead a command elsewhere."""
    astray = ("TOILCTL_", "TOIL_", "AWS_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(astray) or name == "AWS_CA_BUNDLE"}
    return kept | {"PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"}


@contextmanager
def ssh_agent(directory: Path) -> Iterator[dict[str, str]]:
    """Run an ssh agent for the demo's key, so that no command has to name it; yield what finds it."""
    socket = directory / "agent"
    socket.unlink(missing_ok=True)
    # A group of its own: Ctrl-C must not take the key from a command that is finishing.
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL, process_group=0)
    try:
        while not socket.exists() and agent.poll() is None:
            time.sleep(0.01)
        yield {"SSH_AUTH_SOCK": str(socket)}
    finally:
        agent.terminate()
        agent.wait()
