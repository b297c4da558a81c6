"""The autoscaler's settings: variables, argument specs and manual say what their one table says."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.checkout import ROOT
from toilctl.values.tuning import ORPHAN_TIMEOUT, SETTINGS, Tuning, Unit

DEFAULTS_FILE = ROOT / "inventory/group_vars/all.yml"
SPECS = yaml.safe_load((ROOT / "roles/ec2_network/meta/argument_specs.yml").read_text())["argument_specs"]
ALL = {**SETTINGS, "orphan_timeout_s": ORPHAN_TIMEOUT}
names = pytest.mark.parametrize("name", ALL)


def defaults() -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load(DEFAULTS_FILE.read_text())
    return found


def test_every_setting_has_a_default_in_its_range() -> None:
    assert Tuning.of(defaults()).values.keys() == SETTINGS.keys()
    assert ORPHAN_TIMEOUT.read(defaults()["orphan_timeout_s"]) > 0


@names
def test_comment_of_the_default_is_the_tables(name: str) -> None:
    (comment,) = re.findall(rf"^((?:# .*\n)+){name}: ", DEFAULTS_FILE.read_text(), re.MULTILINE)
    assert " ".join(line.removeprefix("# ") for line in comment.splitlines()) == ALL[name].described


@names
def test_argument_spec_is_the_tables(name: str) -> None:
    kind = "int" if ALL[name].unit is Unit.WHOLE_SECONDS else "float"
    assert SPECS["main"]["options"][name] == {"type": kind, "description": ALL[name].described}


def test_roles_name_no_single_setting() -> None:
    files = [path for path in (ROOT / "roles").rglob("*") if path.suffix in {".yml", ".j2"} and path.is_file()]
    elsewhere = {
        (str(path.relative_to(ROOT)), name)
        for path in files
        if "molecule" not in path.parts and path.name != "argument_specs.yml"
        for name in SETTINGS
        if name in path.read_text()
    }
    assert elsewhere == set()


def test_commands_have_an_option_for_every_setting_and_no_setting_twice() -> None:
    import typer.main

    from toilctl.cli.app import app

    for command in ("launch-cluster", "autoscale"):
        options = typer.main.get_command(app).commands[command].params
        told = {one.opts[0]: (one.help, one.metavar) for one in options if one.opts[0].startswith("--")}
        wanted = {one.flag: (one.help, one.metavar) for one in SETTINGS.values()}
        assert {flag: told[flag] for flag in wanted} == wanted
