"""Install the archive that this program is in: ``python3 ARCHIVE DIRECTORY``. Standard library only.

DIRECTORY becomes a virtualenv that also sees this machine's own packages; other files there stay. Says ``unchanged``
when this very archive is installed already, else ``installed``. Nothing is fetched from anywhere.
"""

from __future__ import annotations

import importlib.util
import io
import json
import shutil
import sys
import venv
import zipfile
from pathlib import Path
from typing import Any

MARKER = "installed.json"
SCRIPT = """\
#!{python}
import sys
from {module} import {function}
sys.exit({function}())
"""


def install(archive: Path, target: Path) -> str:
    """Install what is in ``archive`` unless it is there, and return what to say about it."""
    with zipfile.ZipFile(archive) as bundle:
        about = json.loads(bundle.read("manifest.json"))
        check(about)
        wanted = {"digest": about["digest"], "version": about["version"], "python": sys.version}
        told = f"toilctl {about['version']} ({about['digest'][:16]})"
        if installed(target) == wanted:
            return f"unchanged: {told}"
        # Until all of it is there, nothing is.
        (target / MARKER).unlink(missing_ok=True)
        make_environment(target)
        replace(site_packages(target), bundle)
        write_scripts(target, about["scripts"])
    (target / MARKER).write_text(json.dumps(wanted) + "\n")
    forget_others(archive, target)
    return f"installed: {told}"


def check(about: dict[str, Any]) -> None:
    """Stop with one sentence where this machine cannot run what is in the archive."""
    needed = tuple(about["python"])
    if sys.version_info < needed:
        version, have = ".".join(map(str, needed)), ".".join(map(str, sys.version_info[:2]))
        raise SystemExit(
            f"toilctl on the leader needs Python {version} or later, and this machine image has {have}. "
            "Launch with an image that has a newer one, such as Debian 12 or Ubuntu 24.04 (--ami)."
        )
    missing = [name for name in about["modules"] if importlib.util.find_spec(name) is None]
    if missing:
        packages = " ".join(f"python3-{name}" for name in missing)
        raise SystemExit(f"This machine lacks Python's {' and '.join(missing)}: apt-get install {packages}")


def installed(target: Path) -> object:
    """Return what the last complete installation wrote, if the environment still answers to it."""
    try:
        return json.loads((target / MARKER).read_text()) if (target / "bin/python3").exists() else None
    except (OSError, ValueError):
        return None


def make_environment(target: Path) -> None:
    """Make the virtualenv, or mend it after an upgrade of Python."""
    # Without pip, Debian's split of venv into two packages does not matter.
    venv.EnvBuilder(system_site_packages=True, symlinks=True, with_pip=False).create(target)


def site_packages(target: Path) -> Path:
    """Return the virtualenv's directory of packages for this Python."""
    return target / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"


def replace(site: Path, bundle: zipfile.ZipFile) -> None:
    """Put the archive's packages in the place of those that are there, whole."""
    new, old = site.with_name("site-packages.new"), site.with_name("site-packages.old")
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)
    for name in bundle.namelist():
        if name.startswith("parts/"):
            zipfile.ZipFile(io.BytesIO(bundle.read(name))).extractall(new)
    site.rename(old)
    new.rename(site)
    shutil.rmtree(old)


def write_scripts(target: Path, scripts: dict[str, str]) -> None:
    """Write a program for each command."""
    for name, point in scripts.items():
        module, _, function = point.partition(":")
        script = target / "bin" / name
        script.write_text(SCRIPT.format(python=target / "bin/python3", module=module, function=function))
        script.chmod(0o755)


def forget_others(archive: Path, target: Path) -> None:
    """Remove the archives of earlier installations, where this one was copied to a place inside the directory."""
    if target in archive.parents:
        for other in archive.parent.glob("toilctl-*.pyz"):
            if other != archive:
                other.unlink()


def main() -> None:
    """Install into the directory that the command line names."""
    print(install(Path(sys.argv[0]).resolve(), Path(sys.argv[1]).resolve()))


if __name__ == "__main__":
    main()
