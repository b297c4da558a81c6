"""policy launch, policy connect: what people need to be allowed in AWS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from toilctl.cli.base import render
from toilctl.cli.base.command import command

commands = typer.Typer(help="What people need to be allowed in AWS, as IAM policies.")

PrefixOption = Annotated[
    str | None,
    typer.Option("--cluster-prefix", metavar="TEXT", help="Only for clusters whose names begin so.",
                 show_default="all clusters"),
]  # fmt: skip
RegionOption = Annotated[
    str | None, typer.Option("--region", metavar="REGION", help="Only in this region.", show_default="all regions")
]


@command(commands, "launch", with_provisioner=False)
def launch(prefix: PrefixOption = None, region: RegionOption = None) -> None:
    """Print the policy of people who launch, scale and destroy clusters; who has it may connect to them, too.

    It fits a managed policy: toilctl policy launch > launch.json, then aws iam create-policy --policy-name
    toilctl-launch --policy-document file://launch.json.
    """
    from toilctl.verbs.reports import policy

    document = policy.launch(prefix, region)
    render.show("policy", document, _document)


@command(commands, "connect", with_provisioner=False)
def connect(prefix: PrefixOption = None, region: RegionOption = None) -> None:
    """Print the policy of people who use clusters that others launched: list, ssh, rsync, deploy, run, explain."""
    from toilctl.verbs.reports import policy

    document = policy.connect(prefix, region)
    render.show("policy", document, _document)


def _document(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2)
