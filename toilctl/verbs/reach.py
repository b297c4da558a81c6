"""Port 22 of a cluster, for a machine whose address is not the one that launched it."""

from __future__ import annotations

import ipaddress
import os
import socket
from typing import Any, Final

from toilctl import aws, log
from toilctl.cluster import Cluster
from toilctl.errors import HostError

_WHO_AM_I: Final = "https://checkip.amazonaws.com"
_PATIENCE_S: Final = 4.0


def let_in(cluster: Cluster) -> str | None:
    """Open port 22 to this machine when the leader does not answer and its address is not let in yet.

    Returns the address range that was added, and says so on stderr. Nobody is asked anything while the port answers.
    """
    if cluster.leader is None or not cluster.leader.connect_address or _answers(cluster.leader.connect_address):
        return None
    own = _own_address()
    if _is_let_in(cluster, own):
        return None
    added = f"{own}/{own.max_prefixlen}"
    ranges = {"IpRanges": [{"CidrIp": added, "Description": "ssh"}]}
    if own.version == 6:
        ranges = {"Ipv6Ranges": [{"CidrIpv6": added, "Description": "ssh"}]}
    aws.client("ec2", cluster.region).authorize_security_group_ingress(
        GroupId=cluster.security_group_id,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, **ranges}],
    )
    log.note(f"Port 22 of cluster {cluster.name} is now open to this machine's address, {added}.")
    return added


def _answers(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=_PATIENCE_S):
            return True
    except OSError:
        return False


def _own_address() -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the address that the cluster sees: on AWS the public one, else the one towards the endpoint."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    try:
        return ipaddress.ip_address(_towards(endpoint) if endpoint else _as_seen_outside())
    except (OSError, ValueError) as error:
        raise HostError(
            f"The cluster does not answer on port 22, and this machine's public address could not be learnt: {error}.",
            "Check the network, or let the address in with launch-cluster --ssh-cidr.",
        ) from error


def _as_seen_outside() -> str:
    from urllib.request import urlopen

    with urlopen(_WHO_AM_I, timeout=_PATIENCE_S) as answer:
        return str(answer.read(64).decode("ascii", "replace").strip())


def _towards(endpoint: str) -> str:
    from urllib.parse import urlsplit

    parts = urlsplit(endpoint)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((parts.hostname or "localhost", parts.port or 443))
        return str(probe.getsockname()[0])


def _is_let_in(cluster: Cluster, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    described = aws.client("ec2", cluster.region).describe_security_groups(GroupIds=[cluster.security_group_id])
    rules: list[dict[str, Any]] = described["SecurityGroups"][0]["IpPermissions"]
    for rule in rules:
        if rule["IpProtocol"] == "tcp" and rule.get("FromPort", 0) <= 22 <= rule.get("ToPort", 0):
            known = [*(r["CidrIp"] for r in rule["IpRanges"]), *(r["CidrIpv6"] for r in rule.get("Ipv6Ranges", []))]
            if any(address in ipaddress.ip_network(cidr, strict=False) for cidr in known):
                return True
    return False
