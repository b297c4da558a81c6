"""What becomes of a command whose standard streams are closed, full, or read by nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from toilctl.cli.base import streams

RIGHT = ["ansible-dir"]
WRONG = ["describe-cluster", "a_b"]
JSON = [*WRONG, "--output", "json"]


@pytest.fixture(autouse=True, params=["", "1"], ids=["buffered", "unbuffered"])
def _buffering(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Python write at once, and at the end only."""
    monkeypatch.setenv("PYTHONUNBUFFERED", request.param)


def toilctl(words: list[str], how: str) -> subprocess.CompletedProcess[str]:
    """Run a command line, with what a shell makes of its streams."""
    script = f'exec "$@" {how}'
    argv = ["sh", "-c", script, "sh", sys.executable, "-m", "toilctl", *words]
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", [RIGHT, ["--version"], ["--help"], ["run", "--help"], JSON], ids=" ".join)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
def test_full_stdout_is_one_sentence(words):
    result = toilctl(words, ">/dev/full")
    said = "Error: The output cannot be written: No space left on device.\nMake room there, or write it elsewhere.\n"
    assert result.returncode == (2 if words == JSON else 9)
    assert result.stderr.endswith(said)
    assert result.stderr.count("Error:") == (2 if words == JSON else 1)


@pytest.mark.parametrize(
    ("words", "how", "code"),
    [
        (RIGHT, ">&-", 0), (RIGHT, "<&- >&- 2>&-", 0), (RIGHT, "2>/dev/full", 0), (WRONG, ">&-", 2), (WRONG, "2>&-", 2),
        (WRONG, "2>/dev/full", 2), (WRONG, "<&- >&- 2>&-", 2), (JSON, ">&-", 2), (JSON, "<&-", 2),
    ],
)  # fmt: skip
def test_closed_stream_is_as_none_and_the_exit_code_is_the_commands(words, how, code):
    result = toilctl(words, how)
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    assert "Exception" not in result.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"), [(RIGHT, 141, 0), (["--help"], 141, 0), (JSON, 2, 2)], ids=["text", "help", "json"]
)
def test_reader_that_is_gone_is_141_and_no_word_but_of_errors(words, code, said):
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w") as pipe:
        argv = [sys.executable, "-m", "toilctl", *words]
        done = subprocess.run(argv, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (code, said), done.stderr


def test_reader_of_errors_that_is_gone_changes_no_exit_code():
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w") as pipe:
        done = subprocess.run([sys.executable, "-m", "toilctl", *WRONG], stderr=pipe, check=False)
    assert done.returncode == 2


def test_streams_that_are_there_stay_and_others_can_be_asked_whether_they_are_terminals(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    before = sys.stdout
    streams.open_closed()
    opened: Any = sys.stdin
    assert (opened.isatty(), opened.read()) == (False, "")
    assert sys.stdout is before
    opened.close()


def test_question_that_nobody_answers_is_one_sentence(monkeypatch):
    from typer.testing import CliRunner

    from toilctl.cli.app import app

    def ask(*_: object) -> None:
        raise EOFError

    monkeypatch.setattr("toilctl.system.paths.ansible_dir", ask)
    result = CliRunner().invoke(app, ["ansible-dir"])
    assert result.exit_code == 130
    assert result.stderr.strip().endswith(
        "There was no answer.\nType the same command again, where somebody can answer."
    )
