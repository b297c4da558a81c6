"""destroy-cluster: everything that carries the cluster's tags, and proof from EC2 that it is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from toilctl.system import aws, inventory, paths, playbooks, progress
from toilctl.system.waiting import wait_until
from toilctl.values import tags
from toilctl.values.aws_errors import DENIED
from toilctl.values.cluster import Cluster, Role
from toilctl.values.errors import LeftoversError
from toilctl.verbs.provisioner import Provisioner
from toilctl.verbs.reports import kept_journals

_PATIENCE_S: Final = 60.0
"""How long volumes and interfaces may take to follow their terminated instances."""
_POLL_S: Final = 2.0


@dataclass(frozen=True)
class Leftover:
    """Something of a cluster that exists."""

    kind: str
    identity: str

    def __str__(self) -> str:
        return f"{self.kind} {self.identity}"


@dataclass(frozen=True)
class Destroyed:
    """What was destroyed; nothing, when there was no such cluster."""

    cluster: str
    where: str
    existed: bool
    nodes: int = 0
    journal: Path | None = None
    """Where its autoscaler's journal is kept."""
    next_step: str = ""
    """Where else it may be."""


def destroy(
    name: str, zone: str | None, region: str | None, provisioner: Provisioner, ssh_key: Path | None = None
) -> Destroyed:
    """Destroy a cluster, or what an earlier attempt left of it; what its autoscaler told is kept, if it can be.

    :raises ConflictError: when two regions have a cluster of that name.
    :raises LeftoversError: when something is still there afterwards.
    :raises ToilctlError: when it was not found, and may be in a region that cannot be reached.
    """
    searched = inventory.search(zone, region, name)
    found = (inventory.only(name, searched),) if searched.clusters else ()
    where = found[0].region if found else searched.regions[0] if len(searched.regions) == 1 else None
    must_see = _has_own_roles(found)
    if where is None or (not found and not leftovers(where, name, must_see=must_see)):
        elsewhere = inventory.look_elsewhere(name, searched.regions)
        return Destroyed(name, searched.where, existed=False, next_step=elsewhere)
    kept = [kept_journals.keep(cluster, ssh_key) for cluster in found]
    result = playbooks.run(
        "destroy.yml",
        playbooks.PlaybookTarget(where, name),
        {**provisioner.extra_variables, "cluster_name": str(name), "region": where},
    )
    _check_gone(where, name, result, must_see=must_see)
    (paths.cluster_dir(where, name) / "known_hosts").unlink(missing_ok=True)
    nodes = sum(node.live for one in found for node in one.nodes)
    return Destroyed(name, where, existed=True, nodes=nodes, journal=next(iter(kept), None))


def leftovers(region: str, name: str, *, must_see: bool) -> tuple[Leftover, ...]:
    """Ask EC2 and IAM what exists of a cluster.

    :param must_see: whether roles and profiles that one may not look for are an error; else they are taken for none.
    """
    return (*_tagged(region, name), *_iam(region, name, must_see=must_see))


def _has_own_roles(found: Sequence[Cluster]) -> bool:
    """Tell clusters with roles of their own; who launches with a profile of others need not be let look for any."""
    return any(not cluster.settings.get(tags.PROFILE_ARN) for cluster in found)


def _check_gone(region: str, name: str, result: playbooks.PlaybookResult, *, must_see: bool) -> None:
    patience_s = _PATIENCE_S if result.succeeded else 0.0
    with progress.step("Check that nothing is left"):
        left = wait_until(
            lambda: leftovers(region, name, must_see=must_see), lambda left: not left, patience_s, _POLL_S
        )
    if left:
        reason = f" ({result.failures[0].message})" if result.failures else ""
        raise LeftoversError(
            f"Of cluster {name!r} in {region} there still is: {', '.join(map(str, left))}{reason}.",
            f"Type the same command again; {result.log} has the details.", left=left, log=result.log,
        )  # fmt: skip


def _tagged(region: str, name: str) -> Iterator[Leftover]:
    own = [{"Name": f"tag:{tags.CLUSTER}", "Values": [name]}]
    for node in inventory.instances_of(region, name):
        if node.state != "terminated":
            yield Leftover("instance", node.instance_id)
    for kind, operation, key, identity in (
        ("volume", "describe_volumes", "Volumes", "VolumeId"),
        ("network interface", "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
        ("launch template", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateName"),
        ("security group", "describe_security_groups", "SecurityGroups", "GroupId"),
    ):
        for found in aws.pages("ec2", region, operation, key, Filters=own):
            yield Leftover(kind, found[identity])


def _iam(region: str, name: str, *, must_see: bool) -> Iterator[Leftover]:
    # IAM is not regional, and the names are exact: cluster `my` must not see what `my-cluster` has.
    iam = aws.client("iam", region)
    for role in Role:
        full = f"toilctl-{name}-{region}-{role}"
        if _exists(iam.get_instance_profile, InstanceProfileName=full, must_see=must_see):
            yield Leftover("instance profile", full)
        if _exists(iam.get_role, RoleName=full, must_see=must_see):
            yield Leftover("IAM role", full)


def _exists(call: Callable[..., Any], *, must_see: bool, **names: str) -> bool:
    try:
        return aws.look(call, **names) is not None
    except Exception as error:
        if must_see or aws.error_code(error) not in DENIED:
            raise
        return False
