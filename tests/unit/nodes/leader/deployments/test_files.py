"""Files of deployments: what is sent, kept and refused."""

from __future__ import annotations

import importlib
import json
import os
import shutil
from pathlib import Path

import pytest

from tests.unit.nodes.leader.deployments.conftest import TOIL, Leader


def test_script_gets_a_virtualenv_that_sees_the_appliances_toil(leader: Leader, script: Path) -> None:
    answer = leader.deploy("script", script, programs=["python count.py"])
    assert answer["built"] is True
    assert leader.python("import toil, toil.version, sys; print(toil.__file__, sys.prefix)").split() == [
        importlib.import_module("toil").__file__, str(leader.flow / "venv"),
    ]  # fmt: skip
    found = answer["deployment"]
    assert (found["name"], found["kind"], found["toil"], found["packages"]) == ("flow", "script", TOIL, {})
    assert (found["native"], found["on_workers"], found["commands"]) == (False, False, ["python count.py"])
    assert sorted(path.name for path in (leader.flow / "source").iterdir()) == ["count.py", "words.py"]
    assert json.loads((leader.flow / "deployment.json").read_text()) == found


def test_toils_programs_run_in_the_virtualenv(leader: Leader, script: Path) -> None:
    leader.deploy("script", script)
    assert leader.run("toil", "--version") == TOIL
    first = (leader.flow / "venv/bin/_toil_worker").read_text().splitlines()[0]
    assert first == f"#!{leader.flow}/venv/bin/python"
    assert (leader.flow / "venv/bin/toil-cwl-runner").exists()
    assert leader.run("pip", "--version").startswith("pip ")


def test_same_deployment_again_does_nothing_but_to_be_the_last_one(leader: Leader, script: Path) -> None:
    first = leader.deploy("script", script)["deployment"]
    made = (leader.flow / "venv").resolve().stat().st_mtime_ns
    again = leader.deploy("script", script)
    assert leader.sent == []
    assert (again["built"], (leader.flow / "venv").resolve().stat().st_mtime_ns) == (False, made)
    (listed,) = leader.deployments.VERBS["list"]({})["deployments"]
    assert listed["deployed_at"] > first["deployed_at"]
    assert listed["fingerprint"] == first["fingerprint"]


def test_only_what_changed_is_sent_and_what_is_gone_is_removed(leader: Leader, script: Path) -> None:
    leader.deploy("script", script)
    (script / "count.py").write_text("import more\n")
    (script / "words.py").unlink()
    (script / "more").mkdir()
    (script / "more/__init__.py").write_text("")
    answer = leader.deploy("script", script)
    assert leader.sent == ["count.py", "more/__init__.py"]
    assert (answer["removed"], answer["built"]) == (["words.py"], False)
    assert not (leader.flow / "source/words.py").exists()
    shutil.rmtree(script / "more")
    assert leader.deploy("script", script)["removed"] == ["more/__init__.py"]
    assert not (leader.flow / "source/more").exists()


def test_what_runs_left_there_stays(leader: Leader, script: Path) -> None:
    leader.deploy("script", script)
    (leader.flow / "source/result.txt").write_text("6")
    assert leader.deploy("script", script)["built"] is False
    (script / "count.py").write_text("x = 1")
    leader.deploy("script", script)
    assert (leader.flow / "source/result.txt").read_text() == "6"


def test_file_that_was_changed_on_the_leader_is_sent_again(leader: Leader, script: Path) -> None:
    leader.deploy("script", script)
    (leader.flow / "source/count.py").write_text("import sys")
    leader.deploy("script", script)
    assert leader.sent == ["count.py"]
    assert (leader.flow / "source/count.py").read_text() == "import words\n"


def test_file_that_becomes_executable_is_one_that_changed(leader: Leader, script: Path) -> None:
    leader.deploy("script", script)
    (script / "count.py").chmod(0o755)
    leader.deploy("script", script)
    assert leader.sent == ["count.py"]
    assert os.access(leader.flow / "source/count.py", os.X_OK)


def test_file_that_changed_while_it_was_sent_is_refused(leader: Leader, script: Path) -> None:
    request = leader.request("script", script)
    incoming = Path(leader.deployments.VERBS["prepare"](request)["incoming"])
    (incoming / "source/count.py").write_text("half of it")
    with pytest.raises(leader.refused, match=r"count\.py has not arrived as it was, and 1 more"):
        leader.deployments.VERBS["install"](request)


@pytest.mark.parametrize("name", ["../other", "/etc/passwd", "a/../../b"])
def test_files_stay_in_their_directory(name: str, leader: Leader) -> None:
    assert leader.refused is type(leader.refuse("script", files={name: "0"}))


def test_script_of_another_python_is_refused_with_its_line(leader: Leader, script: Path) -> None:
    (script / "words.py").write_text("x = 1\nprint 'two'\n")
    error = leader.refuse("script", script)
    assert (error.code, "words.py, line 2" in error.message) == ("usage", True)
    assert not (leader.flow / "deployment.json").exists()
