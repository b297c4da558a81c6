"""What a service tells systemd (sd_notify): that it has started, and that it is alive."""

from __future__ import annotations

import contextlib
import os
import socket

ALIVE = "WATCHDOG=1"
"""Said often enough, it keeps a unit with WatchdogSec from being started anew."""


def tell_systemd(state: str) -> None:
    """Tell the state of a unit, such as ``READY=1``; without systemd nothing happens."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.settimeout(1)
        told.sendto(state.encode(), path.replace("@", "\0", 1))
