"""launch-cluster, list-clusters, describe-cluster, scale-cluster, destroy-cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

from toilctl.cli.base import options, render, scaling_options
from toilctl.cli.base.command import command, provisioner
from toilctl.cli.views import autoscale as autoscaling
from toilctl.cli.views import clusters
from toilctl.values.errors import PartialError
from toilctl.verbs.settings.scaling import ScalingWish, is_autoscaled

if TYPE_CHECKING:
    from toilctl.values.cluster import Cluster
    from toilctl.verbs.clusters.scale import ScaleRequest

commands = typer.Typer()


@command(commands, "launch-cluster")
@scaling_options.wished
def launch_cluster(
    name: options.ClusterArgument,
    wish: ScalingWish,
    zone: options.ZonesOption = None,
    region: options.RegionOption = None,
    node_type: options.NodeTypeOption = None,
    leader_node_type: options.LeaderNodeTypeOption = None,
    node_types: options.NodeTypesOption = None,
    preemptible_node_type: options.PreemptibleNodeTypeOption = None,
    workers: options.WorkersOption = None,
    leader_storage_gb: options.LeaderStorageOption = None,
    node_storage_gb: options.NodeStorageOption = None,
    orphan_timeout_s: options.OrphanTimeoutOption = None,
    ami: options.AmiOption = None,
    login_user: options.LoginUserOption = None,
    owner: options.OwnerOption = None,
    tag: options.TagOption = None,
    key_pair_name: options.KeyPairNameOption = None,
    ssh_key: options.SshKeyOption = None,
    ssh_cidr: options.SshCidrOption = None,
    vpc_subnet: options.VpcSubnetOption = None,
    aws_ec2_profile_arn: options.ProfileArnOption = None,
    aws_ec2_extra_security_group_id: options.ExtraSecurityGroupOption = None,
    engine: options.EngineOption = None,
    cluster_type: options.ClusterTypeOption = None,
    appliance: options.ApplianceOption = None,
    shared: options.SharedOption = None,
    sse_key: options.SseKeyOption = None,
    s3_write: options.S3WriteOption = None,
    enable_fuse: options.EnableFuseOption = None,
    allow_fuse: options.AllowFuseOption = None,
    dry_run: options.DryRunOption = False,
) -> None:
    """Launch a cluster: one leader, and workers of one or more node types.

    With --max-nodes, an autoscaler on the leader launches workers when jobs wait and ends them when they are idle.
    The same command again completes what is missing and launches nothing twice.
    """
    from toilctl.verbs.checks import own_tags
    from toilctl.verbs.clusters import launch, plan_launch
    from toilctl.verbs.clusters.launch_plan import LaunchRequest

    leader, types = options.merge_node_types(node_type, leader_node_type, node_types, preemptible_node_type)
    counts, wish = scaling_options.with_ranges(workers, wish)
    request = LaunchRequest(
        cluster=name,
        zones=zone or (),
        region=region,
        leader_node_type=leader,
        node_types=types,
        worker_counts=counts,
        wish=wish,
        leader_storage_gb=leader_storage_gb,
        node_storage_gb=node_storage_gb,
        orphan_timeout_s=orphan_timeout_s,
        key_pair_name=key_pair_name,
        ssh_key=ssh_key,
        owner=owner,
        extra_tags=own_tags.distinct(tag or ()),
        vpc_subnet=vpc_subnet,
        aws_ec2_profile_arn=aws_ec2_profile_arn,
        aws_ec2_extra_security_group_ids=tuple(aws_ec2_extra_security_group_id or ()),
        ssh_cidrs=tuple(ssh_cidr or ()),
        ami=ami,
        login_user=login_user,
        engine=engine or cluster_type,
        appliance=appliance,
        shared=shared,
        sse_key=sse_key,
        s3_write=tuple(s3_write or ()),
        enable_fuse=bool(allow_fuse) if enable_fuse is None and allow_fuse is not None else enable_fuse,
    )
    plan = plan_launch.plan(request, provisioner())
    if dry_run:
        render.show("launch-plan", plan, clusters.launch_plan)
        return
    clusters.announce(plan)
    _show("launch-cluster", lambda: launch.launch(plan, provisioner()), clusters.launched)


@command(commands, "list-clusters")
def list_clusters(zone: options.ZoneOption = None, region: options.RegionOption = None) -> None:
    """List the clusters in a region, or in all."""
    from toilctl.verbs.clusters import list

    render.show("list-clusters", list.list_clusters(zone, region), clusters.clusters)


@command(commands, "describe-cluster")
def describe_cluster(
    name: options.ClusterArgument,
    zone: options.ZoneOption = None,
    region: options.RegionOption = None,
    ssh_key: options.SshKeyOption = None,
) -> None:
    """Show a cluster's settings and its nodes, as EC2 and the engine know them."""
    from toilctl.verbs.clusters import describe

    render.show("describe-cluster", describe.describe(name, zone, region, ssh_key), clusters.description)


@command(commands, "scale-cluster")
def scale_cluster(
    name: options.ClusterArgument,
    workers: options.ScaleWorkersOption,
    node_type: options.ScaleNodeTypeOption = None,
    zone: options.ZoneOption = None,
    region: options.RegionOption = None,
    force: options.ForceOption = False,
    ssh_key: options.SshKeyOption = None,
    dry_run: options.DryRunOption = False,
) -> None:
    """Grow or shrink a running cluster to so many workers.

    Workers that go finish their jobs first; idle ones go before busy ones, and new ones before old ones. On an
    autoscaled cluster this sets minimum and maximum, and its autoscaler acts.
    """
    from toilctl.verbs.clusters import scale

    request = scale.ScaleRequest(name, workers, node_type, zone, region, force, ssh_key)
    cluster = scale.find(request)
    if is_autoscaled(cluster):
        _change_limits(cluster, request, dry_run=dry_run)
        return
    plan, private_key = scale.plan(request, cluster)
    if dry_run:
        render.show("scale-plan", plan, clusters.scale_plan)
        return
    _show("scale-cluster", lambda: scale.carry_out(plan, cluster, private_key, provisioner()), clusters.scaled)


def _change_limits(cluster: Cluster, request: ScaleRequest, *, dry_run: bool) -> None:
    from toilctl.verbs.clusters import autoscale

    plan = autoscale.plan_scale(cluster, request)
    if dry_run:
        render.show("autoscale-plan", plan, autoscaling.fixed_plan)
        return
    render.show("scale-cluster", autoscale.carry_out(plan, cluster, request.ssh_key, provisioner()), autoscaling.fixed)


@command(commands, "destroy-cluster")
def destroy_cluster(
    name: options.ClusterArgument,
    zone: options.ZoneOption = None,
    region: options.RegionOption = None,
    ssh_key: options.SshKeyOption = None,
) -> None:
    """Destroy a cluster with everything that was made for it, and check that nothing is left.

    The journal of its autoscaler is kept on this machine, for timeline, when the leader can be reached.
    """
    from toilctl.verbs.clusters import destroy

    render.show("destroy-cluster", destroy.destroy(name, zone, region, provisioner(), ssh_key), clusters.destroyed)


def _show(kind: str, work: Callable[[], Any], to_text: Callable[[Any], str]) -> None:
    """Show a result; a partial one is shown, too, before its error ends the command."""
    try:
        render.show(kind, work(), to_text)
    except PartialError as error:
        if "result" in error.facts and not render.as_json():
            render.say(to_text(error.facts["result"]))
        raise
