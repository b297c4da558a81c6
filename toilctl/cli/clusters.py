"""launch-cluster, list-clusters, describe-cluster, scale-cluster, destroy-cluster."""

from __future__ import annotations

import typer

from toilctl.cli import options, render, views
from toilctl.cli.command import command

commands = typer.Typer()


@command(commands, "list-clusters")
def list_clusters(zone: options.ZoneOption = None, region: options.RegionOption = None) -> None:
    """List the clusters in a region, or in all."""
    from toilctl.verbs import find

    render.show("list-clusters", find.list_clusters(zone, region), views.clusters)
