"""What a shell sees at every Tab and every --help is quick: nothing heavy is imported for it, nor compiled twice."""

import json
import os
import subprocess
import sys

import pytest

from tests.checkout import ROOT

HEAVY = {
    "boto3", "botocore", "ansible", "ansible_runner", "pydantic", "docker", "moto", "werkzeug", "cryptography",
    "prometheus_client",
}  # fmt: skip
SCRIPT = """
import json, sys
sys.argv = ["toilctl", *json.loads(sys.argv[1])]
try:
    from toilctl.cli.app import main
    main()
except SystemExit as end:
    assert not end.code, end.code
finally:
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""
# Typer otherwise looks for a shell among the parents, and a CI server need not be started by one.
SHELL_IS_NAMED = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}


def imported(words: list[str], **environment: str) -> set[str]:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(words)],
        capture_output=True, text=True, check=True, env={**os.environ, **SHELL_IS_NAMED, **environment},
    )  # fmt: skip
    return set(json.loads(run.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    "words",
    [["--help"], ["--version"], ["--show-completion", "bash"], ["launch-cluster", "--help"], ["local", "--help"],
     ["ssh-cluster", "--help"], ["ansible-dir"]],
    ids=" ".join,
)  # fmt: skip
def test_help_and_version_import_nothing_heavy(words: list[str]) -> None:
    assert imported(words) & HEAVY == set()


@pytest.mark.parametrize("typed", ["toilctl lau", "toilctl launch-cluster --lea", "toilctl ssh-cluster "])
def test_completion_imports_nothing_heavy(typed: str) -> None:
    completing = {"_TOILCTL_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    assert imported([], **completing) & HEAVY == set()


def test_the_guard_sees_heavy_imports() -> None:
    run = subprocess.run(
        [sys.executable, "-c", "import sys, botocore; print('botocore' in sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout.strip() == "True"


def test_what_make_runs_keeps_what_it_compiles() -> None:
    run = subprocess.run(
        ["make", "--eval=asked: ; @python3 -c 'import sys; print(sys.dont_write_bytecode)'", "asked"],
        cwd=ROOT, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert run.stdout.strip() == "False"
