#!/usr/bin/env python3
"""Write the locks: the newest of all that pyproject.toml allows, and what the appliance takes, with PyPI's hashes.

``.ci/setup lock`` calls it in a virtualenv with uv, which resolves for any Python without having it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {"constraints-3.11.txt": "3.11", "constraints-3.13.txt": "3.12"}
"""Each with the oldest Python that it is for. Python 3.11 has the last Ansible that runs there."""
EXTRAS = ("local", "dev")
"""In the order of the locks' parts: an extra needs its own part and those before it."""
EDITABLES = "editables~=0.3"
"""What hatchling needs to install a checkout (its builders/constants.py); only an isolated build gets it unasked."""
APPLIANCE = ROOT / "toilctl/local/images/data/appliance"
APPLIANCE_PYTHON = "3.11"
"""Debian 12's."""
OPTIONS = (
    # Wherever this machine's pip looks, a hash must be that of PyPI's own file.
    "--default-index", "https://pypi.org/simple", "--system-certs",
    "--python-platform", "x86_64-manylinux_2_36",
    "--generate-hashes", "--no-annotate", "--no-header", "--quiet",
)  # fmt: skip
WHEELS = (
    # What is built on the spot has no hash, and runs the sender's code.
    "--only-binary", ":all:",
    # pip is what reads the lock.
    "--no-emit-package", "pip",
)  # fmt: skip
HEADER = """\
# The versions that toilctl is tested with, each with the hashes of its files. `make lock` writes this file;
# pyproject.toml says what is allowed. `.ci/setup venv DIR EXTRA` installs them.
"""
PART = "# toilctl[{extra}]\n"


def parts(python: str) -> list[str]:
    """Resolve for one Python; return the lines that each extra needs besides those before it."""
    done: set[str] = set()
    found: list[str] = []
    for extra in EXTRAS:
        blocks = [block for block in resolve(python, extra, found) if block not in done]
        done.update(blocks)
        found.append("".join(blocks))
    return found


def resolve(python: str, extra: str, same: list[str]) -> list[str]:
    """Return a block of lines for each distribution that an extra and the build need, at the versions of ``same``."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    with tempfile.TemporaryDirectory() as scratch:
        needed, fixed = Path(scratch, "build.txt"), Path(scratch, "same.txt")
        needed.write_text("\n".join([*build, EDITABLES]))
        fixed.write_text("".join(same))
        inputs = ["pyproject.toml", str(needed), "--extra", extra, "--constraint", str(fixed)]
        return compiled(python, *WHEELS, *inputs)


def of_appliance() -> dict[str, list[str]]:
    """Return what the appliance takes with the default Toil, by the name of the file that has it.

    http-parser has a file of its own, since the wheel that is made of it has no hash of PyPI's.
    """
    images = (ROOT / "toilctl/local/images/images.py").read_text()
    toil = re.search(r'^TOIL_VERSION: Final = "(.+)"', images, re.MULTILINE)
    assert toil
    with tempfile.TemporaryDirectory() as scratch:
        wanted = Path(scratch, "toil.txt")
        wanted.write_text(f"toil[aws]=={toil[1]}\n")
        blocks = compiled(APPLIANCE_PYTHON, str(wanted), str(APPLIANCE / "requirements.txt"))
    own = [block for block in blocks if block.startswith("http-parser==")]
    return {"http_parser.txt": own, "locked.txt": [block for block in blocks if block not in own]}


def compiled(python: str, *words: str) -> list[str]:
    """Let uv resolve, and return a block of lines for each distribution."""
    uv = [str(Path(sys.executable).with_name("uv")), "pip", "compile", "--python-version", python]
    run = subprocess.run([*uv, *OPTIONS, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return re.findall(r"^\S.*\n(?:[ ].*\n)*", run.stdout, re.MULTILINE)


def main() -> None:
    """Write the locks beside pyproject.toml, and those of the appliance beside its Dockerfile."""
    for name, python in LOCKS.items():
        text = HEADER + "".join(
            PART.format(extra=extra) + part for extra, part in zip(EXTRAS, parts(python), strict=True)
        )
        (ROOT / name).write_text(text)
        print(f"{text.count('==')} versions in {name}")
    for name, blocks in of_appliance().items():
        (APPLIANCE / name).write_text("# `make lock` writes this file.\n" + "".join(blocks))
        print(f"{len(blocks)} versions in {name}")


if __name__ == "__main__":
    main()
