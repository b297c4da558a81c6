"""Virtualenvs in which Toil is the appliance's: made, given Toil's programs, and looked into."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from ..refused import RefusedError

CHECK_ENV = 'import os; os.environ.setdefault("TOIL_CHECK_ENV", "True")\n'
"""Lets Toil call its programs by their paths in the virtualenv, on workers, too: Mesos knows no PATH of a leader's."""
_SHARED_OBJECT = re.compile(r"\.so(\.\d+)*$")
_ELF = b"\x7fELF"
_PROGRAM = """#!{python}
import sys
from {module} import {name}
if __name__ == "__main__":
    sys.exit({attribute}())
"""


@dataclass(frozen=True)
class InstalledToil:
    """What virtualenvs here are made on."""

    toil: str
    """Toil's version."""
    python: str
    image: str

    @classmethod
    def here(cls) -> InstalledToil:
        """Return this container's.

        :raises RefusedError: when its python3 has no Toil.
        """
        try:
            toil = metadata.version("toil")
        except metadata.PackageNotFoundError:
            raise RefusedError(
                "conflict",
                f"The appliance's {sys.executable} has no Toil.",
                "Launch the cluster with another appliance.",
            ) from None
        python = ".".join(map(str, sys.version_info[:3]))
        return cls(toil, python, os.environ.get("TOIL_APPLIANCE_SELF", ""))


def make(directory: Path, known_as: Path) -> None:
    """Make a virtualenv that sees all packages of the Python that runs this, a virtualenv's own among them.

    It is without pip, which would be sent to workers with each job; the appliance's installs into it all the same.

    :param known_as: the path by which the programs in it will know it.
    :raises RefusedError: when it cannot be made, or does not see Toil.
    """
    _run(sys.executable, "-m", "venv", "--system-site-packages", "--without-pip", str(directory))
    # A virtualenv made by another one's Python sees the packages of the system's Python alone.
    seen = set(_path_of(directory / "bin/python"))
    hidden = [path for path in _path_of(Path(sys.executable)) if path not in seen and Path(path).is_dir()]
    (site_packages(directory) / "toilctl-appliance.pth").write_text("".join(f"{path}\n" for path in hidden))
    version = _toil_seen_by(directory / "bin/python")
    if version != InstalledToil.here().toil:
        raise RefusedError(
            "conflict", f"A virtualenv on this leader sees Toil {version} instead of the appliance's.",
            "Launch the cluster with another appliance.",
        )  # fmt: skip
    _add_programs(directory, known_as)


def finish(directory: Path, known_as: Path, *, on_workers: bool) -> None:
    """Let the programs in a virtualenv know it by its lasting path, and Toil call those of workers by theirs."""
    for program in _programs(directory):
        content = program.read_bytes()
        program.write_bytes(content.replace(os.fsencode(directory), os.fsencode(known_as)))
    if on_workers:
        (site_packages(directory) / "toilctl-workers.pth").write_text(CHECK_ENV)


def site_packages(directory: Path) -> Path:
    """Return where a virtualenv's own packages are."""
    return directory / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


def distributions(directory: Path) -> list[metadata.Distribution]:
    """Return what is installed in a virtualenv itself."""
    return list(metadata.distributions(path=[str(site_packages(directory))]))


def is_native(directory: Path) -> bool:
    """Tell whether something in a virtualenv is compiled."""
    compiled = any(_SHARED_OBJECT.search(name) for _, _, names in os.walk(site_packages(directory)) for name in names)
    return compiled or any(_is_elf(path) for path in (directory / "bin").iterdir() if not path.is_symlink())


def _add_programs(directory: Path, known_as: Path) -> None:
    """Give a virtualenv Toil's programs, and pip: the appliance's own would not see what is installed in it."""
    toil = [one for one in metadata.distribution("toil").entry_points if one.group == "console_scripts"]
    wanted = [(one.name, *one.value.split("[")[0].strip().split(":")) for one in toil]
    for program, module, attribute in [*wanted, ("pip", "pip._internal.cli.main", "main")]:
        name = attribute.partition(".")[0]
        path = directory / "bin" / program
        path.write_text(_PROGRAM.format(python=known_as / "bin/python", module=module, name=name, attribute=attribute))
        path.chmod(0o755)


def _programs(directory: Path) -> Iterator[Path]:
    for path in (directory / "bin").iterdir():
        if path.is_file() and not path.is_symlink() and not _is_elf(path):
            yield path


def _is_elf(path: Path) -> bool:
    with path.open("rb") as opened:
        return opened.read(len(_ELF)) == _ELF


def _path_of(python: Path) -> list[str]:
    found: list[str] = json.loads(_run(str(python), "-I", "-c", "import json, sys; print(json.dumps(sys.path))"))
    return found


def _toil_seen_by(python: Path) -> str:
    return _run(str(python), "-I", "-c", "from importlib.metadata import version; print(version('toil'))").strip()


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment())
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise RefusedError("conflict", f"A virtualenv cannot be made on the leader: {said[0]}",
                           "Launch the cluster with another appliance.")  # fmt: skip
    return done.stdout


def environment() -> dict[str, Any]:
    """Return this process's environment without what would lead Python and pip astray."""
    astray = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "__PYVENV_LAUNCHER__")
    return {name: value for name, value in os.environ.items() if name not in astray}
