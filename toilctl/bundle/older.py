"""Fetches what the leader's Python needs and this machine's has not: with a newer Python, a newer ansible-core."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from importlib.metadata import Distribution, distributions
from pathlib import Path

from toilctl.system import paths
from toilctl.values.errors import HostError


def fetch(name: str, requirement: str, python: str) -> Distribution:
    """Return the newest release for a version of Python, from the cache or else from this machine's package index.

    :param requirement: what is asked for, such as ``ansible-core>=2.19``.

    :raises HostError: when pip cannot get it.
    """
    directory = paths.cache_dir() / "bundles" / f"for-python-{python}" / requirement
    if not directory.is_dir():
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
            wheel = _download(Path(scratch), name, requirement, python)
            zipfile.ZipFile(wheel).extractall(Path(scratch, "unpacked"))
            Path(scratch, "unpacked").rename(directory)
    (found,) = distributions(path=[str(directory)])
    return found


def _download(directory: Path, name: str, requirement: str, python: str) -> Path:
    target = ["--python-version", python, "--only-binary=:all:", "--no-deps", "--dest", str(directory)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", *target, requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(directory.glob("*.whl"))
    if done.returncode == 0 and wheels:
        return wheels[0]
    minor = python.rpartition(".")[0]
    last = [line for line in done.stderr.splitlines() if line.strip()][-1:]
    raise HostError(
        f"The leader's Python {minor} needs another {name} than this machine has, and pip got none: {' '.join(last)}",
        f"Install toilctl with Python {minor} (pipx install --python python{minor} toilctl), or make the package index "
        "reachable, and try again.",
        distribution=name,
    )
