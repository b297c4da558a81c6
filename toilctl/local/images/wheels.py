"""Toil's wheels for the appliance, fetched on this machine, whose pip knows its network's certificate authority."""

from __future__ import annotations

import os
import platform
import shutil
import ssl
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from subprocess import DEVNULL
from typing import Final

from toilctl.local.images import tree
from toilctl.system import paths
from toilctl.values.errors import HostError

TARGET_PYTHON: Final = (3, 11)
TARGET_GLIBC: Final = (2, 36)
"""Debian 12's."""

_RECIPE: Final = Path(__file__).parent / "data" / "appliance"
_LISTS: Final = ("requirements.txt", "locked.txt", "http_parser.txt")
"""What is asked for; all that it takes with the default Toil, by hashes; of that, what is built in a special way."""


def fill(directory: Path, toil_version: str) -> None:
    """Put the wheels into ``directory``; where this Python makes none for Debian 12, what pip needs in the build.

    :raises HostError: when pip fails.
    """
    directory.mkdir()
    if makes_wheels_for_debian_12():
        for wheel in _cached(toil_version).glob("*.whl"):
            shutil.copy(wheel, directory)
        return
    authorities = certificate_authorities()
    if authorities:
        shutil.copy(authorities, directory / "ca.crt")


def prefetch(toil_version: str) -> None:
    """Fetch the wheels into the cache, if they are to be fetched here."""
    if makes_wheels_for_debian_12():
        _cached(toil_version)


def makes_wheels_for_debian_12() -> bool:
    """Tell whether what pip builds here runs there: the same Python, and no newer C library."""
    library, version = platform.libc_ver()
    if sys.version_info[:2] != TARGET_PYTHON or library != "glibc" or sys.platform != "linux":
        return False
    return tuple(map(int, version.split(".")[:2])) <= TARGET_GLIBC and find_spec("pip") is not None


def certificate_authorities() -> str | None:
    """Return the file with the certificate authorities that this machine trusts, if any."""
    named = (os.environ.get(name) for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"))
    candidates = [*named, ssl.get_default_verify_paths().cafile, "/etc/ssl/certs/ca-certificates.crt"]
    return next((path for path in candidates if path and Path(path).is_file()), None)


def _cached(toil_version: str) -> Path:
    python = "".join(map(str, TARGET_PYTHON))
    recipe = tree.digest(*(_RECIPE / name for name in (*_LISTS, "http_parser_wheel.py")))
    directory = paths.cache_dir() / "wheels" / f"toil-{toil_version}-py{python}-{recipe}"
    if directory.is_dir():
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
        _fetch(Path(scratch, "wheels"), toil_version)
        Path(scratch, "wheels").rename(directory)
    return directory


def _fetch(directory: Path, toil_version: str) -> None:
    requirements, locked, parser = (str(_RECIPE / name) for name in _LISTS)
    # As in install-toil: of http-parser only what needs no compiler.
    sdist = ["--no-deps", "--no-binary", "http-parser", "--require-hashes", "--requirement", parser]
    _pip(["download", "--dest", str(directory), *sdist], "http-parser")
    subprocess.run([sys.executable, str(_RECIPE / "http_parser_wheel.py"), str(directory)], check=True, stdout=DEVNULL)
    # Not with this virtualenv's own setuptools, which may lack what makes wheels, as on Debian.
    if f"toil=={toil_version} " in Path(locked).read_text():
        wanted = ["--no-deps", "--require-hashes", "--requirement", locked]
    else:
        wanted = ["--find-links", str(directory), f"toil[aws]=={toil_version}", "--requirement", requirements]
    _pip(["wheel", "--wheel-dir", str(directory), "--use-pep517", *wanted], f"Toil {toil_version}")


def _pip(arguments: list[str], what: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise HostError(
            f"pip could not fetch {what}: {' '.join(errors[-1:]) or done.stderr.strip()[-200:]}",
            "Check the version and that this machine reaches PyPI (pip download toil), then run this again.",
        )
