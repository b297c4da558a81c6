"""What is installed is what was tested, and the parts know only what they may."""

import hashlib
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.checkout import ROOT
from toilctl.system import variables

LOCKS = sorted(ROOT.glob("constraints-*.txt"))
BLOCK = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>[\w.!+-]+) \\\n(?P<hashes>(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)"
)


def blocks(text: str) -> list[str]:
    return re.findall(r"^[^#\s].*\n(?: .*\n)*", text, re.MULTILINE)


def locked(path: Path) -> dict[str, str]:
    found = [BLOCK.fullmatch(block) for block in blocks(path.read_text())]
    return {block["name"]: block["version"] for block in found if block}


def closure(root: str, extras: frozenset[str]) -> set[str]:
    """Return the name of all that ``root[extras]`` needs in this environment."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(canonicalize_name(root), extras)]
    while waiting:
        here = waiting.pop()
        if here in seen:
            continue
        seen.add(here)
        for requirement in map(Requirement, requires(here[0]) or ()):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in here[1] or {""}):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return {name for name, _ in seen} - {canonicalize_name(root)}


def asked_of_setup(*words: str) -> str:
    run = subprocess.run([".ci/setup", *words], cwd=ROOT, capture_output=True, check=True, text=True)
    return run.stdout.strip()


@pytest.mark.parametrize("extra", ["local", "dev"])
def test_lock_names_every_requirement(extra: str) -> None:
    lock = asked_of_setup("lock_of", sys.executable)
    part = asked_of_setup("locked", lock, extra)
    names = {BLOCK.fullmatch(block)["name"] for block in blocks(f"{part}\n")}
    # pip is what reads the lock.
    assert closure("toilctl", frozenset({"", extra})) - names == {"pip"}
    # pip builds the checkout with what is there by then.
    assert {"hatchling", "editables"} <= names


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_lock_has_a_version_and_hashes_of_each(path: Path) -> None:
    assert [block for block in blocks(path.read_text()) if not BLOCK.fullmatch(block)] == []


def test_a_file_that_is_not_the_locked_one_is_not_installed(tmp_path: Path) -> None:
    name, version = "demo", "1.0"
    wheel = tmp_path / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as out:
        out.writestr(
            f"{name}-{version}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        out.writestr(
            f"{name}-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        out.writestr(f"{name}-{version}.dist-info/RECORD", "")
    lock = tmp_path / "lock.txt"

    def install(digest: str) -> subprocess.CompletedProcess[str]:
        lock.write_text(f"{name}=={version} --hash=sha256:{digest}\n")
        argv = [
            ".ci/setup",
            "pip_locked",
            sys.prefix,
            str(lock),
            "--dry-run",
            "--no-index",
            "--find-links",
            str(tmp_path),
        ]
        return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)

    assert install(hashlib.sha256(wheel.read_bytes()).hexdigest()).returncode == 0
    other = install("0" * 64)
    assert (other.returncode, "DO NOT MATCH THE HASHES" in other.stderr) == (1, True)


def test_there_is_a_lock_for_each_end_of_the_range_of_ansible() -> None:
    newest = {path.name: Version(locked(path)["ansible"]).major for path in LOCKS}
    wanted = SpecifierSet(str(Requirement(variables.defaults()["supported_ansible"]).specifier))
    tried = {number for number in range(99) if wanted.contains(str(number))}
    assert newest == {"constraints-3.11.txt": min(tried), "constraints-3.13.txt": max(tried)}


def test_pythons_of_the_setup_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    low, high = re.search(
        r"not \(3, (\d+)\) <= sys.version_info < \(3, (\d+)\)", (ROOT / ".ci/setup").read_text()
    ).groups()
    assert project["requires-python"] == f">=3.{low},<3.{high}"
    named = {one.rpartition(".")[2] for one in project["classifiers"] if "Python :: 3." in one}
    assert named == {str(minor) for minor in range(int(low), int(high))}


def test_imports_keep_to_the_layers() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
