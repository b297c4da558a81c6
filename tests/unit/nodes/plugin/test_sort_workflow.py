"""The demonstration's workflow, run by Toil on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.checkout import ROOT

SORT = ROOT / "demo/sort.py"


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Toil finds its worker by PATH, and its configuration below HOME.
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(directory),
    }
    command = [sys.executable, str(SORT), f"file:{directory}/store", "--workDir", str(directory), *arguments]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)


def test_file_comes_back_sorted(tmp_path: Path) -> None:
    lines = [f"{(number * 7919) % 1000:03d}" for number in range(1000)]
    (tmp_path / "in.txt").write_text("\n".join(lines))
    done = run(tmp_path, "--input", "in.txt", "--output", "out.txt", "--pieces", "3", "--job-seconds", "0")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.txt").read_text().split("\n")[:-1] == sorted(lines)
    assert f"Sorted file: {tmp_path / 'out.txt'}" in done.stdout


def test_without_input_a_file_is_made(tmp_path: Path) -> None:
    done = run(tmp_path, "--lines", "50", "--pieces", "1", "--job-seconds", "0")
    assert done.returncode == 0, done.stderr
    assert sorted((tmp_path / "unsorted.txt").read_text().split()) == (tmp_path / "sorted.txt").read_text().split()
