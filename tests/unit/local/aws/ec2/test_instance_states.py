"""Instances' states, and what depends on them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from tests.unit.local.conftest import Account, code
from toilctl.local.process import testing
from toilctl.local.process.testing import TestCloud


def state(account: Account, instance_id: str) -> str:
    return str(account.describe(instance_id)[0]["State"]["Name"])


def test_instance_is_pending_in_the_answer_and_runs_then(account: Account) -> None:
    instance = account.run()[0]
    assert instance["State"]["Name"] == "pending"
    assert state(account, instance["InstanceId"]) == "running"


def test_boot_delay_keeps_an_instance_pending(account: Account) -> None:
    account.cloud.faults.set("boot-delay", seconds=30)
    instance_id = account.run()[0]["InstanceId"]
    account.cloud.advance(29)
    assert state(account, instance_id) == "pending"
    account.cloud.advance(2)
    assert state(account, instance_id) == "running"


def test_new_instances_can_be_missing_from_listings(account: Account) -> None:
    account.cloud.faults.set("api-lag", seconds=2)
    instance_id = account.run()[0]["InstanceId"]
    assert account.describe() == []
    with pytest.raises(ClientError) as error:
        account.describe(instance_id)
    assert code(error) == "InvalidInstanceID.NotFound"
    account.cloud.advance(3)
    assert len(account.describe(instance_id)) == len(account.describe()) == 1


def test_stop_and_start_change_the_public_address_for_none_and_back(account: Account) -> None:
    instance_id = account.run()[0]["InstanceId"]
    account.describe()
    changed = account.ec2.stop_instances(InstanceIds=[instance_id])["StoppingInstances"][0]
    assert (changed["PreviousState"]["Name"], changed["CurrentState"]["Name"]) == ("running", "stopping")
    stopped = account.describe(instance_id)[0]
    assert stopped["State"]["Name"] == "stopped"
    assert "PublicIpAddress" not in stopped
    account.ec2.start_instances(InstanceIds=[instance_id])
    assert account.describe(instance_id)[0]["PublicIpAddress"] == "172.28.0.4"


def test_terminated_instance_takes_its_volumes_and_interface_along(account: Account) -> None:
    instance_id = account.run(SecurityGroupIds=[account.group])[0]["InstanceId"]
    with pytest.raises(ClientError) as error:
        account.ec2.delete_security_group(GroupId=account.group)
    assert code(error) == "DependencyViolation"
    account.ec2.terminate_instances(InstanceIds=[instance_id])
    gone = account.describe(instance_id)[0]
    assert gone["State"]["Name"] == "terminated"
    assert "PrivateIpAddress" not in gone
    assert account.ec2.describe_volumes()["Volumes"] == []
    account.ec2.delete_security_group(GroupId=account.group)


def test_volume_that_is_to_be_kept_is_kept(account: Account) -> None:
    mapping = {"DeviceName": "/dev/xvda", "Ebs": {"DeleteOnTermination": False}}
    instance_id = account.run(BlockDeviceMappings=[mapping])[0]["InstanceId"]
    account.ec2.terminate_instances(InstanceIds=[instance_id])
    assert [volume["State"] for volume in account.ec2.describe_volumes()["Volumes"]] == ["available"]


def test_terminated_instance_is_described_for_an_hour(account: Account) -> None:
    instance_id = account.run()[0]["InstanceId"]
    account.ec2.terminate_instances(InstanceIds=[instance_id])
    account.ec2.terminate_instances(InstanceIds=[instance_id])
    account.describe()
    account.cloud.advance(3500)
    assert state(account, instance_id) == "terminated"
    account.cloud.advance(200)
    assert account.describe() == []


def test_interface_lag_keeps_the_group_in_use_after_the_end(account: Account) -> None:
    account.cloud.faults.set("interface-lag", seconds=5)
    instance_id = account.run(SecurityGroupIds=[account.group])[0]["InstanceId"]
    account.ec2.terminate_instances(InstanceIds=[instance_id])
    assert state(account, instance_id) == "terminated"
    with pytest.raises(ClientError) as error:
        account.ec2.delete_security_group(GroupId=account.group)
    assert code(error) == "DependencyViolation"
    account.cloud.advance(6)
    account.ec2.delete_security_group(GroupId=account.group)


def test_group_that_anothers_rule_names_cannot_be_deleted(account: Account) -> None:
    other = account.ec2.create_security_group(GroupName="other", Description="o")["GroupId"]
    rule = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": account.group}]}
    account.ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=[rule])
    account.ec2.authorize_security_group_ingress(GroupId=account.group, IpPermissions=[rule])
    with pytest.raises(ClientError) as error:
        account.ec2.delete_security_group(GroupId=account.group)
    assert code(error) == "DependencyViolation"
    account.ec2.delete_security_group(GroupId=other)
    account.ec2.delete_security_group(GroupId=account.group)


@pytest.mark.parametrize(("behaviour", "expected"), [("terminate", "terminated"), ("stop", "stopped")])
def test_host_that_switches_itself_off_does_what_it_was_launched_to(
    account: Account, behaviour: str, expected: str
) -> None:
    instance_id = account.run(InstanceInitiatedShutdownBehavior=behaviour)[0]["InstanceId"]
    account.describe()
    account.cloud.cloud.powered_off([instance_id])
    assert state(account, instance_id) == expected
    assert account.describe(instance_id)[0]["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"


def test_terminated_instance_cannot_be_started(account: Account) -> None:
    instance_id = account.run()[0]["InstanceId"]
    account.ec2.terminate_instances(InstanceIds=[instance_id])
    with pytest.raises(ClientError) as error:
        account.ec2.start_instances(InstanceIds=[instance_id])
    assert code(error) == "IncorrectInstanceState"


def test_host_spec_has_what_a_host_needs(account: Account) -> None:
    account.cloud.faults.set("never-boot", count=1)
    account.run(KeyName="k", UserData="#!/bin/sh\n")
    spec = account.cloud.cloud.host_specs()[0]
    assert (spec.private_ip, spec.public_ip, spec.hostname) == ("172.31.0.4", "172.28.0.4", "ip-172-31-0-4")
    assert (spec.image, spec.instance_type, spec.user_data) == ("prepared", "t2.micro", b"#!/bin/sh\n")
    assert spec.public_key is not None
    assert spec.public_key.startswith("ssh-ed25519 ")
    assert spec.fault == {"never_boot": True}
    account.run()
    assert account.cloud.cloud.host_specs()[1].fault == {}


def test_reboot_is_counted_for_the_host(account: Account) -> None:
    instance_id = account.run()[0]["InstanceId"]
    account.ec2.reboot_instances(InstanceIds=[instance_id])
    account.ec2.reboot_instances(InstanceIds=[instance_id])
    assert account.cloud.cloud.host_specs()[0].reboots == 2


class TestWithHosts:
    """With hosts, an end and a stop take as long as the hosts take."""

    @pytest.fixture
    def cloud(self) -> Iterator[TestCloud]:
        with testing.cloud(hosts=True) as running:
            yield running

    def test_instance_ends_when_its_host_is_gone(self, account: Account) -> None:
        instance_id = account.run()[0]["InstanceId"]
        account.ec2.terminate_instances(InstanceIds=[instance_id])
        assert state(account, instance_id) == "shutting-down"
        assert [spec.state for spec in account.cloud.cloud.host_specs()] == ["shutting-down"]
        account.cloud.cloud.settle([instance_id])
        assert state(account, instance_id) == "terminated"
        assert account.cloud.cloud.host_specs() == []

    def test_instance_is_stopped_when_its_host_is(self, account: Account) -> None:
        instance_id = account.run()[0]["InstanceId"]
        account.ec2.stop_instances(InstanceIds=[instance_id])
        assert state(account, instance_id) == "stopping"
        account.cloud.cloud.settle([instance_id])
        assert state(account, instance_id) == "stopped"
