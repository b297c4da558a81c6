"""Job stores by their locators, read as Toil reads them, without Toil."""

from __future__ import annotations

import os
from collections.abc import Iterable

from .processes import FILE


def directory(locator: str, cwd: str | None = None) -> str | None:
    """Return the absolute path of a job store that is a directory; None when it is none.

    :param cwd: what a relative path is relative to; None is this process's directory.
    """
    if locator[:1] in ("/", "."):
        path = locator
    else:
        scheme, colon, rest = locator.partition(":")
        if colon and scheme != FILE:
            return None
        path = rest if colon else locator
    # Two slashes at the beginning are kept by normpath().
    return "/" + os.path.normpath(os.path.join(cwd or os.getcwd(), path)).lstrip("/")  # noqa: PTH109, PTH118


def canonical(locator: str, cwd: str | None = None) -> str:
    """Return the locator that means the same from everywhere."""
    path = directory(locator, cwd)
    return locator if path is None else f"{FILE}:{path}"


def is_below(path: str, directories: Iterable[str]) -> bool:
    """Tell whether a path is in one of some directories, or is one of them."""
    real = os.path.realpath(path)
    return any(os.path.commonpath([real, top]) == top for top in map(os.path.realpath, filter(None, directories)))


def seen_by_all(shared: Iterable[str]) -> str:
    """Return which job stores a workflow may have whose job store workers cannot see, as a part of a sentence."""
    there = " or ".join(filter(None, shared))
    below = f"below {there}" if there else "in the file system of a cluster that is launched with --shared"
    return f"such as aws:REGION:NAME, or {below}; or run on the leader alone with --batchSystem single_machine"
