"""What is packed here is what is unpacked on a leader, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from tests.checkout import ROOT

ROLE = ROOT / "roles/appliance"


@pytest.fixture(scope="module")
def packed() -> Callable[[str, list[str]], str]:
    spec = spec_from_file_location("packed", ROLE / "filter_plugins/packed.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[[str, list[str]], str] = module.packed
    return found


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A program of one module and one package, with what Python leaves beside them."""
    root = tmp_path / "source"
    for name, text in {"one.py": "1", "two/__init__.py": "", "two/deep/three.py": "3", "two/notes.txt": "no"}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def unpack(text: str, target: Path) -> str:
    argv = [sys.executable, "-c", (ROLE / "files/unpack.py").read_text(), str(target)]
    return subprocess.run(argv, input=text, capture_output=True, text=True, check=True).stdout.strip()


def files(target: Path) -> dict[str, str]:
    return {str(file.relative_to(target)): file.read_text() for file in target.rglob("*") if file.is_file()}


def test_files_arrive_and_arrive_once(packed: Callable[..., str], source: Path, tmp_path: Path) -> None:
    text, target = packed(str(source), ["one.py", "two"]), tmp_path / "target"
    assert unpack(text, target) == "changed"
    assert files(target) == {"one.py": "1", "two/__init__.py": "", "two/deep/three.py": "3"}
    assert oct((target / "one.py").stat().st_mode & 0o777) == "0o644"
    assert unpack(text, target) == ""


def test_same_files_are_the_same_text(packed: Callable[..., str], source: Path) -> None:
    before = packed(str(source), ["one.py", "two"])
    os.utime(source / "one.py", (1, 1))
    assert packed(str(source), ["one.py", "two"]) == before


def test_modules_that_are_gone_go_and_others_stay(packed: Callable[..., str], source: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    unpack(packed(str(source), ["one.py", "two"]), target)
    (target / "mine.py").write_text("mine")
    (target / "two/__pycache__").mkdir()
    (source / "two/deep/three.py").unlink()
    assert unpack(packed(str(source), ["one.py", "two"]), target) == "changed"
    assert files(target) == {"one.py": "1", "two/__init__.py": "", "mine.py": "mine"}
    assert not (target / "two/__pycache__").exists()
