"""pip in a deployment's virtualenv: first what it would install, then the installation. Toil stays the appliance's.

The first resolution is free to choose another Toil, so that it is known which one is needed; when it does, nothing is
installed. The second one must do with the appliance's, and leave what Toil itself needs as Toil needs it.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..refused import RefusedError
from . import pip_messages, virtualenvs
from .pip_messages import Circumstances

FIRST_WITH_REPORT = (22, 2)
_QUIETLY = {
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "PIP_NO_COLOR": "1",
    "PIP_PROGRESS_BAR": "off",
    "PIP_ROOT_USER_ACTION": "ignore",
}
_BROKEN = "ERROR: Exception:"
"""What pip says when it failed itself, as an old one does at what is written in newer ways."""
# The resolver has seen to Toil, which is all that matters; pip's own last look would be at the whole appliance.
_UNWARNED = ("--no-warn-script-location", "--no-warn-conflicts")


@dataclass(frozen=True)
class PipWanted:
    """What is to be installed."""

    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    path: Path | None
    """A project, wheel or source distribution."""
    wheelhouse: Path | None
    """Where everything is taken from, instead of a package index."""

    @property
    def with_hashes(self) -> bool:
        """Whether pip must find a hash at everything that it is told to install."""
        return any("--hash" in line or line.startswith("--require-hashes") for line in self.requirements)


class Pip:
    """pip, installing into one virtualenv; all that it says goes into the log, too."""

    def __init__(self, venv: Path, log: Path, scratch: Path, environment: dict[str, str]) -> None:
        self._python = venv / "bin/python"
        self._log, self._scratch = log, scratch
        self._environment = {**virtualenvs.environment(), **_QUIETLY, **environment}
        self._pip = ["-m", "pip"]

    def install(self, wanted: PipWanted, toil: str) -> None:
        """Install what is wanted.

        :param toil: the version of the appliance's Toil.
        :raises RefusedError: when it needs another one, or cannot be installed.
        """
        words = [*_source(wanted), *self._targets(wanted)]
        # A path that a project names relative to itself is, for pip, relative to where it runs.
        cwd = wanted.path if wanted.path and wanted.path.is_dir() else self._scratch
        circumstances = Circumstances(self._log, toil, wanted.wheelhouse is not None)
        if self._can_report(_source(wanted)):
            report = self._scratch / "report.json"
            code, said = self._installing(["--dry-run", "--report", str(report)], words, cwd, _source(wanted))
            if code:
                raise pip_messages.refused(said, circumstances)
            _check_toil(json.loads(report.read_text())["install"], circumstances)
        pin = [] if wanted.with_hashes else [f"toil=={toil}"]
        code, said = self._installing([*_UNWARNED, *pin], words, cwd, _source(wanted))
        if code:
            raise pip_messages.refused(said, circumstances)

    def _installing(self, first: list[str], words: list[str], cwd: Path, source: list[str]) -> tuple[int, str]:
        """Run pip's install, and again with the newest pip when this one breaks; return its exit code and words."""
        code, said = self._run("install", *first, *words, cwd=cwd)
        if code and _BROKEN in said and self._renew(source):
            code, said = self._run("install", *first, *words, cwd=cwd)
        return code, said

    def _can_report(self, source: list[str]) -> bool:
        """Tell whether pip can say beforehand what it would install.

        :raises RefusedError: when there is no pip at all.
        """
        version = self._version()
        if not version:
            self._run("ensurepip", module=True)
            version = self._version()
        if not version:
            raise RefusedError("conflict", "The appliance has no pip, and its Python brings none.",
                               "Launch the cluster with another appliance.")  # fmt: skip
        return version >= FIRST_WITH_REPORT or self._renew(source)

    def _version(self) -> tuple[int, ...]:
        # Faster than pip itself would tell.
        argv = [str(self._python), "-I", "-c", "from importlib.metadata import version; print(version('pip'))"]
        said = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
        numbers = re.match(r"(\d+)\.(\d+)", said)
        return (int(numbers[1]), int(numbers[2])) if numbers else ()

    def _renew(self, source: list[str]) -> bool:
        """Get the newest pip, for this deployment alone; tell whether there was one."""
        newer = self._scratch / "newer"
        if newer.exists():
            return False
        code, _ = self._run("install", *source, "--target", str(newer), "--upgrade", "pip")
        if code == 0:
            self._pip = [str(newer / "pip")]
        return code == 0

    def _targets(self, wanted: PipWanted) -> list[str]:
        words = []
        for flag, lines in (("--requirement", wanted.requirements), ("--constraint", wanted.constraints)):
            if lines:
                path = self._scratch / f"{flag.lstrip('-')}s.txt"
                path.write_text("".join(f"{line}\n" for line in lines))
                words += [flag, str(path)]
        return [*words, str(wanted.path)] if wanted.path else words

    def _run(self, *words: str, cwd: Path | None = None, module: bool = False) -> tuple[int, str]:
        """Run pip, or another module; return its exit code and words."""
        argv = [str(self._python), "-I", *(["-m"] if module else self._pip), *words]
        with self._log.open("a+b") as log:
            log.write(f"$ {' '.join(argv)}\n".encode())
            log.flush()
            since = log.tell()
            code = subprocess.run(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=self._environment,
                cwd=cwd or self._scratch, check=False,
            ).returncode  # fmt: skip
            log.seek(since)
            return code, log.read().decode(errors="replace")


def _source(wanted: PipWanted) -> list[str]:
    return ["--no-index", "--find-links", str(wanted.wheelhouse)] if wanted.wheelhouse else []


def _check_toil(planned: list[dict[str, Any]], circumstances: Circumstances) -> None:
    """Refuse what would bring another Toil."""
    toil = next((one for one in planned if _name(one["metadata"]["name"]) == "toil"), None)
    if toil:
        raise pip_messages.other_toil(toil["metadata"]["version"], _who_needs_toil(planned), circumstances)


def _who_needs_toil(planned: list[dict[str, Any]]) -> str:
    """Return the first of what would be installed that needs Toil."""
    for one in planned:
        needs = (re.match(r"[\w.-]+", line) for line in one["metadata"].get("requires_dist") or ())
        if any(need and _name(need[0]) == "toil" for need in needs):
            return f"{one['metadata']['name']} {one['metadata']['version']}"
    return ""


def _name(text: str) -> str:
    return re.sub(r"[-_.]+", "-", text).lower()
