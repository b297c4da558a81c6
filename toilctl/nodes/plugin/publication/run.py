"""Which Toil workflows a run of toilctl's has: told in the run's directory, ``TOILCTL_RUN``, by themselves.

Each workflow's message bus is put there, unless its user has chosen another place. When it begins, it adds a line to
``workflows.jsonl``::

    {"pid": 87, "job_store": "aws:us-west-2:sort", "batch_system": "slurm", "bus": "/var/lib/…/bus-87",
     "restart": false, "at": 1795226732.9}

Without ``TOILCTL_RUN``, Toil stays as it is.
"""

from __future__ import annotations

import copy
import functools
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

from .. import cluster_settings, known_toil, locators, regular_files

logger = logging.getLogger(f"toil.{__name__}")

RUN = "TOILCTL_RUN"
SHARED = "TOILCTL_SHARED"
"""Directories that all nodes see, separated by colons."""
WORKFLOWS = "workflows.jsonl"
BUS = "bus-"
ON_WORKERS = ("mesos", "slurm")
"""Batch systems whose jobs run elsewhere."""
_USAGE = 2
_USED_OF_CONFIG = {"setOptions": {"options"}}
_USED_OF_TOIL = {"__enter__": {"self"}}
CONSEQUENCE = "toilctl will not know the progress of this run"

_given: set[Path] = set()
_entering: list[str] = []
"""The bus of the workflow that begins now; other programs of Toil's make configurations, too, and tell nothing."""


@functools.cache
def install() -> None:
    """In a run, let workflows tell of themselves."""
    if not os.environ.get(RUN):
        return
    from toil.common import Config, Toil

    missing = known_toil.missing(Config, _USED_OF_CONFIG) + known_toil.missing(Toil, _USED_OF_TOIL)
    if missing:
        known_toil.warn(missing, CONSEQUENCE)
        return
    _wrap_configuration(Config)
    _wrap_workflow(Toil)


def _wrap_configuration(config_class: Any) -> None:
    set_options = config_class.setOptions

    @functools.wraps(set_options)
    def with_bus(self: Any, options: Any) -> Any:
        if _entering and getattr(options, "write_messages", None) is None:
            options = copy.copy(options)
            options.write_messages = _entering[-1]
        answer = set_options(self, options)
        if _entering:
            _refuse_unseen(self)
        return answer

    config_class.setOptions = with_bus


def _wrap_workflow(toil_class: Any) -> None:
    enter = toil_class.__enter__

    @functools.wraps(enter)
    def enter_and_tell(self: Any) -> Any:
        _entering.append(str(_new_bus()))
        try:
            entered = enter(self)
        finally:
            _entering.pop()
        _tell(self.config)
        return entered

    toil_class.__enter__ = enter_and_tell


def _new_bus() -> Path:
    """Return where no bus is yet: a process may have one workflow after the other, and an old one's number."""
    directory, first = Path(os.environ[RUN]), f"{BUS}{os.getpid()}"
    path, number = directory / first, 1
    while path in _given or path.exists():
        number += 1
        path = directory / f"{first}.{number}"
    _given.add(path)
    return path


def _tell(config: Any) -> None:
    bus = getattr(config, "write_messages", None)
    line = json.dumps({
        "pid": os.getpid(),
        "job_store": locators.canonical(str(config.jobStore)),
        "batch_system": config.batchSystem,
        "bus": os.path.abspath(bus) if bus else None,  # noqa: PTH100
        "restart": bool(config.restart),
        "at": round(time.time(), 3),
    })  # fmt: skip
    try:
        regular_files.append(Path(os.environ[RUN], WORKFLOWS), (line + "\n").encode())
    except OSError as error:
        logger.warning("toilctl cannot tell of this workflow in %s: %s", os.environ[RUN], error)


def _refuse_unseen(config: Any) -> None:
    """End a workflow whose job store its workers will not see.

    :raises SystemExit: with a sentence before it.
    """
    path = locators.directory(config.jobStore) if config.jobStore else None
    if path is None or config.batchSystem not in ON_WORKERS or cluster_settings.find() is None:
        return
    shared = os.environ.get(SHARED, "").split(":")
    if locators.is_below(path, shared):
        return
    print(
        f"toilctl: the cluster's workers cannot see the job store {path}: it is a directory of the leader. Give one "
        f"{locators.seen_by_all(shared)}.",
        file=sys.stderr, flush=True,
    )  # fmt: skip
    raise SystemExit(_USAGE)
