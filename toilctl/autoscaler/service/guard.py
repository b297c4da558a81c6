"""Whether this process may act on a cluster now: alone, not on one that goes, not while a launch may be unseen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from toilctl.autoscaler.memory.playbook_runs import UNANSWERED_S
from toilctl.engines.client import UNREADABLE, moment
from toilctl.system import inventory, locks
from toilctl.values import tags
from toilctl.values.cluster import Role
from toilctl.values.errors import ConflictError, HostError

UNLISTED_S: Final = 5.0
"""How long after its answer to a launch EC2 may not list what it made; its lag is about 1 s."""


@contextmanager
def alone(state_dir: Path) -> Iterator[None]:
    """Hold the state directory's lock; the system releases it however the process ends.

    :raises ConflictError: when another process holds it.
    :raises HostError: when this user may not write there.
    """
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = ExitStack()
        held.enter_context(locks.locked(state_dir / "lock", wait=False))
    except locks.Held:
        raise ConflictError(
            f"Another autoscaler works with {state_dir}.",
            "Leave it to its work, or stop it first: systemctl stop toilctl-autoscaler.",
        ) from None
    except OSError as error:
        raise HostError(f"{state_dir}: {error.strerror}.", "On the leader it is root's: use sudo.") from None
    with held:
        yield


@dataclass
class Guard:
    """Reads the tags of the cluster before the first act, and again after a failed one."""

    started: datetime | None = None
    """When this process followed another one, of whose last launch it knows nothing; None when there was none."""
    passed: bool = False
    wait_until: datetime | None = None
    """When to look again; None when the usual interval will do."""

    def problem(self, region: str, cluster: str, now: datetime) -> str:
        """Return why nothing may be done now; empty when all may."""
        self.wait_until = None
        if self.passed:
            return ""
        if self.started and now - self.started < timedelta(seconds=UNLISTED_S):
            self.wait_until = self.started + timedelta(seconds=UNLISTED_S)
            return "The autoscaler has just started; EC2 may not list yet what was launched a moment before."
        settings = inventory.settings_of(region, cluster)
        if settings is None:
            return f"Cluster {cluster} has no security group: it is being destroyed, or not all there."
        if settings.get(tags.STATE) == tags.DESTROYING:
            return f"Cluster {cluster} is being destroyed, so the autoscaler leaves it alone."
        begun = last_attempt(inventory.attempts_of(region, cluster, Role.WORKER))
        if begun and now - begun < timedelta(seconds=UNANSWERED_S):
            self.wait_until = begun + timedelta(seconds=UNANSWERED_S)
            return f"A launch was cut short; until {self.wait_until:%H:%M:%S} UTC EC2 may not list what it made."
        self.passed = True
        return ""


def last_attempt(attempts: Iterable[str]) -> datetime | None:
    """Return when the latest launch without an answer began, if there is one; ``attempts`` are tags' values."""
    begun = map(str.split, attempts)
    return max((at for words in begun if len(words) == 4 and (at := _second(words[2]))), default=None)


def _second(text: str) -> datetime | None:
    """Return a moment; None for what is none: whoever may write tags must not stop the cluster by one."""
    try:
        return moment(float(text))
    except UNREADABLE:
        return None
