"""Whether the installed Toil is one that the plugin knows: what it overrides or calls must be there."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable, Mapping
from typing import Any

logger = logging.getLogger(f"toil.{__name__}")

_warned: set[str] = set()


def missing(batch_system: type, used: Mapping[str, set[str]]) -> list[str]:
    """Return the members, by dotted name, that a class lacks, or whose named parameters are others."""
    return [name for name, parameters in used.items() if not _has(batch_system, name, parameters)]


def has_jobs(lacking: list[str]) -> bool:
    """Tell whether Toil's jobs are described as the plugin reads them; what is not there is added to the list."""
    try:
        from toil.job import JobDescription, ServiceJobDescription  # noqa: F401
    except ImportError as error:
        lacking.append(str(error))
    return not lacking


def warn(lacking: Iterable[str], consequence: str) -> None:
    """Say once that this Toil is left as it is, and what follows."""
    if consequence not in _warned:
        _warned.add(consequence)
        logger.warning(
            "This version of Toil is unknown to toilctl's plugin (no %s): %s.", ", ".join(lacking), consequence
        )


def _has(batch_system: type, dotted_name: str, parameters: set[str]) -> bool:
    member: Any = batch_system
    for part in dotted_name.split("."):
        member = getattr(member, part, None)
    return callable(member) and parameters <= set(inspect.signature(member).parameters)
