"""What pip's own words become. The words are those of pip 23, shortened."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
LOG = "/var/lib/toilctl/workflows/deployed/flow/install.log"

NO_INDEX = """\
WARNING: Retrying after connection broken by 'NewConnectionError('Failed to establish a new connection')': /tabulate/
ERROR: Could not find a version that satisfies the requirement tabulate>=0.9 (from tallies) (from versions: none)
ERROR: No matching distribution found for tabulate>=0.9
"""
NO_EXTRA = """\
WARNING: Retrying after connection broken by 'NewConnectionError('Failed to establish a new connection')': /cwltool/
ERROR: Could not find a version that satisfies the requirement cwltool==3.1; extra == "cwl" (from toil[cwl]) \
(from versions: none)
ERROR: No matching distribution found for cwltool==3.1; extra == "cwl"
"""
NO_CERTIFICATE = NO_INDEX.replace(
    "NewConnectionError", "SSLError(SSLCertVerificationError(1, 'CERTIFICATE_VERIFY_FAILED"
)
NO_VERSION = """\
ERROR: Could not find a version that satisfies the requirement tabulate==9 (from versions: 0.1, 0.2, 0.8.10, 0.9.0)
ERROR: No matching distribution found for tabulate==9
"""
IN_A_FILE = """\
ERROR: Could not find a version that satisfies the requirement nope (from -r /x/r.txt (line 3)) (from versions: none)
ERROR: No matching distribution found for nope
"""
BUILD_REQUIREMENT = """\
Processing /x/deployed/flow/building/project
  Installing build dependencies: finished with status 'error'
  \u00d7 pip subprocess to install build dependencies did not run successfully.
  │ exit code: 1
  ╰─> [2 lines of output]
      ERROR: Could not find a version that satisfies the requirement setuptools>=61 (from versions: none)
      ERROR: No matching distribution found for setuptools>=61
      [end of output]
"""
TOIL_MISSING = """\
ERROR: Could not find a version that satisfies the requirement toil[aws]==8.0.0 (from tallies) (from versions: none)
ERROR: No matching distribution found for toil[aws]==8.0.0
"""
TOIL_EXCLUDED = """\
ERROR: Cannot install tallies==1.0 and toil==9.6.0 because these package versions have conflicting dependencies.

The conflict is caused by:
    The user requested toil==9.6.0
    tallies 1.0 depends on toil<9

To fix this you could try to:
"""
OTHERS_EXCLUDED = """\
The conflict is caused by:
    The user requested toil==9.6.0
    toil 9.6.0 depends on urllib3<3 and >=1.26.0
    toil-vg 1.0 depends on toil-lib
    tallies 1.0 depends on urllib3<1.1

"""
OTHER_PYTHON = "ERROR: Package 'newer' requires a different Python: 3.11.7 not in '>=3.14'\n"
HASHES = """\
ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated the package versions, ...
    plain==1.0 from file:///wheels/plain-1.0-py3-none-any.whl (from -r h.txt (line 1)):
        Expected sha256 00
"""
NO_GIT = """\
Collecting git+https://example.org/x
  Cloning https://example.org/x to /tmp/pip-req-build-x
  ERROR: Error [Errno 2] No such file or directory: 'git' while executing command git version
ERROR: Cannot find command 'git' - do you have 'git' installed and in your PATH?
"""
SETUP_RUNS_GIT = """\
Processing /x/deployed/flow/building/project
  error: subprocess-exited-with-error
  \u00d7 Getting requirements to build wheel did not run successfully.
      File "/usr/lib/python3.11/subprocess.py", line 1950, in _execute_child
        raise child_exception_type(errno_num, err_msg, err_filename)
      FileNotFoundError: [Errno 2] No such file or directory: 'git'
      [end of output]
"""
FILE_MISSING = """\
Processing /x/deployed/flow/building/project
  \u00d7 Getting requirements to build wheel did not run successfully.
      FileNotFoundError: [Errno 2] No such file or directory: 'VERSION'
      [end of output]
error: subprocess-exited-with-error
"""
NO_COMPILER = """\
Collecting pysam
  error: subprocess-exited-with-error
  \u00d7 Building wheel for pysam (pyproject.toml) did not run successfully.
  │ exit code: 1
  ╰─> [8 lines of output]
      building 'pysam.libchtslib' extension
      error: command 'gcc' failed: No such file or directory
      [end of output]
  ERROR: Failed building wheel for pysam
ERROR: Could not build wheels for pysam, which is required to install pyproject.toml-based projects
"""
COMPILER_FAILS = NO_COMPILER.replace(": No such file or directory", " with exit code 1")
NO_SPACE = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n"
WRONG_PLATFORM = "ERROR: other-1.0-cp39-cp39-linux_x86_64.whl is not a supported wheel on this platform.\n"


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TOILCTL_CLUSTER_FILE", str(tmp_path / "none"))


def refused(said: str, *, with_wheelhouse: bool = False) -> Any:
    module = importlib.import_module("toilctl_leader.deployments.pip_messages")
    return module.refused(said, module.Circumstances(Path(LOG), "9.6.0", with_wheelhouse))


@pytest.mark.parametrize("said", [NO_INDEX, NO_CERTIFICATE])
def test_leader_without_an_index_is_told_of_the_wheelhouse(said: str) -> None:
    error = refused(said)
    assert error.code == "not-found"
    assert error.message == ("tabulate>=0.9 (needed by tallies) cannot be had: the leader reaches no package index.")
    assert f"--python-version {PYTHON} 'tabulate>=0.9'" in error.next_step
    assert "--wheelhouse DIR" in error.next_step


def test_what_an_extra_needs_is_proposed_without_the_extra_and_all_of_toils_at_once() -> None:
    error = refused(NO_EXTRA)
    assert error.message == "cwltool==3.1 (needed by toil[cwl]) cannot be had: the leader reaches no package index."
    assert f"--python-version {PYTHON} 'toil[cwl]==9.6.0'," in error.next_step
    other = refused(NO_EXTRA.replace("toil[cwl]", "tallies[cwl]"), with_wheelhouse=True)
    assert f"--python-version {PYTHON} 'cwltool==3.1' " in other.next_step
    assert "extra ==" not in str(error) + error.next_step + str(other) + other.next_step + other.facts["package"]


def test_versions_that_there_are_are_listed() -> None:
    error = refused(NO_VERSION)
    assert (error.code, error.facts["package"]) == ("not-found", "tabulate==9")
    assert "There are: 0.1, 0.2, 0.8.10, 0.9.0." in error.next_step


def test_line_of_a_file_is_no_package_that_needs_another() -> None:
    assert refused(IN_A_FILE).message == f"The package index has no nope for Python {PYTHON}."


def test_what_a_build_needs_is_looked_for_in_the_wheelhouse_too() -> None:
    error = refused(BUILD_REQUIREMENT, with_wheelhouse=True)
    assert (error.code, error.message) == (
        "not-found",
        f"setuptools>=61 is not in the wheelhouse, for Python {PYTHON}.",
    )
    assert "pip download --dest DIR" in error.next_step


@pytest.mark.parametrize(
    ("said", "needed", "by"), [(TOIL_MISSING, "8.0.0", "tallies"), (TOIL_EXCLUDED, "<9", "tallies 1.0")]
)
def test_other_toil_is_told_from_everything_else(said: str, needed: str, by: str) -> None:
    error = refused(said)
    assert (error.code, error.facts["toil_needed"], error.facts["needed_by"]) == ("conflict", needed, by)


def test_conflict_with_what_toil_needs_is_no_wish_for_another_toil() -> None:
    error = refused(OTHERS_EXCLUDED)
    assert (error.code, "toil_needed" in error.facts) == ("conflict", False)
    assert "tallies 1.0 depends on urllib3<1.1" in error.message


def test_other_python_is_named() -> None:
    error = refused(OTHER_PYTHON)
    assert (error.code, error.facts["python_needed"]) == ("conflict", ">=3.14")
    assert error.message.startswith("newer needs Python >=3.14, and the appliance has 3.")


def test_hash_that_does_not_fit_is_named() -> None:
    assert "plain==1.0" in refused(HASHES).message


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (NO_GIT, "git+https://example.org/x could not be built on the leader: the appliance has no git."),
        (SETUP_RUNS_GIT, "The project could not be built on the leader: the appliance has no git."),
        (NO_COMPILER, "pysam could not be built on the leader: the appliance has no gcc."),
        (COMPILER_FAILS, "pysam could not be built on the leader: command 'gcc' failed with exit code 1."),
        (FILE_MISSING, "The project could not be built on the leader: FileNotFoundError: [Errno 2] No such file or "
                       "directory: 'VERSION'."),
        (NO_SPACE, "The leader's disk is full."),
        (WRONG_PLATFORM, "pip could not install it: other-1.0-cp39-cp39-linux_x86_64.whl is not a supported wheel on "
                         "this platform."),
        ("", "pip could not install it: it did not say why"),
    ],
)  # fmt: skip
def test_other_failures_tell_their_decisive_line(said: str, message: str) -> None:
    error = refused(said)
    assert (error.code, error.message, error.facts["log"]) == ("conflict", message, LOG)


@pytest.mark.parametrize("said", [NO_INDEX, OTHERS_EXCLUDED, NO_GIT, HASHES, WRONG_PLATFORM])
def test_log_is_named(said: str) -> None:
    assert refused(said).next_step.endswith(f"All that pip said: toilctl ssh-cluster NAME cat {LOG}")
