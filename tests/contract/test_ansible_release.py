"""Which Ansible is supported stands in group_vars; pyproject.toml and the playbooks say the same."""

import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from tests.checkout import ROOT
from toilctl.system import ansible_release, variables

# Those that other playbooks import, after their own check.
PARTS = {"leader_key.yml", "site_settings.yml"}
PLAYBOOKS = sorted(path.name for path in (ROOT / "playbooks").glob("*.yml") if path.name not in PARTS)


def core_of(ansible: str) -> Version:
    """Each release of ansible brings the next ansible-core; 12 brought 2.19."""
    return Version(f"2.{int(ansible) + 7}")


def test_pip_gets_the_range_that_is_supported() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (asked,) = [one for one in map(Requirement, project["dependencies"]) if one.name == "ansible"]
    assert asked == Requirement(variables.defaults()["supported_ansible"])
    bounds = {one.operator: core_of(one.version) for one in asked.specifier}
    core = variables.defaults()["supported_core"]
    assert bounds == {">=": Version(core["since"]), "<": Version(core["before"])}


def test_what_is_tested_is_supported() -> None:
    ansible_release.require_supported()


def test_roles_import_nothing_that_ansible_keeps_to_itself_or_takes_away() -> None:
    going = re.compile(r"ansible\.module_utils\.(_|six)|ansible\._internal")
    files = {path: path.read_text() for path in (ROOT / "roles").rglob("*.py")}
    assert any("ansible.module_utils.basic" in text for text in files.values())
    assert [str(path) for path, text in files.items() if going.search(text)] == []


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_playbook_begins_with_the_refusal_of_another_ansible(name: str) -> None:
    first = yaml.safe_load((ROOT / "playbooks" / name).read_text())[0]
    task = (first.get("pre_tasks") or first["tasks"])[0]
    assert task["ansible.builtin.assert"]["that"] == "ansible_is_supported"
