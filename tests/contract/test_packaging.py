"""What is installed is what was tested, and the parts know only what they may."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCKED = dict(
    line.split("==")
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
)


def test_lock_names_every_requirement() -> None:
    lock = runpy.run_path(str(ROOT / ".ci/lock.py"))
    needed = lock["closure"]("toilctl", frozenset({"", "local", "dev"}))
    assert set(needed) - set(LOCKED) == set()


def test_lock_has_versions_only() -> None:
    assert [name for name, version in LOCKED.items() if not re.fullmatch(r"[\w.!+-]+", version)] == []


def test_imports_keep_to_the_layers() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
