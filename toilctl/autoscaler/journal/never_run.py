"""Jobs that can never run, told to the workflows on the leader, whose logs then say so.

The file lies beside those by which they publish their jobs; ``toilctl/nodes/plugin/publication/never_run.py`` reads it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from toilctl.autoscaler.model.plan import Infeasible
from toilctl.engines import published
from toilctl.system import files

FILE: Final = "never-run.json"
FORMAT: Final = 1
_MOST: Final = 50
"""Kinds of jobs."""


def tell(jobs: Sequence[Infeasible]) -> None:
    """Write them down, where workflows publish at all; a file that cannot be written is done without."""
    directory = Path(os.environ.get(published.DIRECTORY_VARIABLE, published.DIRECTORY))
    with suppress(OSError):
        if directory.is_dir():
            _write(directory / FILE, jobs)


def _write(path: Path, jobs: Sequence[Infeasible]) -> None:
    if not jobs:
        path.unlink(missing_ok=True)
        return
    text = json.dumps({"toilctl": FORMAT, "jobs": [_plain(one) for one in jobs[:_MOST]]})
    with suppress(OSError):
        if files.read_regular(path, len(text)) == text.encode():
            return
    files.replace_regular(path, text)


def _plain(one: Infeasible) -> dict[str, Any]:
    return {**vars(one.shape), "why": one.next_step}
