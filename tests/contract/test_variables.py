"""The command line, the shared defaults, the roles and their argument specs speak of the same variables."""

import ast

import pytest
import yaml

from tests.checkout import ROOT

SHARED = yaml.safe_load((ROOT / "inventory/group_vars/all.yml").read_text())
OF_HOSTS = yaml.safe_load((ROOT / "inventory/group_vars/aws_ec2.yml").read_text())
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
# What a playbook is asked to do, this time; its head or its plays name them.
TASKS_OF_ONE_RUN = {"launches", "instance_ids", "force"}


def specs(role: str) -> dict:
    return yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text())["argument_specs"]


def options(role: str) -> dict:
    return {name: option for spec in specs(role).values() for name, option in (spec.get("options") or {}).items()}


def defaults(role: str) -> dict:
    path = ROOT / "roles" / role / "defaults/main.yml"
    return (yaml.safe_load(path.read_text()) or {}) if path.is_file() else {}


def emitted_variables() -> set[str]:
    """Names given to variables.extra_vars anywhere, and what the rehearsal cloud adds."""
    names: set[str] = set()
    for path in (ROOT / "toilctl").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and ast.unparse(call.func).split(".")[-1] == "extra_vars":
                names |= {keyword.arg for keyword in call.keywords if keyword.arg}
    return names


def test_every_extra_variable_of_the_command_line_has_a_shared_default() -> None:
    emitted = {name for name in emitted_variables() if not name.startswith("ansible_")}
    assert emitted, "no call of extra_vars found"
    assert emitted - set(SHARED) - TASKS_OF_ONE_RUN == set()


def test_rehearsal_cloud_sets_shared_variables_only() -> None:
    tree = ast.parse((ROOT / "toilctl/local/process/provisioner.py").read_text())
    keys = {
        key.value
        for literal in ast.walk(tree)
        if isinstance(literal, ast.Dict)
        for key in literal.keys
        if isinstance(key, ast.Constant) and isinstance(key.value, str) and key.value.islower()
    }
    assert {"engine_capacity_forced", "docker_insecure_registries"} <= keys
    assert keys <= set(SHARED)


def test_variables_of_one_run_are_used_by_the_playbooks() -> None:
    text = "".join(path.read_text() for path in (ROOT / "playbooks").glob("*.yml"))
    assert [name for name in sorted(TASKS_OF_ONE_RUN) if name not in text] == []


@pytest.mark.parametrize("role", ROLES)
def test_role_options_have_type_and_description_and_no_default(role: str) -> None:
    for entry, spec in specs(role).items():
        assert spec.get("short_description"), entry
        for name, option in (spec.get("options") or {}).items():
            assert option.get("type"), f"{entry}: {name} has no type"
            assert option.get("description"), f"{entry}: {name} has no description"
            assert "default" not in option, f"{entry}: {name} types its default twice"


@pytest.mark.parametrize("role", ROLES)
def test_role_options_are_shared_variables_or_the_roles_own(role: str) -> None:
    known = set(SHARED) | set(OF_HOSTS)
    assert [name for name in options(role) if name not in known and not name.startswith(f"{role}_")] == []


@pytest.mark.parametrize("role", ROLES)
def test_role_defaults_are_the_roles_own_and_specified(role: str) -> None:
    own = {name for name in defaults(role) if not name.startswith("__")}
    assert [name for name in own if not name.startswith(f"{role}_")] == []
    assert own - set(options(role)) == set()


def told_to_includes() -> set[str]:
    """What playbooks and roles say to the roles that they include, of these roles' own variables."""
    files = [*(ROOT / "playbooks").glob("*.yml"), *(ROOT / "roles").glob("*/tasks/*.yml")]
    found: set[str] = set()

    def look(node: object) -> None:
        if isinstance(node, dict):
            if any(key.endswith(("include_role", "import_role")) for key in node):
                found.update(node.get("vars", {}))
            for value in node.values():
                look(value)
        elif isinstance(node, list):
            for one in node:
                look(one)

    for path in files:
        look(yaml.safe_load(path.read_text()))
    return found


def test_site_keeps_nothing_that_a_role_is_told_by_who_includes_it() -> None:
    kept = yaml.safe_load((ROOT / "roles/site_settings/vars/main.yml").read_text())
    own = {name for role in kept["site_settings_roles"] for name in options(role) if name.startswith(f"{role}_")}
    excepted = set(kept["site_settings_of_one_include"])
    # On Slurm it is the site's alone.
    assert (told_to_includes() & own) - {"appliance_environment"} <= excepted
    assert excepted <= own
    assert set(kept["site_settings_shared"]) <= set(SHARED)


@pytest.mark.parametrize("role", ROLES)
def test_role_is_complete(role: str) -> None:
    wanted = ("README.md", "meta/argument_specs.yml", "tasks/main.yml", "molecule/default/molecule.yml")
    assert [name for name in wanted if not (ROOT / "roles" / role / name).is_file()] == []


@pytest.mark.parametrize("role", ROLES)
def test_every_entry_point_of_a_role_exists(role: str) -> None:
    tasks = {path.stem for path in (ROOT / "roles" / role / "tasks").glob("*.yml")}
    assert set(specs(role)) - tasks == set()


def test_options_of_the_command_line_show_existing_defaults() -> None:
    from toilctl.system import variables

    assert set(variables.shown_defaults()) <= set(SHARED)
    assert variables.shown_defaults()["leader_node_type"] == SHARED["leader_node_type"]
