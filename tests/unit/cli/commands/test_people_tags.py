"""Who pays, and tags for all that is made, where Toil's documents have them: in the environment."""

from __future__ import annotations

import json

import pytest

from tests.unit.cli.stand_in import LAUNCH

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
        ({"TOIL_AWS_TAGS": '{"project": "genomes", "x": "{{ 1 }}"}'}, (), "k", {"project": "genomes", "x": "{{ 1 }}"}),
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
        ('{"Name": "x"}', "The tag 'Name' is toilctl's or Toil's own."),
        ('{"toilctl:cluster": "x"}', "The tag 'toilctl:cluster' is toilctl's or Toil's own."),
    ],
)
def test_tags_that_cannot_be_are_refused_with_one_sentence(toilctl, playbooks, monkeypatch, value, says):
    monkeypatch.setenv("TOIL_AWS_TAGS", value)
    result = toilctl(*LAUNCH, "--output", "json")
    assert (result.exit_code, json.loads(result.stdout)["error"]["message"]) == (2, says)
    assert playbooks.runs == []
