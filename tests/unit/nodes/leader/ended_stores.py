"""Job stores of real Toil workflows on this machine, for those who look into them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.unit.nodes.plugin.workflows import Running


@dataclass(frozen=True)
class Ended:
    """What workflows of a root job and six children have left."""

    finished: Path
    """It succeeded, with --stats, and was told to leave its job store."""
    failed: Path
    """One child failed, and had no second try."""

    def copy(self, which: str, to: Path) -> Path:
        """Return a copy to change."""
        return Path(shutil.copytree(getattr(self, which), to))


def ended(directory: Path) -> Ended:
    """Run two workflows, side by side, to their ends."""
    good = Running(directory / "good", directory, "--clean", "never", "--stats", *_bus(directory / "good.bus"))
    bad = Running(directory / "bad", directory, "--retryCount", "0", *_bus(directory / "bad.bus"))
    for one in (good, bad):
        one.go.touch()
    # At its first try, one child fails; only the good one has a second.
    assert (good.process.wait(300), bad.process.wait(300)) == (0, 1), good.log.read_text() + bad.log.read_text()
    return Ended(good.directory / "store", bad.directory / "store")


def _bus(path: Path) -> tuple[str, str]:
    """Return the option by which a message bus is not left among the machine's temporary files."""
    return ("--writeMessages", str(path))
