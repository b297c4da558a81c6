"""Addresses of a rehearsal cloud."""

from __future__ import annotations

from ipaddress import IPv4Network

from toilctl.local.hosts import networks
from toilctl.local.hosts.networks import Networks, free_ranges, parse_routes

ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
tun0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0
"""


def test_routes_are_read_without_the_default_route() -> None:
    assert [str(route) for route in parse_routes(ROUTES)] == ["192.168.0.0/24", "172.17.0.0/16", "10.0.0.0/8"]


def test_ranges_that_overlap_with_what_is_taken_are_left_out() -> None:
    taken = [IPv4Network("172.31.128.0/24"), IPv4Network("172.28.0.0/14")]
    assert str(free_ranges(networks.PRIVATE_RANGES, taken)[0]) == "10.213.0.0/16"


def test_default_vpc_of_moto_is_preferred() -> None:
    assert str(free_ranges(networks.PRIVATE_RANGES, [])[0]) == "172.31.0.0/16"


def test_private_and_public_ranges_never_meet() -> None:
    assert all(free_ranges([public], networks.PRIVATE_RANGES) for public in networks.PUBLIC_RANGES)


def test_everything_taken_leaves_nothing() -> None:
    assert free_ranges(networks.PRIVATE_RANGES, [IPv4Network("172.16.0.0/12"), IPv4Network("10.0.0.0/8")]) == []


def test_addresses_follow_from_the_ranges() -> None:
    cloud = Networks("0123abcd", "172.31.0.0/16", "10.229.0.0/16")
    assert (cloud.gateway, cloud.registry_address) == ("172.31.255.254", "172.31.255.253")
    assert cloud.public_address("172.31.16.7") == "10.229.16.7"


def test_private_network_comes_first_in_the_alphabet_and_so_has_the_default_route() -> None:
    cloud = Networks("0123abcd", "172.31.0.0/16", "172.28.0.0/16")
    assert cloud.name < cloud.public_name
