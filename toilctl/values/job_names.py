"""What jobs that do the same thing are called in common, on either engine: run times are learned by that name."""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from typing import Final

RUNNERS: Final = ("CWL", "WDL")
"""How the classes begin by which Toil calls all jobs of a language's runner; the Toil plugin has the same."""

_REPEATED: Final = re.compile(r"(?<=\.)(?:\d+|iteration\d+)(?=\.|$)")
"""Which shard of a scatter (CWL, WDL), or which turn of a loop (CWL)."""


LONGEST: Final = 500
"""Characters of a name that count; a job may be called anything, of any length."""


def kind(name: str) -> str:
    """Return what the jobs of a tool have in common of their names: of ``align.17.bwa`` that is ``align.*.bwa``."""
    return _kind(name[:LONGEST])


@lru_cache(maxsize=65536)
def _kind(name: str) -> str:
    # Half a surrogate pair is no text that could be written anywhere.
    whole = name if name.isascii() else name.encode("utf-8", "replace").decode()
    # Thousands of jobs have the same: kept once.
    return sys.intern(_REPEATED.sub("*", whole))


def of_toil(job_name: str, unit_name: str) -> str:
    """Return the kind of one of Toil's jobs: all have a name of their class or function, and some one of their own.

    The first is what Toil itself learns run times by (``toil.job.JobDescription``), and says nothing where a whole
    language has one class: there the other one tells the tool.
    """
    return kind(unit_name if unit_name and job_name.startswith(RUNNERS) else job_name)
