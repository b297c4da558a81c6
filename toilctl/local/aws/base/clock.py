"""The rehearsal cloud's time, which a test can move."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """Seconds that pass like the system's, and faster when told."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time() + self._ahead

    def utcnow(self) -> datetime:
        """Return the same moment as moto has its times: UTC, naive."""
        return datetime.fromtimestamp(self.now(), UTC).replace(tzinfo=None)

    def advance(self, seconds: float) -> None:
        """Move the time forward at once."""
        self._ahead += seconds
