"""Programs read one JSON document from stdout, whatever happens, and the exit code says which class of thing did."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from toilctl.local.process.testing import TestCloud
from toilctl.values import errors


def toilctl(*words: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("toilctl")
    return subprocess.run([str(program), *words], capture_output=True, text=True, check=False, timeout=120)


def test_result_is_one_document(aws_env: TestCloud) -> None:
    run = toilctl("list-clusters", "-z", "us-west-2a", "--output", "json")
    document = json.loads(run.stdout)
    assert run.returncode == 0, run.stderr
    assert set(document) == {"toilctl", "schema", "kind", "data"}
    assert (document["toilctl"], document["schema"], document["kind"]) == (version("toilctl"), 1, "list-clusters")
    assert document["data"]["clusters"] == []


def test_error_is_one_document_with_a_next_step(aws_env: TestCloud) -> None:
    run = toilctl("describe-cluster", "-z", "us-west-2a", "--output", "json", "nope")
    document = json.loads(run.stdout)
    assert run.returncode == errors.NotFoundError.exit_code
    assert set(document) == {"toilctl", "schema", "kind", "error"}
    assert document["kind"] == "error"
    assert set(document["error"]) == {"code", "message", "next_step", "facts"}
    assert document["error"]["code"] == errors.NotFoundError.code
    assert document["error"]["next_step"]


def test_usage_error_is_a_document_too() -> None:
    run = toilctl("launch-cluster", "--output", "json", "--workers", "many", "c")
    assert run.returncode == 2
    assert json.loads(run.stdout)["error"]["code"] == "usage"


def test_error_for_people_goes_to_stderr_and_has_no_traceback() -> None:
    run = toilctl("launch-cluster", "-z", "nowhere", "c")
    assert run.returncode == 2
    assert run.stdout == ""
    assert "--zone" in run.stderr
    assert "Traceback" not in run.stderr


def test_another_provisioner_is_not_there_yet() -> None:
    run = toilctl("list-clusters", "--provisioner", "gce", "--output", "json")
    assert run.returncode == errors.NotYetError.exit_code
    assert json.loads(run.stdout)["error"]["code"] == "not-yet"


def classes() -> list[type[errors.ToilctlError]]:
    return [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.ToilctlError)]


def test_exit_codes_and_names_are_each_ones_own() -> None:
    assert len({one.exit_code for one in classes()}) == len(classes())
    assert len({one.code for one in classes()}) == len(classes())


@pytest.mark.parametrize("error", classes(), ids=lambda one: one.code)
def test_exit_code_is_in_the_manual(error: type[errors.ToilctlError]) -> None:
    page = (Path(__file__).parents[2] / "docs/reference/exit-codes.md").read_text()
    assert f"| {error.exit_code} | `{error.code}` |" in page
