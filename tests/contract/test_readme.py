"""The README speaks of commands, targets, variables and words that exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
import yaml

from toilctl.cli.app import app
from toilctl.cli.command import kebab

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
FENCED = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
BLOCKS = [text for language, text in FENCED if language == "sh"]
PROSE = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "roles").glob("*/README.md"))]
# DESIGN's words have one name each; these are the others.
OTHER_NAMES = (
    r"\bslaves?\b", r"\bhead node\b", r"\bVMs?\b", r"\bflavou?rs?\b", r"\bnode groups?\b", r"\bscale[sd]? (up|down)\b",
    r"\bscaling (up|down)\b", r"\bdecommission", r"\bmasters?\b",
)  # fmt: skip


def words_of(block: str) -> list[list[str]]:
    lines = block.replace("\\\n", " ").splitlines()
    without = (re.sub(r"^(\w+=\S+ )+", "", line.removeprefix("$ ").split("  #")[0]) for line in lines)
    return [line.split() for line in without]


def command_lines(program: str) -> list[list[str]]:
    return [words for block in BLOCKS for words in words_of(block) if words and words[0] == program]


def test_first_two_commands_are_the_whole_set_up() -> None:
    first = [words for block in BLOCKS for words in words_of(block) if words and words[0] == "make"][:2]
    assert first == [["make", "demo"], ["make", "test"]]


def test_no_placeholder_is_left() -> None:
    assert "TODO" not in README


@pytest.mark.parametrize("words", command_lines("toilctl"), ids=" ".join)
def test_command_and_its_options_exist(words: list[str]) -> None:
    command = typer.main.get_command(app)
    rest = words[1:]
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        name, command, rest = command.resolve_command(typer.Context(command), rest)
        assert command is not None, (name, words)
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    known |= {"--help", "-h"}
    if command.name in ("ssh-cluster", "rsync-cluster"):
        rest = rest[: rest.index("my-cluster")]  # what follows the cluster's name is another program's
    given = {word.split("=")[0] for word in rest if re.match(r"--?[a-zA-Z]", word)}
    spelled = {f"--{kebab(word.lstrip('-'))}" if word.startswith("--") else word for word in given}
    assert spelled - known == set()


@pytest.mark.parametrize("words", command_lines("make"), ids=" ".join)
def test_make_target_exists(words: list[str]) -> None:
    targets = [word for word in words[1:] if "=" not in word]
    run = subprocess.run(["make", "-n", *targets], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("words", command_lines("ansible-playbook"), ids=" ".join)
def test_playbook_and_variables_exist(words: list[str]) -> None:
    (playbook,) = [word for word in words if word.endswith(".yml")]
    assert (ROOT / "playbooks" / Path(playbook).name).is_file()


def test_every_command_is_in_the_readme() -> None:
    root = typer.main.get_command(app)
    assert [name for name in root.commands if f"`{name}" not in README and f"toilctl {name}" not in README] == []


def test_every_playbook_and_role_is_in_the_readme() -> None:
    playbooks = [path.name for path in (ROOT / "playbooks").glob("*.yml")]
    roles = [path.name for path in (ROOT / "roles").iterdir() if path.is_dir()]
    assert [name for name in (*playbooks, *roles) if name not in README] == []


def test_environment_variables_of_the_readme_are_read_somewhere() -> None:
    named = set(re.findall(r"`(TOIL_\w+|TOILCTL_\w+)`", README))
    code = "".join(path.read_text() for part in ("toilctl", "inventory") for path in (ROOT / part).rglob("*.*[yl]"))
    assert {name for name in named if name not in code} == set()


@pytest.mark.parametrize("path", PROSE, ids=lambda path: str(path.relative_to(ROOT)))
def test_prose_uses_the_one_name_of_each_thing(path: Path) -> None:
    text = path.read_text()
    if "Mesos" in text:  # which calls its leader so
        text = re.sub(r"\bmaster\b", "", text)
    assert [found[0] for pattern in OTHER_NAMES for found in re.finditer(pattern, text)] == []


def test_links_to_files_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_yaml_in_the_readme_is_yaml() -> None:
    for language, text in FENCED:
        if language == "yaml":
            yaml.safe_load(text)


def test_program_is_installed_beside_this_python() -> None:
    assert Path(sys.executable).with_name("toilctl").is_file()
