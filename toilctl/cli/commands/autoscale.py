"""autoscale and explain."""

from __future__ import annotations

from typing import Annotated

import typer

from toilctl.cli.base import options, render, scaling_options
from toilctl.cli.base.command import command, parsed_by, provisioner
from toilctl.cli.views import autoscale as autoscaling
from toilctl.cli.views import explain as explanation
from toilctl.values.errors import UsageError
from toilctl.verbs.settings.scaling import ScalingWish

commands = typer.Typer()


def _action(text: str) -> str:
    if text not in ("pause", "resume"):
        raise UsageError(f"{text!r} is neither pause nor resume.", "Leave it out to see or change the settings.")
    return text


ActionArgument = Annotated[
    str | None,
    typer.Argument(metavar="[pause|resume]", parser=parsed_by(_action), show_default="shows the settings",
                   help="pause lets the autoscaler watch and do nothing, resume lets it go on."),
]  # fmt: skip


@command(commands, "autoscale")
@scaling_options.wished
def autoscale(
    name: options.ClusterArgument,
    wish: ScalingWish,
    action: ActionArgument = None,
    node_types: options.NodeTypesOption = None,
    preemptible_node_type: options.PreemptibleNodeTypeOption = None,
    node_storage_gb: options.NodeStorageOption = None,
    zone: options.ZoneOption = None,
    region: options.RegionOption = None,
    ssh_key: options.SshKeyOption = None,
    dry_run: options.DryRunOption = False,
) -> None:
    """Show, or change, how a cluster's workers follow the demand.

    What is not named stays as it is. Changes take effect at the next tick. --node-types replaces the node types;
    workers of others finish their jobs and go.
    """
    from toilctl.verbs.clusters import autoscale as verb

    _, types = options.merge_node_types(None, None, node_types, preemptible_node_type)
    chosen = verb.Action(action) if action else None
    request = verb.AutoscaleRequest(name, chosen, wish, types or None, node_storage_gb, zone, region, ssh_key)
    cluster = verb.find(request)
    if not request.changes:
        render.show("autoscale", verb.status(cluster, ssh_key), autoscaling.status)
        return
    plan = verb.plan(request, cluster)
    if dry_run:
        render.show("autoscale-plan", plan, autoscaling.plan)
        return
    render.show("autoscale", verb.carry_out(plan, cluster, ssh_key, provisioner()), autoscaling.changed)


@command(commands, "explain")
def explain(
    name: options.ClusterArgument,
    zone: options.ZoneOption = None,
    region: options.RegionOption = None,
    ssh_key: options.SshKeyOption = None,
) -> None:
    """Say why jobs wait and what happens next, and why each worker is kept or goes."""
    from toilctl.verbs.reports import explain as verb

    render.show("explain", verb.explain(name, zone, region, ssh_key), explanation.text)
