"""What git says of a project, for a leader to which its history is not sent: its commit, and a version by its tags."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version


@dataclass(frozen=True)
class Revision:
    """Both are empty where git does not tell."""

    commit: str = ""
    version: str = ""
    """By the last tag that is one; with a post-release number for the commits since."""


def of(directory: Path) -> Revision:
    """Ask git about a directory."""
    commit = _git(directory, "rev-parse", "HEAD")
    return Revision(commit, version_of(_git(directory, "describe", "--tags", "--long", "--match", "*[0-9]*")))


def version_of(described: str) -> str:
    """Return the version of ``v1.2-3-g0123abc``, three commits after the tag v1.2; empty when the tag is no version."""
    found = re.fullmatch(r"(?P<tag>.+)-(?P<commits>\d+)-g[0-9a-f]+", described)
    if found is None:
        return ""
    number = re.sub(r"^\D+", "", found["tag"])
    since = int(found["commits"])
    try:
        return str(Version(f"{number}.post{since}" if since else number))
    except InvalidVersion:
        return ""


def _git(directory: Path, *words: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(directory), *words], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
