"""Who pays, tags for all that is made, and commands for nodes, where Toil's documents have them: in the environment."""

from __future__ import annotations

import json

import pytest

from tests.unit.cli.stand_in import LAUNCH
from toilctl.values import tags

pytestmark = pytest.mark.usefixtures("playbooks")


def told(playbooks) -> tuple[str, dict[str, str]]:
    variables = playbooks.runs[-1][1]
    return variables["owner"], variables["extra_tags"]


@pytest.mark.parametrize(
    ("environment", "words", "owner", "extra"),
    [
        ({}, (), "k", {}),
        ({"TOIL_OWNER_TAG": "lab"}, (), "lab", {}),
        ({"TOIL_OWNER_TAG": ""}, (), "k", {}),
        ({"TOIL_OWNER_TAG": "lab"}, ("--owner", "me"), "me", {}),
        ({"TOIL_AWS_TAGS": '{"project": "genomes", "x": "a=b @ c"}'}, (), "k", {"project": "genomes", "x": "a=b @ c"}),
        ({"TOIL_AWS_TAGS": '{"project": "a"}'}, ("-t", "project=b", "-t", "c=d"), "k", {"project": "b", "c": "d"}),
        ({"TOIL_AWS_TAGS": '{"Owner": "lab"}', "TOIL_OWNER_TAG": "other"}, (), "lab", {}),
        ({"TOIL_AWS_TAGS": '{"Owner": "lab"}'}, ("--owner", "me"), "me", {}),
        ({"TOIL_AWS_TAGS": " "}, (), "k", {}),
    ],
)  # fmt: skip
def test_owner_and_tags_are_those_of_options_and_else_of_the_environment(
    toilctl, playbooks, monkeypatch, environment, words, owner, extra
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = toilctl(*LAUNCH, *words)
    assert result.exit_code == 0, result.stderr
    assert told(playbooks) == (owner, extra)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("project=genomes", "TOIL_AWS_TAGS is not JSON."),
        ("[" * 100_000, "TOIL_AWS_TAGS is not JSON."),
        ('["project"]', "TOIL_AWS_TAGS is not a JSON object of texts."),
        ('{"project": 1}', "TOIL_AWS_TAGS is not a JSON object of texts."),
        ('{"Name": "x"}', "The tag 'Name' is toilctl's, Toil's or AWS's own."),
        ('{"toilctl:cluster": "x"}', "The tag 'toilctl:cluster' is toilctl's, Toil's or AWS's own."),
    ],
)
def test_tags_that_cannot_be_are_refused_with_one_sentence(toilctl, playbooks, monkeypatch, value, says):
    monkeypatch.setenv("TOIL_AWS_TAGS", value)
    result = toilctl(*LAUNCH, "--output", "json")
    assert (result.exit_code, json.loads(result.stdout)["error"]["message"]) == (2, says)
    assert playbooks.runs == []


@pytest.mark.parametrize("name", ["TOIL_CUSTOM_INIT_COMMAND", "TOIL_CUSTOM_DOCKER_INIT_COMMAND"])
@pytest.mark.parametrize("command", ["docker login -p s3cret\nls", "a\ts3cret", "s3cret\r"])
def test_command_for_nodes_that_toil_refuses_is_refused_and_not_shown(toilctl, playbooks, monkeypatch, name, command):
    monkeypatch.setenv(name, command)
    result = toilctl(*LAUNCH)
    assert (result.exit_code, f"{name} has a newline or a tab." in result.stderr) == (2, True)
    assert "s3cret" not in result.stderr + result.stdout
    assert playbooks.runs == []


COMMANDS = ("custom_init_command", "custom_docker_init_command")


def test_commands_for_nodes_are_the_playbooks_to_read_and_no_variable_has_them(toilctl, playbooks, monkeypatch):
    monkeypatch.setenv("TOIL_CUSTOM_INIT_COMMAND", "docker login -p s3cret")
    assert toilctl(*LAUNCH).exit_code == 0
    assert "s3cret" not in str(playbooks.runs)
    assert not set(COMMANDS) & set(playbooks.runs[0][1])


def test_nodes_that_run_without_commands_are_not_made_anew_for_them(toilctl, cluster, monkeypatch):
    monkeypatch.setenv("TOIL_CUSTOM_DOCKER_INIT_COMMAND", "docker login -p s3cret")
    result = toilctl(*LAUNCH)
    assert "TOIL_CUSTOM_DOCKER_INIT_COMMAND left out: the cluster's nodes run already, without." in result.stderr
    assert [cluster.runs[0][1][name] for name in COMMANDS] == ["", ""]
    cluster.tag("c", {tags.CUSTOM_INIT: "yes"})
    assert "left out" not in toilctl(*LAUNCH).stderr
    assert not set(COMMANDS) & set(cluster.runs[1][1])
