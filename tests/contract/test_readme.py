"""The README and the manual speak of commands, targets, variables and words that exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
import yaml

from tests.checkout import ROOT
from tests.contract.manual import FENCED, PAGES, README, TEXT, command_lines
from toilctl.cli.app import app

PROSE = [*PAGES, ROOT / "CHANGELOG.md", *sorted((ROOT / "roles").glob("*/README.md"))]
# The glossary's words have one name each; these are the others.
OTHER_NAMES = (
    r"\bslaves?\b", r"\bhead node\b", r"\bVMs?\b", r"\bflavou?rs?\b", r"\bnode groups?\b", r"\bscale[sd]? (up|down)\b",
    r"\bscaling (up|down)\b", r"\bdecommission", r"\bmasters?\b",
)  # fmt: skip
LONGEST = 200
"""Lines of the README."""


def test_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= LONGEST


def test_first_two_commands_are_the_whole_set_up() -> None:
    assert command_lines("make", README)[:2] == [["make", "demo"], ["make", "test"]]


def test_no_placeholder_is_left() -> None:
    assert "TODO" not in TEXT


@pytest.mark.parametrize("words", command_lines("toilctl"), ids=" ".join)
def test_command_line_is_understood(words: list[str]) -> None:
    command = typer.main.get_command(app)
    context = command.make_context("toilctl", words[1:])
    rest = [*context._protected_args, *context.args]
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, rest)
        assert command is not None, words
        if "--help" in rest[:1]:
            return
        context = command.make_context(name, rest, parent=context)
        rest = [*getattr(context, "_protected_args", ()), *context.args]


@pytest.mark.parametrize("words", command_lines("make"), ids=" ".join)
def test_make_target_exists(words: list[str]) -> None:
    targets = [word for word in words[1:] if "=" not in word]
    run = subprocess.run(["make", "-n", *targets], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("words", command_lines("ansible-playbook"), ids=" ".join)
def test_playbook_and_variables_exist(words: list[str]) -> None:
    (playbook,) = [word for word in words if word.endswith(".yml")]
    assert (ROOT / "playbooks" / Path(playbook).name).is_file()


def test_every_command_is_in_the_manual() -> None:
    root = typer.main.get_command(app)
    assert [name for name in root.commands if f"`{name}" not in TEXT and f"toilctl {name}" not in TEXT] == []


def test_every_playbook_and_role_is_in_the_manual() -> None:
    playbooks = [path.name for path in (ROOT / "playbooks").glob("*.yml")]
    roles = [path.name for path in (ROOT / "roles").iterdir() if path.is_dir()]
    assert [name for name in (*playbooks, *roles) if name not in TEXT] == []


def test_environment_variables_of_the_manual_are_read_somewhere() -> None:
    named = set(re.findall(r"`(TOIL_\w+|TOILCTL_\w+)`", TEXT))
    code = "".join(path.read_text() for part in ("toilctl", "inventory") for path in (ROOT / part).rglob("*.*[yl]"))
    assert {name for name in named if name not in code} == set()


@pytest.mark.parametrize("path", PROSE, ids=lambda path: str(path.relative_to(ROOT)))
def test_prose_uses_the_one_name_of_each_thing(path: Path) -> None:
    text = path.read_text()
    if "Mesos" in text:  # which calls its leader so
        text = re.sub(r"\bmaster\b", "", text)
    assert [found[0] for pattern in OTHER_NAMES for found in re.finditer(pattern, text)] == []


def test_yaml_in_the_manual_is_yaml() -> None:
    for _, language, text in FENCED:
        if language == "yaml":
            yaml.safe_load(text)


def test_program_is_installed_beside_this_python() -> None:
    assert Path(sys.executable).with_name("toilctl").is_file()
