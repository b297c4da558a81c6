"""How long the program takes to say something, beside a Typer program that does nothing."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import Section

TRIVIAL = """
import typer
app = typer.Typer()
@app.command()
def one(name: str = "x"): ...
@app.command()
def two(name: str = "x"): ...
app()
"""
ROUNDS = 15
COMPLETION = {"_TOILCTL_COMPLETE": "complete_bash", "COMP_WORDS": "toilctl launch-cluster --lea", "COMP_CWORD": "2"}


def measure() -> Section:
    toilctl = str(Path(sys.executable).with_name("toilctl"))
    with tempfile.TemporaryDirectory() as directory:
        script = Path(directory, "trivial.py")
        script.write_text(TRIVIAL)
        cases = {
            "a trivial Typer program --help": ([sys.executable, str(script), "--help"], {}),
            "toilctl --version": ([toilctl, "--version"], {}),
            "toilctl --help": ([toilctl, "--help"], {}),
            "toilctl launch-cluster --help": ([toilctl, "launch-cluster", "--help"], {}),
            "completion of an option": ([toilctl], COMPLETION),
        }
        times = {name: _seconds(argv, env) for name, (argv, env) in cases.items()}
    base = next(iter(times.values()))
    rows = [{"what": name, "seconds": seconds, "times trivial": seconds / base} for name, seconds in times.items()]
    return Section(f"Start-up: median of {ROUNDS}", rows)


def _seconds(argv: list[str], env: dict[str, str]) -> float:
    def once() -> float:
        began = time.perf_counter()
        subprocess.run(argv, env=os.environ | env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        return time.perf_counter() - began

    once()
    return statistics.median(once() for _ in range(ROUNDS))
