"""Toil's options of its cluster commands: each of the installed Toil's is in the table, and none is dropped unsaid."""

from __future__ import annotations

import argparse
import importlib
import re
from typing import Any

import pytest

from toilctl.cli.app import app
from toilctl.nodes.plugin.autoscaling import scaler_options
from toilctl.values.errors import UsageError
from toilctl.workflows.cluster_options import COMMANDS, OPTIONS, Fate, form, translated

MODULES = {command: f"toil.utils.toil{command.title().replace('-', '')}" for command in COMMANDS}
OWN = {"-z": True, "zone": True, "sshkey": True, "dryrun": False, "tag": True, "-t": True}


class Stopped(Exception):
    """Instead of what the command would do."""


def options_of_toil(command: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    found: list[Any] = []

    def stop(self: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        found.extend(self._actions)
        raise Stopped

    module = importlib.import_module(MODULES[command])
    monkeypatch.setattr("configargparse.ArgParser.parse_args", stop)
    with pytest.raises(Stopped):
        module.main()
    return {name for action in found for name in action.option_strings} - {"-h", "--help"}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_option_of_the_installed_toil_is_in_the_table(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {name for one in OPTIONS if command in one.commands for name in one.names}
    # Levels have two spellings each.
    lacking = {one for one in options_of_toil(command, monkeypatch) if form(one) not in set(map(form, known))}
    assert lacking - known == set()


@pytest.mark.usefixtures("toil_home")
def test_each_option_of_the_installed_toils_scaler_is_in_the_table() -> None:
    from toil.job import Job

    parser = Job.Runner.getDefaultArgumentParser()
    (group,) = [one for one in parser._action_groups if "autoscaling" in (one.title or "")]
    known = {name for one in scaler_options.OPTIONS for name in one.names}
    assert {name for action in group._group_actions for name in action.option_strings} - known == set()


@pytest.mark.parametrize("option", [one for one in OPTIONS if one.fate is Fate.HERE], ids=lambda one: one.names[0])
def test_what_is_an_option_here_is_one_of_each_command(option: Any) -> None:
    import typer

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    flag = re.match(r"--[a-z0-9-]+", option.says).group()  # type: ignore[union-attr]
    for command in option.commands:
        assert any(flag in one.opts for one in commands[command].params), command


def run(command: str, line: str, *, first: bool = False) -> tuple[str, list[str]]:
    said: list[str] = []
    return " ".join(translated(command, line.split(), OWN, said.append, first=first)), said


@pytest.mark.parametrize(
    ("command", "line", "left", "says"),
    [
        ("launch-cluster", "c --boto ~/.boto -z us-west-2a", "c -z us-west-2a", "--boto ~/.boto is left out: nodes"),
        ("launch-cluster", "--forceDockerAppliance c", "c", "--forceDockerAppliance is left out: the appliance is"),
        ("launch-cluster", "c --network=x --use_private_ip", "c", "TOILCTL_CONNECT_ADDRESS=private"),
        ("launch-cluster", "c --use-private-ip --dry-run", "c --dry-run", "--use-private-ip is left out"),
        ("launch-cluster", "c --metrics --dry-run", "c --dry-run", "--metrics is left out: the autoscaler has metrics"),
        ("launch-cluster", "--metrics c", "c", "--metrics is left out"),
        ("autoscale", "c --assumeZeroOverhead True", "c", "--assumeZeroOverhead True is left out: what a node gives"),
        ("autoscale", "c --alphaPacking 0.8", "c", "Toil 3.16 took it away"),
        ("destroy-cluster", "--logInfo c --logFile x", "c", "--logInfo is left out"),
        ("rsync-cluster", "--insecure c -av a :", "c -av a :", "--insecure is left out: a node's host key"),
    ],
)  # fmt: skip
def test_what_is_left_out_is_told_with_its_reason(command: str, line: str, left: str, says: str) -> None:
    kept, said = run(command, line)
    assert kept == left
    assert says in " ".join(said)


@pytest.mark.parametrize(
    ("command", "line", "kept"),
    [
        ("ssh-cluster", "--sshOption=-L8080:localhost:80 c", "-L 8080:localhost:80 c"),
        ("ssh-cluster", "--logDebug c", "--debug c"),
        ("ssh-cluster", "-z --insecure c", "-z --insecure c"),
        ("launch-cluster", "c --tag --boto=x", "c --tag --boto=x"),
        ("launch-cluster", "c -- --boto x", "c -- --boto x"),
        ("run", "c --boto x", "c --boto x"),
    ],
)
def test_what_is_written_otherwise_and_what_is_a_value_or_anothers(command: str, line: str, kept: str) -> None:
    assert run(command, line) == (kept, [])


def test_words_of_the_remote_command_are_not_looked_at() -> None:
    assert run("ssh-cluster", "-z us-west-2a c tool --insecure", first=True) == ("-z us-west-2a c tool --insecure", [])


@pytest.mark.parametrize(
    ("command", "line", "says"),
    [
        ("ssh-cluster", "--sshOption -v c", "is not carried to ssh. Write anything else in ~/.ssh/config"),
        ("launch-cluster", "c --version", "Type `toilctl --version`."),
        ("autoscale", "c --nodeStorageOverrides a:5", "Give --node-storage one size per node type"),
    ],
)  # fmt: skip
def test_what_cannot_be_left_out_is_refused(command: str, line: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        run(command, line)
    assert says in str(refused.value)
