"""What pip's words mean for whoever deploys: one sentence with the decisive ones, and what to do about it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .. import places
from ..refused import RefusedError

_NOT_FOUND = re.compile(
    r"satisfies the requirement (?P<what>[^\n]+?)(?: \(from (?P<by>[^\n]+?)\))? \(from versions: (?P<versions>[^)]*)\)"
)
_NO_INDEX = re.compile(
    r"NewConnectionError|name resolution|SSLError|CERTIFICATE_VERIFY_FAILED|ConnectTimeout|ReadTimeout"
    r"|Connection refused|Network is unreachable|ProxyError|Failed to establish a new connection"
)
_PYTHON = re.compile(r"Package '?(?P<what>[^'\n]+?)'? requires a different Python: \S+ not in '(?P<python>[^']+)'")
_CONFLICT = re.compile(r"The conflict is caused by:\n(?P<causes>(?:[ \t]+\S[^\n]*\n)+)")
_DEPENDS = re.compile(r"^\s*(?P<by>.+?) depends on (?P<what>toil(?![\w.-])[^\n]*)$", re.MULTILINE | re.IGNORECASE)
_TOIL = re.compile(r"toil(?![\w.-])(?:\s*\[[^\]]*\])?\s*(?P<specifier>.*)", re.IGNORECASE)
_FAILED_BUILD = re.compile(
    r"(?:Failed building wheel for |Failed to build (?!installable)|Could not build wheels for )(?P<what>[^\s,]+)"
)
_FAILED_STEP = re.compile("\u00d7" r" (?P<what>[^\n]+?) did not run successfully")
_NO_PROGRAM = re.compile(
    r"Cannot find command '(?P<of_pip>[\w+-]+)'|command '(?P<of_setuptools>[^']+)' failed: No such file"
    r"|_execute_child[\s\S]*?No such file or directory: '(?P<of_a_build>[\w+./-]+)'"
)
_LOOKED_AT = re.compile(r"^\s*(?:Collecting|Processing) (?P<what>\S+)", re.MULTILINE)
_HASHES = re.compile(
    r"THESE PACKAGES DO NOT MATCH THE HASHES[^\n]*\n\s*(?P<what>\S+)|In --require-hashes mode|Hashes are required"
)
_ERROR = re.compile(r"(?:[\w.]*(?:Error|Exception|Invalid\w+)|error|fatal|ERROR)\b ?:")
_OF_PIP = ("ERROR", "error: subprocess-exited", "error: metadata-gen")
"""How its summaries begin, below what the failed program said itself."""
_FRAMES = "\u2570\u2500>\u2502\u00d7 "
_SHOWN = 300
_LONGEST_LIST = 8


@dataclass(frozen=True)
class Circumstances:
    """What pip was told, and where it wrote."""

    log: Path
    toil: str
    """The version of the appliance's Toil."""
    with_wheelhouse: bool

    @property
    def look(self) -> str:
        """Where all of it is."""
        return f"All that pip said: toilctl ssh-cluster {places.cluster()} cat {self.log}"


def other_toil(version: str, by: str, told: Circumstances) -> RefusedError:
    """Return what to raise when another Toil is needed.

    :param version: a version, or a specifier such as ``<9``.
    :param by: what needs it; empty when it was asked for by itself.
    """
    needed = re.sub(r"^==\s*", "", version)
    needed = needed if re.fullmatch(r"[\w.!+]+", needed) else version
    return RefusedError(
        "conflict",
        f"{by or 'What is to be deployed'} needs Toil {needed}, and the cluster's appliance has {told.toil}.",
        "Launch a cluster with an appliance that has it.",
        toil_needed=needed, toil=told.toil, needed_by=by, log=str(told.log),
    )  # fmt: skip


def refused(said: str, told: Circumstances) -> RefusedError:
    """Return what to raise when pip ended with an error."""
    return next(error for error in (means(said, told) for means in _MEANINGS) if error)


def _toil(said: str, told: Circumstances) -> RefusedError | None:
    """Tell whether it is about Toil: a version that is not there, or that excludes the appliance's."""
    missing = _NOT_FOUND.search(said)
    specifier = _specifier(missing["what"]) if missing else ""
    if missing and specifier:
        return other_toil(specifier, _by(missing["by"]), told)
    conflict = _CONFLICT.search(said)
    if conflict and f"toil=={told.toil}" in conflict["causes"]:
        depends = _DEPENDS.search(conflict["causes"])
        specifier = _specifier(depends["what"]) if depends else ""
        if depends and specifier:
            return other_toil(specifier, depends["by"], told)
    return None


def _not_found(said: str, told: Circumstances) -> RefusedError | None:
    found = _NOT_FOUND.search(said)
    if not found:
        return None
    # A marker, such as that of an extra, is true within what needs it, and false for who downloads the package alone.
    what, by = found["what"].partition(";")[0].strip(), _by(found["by"])
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    needed = f"{what} (needed by {by})" if by else what
    wanted = f"{by}=={told.toil}" if by.startswith("toil[") and by.endswith("]") else what
    download = f"pip download --dest DIR --only-binary=:all: --python-version {python} '{wanted}'"
    if told.with_wheelhouse:
        message, step = f"{needed} is not in the wheelhouse, for Python {python}.", f"Put it there: {download}"
    elif _NO_INDEX.search(said):
        message = f"{needed} cannot be had: the leader reaches no package index."
        step = f"Make a wheelhouse, {download}, and give it with --wheelhouse DIR."
    else:
        message, step = f"The package index has no {needed} for Python {python}.", "Check its name and version."
        if found["versions"] not in ("", "none"):
            step = f"There are: {_last(found['versions'])}."
    return RefusedError("not-found", message, f"{step} {told.look}", package=what, log=str(told.log))


def _python(said: str, told: Circumstances) -> RefusedError | None:
    found = _PYTHON.search(said)
    if not found:
        return None
    python = ".".join(map(str, sys.version_info[:3]))
    return RefusedError(
        "conflict", f"{found['what']} needs Python {found['python']}, and the appliance has {python}.",
        "Launch a cluster with an appliance of such a Python: --appliance quay.io/ucsc_cgl/toil:VERSION-py3.X",
        package=found["what"], python_needed=found["python"], log=str(told.log),
    )  # fmt: skip


def _conflict(said: str, told: Circumstances) -> RefusedError | None:
    found = _CONFLICT.search(said)
    if not found:
        return None
    causes = [line.strip() for line in found["causes"].splitlines()]
    return RefusedError(
        "conflict", f"The requirements exclude each other: {'; '.join(causes[:4])}.",
        f"Toil {told.toil} is the appliance's and stays; loosen one of the others. {told.look}",
        causes=causes, log=str(told.log),
    )  # fmt: skip


def _no_space(said: str, told: Circumstances) -> RefusedError | None:
    if "No space left on device" not in said:
        return None
    return RefusedError(
        "conflict", "The leader's disk is full.",
        f"Make room there (toilctl ssh-cluster {places.cluster()} df -h /var/lib/toilctl), or launch a cluster with "
        "more --leader-storage.", log=str(told.log),
    )  # fmt: skip


def _hashes(said: str, told: Circumstances) -> RefusedError | None:
    found = _HASHES.search(said)
    if not found:
        return None
    return RefusedError(
        "conflict", f"The hashes in the requirements do not fit {found['what'] or 'all of them'}.",
        f"Make them anew. {told.look}", log=str(told.log),
    )  # fmt: skip


def _build(said: str, told: Circumstances) -> RefusedError | None:
    failed, step, program = _FAILED_BUILD.search(said), _FAILED_STEP.search(said), _NO_PROGRAM.search(said)
    if not (failed or step or program):
        return None
    looked_at = _LOOKED_AT.findall(said[: step.start()] if step else said)
    what = failed["what"] if failed else looked_at[-1] if looked_at else "it"
    what = "The project" if what.endswith("/project") else what
    missing = next(filter(None, program.groups()), "") if program else ""
    why = f"the appliance has no {missing}" if missing else _decisive(said)
    return RefusedError(
        "conflict", f"{what} could not be built on the leader: {why.rstrip('.')}.",
        f"Build its wheel elsewhere, pip wheel --wheel-dir DIR PATH, and give it with --wheelhouse DIR. {told.look}",
        package=what, log=str(told.log),
    )  # fmt: skip


def _other(said: str, told: Circumstances) -> RefusedError | None:
    return RefusedError("conflict", f"pip could not install it: {_decisive(said)}", told.look, log=str(told.log))


_MEANINGS: tuple[Callable[[str, Circumstances], RefusedError | None], ...] = (
    _toil, _not_found, _python, _conflict, _no_space, _hashes, _build, _other,
)  # fmt: skip


def _by(origin: str | None) -> str:
    """Return the package that needed another one: the first of those that lead there; empty for what was asked for."""
    return "" if not origin or origin.startswith(("-r ", "-c ")) else origin.partition("->")[0]


def _specifier(requirement: str) -> str:
    """Return which versions of Toil a requirement allows; empty when it is for something else, or allows all."""
    found = _TOIL.fullmatch(requirement.partition(";")[0].strip())
    return found["specifier"].strip(" ()") if found else ""


def _decisive(said: str) -> str:
    """Return the line that tells most: the last one that begins as an error does, before pip's own summary."""
    lines = [line.strip().lstrip(_FRAMES).strip() for line in said.splitlines()]
    told = [line for line in lines if _ERROR.match(line)]
    own = [line for line in told if not line.startswith(_OF_PIP)]
    chosen = (own or told or [line for line in lines if line] or ["it did not say why"])[-1]
    return re.sub(r"^(?:ERROR|error): ", "", chosen)[:_SHOWN]


def _last(versions: str) -> str:
    listed = [one.strip() for one in versions.split(",")]
    return ", ".join((["…"] if len(listed) > _LONGEST_LIST else []) + listed[-_LONGEST_LIST:])
