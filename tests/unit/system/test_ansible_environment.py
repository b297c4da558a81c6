import os
from pathlib import Path

import pytest

from toilctl.system import ansible_environment

OF_ANSIBLE = """
    RUN_TAGS SKIP_TAGS VAULT_PASSWORD_FILE ROLES_PATH STRATEGY INVENTORY INVENTORY_ENABLED PYTHON_INTERPRETER BECOME
    BECOME_USER BECOME_ASK_PASS TASK_TIMEOUT SSH_ARGS SSH_COMMON_ARGS REMOTE_USER CALLBACKS_ENABLED STDOUT_CALLBACK
    NO_TARGET_SYSLOG DEBUG OF_THE_FUTURE
"""
FOREIGN = """
    _ANSIBLE_COVERAGE_REMOTE_OUTPUT AWX_LIB_DIRECTORY AWX_ISOLATED_DATA_DIR RUNNER_OMIT_EVENTS AD_HOC_COMMAND_ID JOB_ID
    PROJECT_UPDATE_ID MAX_EVENT_RES ORIGINAL_STDOUT_CALLBACK LANGUAGE AWS_URL AWS_ACCESS_KEY AWS_SECRET_KEY
"""
OWN = """
    PATH HOME USER TMPDIR PYTHONPATH NO_COLOR SSH_AUTH_SOCK HTTPS_PROXY LANG AWS_PROFILE AWS_ACCESS_KEY_ID
    AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_ENDPOINT_URL AWS_CA_BUNDLE TOILCTL_CONNECT_ADDRESS XDG_STATE_HOME
"""


@pytest.mark.parametrize("name", [*(f"ANSIBLE_{name}" for name in OF_ANSIBLE.split()), *FOREIGN.split()])
def test_what_would_configure_ansible_goes(name: str) -> None:
    assert ansible_environment.changes({}, {name: "x"})[name] is None


@pytest.mark.parametrize("name", OWN.split())
def test_what_is_for_more_than_ansible_stays(name: str) -> None:
    assert name not in ansible_environment.changes({}, {name: "x"})


@pytest.mark.parametrize("name", ["ANSIBLE_HOST_KEY_CHECKING", "ANSIBLE_COLLECTIONS_PATH", "LC_ALL", "ANSIBLE_CONFIG"])
def test_what_toilctl_sets_counts(name: str) -> None:
    own = {"ANSIBLE_CONFIG": "ours"}
    assert ansible_environment.changes(own, {name: "x"})[name] == ansible_environment.changes(own, {})[name] != "x"


@pytest.mark.parametrize(("inherited", "set_"), [({}, False), ({"TOILCTL_SELF": "i-1"}, True)])
def test_modules_on_a_leader_do_not_write_into_its_journal(inherited: dict[str, str], set_: bool) -> None:
    assert ("ANSIBLE_NO_TARGET_SYSLOG" in ansible_environment.changes({}, inherited)) is set_


def test_collections_beside_toilctl_come_before_those_of_the_home_directory(tmp_path, monkeypatch) -> None:
    for place in ("site/ansible_collections", "home/.ansible/collections/ansible_collections", "python"):
        (tmp_path / place).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("sys.path", [str(tmp_path / "python"), str(tmp_path / "site")])
    path = str(ansible_environment.changes({}, {})["ANSIBLE_COLLECTIONS_PATH"])
    assert path.split(os.pathsep)[:2] == [str(tmp_path / "site"), str(tmp_path / "home/.ansible/collections")]


def test_sockets_of_ssh_have_a_short_path_wherever_temporary_files_go(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with ansible_environment.directories() as given:
        place = given["ANSIBLE_SSH_CONTROL_PATH_DIR"]
        # group_vars' ansible_control_path has ten characters, and ssh adds a dot and 16 of its own.
        assert len(place) + 1 + 10 + 1 + 16 <= 103
        assert Path(given["ANSIBLE_HOME"]).stat().st_mode & 0o777 == 0o700
    assert not Path(given["ANSIBLE_HOME"]).exists()
