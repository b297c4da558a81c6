"""The module that makes, opens, marks and deletes a cluster's security group."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest

from tests.unit.roles.conftest import shared
from toilctl.local.process.testing import TestCloud
from toilctl.values.aws_limits import RULES_PER_GROUP

Make = Callable[..., dict[str, Any]]


def ingress(ec2: Any, group_id: str) -> set[tuple[str, Any, str]]:
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group_id]}])
    return {
        (rule["IpProtocol"], rule.get("FromPort"), rule.get("CidrIpv4") or rule["ReferencedGroupInfo"]["GroupId"])
        for rule in rules["SecurityGroupRules"]
        if not rule["IsEgress"]
    }


def test_a_group_is_made_once_with_its_tags_in_the_creating_call(cloud: TestCloud, make_group: Make) -> None:
    first = make_group(tags={"Owner": "me", "toilctl:engine": "slurm"})
    assert "ec2:CreateTags" not in cloud.calls
    second = make_group(tags={"Owner": "me", "toilctl:engine": "slurm"})
    assert (first["changed"], second["changed"]) == (True, False)
    assert (second["group_id"], second["generation"]) == (first["group_id"], first["generation"])
    assert len(first["generation"]) == 8
    assert first["tags"].items() >= {"Owner": "me", "toilctl:engine": "slurm", "toilctl:cluster": "my"}.items()


def test_two_who_launch_at_once_get_one_generation(make_group: Make) -> None:
    with ThreadPoolExecutor(8) as pool:
        groups = list(pool.map(lambda _: make_group(), range(8)))
    assert len({(group["group_id"], group["generation"]) for group in groups}) == 1


def test_a_destroyed_and_relaunched_cluster_has_another_generation(make_group: Make) -> None:
    first = make_group()["generation"]
    make_group(state="absent")
    assert make_group()["generation"] != first


def test_nothing_is_let_in_but_ssh_from_the_given_range_and_the_group_itself(ec2: Any, make_group: Make) -> None:
    group_id = make_group(ssh_cidrs=["198.51.100.7/32"])["group_id"]
    assert ingress(ec2, group_id) == {("tcp", 22, "198.51.100.7/32"), ("-1", -1, group_id)}


def test_a_rule_that_somebody_added_is_taken_away_but_ssh_from_elsewhere_stays(ec2: Any, make_group: Make) -> None:
    group_id = make_group(ssh_cidrs=["198.51.100.7/32"])["group_id"]
    make_group(state="opened", ssh_cidrs=["203.0.113.0/24"])
    anywhere = {"IpProtocol": "tcp", "FromPort": 5050, "ToPort": 5050, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group_id, IpPermissions=[anywhere])
    assert make_group(ssh_cidrs=["198.51.100.7/32"])["changed"]
    assert ingress(ec2, group_id) == {
        ("tcp", 22, "198.51.100.7/32"), ("tcp", 22, "203.0.113.0/24"), ("-1", -1, group_id),
    }  # fmt: skip


def test_another_address_is_let_in_once_and_named(make_group: Make) -> None:
    make_group(ssh_cidrs=["198.51.100.7/32"])
    assert make_group(state="opened", ssh_cidrs=["203.0.113.9/32"])["opened"] == ["203.0.113.9/32"]
    assert not make_group(state="opened", ssh_cidrs=["203.0.113.9/32"])["changed"]


@pytest.mark.parametrize("cidr", ["10.1.2.3/0", "everyone", "", "10.0.0.1/33"])
def test_what_is_no_address_range_opens_nothing(cidr: str, ec2: Any, make_group: Make, aws_utils: ModuleType) -> None:
    group_id = make_group()["group_id"]
    with pytest.raises(aws_utils.AwsError, match="not an address range"):
        make_group(ssh_cidrs=[cidr])
    assert ingress(ec2, group_id) == {("-1", -1, group_id)}


def test_an_address_beyond_what_a_group_holds_names_the_way_out(
    ec2: Any, make_group: Make, aws_utils: ModuleType
) -> None:
    most = RULES_PER_GROUP - 1
    group_id = make_group(ssh_cidrs=[f"198.51.100.{n}/32" for n in range(most)])["group_id"]
    with pytest.raises(aws_utils.AwsError, match=r"203\.0\.113\.9/32 cannot be let in") as error:
        make_group(state="opened", ssh_cidrs=["203.0.113.9/32"])
    assert error.value.code == "conflict"
    assert f"revoke-security-group-ingress --region us-west-2 --group-id {group_id}" in error.value.next_step
    assert "--ssh-cidr" in error.value.next_step
    # Those of IPv6 are counted apart.
    assert make_group(state="opened", ssh_cidrs=["2001:db8::7/128"])["changed"]
    old = [rule for rule, (_, port, _, _) in shared("toilctl_ingress").rules(ec2, group_id).items() if port == 22][:1]
    ec2.revoke_security_group_ingress(GroupId=group_id, SecurityGroupRuleIds=old)
    assert make_group(state="opened", ssh_cidrs=["203.0.113.9/32"])["changed"]


def test_ipv6_ranges_are_let_in(make_group: Make) -> None:
    assert make_group(ssh_cidrs=["2001:db8::7/128"])["opened"] == ["2001:db8::7/128"]
    assert not make_group(ssh_cidrs=["2001:db8::7/128"])["changed"]


def test_a_cluster_being_destroyed_is_not_launched(make_group: Make, aws_utils: ModuleType) -> None:
    make_group()
    assert make_group(state="destroying")["changed"]
    assert not make_group(state="destroying")["changed"]
    with pytest.raises(aws_utils.AwsError, match="being destroyed") as error:
        make_group()
    assert error.value.code == "conflict"
    assert "toilctl destroy-cluster my" in error.value.next_step


def test_other_settings_of_what_runs_are_refused_and_named(ec2: Any, make_group: Make, aws_utils: ModuleType) -> None:
    make_group(tags={"toilctl:engine": "slurm", "toilctl:workers": "3"})
    ours = [{"ResourceType": "instance", "Tags": [{"Key": "toilctl:cluster", "Value": "my"}]}]
    image = ec2.describe_images()["Images"][0]["ImageId"]
    ec2.run_instances(ImageId=image, InstanceType="t2.micro", MinCount=1, MaxCount=1, TagSpecifications=ours)
    fixed = ["toilctl:engine"]
    with pytest.raises(aws_utils.AwsError, match="toilctl:engine = 'slurm'"):
        make_group(tags={"toilctl:engine": "mesos", "toilctl:workers": "3"}, fixed_tags=fixed)
    changed = make_group(tags={"toilctl:engine": "slurm", "toilctl:workers": "5"}, fixed_tags=fixed)
    assert changed["tags"]["toilctl:workers"] == "5"


def test_what_never_got_a_node_takes_other_settings(make_group: Make) -> None:
    make_group(tags={"toilctl:engine": "slurm"})
    changed = make_group(tags={"toilctl:engine": "mesos"}, fixed_tags=["toilctl:engine"])
    assert changed["tags"]["toilctl:engine"] == "mesos"


def test_what_never_got_a_node_forgets_what_is_not_asked_for_any_more(make_group: Make) -> None:
    fixed = {"fixed_tags": ["toilctl:shared"]}
    make_group(tags={"toilctl:shared": "nfs", "toilctl:limits": "t2.micro=0..3"}, **fixed)
    again = {"tags": {"toilctl:shared": "", "toilctl:limits": ""}, **fixed}
    changed = make_group(**again)
    assert "toilctl:shared" not in changed["tags"]
    assert changed["tags"]["toilctl:limits"] == "t2.micro=0..3"
    assert not make_group(**again)["changed"]


def test_a_cluster_whose_name_begins_alike_is_another(ec2: Any, make_group: Make) -> None:
    longer = make_group("my-cluster")
    assert make_group("my")["group_id"] != longer["group_id"]
    make_group("my", state="destroying")
    make_group("my", state="absent")
    (left,) = ec2.describe_security_groups(GroupNames=["toilctl-my-cluster"])["SecurityGroups"]
    assert "toilctl:state" not in {tag["Key"] for tag in left["Tags"]}


def test_a_foreign_group_of_that_name_is_left_alone(ec2: Any, make_group: Make, aws_utils: ModuleType) -> None:
    ec2.create_security_group(GroupName="toilctl-my", Description="of somebody else")
    with pytest.raises(aws_utils.AwsError, match="is not toilctl's"):
        make_group()
    assert not make_group(state="absent")["changed"]


def test_a_group_in_use_is_deleted_when_its_interfaces_are_gone(
    cloud: TestCloud, ec2: Any, make_group: Make, quick: None
) -> None:
    group_id = make_group()["group_id"]
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    interface = ec2.create_network_interface(SubnetId=subnet, Groups=[group_id])["NetworkInterface"]
    tries = iter([None, None, lambda: ec2.delete_network_interface(NetworkInterfaceId=interface["NetworkInterfaceId"])])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.sleep", lambda _: (next(tries, None) or (lambda: None))())
        assert make_group(state="absent")["changed"]
    assert not make_group(state="absent")["changed"]


def test_a_group_that_stays_in_use_is_named_as_left_over(ec2: Any, make_group: Make, aws_utils: ModuleType) -> None:
    group_id = make_group()["group_id"]
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    ec2.create_network_interface(SubnetId=subnet, Groups=[group_id])
    with pytest.raises(aws_utils.AwsError) as error:
        make_group(state="absent", timeout_s=0)
    assert (error.value.code, error.value.facts["left"]) == ("leftovers", [group_id])


def test_letting_in_to_a_cluster_that_does_not_exist_says_so(make_group: Make, aws_utils: ModuleType) -> None:
    with pytest.raises(aws_utils.AwsError, match="no cluster nope") as error:
        make_group("nope", state="opened", ssh_cidrs=["198.51.100.7/32"])
    assert error.value.code == "not-found"


def test_a_tag_is_written_once_and_alone(make_group: Make, ec2: Any, cloud: TestCloud) -> None:
    before = make_group(tags={"Owner": "me", "toilctl:paused": "yes"})
    first = make_group(state="tagged", tags={"toilctl:leader-public-key": "ssh-ed25519 A"})
    second = make_group(state="tagged", tags={"toilctl:leader-public-key": "ssh-ed25519 A"})
    assert (first["changed"], second["changed"]) == (True, False)
    assert second["tags"] == {**before["tags"], "toilctl:leader-public-key": "ssh-ed25519 A"}
    # A launch again takes nothing away.
    assert make_group(tags={"Owner": "me"})["tags"] == second["tags"]


def test_a_cluster_that_does_not_exist_is_not_tagged(make_group: Make, aws_utils: ModuleType) -> None:
    with pytest.raises(aws_utils.AwsError, match="There is no cluster my"):
        make_group(state="tagged", tags={"a": "b"})
