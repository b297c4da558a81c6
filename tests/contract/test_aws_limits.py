"""AWS's limits stand once: the rehearsal cloud refuses what is beyond each, and toilctl stays within."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.checkout import ROOT
from tests.unit.roles.conftest import shared
from toilctl.system import aws
from toilctl.values import aws_limits, tags
from toilctl.values.cluster import MAX_NAME_LENGTH, Role

LIMITS = sorted(name for name in vars(aws_limits) if name.isupper())
CLOUD = [path.read_text() for path in (ROOT / "toilctl/local/aws").rglob("*.py")]
UTILS = shared("toilctl_aws")
SLUG_LENGTH = 64


@pytest.mark.parametrize("name", [*LIMITS, "MAX_COUNT", "MAX_KEY_LENGTH", "MAX_VALUE_LENGTH"])
def test_the_rehearsal_cloud_refuses_what_is_beyond_each_limit(name: str) -> None:
    assert any(re.search(rf"\b{name}\b", source) for source in CLOUD), name


def test_modules_ask_for_as_much_as_ec2_takes() -> None:
    assert (UTILS.FILTER_VALUES, UTILS.IDS_PER_CALL) == (aws_limits.FILTER_VALUES, aws_limits.IDS_PER_CALL)
    least, most = aws_limits.MAX_RESULTS["DescribeInstances"]
    assert least <= UTILS.PAGE_SIZE <= most


def test_modules_name_no_more_instance_types_than_ec2_takes() -> None:
    source = (ROOT / "roles/ec2_nodes/library/ec2_instance_type_facts.py").read_text()
    assert re.findall(r"^NAMES_PER_CALL = (\d+)$", source, re.MULTILINE) == [str(aws_limits.INSTANCE_TYPES_PER_CALL)]


def test_the_longest_names_fit() -> None:
    cluster, region = "c" * MAX_NAME_LENGTH, max(aws.known_regions(), key=len)
    role = max(Role, key=len)
    assert len(f"toilctl-{cluster}-{region}-{role}") <= aws_limits.ROLE_NAME_LENGTH <= aws_limits.PROFILE_NAME_LENGTH
    assert len(f"toilctl cluster {cluster}") <= aws_limits.GROUP_NAME_LENGTH
    variables = (ROOT / "roles/ec2_nodes/vars/main.yml").read_text()
    assert f"slug | length <= {SLUG_LENGTH}" in variables
    assert len(f"toilctl-{cluster}-{role}-{'x' * SLUG_LENGTH}") <= aws_limits.TEMPLATE_NAME_LENGTH[1]


def test_a_security_group_has_room_for_all_tags_of_ours_and_the_users() -> None:
    settings = yaml.safe_load((ROOT / "roles/ec2_network/vars/main.yml").read_text())["ec2_network_settings"]
    others = {tags.NAME, tags.OWNER, tags.CLUSTER, tags.GENERATION, tags.STATE, tags.PAUSED, tags.LEADER_PUBLIC_KEY}
    assert len(settings.keys() | others) <= tags.MOST_OF_OURS


def test_a_token_is_as_long_as_ec2_takes() -> None:
    token = shared("toilctl_fleet_request").token({"generation": "g"}, {}, 0)
    assert len(token) <= aws_limits.CLIENT_TOKEN_LENGTH
