"""The leader gets every plugin of a collection that our playbooks, roles and inventory use, and no other."""

import re

import yaml

from tests.checkout import ROOT
from toilctl.bundle import contents
from toilctl.system import collections

CARRIED = ("playbooks", "roles", "inventory")
FULL_NAME = r"[a-z][a-z_]*\.[a-z][a-z_]*\.[a-z][a-z0-9_]*"
IN_TEMPLATES = re.compile(rf"""(?:(?:lookup|query|q)\(\s*['"]|\|\s*|\bis\s+(?:not\s+)?)({FULL_NAME})\b""")
NAMING = {"plugin", "strategy", "connection", "become_method", "action", "local_action"}
SERVICE = re.compile(r"""\bclient\(\s*["']([a-z0-9-]+)["']""")


def documents() -> list[object]:
    files = [path for part in CARRIED for path in (ROOT / part).rglob("*.yml") if "molecule" not in path.parts]
    return [yaml.safe_load(path.read_text()) for path in files]


def names_in(value: object) -> set[str]:
    """Full names of plugins: keys of tasks, settings that name one, and those in templates."""
    match value:
        case dict():
            named = {str(one) for one in [*value, *(value[key] for key in NAMING & set(value))]}
            found = {name for name in named if re.fullmatch(FULL_NAME, name)}
            return found.union(*map(names_in, value.values()))
        case list():
            return set().union(*map(names_in, value))
        case str():
            return set(IN_TEMPLATES.findall(value))
    return set()


def test_bundle_has_the_plugins_that_are_used() -> None:
    used = set().union(*map(names_in, documents()))
    assert "ansible.builtin.copy" in used
    assert {name for name in used if not name.startswith("ansible.builtin.")} == set(collections.PLUGINS)


def test_bundle_has_the_data_of_the_services_that_are_asked() -> None:
    sources = [*(ROOT / "toilctl").rglob("*.py"), *(ROOT / "roles").rglob("*.py")]
    asked = {name for path in sources if "local" not in path.parts for name in SERVICE.findall(path.read_text())}
    assert {"ec2", "sts"} <= asked
    assert asked <= set(contents.AWS_SERVICES)
