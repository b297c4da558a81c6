"""toilctl policy: documents for IAM."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from toilctl.cli.app import app
from toilctl.values import policies


def ask(*words: str) -> Any:
    return CliRunner().invoke(app, ["policy", *words])


@pytest.mark.parametrize(("verb", "made"), [("launch", policies.launch), ("connect", policies.connect)])
def test_policy_is_printed_as_iam_takes_it(
    verb: str, made: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    assert json.loads(ask(verb).stdout) == made()
    assert json.loads(ask(verb, "--output", "json").stdout)["data"] == made()
    narrow = ask(verb, "--cluster-prefix", "lab-", "--region", "eu-west-1").stdout
    assert json.loads(narrow) == made("lab-", "eu-west-1")
    assert "toilctl-lab-*" in narrow or verb == "connect"


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1", "us-iso-east-1", "eusc-de-east-1"])
def test_policy_of_a_region_elsewhere_has_the_arns_of_its_partition(region: str) -> None:
    text = ask("launch", "--region", region).stdout
    partition = {"cn": "aws-cn", "us-gov": "aws-us-gov", "us-iso": "aws-iso", "eusc": "aws-eusc"}
    (own,) = [name for begin, name in partition.items() if region.startswith(begin)]
    assert f"arn:{own}:ec2:{region}:*:" in text
    assert "arn:aws:" not in text


@pytest.mark.parametrize("words", [["--cluster-prefix", "a*"], ["--cluster-prefix", ""], ["--region", "mars"]])
def test_what_cannot_be_narrowed_to_is_refused(words: list[str]) -> None:
    result = ask("launch", *words)
    assert result.exit_code == 2
    assert result.stdout == ""
