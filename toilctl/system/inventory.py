"""Clusters and their nodes as EC2's tags tell them; nothing is ever looked up in a local file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final

from toilctl.system import aws, paths, progress
from toilctl.values import tag_forms, tags
from toilctl.values.aws_errors import DENIED
from toilctl.values.cluster import Cluster, Node, Role, Zone
from toilctl.values.errors import ConflictError, CredentialsError, HostError, NotFoundError, UsageError
from toilctl.values.node_types import NodeType
from toilctl.values.wording import listed

_ASK_FIRST: Final = "us-east-1"
"""The region that tells which others there are; it cannot be switched off."""
_THREADS: Final = 12
_PAGE_SIZE: Final = 1000
"""The most that EC2 gives at once."""
_MOST_DIGITS: Final = 6
"""Of a size in GB."""


@dataclass(frozen=True)
class Search:
    """The clusters that were found, the regions that were meant, and those of them that could not be searched."""

    clusters: tuple[Cluster, ...]
    regions: tuple[str, ...]
    passed_over: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """The region that was searched, or that it was any."""
        if len(self.regions) == 1:
            return self.regions[0]
        return "any region that could be searched" if self.passed_over else "any region"


def find(name: str, zone: str | None = None, region: str | None = None, *, damaged: bool = False) -> Cluster:
    """Return the one cluster of that name.

    :param damaged: whether a cluster will do whose tags somebody has spoiled, of which only some settings are known.
    :raises NotFoundError: when there is none in the regions that were searched.
    :raises ConflictError: when two regions have one, and for a damaged one.
    :raises ToilctlError: as of ``search``.
    """
    searched = search(zone, region, name)
    if not searched.clusters:
        raise NotFoundError(
            f"There is no cluster {name!r} in {searched.where}.",
            f"{look_elsewhere(name, searched.regions)} 'toilctl list-clusters' shows those there are.".strip(),
            cluster=name, regions=searched.regions, passed_over=searched.passed_over,
        )  # fmt: skip
    found = only(name, searched)
    if not damaged:
        require_sound(found)
    return found


def only(name: str, searched: Search) -> Cluster:
    """Return the first cluster that a search by name found.

    :raises ConflictError: when another region has one, too.
    """
    if len(searched.clusters) > 1:
        places = [cluster.region for cluster in searched.clusters]
        raise ConflictError(
            f"There are clusters {name!r} in {listed(places)}.", f"Say which with -z, such as -z {places[0]}a.",
            cluster=name, regions=places,
        )  # fmt: skip
    return searched.clusters[0]


def require_sound(cluster: Cluster) -> None:
    """Make sure that a cluster's settings are all known.

    :raises ConflictError: naming the tags that are not as toilctl writes them.
    """
    if not cluster.damage:
        return
    keys = " ".join(f"Key={key},Value=…" for key in cluster.damage)
    raise ConflictError(
        f"Somebody has changed the tags of cluster {cluster.name!r} ({cluster.security_group_id} in {cluster.region}): "
        f"{tag_forms.said(cluster.damage)}.",
        f"Set them right: aws ec2 create-tags --region {cluster.region} --resources {cluster.security_group_id} --tags "
        f"{keys}; or remove it: toilctl destroy-cluster {cluster.name}",
        cluster=cluster.name, damage=cluster.damage,
    )  # fmt: skip


def look_elsewhere(name: str, searched: Sequence[str]) -> str:
    """Say where else a cluster may be than in the regions that were searched; empty when those are all."""
    if len(searched) > 1:
        return ""
    seen = [region for region, known in paths.seen_clusters() if known == name and region not in searched]
    if not seen:
        return "-z ZONE or --region REGION looks in another region."
    return f"This machine has connected to one in {' and '.join(seen)}: -z {seen[-1]}a looks there."


def search(zone: str | None = None, region: str | None = None, name: str | None = None) -> Search:
    """Look for clusters (of a name) in the region that is meant, else in all enabled regions.

    Of all regions, those are passed over, with a note, that let nobody look, cannot be reached or do not know these
    credentials: an organization may deny some, and still list them.

    :raises ToilctlError: when a cluster of the name was not found, and may be in a region that cannot be reached.
    :raises Exception: the SDK's, when no region could be searched.
    """
    regions = regions_to_search(zone, region)
    if len(regions) == 1:
        return Search(clusters(regions[0], name), regions)
    with ThreadPoolExecutor(_THREADS) as pool:
        answers = dict(zip(regions, pool.map(lambda one: _answer(one, name), regions), strict=True))
    errors = {one: answer for one, answer in answers.items() if isinstance(answer, Exception)}
    if len(errors) == len(regions):
        raise next(iter(errors.values()))
    found = tuple(one for answer in answers.values() if not isinstance(answer, Exception) for one in answer)
    denied = [one for one, error in errors.items() if aws.error_code(error) in DENIED]
    if denied:
        _warn(f"These credentials may not look for clusters in {listed(denied)}.")
    silent = {one: known for one, error in errors.items() if one not in denied and (known := aws.explain(error))}
    if silent:
        places, known = listed(list(silent)), next(iter(silent.values()))
        if name and not found:
            raise type(known)(
                f"Cluster {name!r} may be in {places}, where it could not be looked for: {known.message}",
                f"{known.next_step} --region REGION looks in one region alone.".strip(), **known.facts,
            )  # fmt: skip
        _warn(f"{places} could not be searched: {known.message}")
    return Search(found, regions, tuple(errors))


def _answer(region: str, name: str | None) -> tuple[Cluster, ...] | Exception:
    """Return a region's clusters (of a name), or the error because of which it is passed over beside others."""
    try:
        return clusters(region, name)
    except Exception as error:
        if not isinstance(aws.explain(error), CredentialsError | HostError):
            raise
        return error


def regions_to_search(zone: str | None = None, region: str | None = None) -> tuple[str, ...]:
    """Return the region that options, environment or profile name, else all that the account has enabled."""
    named = named_region(zone, region)
    return (named,) if named else aws.enabled_regions(_ASK_FIRST)


def named_region(zone: str | None = None, region: str | None = None) -> str | None:
    """Return the region of -z, --region, TOIL_AWS_ZONE, AWS_REGION or the profile, in this order.

    :raises UsageError: when zone and region disagree, or there is no such region.
    """
    if zone and region and Zone.parse(zone).region != region:
        raise UsageError(
            f"Zone {zone} is not in region {region}.", "Leave out --region, or name a zone in it.",
            zone=zone, region=region,
        )  # fmt: skip
    zone = zone or (None if region else os.environ.get("TOIL_AWS_ZONE"))
    named = Zone.parse(zone).region if zone else region or aws.configured_region()
    if named:
        _check_region(named)
    return named


def clusters(region: str, name: str | None = None) -> tuple[Cluster, ...]:
    """Return the clusters (of a name) in a region, with their nodes."""
    wanted = [{"Name": "tag-key", "Values": [tags.CLUSTER]}]
    if name:
        wanted = [{"Name": f"tag:{tags.CLUSTER}", "Values": [name]}]
    groups = list(aws.pages("ec2", region, "describe_security_groups", "SecurityGroups", Filters=wanted))
    if not groups:
        return ()
    instances = list(aws.pages("ec2", region, "describe_instances", "Reservations.Instances", Filters=wanted))
    found = (_cluster(group, region, instances) for group in groups)
    return tuple(sorted(filter(None, found), key=lambda cluster: cluster.name))


def instances_of(region: str, name: str, role: Role | None = None, states: Sequence[str] = ()) -> tuple[Node, ...]:
    """Return a cluster's nodes (of a role, in some of EC2's states), else all, those going or gone included."""
    wanted = [{"Name": f"tag:{tags.CLUSTER}", "Values": [name]}]
    wanted += [{"Name": f"tag:{tags.ROLE}", "Values": [role.value]}] if role else []
    wanted += [{"Name": "instance-state-name", "Values": list(states)}] if states else []
    # EC2's answer to a listing without pages may take longer than it waits for itself.
    pages = {"PageSize": _PAGE_SIZE}
    found = aws.pages(
        "ec2", region, "describe_instances", "Reservations.Instances", Filters=wanted, PaginationConfig=pages
    )
    return _nodes(found)


def settings_of(region: str, name: str) -> dict[str, str] | None:
    """Return the tags of a cluster's security group: its settings and what is under way; None when it has none."""
    wanted = [{"Name": f"tag:{tags.CLUSTER}", "Values": [name]}]
    groups = aws.pages("ec2", region, "describe_security_groups", "SecurityGroups", Filters=wanted)
    return next((tags.to_dict(group.get("Tags")) for group in groups), None)


def attempts_of(region: str, name: str, role: Role) -> tuple[str, ...]:
    """Return the tags in which a cluster's launch templates keep the launches of nodes of a role."""
    wanted = [
        {"Name": f"tag:{key}", "Values": [value]} for key, value in ((tags.CLUSTER, name), (tags.ROLE, role.value))
    ]
    templates = aws.pages("ec2", region, "describe_launch_templates", "LaunchTemplates", Filters=wanted)
    kept = (tags.to_dict(template.get("Tags")).get(tags.ATTEMPT) for template in templates)
    return tuple(value for value in kept if value)


def _cluster(group: dict[str, Any], region: str, instances: Iterable[dict[str, Any]]) -> Cluster | None:
    """Return a security group's cluster; None, and a note, for one that none of ours can be."""
    found = tag_forms.check(tags.to_dict(group.get("Tags")))
    settings, group_id = dict(found.sound), group["GroupId"]
    if found.damage:
        _warn(f"Tags of {group_id} in {region} are not as toilctl writes them: {tag_forms.said(found.damage)}.")
    if tags.CLUSTER not in settings:
        return None
    name = settings[tags.CLUSTER]
    own = [instance for instance in instances if tags.to_dict(instance.get("Tags")).get(tags.CLUSTER) == name]
    generation = settings.get(tags.GENERATION, "")
    return Cluster(name, region, generation, group_id, settings, _nodes(own), found.damage)


def _nodes(instances: Iterable[dict[str, Any]]) -> tuple[Node, ...]:
    return tuple(node for instance in instances if (node := _node(instance)))


def _node(instance: dict[str, Any]) -> Node | None:
    """Return an instance as a node; None, with a note where it seems to be one, when it has no role."""
    own, instance_id = tags.to_dict(instance.get("Tags")), instance["InstanceId"]
    if tags.ROLE not in own:
        return None
    if own[tags.ROLE] not in {*Role}:
        _warn(f"{instance_id} is passed over, for it is neither leader nor worker: {_tag(tags.ROLE, own)}.")
        return None
    return Node(
        instance_id=instance_id,
        role=Role(own[tags.ROLE]),
        node_type=_node_type(instance, own),
        instance_type=instance["InstanceType"],
        state=instance["State"]["Name"],
        zone=instance["Placement"]["AvailabilityZone"],
        private_address=instance.get("PrivateIpAddress"),
        public_address=instance.get("PublicIpAddress"),
        spot=instance.get("InstanceLifecycle") == "spot",
        launched_at=instance["LaunchTime"].astimezone(UTC).isoformat(timespec="seconds"),
        intent=own.get(tags.INTENT, ""),
        ended_by=instance.get("StateReason", {}).get("Code", ""),
        storage_gb=_gb(own.get(tags.STORAGE, "")),
    )


def _node_type(instance: dict[str, Any], own: dict[str, str]) -> NodeType:
    """Return a node's type; where its tag does not tell it, EC2's own type alone."""
    bought: str = instance["InstanceType"]
    try:
        return NodeType.parse(own.get(tags.NODE_TYPE) or bought)
    except UsageError:
        _warn(f"{instance['InstanceId']} counts as {bought}: {_tag(tags.NODE_TYPE, own)}.")
        return NodeType((bought,))


def _tag(key: str, own: dict[str, str]) -> str:
    return tag_forms.said({key: own.get(key, "")})


@lru_cache(maxsize=1000)
def _warn(text: str) -> None:
    """Say it once: an autoscaler looks every few seconds."""
    progress.note(text)


def _gb(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else 0


def _check_region(region: str) -> None:
    known = aws.known_regions()
    # A region younger than the installed SDK is real, too: ask before refusing it.
    if region in known or region in _all_regions():
        return
    close = get_close_matches(region, known, n=1)
    hint = f"Did you mean {close[0]}?" if close else "'aws ec2 describe-regions' lists them."
    raise UsageError(f"There is no region {region!r}.", hint, region=region)


def _all_regions() -> tuple[str, ...]:
    try:
        return aws.enabled_regions(_ASK_FIRST)
    except Exception:  # Without an answer the SDK's own list decides.
        return ()
