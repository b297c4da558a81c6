"""What a person asks of the autoscaler's process by signals."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Signals:
    """What a person asks of the process."""

    stop: threading.Event
    hurry: threading.Event

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Let SIGTERM and Ctrl-C stop the process, and SIGHUP begin a tick at once."""
        asked = {signal.SIGTERM: self.stop, signal.SIGINT: self.stop, signal.SIGHUP: self.hurry}
        before = {number: signal.signal(number, lambda *_, event=event: event.set()) for number, event in asked.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
