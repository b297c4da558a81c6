import os
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest

from toilctl.bundle import distributions, older
from toilctl.system import collections
from toilctl.values.errors import HostError


class Other(Distribution):
    """An installed distribution with other metadata."""

    def __init__(self, real: Distribution, metadata: str) -> None:
        self._real, self._metadata = real, metadata

    def read_text(self, filename: str) -> str | None:
        return self._metadata if filename == "METADATA" else self._real.read_text(filename)

    def locate_file(self, path: object) -> Path:
        return Path(str(self._real.locate_file(str(path))))


def with_newer_ansible(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a machine with Python 3.12 has it: an ansible-core that the leader's Python cannot run."""
    newer = "Metadata-Version: 2.1\nName: ansible-core\nVersion: 2.99.0\nRequires-Python: >=3.12\n"

    def find(name: str) -> Distribution:
        return Other(distribution(name), newer) if name == "ansible-core" else distribution(name)

    monkeypatch.setattr(distributions, "distribution", find)


def index_with(directory: Path, name: str, version: str) -> Path:
    directory.mkdir()
    stem = f"{name.replace('-', '_')}-{version}"
    with zipfile.ZipFile(directory / f"{stem}-py3-none-any.whl", "w") as out:
        out.writestr("ansible/__init__.py", "")
        out.writestr(f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        out.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        names = ["ansible/__init__.py", f"{stem}.dist-info/METADATA", f"{stem}.dist-info/WHEEL"]
        out.writestr(f"{stem}.dist-info/RECORD", "".join(f"{one},,\n" for one in [*names, f"{stem}.dist-info/RECORD"]))
    return directory


def test_requirements_are_followed_to_the_end() -> None:
    names = {found.name.lower() for found in distributions.needed()}
    assert {
        "toilctl",
        "ansible-core",
        "ansible-runner",
        "botocore",
        "filelock",
        "python-dateutil",
        "six",
        "ptyprocess",
    } <= names
    assert {"cattrs", "attrs", "typing_extensions"} <= names


def test_newer_ansible_than_the_leaders_python_runs_is_replaced_by_an_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_newer_ansible(monkeypatch)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index_with(tmp_path / "index", "ansible-core", "2.19.1")))
    assert {"2.19.1"} == {found.version for found in distributions.needed() if found.name == "ansible-core"}
    # Without a range of ours, pip would take the newest of all.
    more = index_with(tmp_path / "more", "ansible-core", "2.98.0")
    monkeypatch.setenv("PIP_FIND_LINKS", f"{os.environ['PIP_FIND_LINKS']} {more}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    assert {"2.19.1"} == {found.version for found in distributions.needed() if found.name == "ansible-core"}
    monkeypatch.setattr(older, "_download", None)
    assert {"2.19.1"} == {found.version for found in distributions.needed() if found.name == "ansible-core"}


def test_newer_ansible_and_no_package_index_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with_newer_ansible(monkeypatch)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(HostError, match=r"leader's Python 3\.11 needs another ansible-core") as caught:
        distributions.needed()
    assert "pipx install --python python3.11 toilctl" in caught.value.next_step


def test_compiled_requirement_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributions, "FROM_DEBIAN", {})
    with pytest.raises(
        HostError,
        match=r"(?i)(pyyaml|markupsafe) \S+, which (ansible-\w+|jinja2) needs, cannot be copied .* compiled parts",
    ):
        distributions.needed()


def test_missing_collection_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collections, "PLUGINS", ("nobody.nothing.module",))
    with pytest.raises(HostError, match=r"nobody\.nothing\.module is not installed here") as caught:
        collections.files()
    assert "ansible-galaxy collection install nobody.nothing" in caught.value.next_step


def test_error_of_the_command_is_one_sentence(tmp_path: Path) -> None:
    broken = "from toilctl.bundle import __main__, collections; collections.PLUGINS = ('a.b.c',); import sys; "
    run = subprocess.run(
        [sys.executable, "-c", broken + "sys.exit(__main__.main())"], capture_output=True, text=True, check=False
    )
    assert run.returncode == HostError.exit_code
    assert run.stdout == ""
    assert len(run.stderr.splitlines()) == 1
