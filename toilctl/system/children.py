"""What this process has started, however it was started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress


def terminate_children() -> bool:
    """End what the playbook started: Ansible puts modules into sessions of their own, which its own end spares."""
    parents = dict(_processes())
    for process in parents:
        ancestor: int | None = process
        while ancestor is not None and ancestor != os.getpid():
            ancestor = parents.get(ancestor)
        if ancestor is not None and process != os.getpid():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGTERM)
    return True


def _processes() -> Iterator[tuple[int, int]]:
    """Yield every process and its parent."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=False)
    for line in listed.stdout.splitlines():
        process, parent = line.split()
        yield int(process), int(parent)
