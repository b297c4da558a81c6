"""What counts; a test deploys it broken first."""

from __future__ import annotations

import time

from toil.job import Job


def counted(job: Job, line: str, seconds: float) -> int:
    """Return the number of words, after a while."""
    time.sleep(seconds)
    job.fileStore.log_to_leader(f"counting {line!r}")
    return len(line.split())
