"""Playbooks on an autoscaled cluster that has been launched: what its leader launches, and what it is told."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.checkout import ROOT
from tests.playbooks.autoscaled import KEY, TYPES, instances, leader_of, settings, tag
from tests.playbooks.conftest import count_changed, player
from toilctl.autoscaler.execute.playbooks import Playbooks
from toilctl.autoscaler.model.plan import ScaleOut
from toilctl.autoscaler.model.playbook_events import Event, LaunchAnswered, LaunchingOver
from toilctl.autoscaler.model.settings import AutoscalerSettings
from toilctl.local.process import testing
from toilctl.local.process.testing import TestCloud
from toilctl.system import paths, variables
from toilctl.values.node_types import NodeType
from toilctl.values.tuning import Tuning

Play = Callable[..., Any]
Changed = Callable[[Any], int]


@dataclass(frozen=True)
class Launched:
    """A cluster with two workers t2.micro, which tests share: what each launches has an intent of its own."""

    cloud: TestCloud
    play: Play
    state: Path
    """The toilctl state directory of whoever launched it."""
    leader: str


@pytest.fixture(scope="module")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launched]:
    directory = tmp_path_factory.mktemp("launched")
    with testing.cloud() as cloud:
        play = player(cloud, directory)
        count_changed(play("launch.yml", **{**TYPES, "worker_counts": [2, 0], "target_time_s": 60}))
        yield Launched(cloud, play, directory / "state/toilctl", leader_of(cloud))


@pytest.fixture
def launched(shared_cluster: Launched) -> Iterator[Launched]:
    """The cluster with the settings it was launched with; a test's own tags and faults go with it."""
    cloud = shared_cluster.cloud
    (group,) = cloud.client("ec2").describe_security_groups(GroupNames=["toilctl-my"])["SecurityGroups"]
    yield shared_cluster
    for fault in ("insufficient-capacity", "throttle"):
        cloud.faults.clear(fault)
    added = [{"Key": name} for name in settings(cloud).keys() - {one["Key"] for one in group["Tags"]}]
    cloud.client("ec2").delete_tags(Resources=[group["GroupId"]], Tags=added)
    cloud.client("ec2").create_tags(Resources=[group["GroupId"]], Tags=group["Tags"])


def test_the_leader_launches_what_it_may_where_it_may_and_can_open_it(launched: Launched, changed: Changed) -> None:
    cloud = launched.cloud
    tag(cloud, leader_public_key=KEY, zones="us-west-2a,us-west-2b")
    cloud.faults.set("insufficient-capacity", instance_type="t2.micro", zone="us-west-2a")
    launches = [
        {"node_type": "t2.micro", "count": 2, "without": [{"instance_type": "t2.micro", "zone": "us-west-2a"}]},
        {
            "node_type": "r3.large/m5.large:0.6", "count": 1,
            "without": [{"instance_type": "r3.large", "zone": zone} for zone in ("us-west-2a", "us-west-2b")],
        },
    ]  # fmt: skip
    before = cloud.calls["ec2:DescribeInstanceTypes"]
    changed(launched.play("scale_out.yml", intent="auto-1", leader=launched.leader, launches=launches))
    assert cloud.calls["ec2:DescribeInstanceTypes"] == before + 1
    workers = instances(cloud, intent="auto-1")
    assert (
        sorted((one["InstanceType"], one["Placement"]["AvailabilityZone"]) for one in workers)[1:]
        == [("t2.micro", "us-west-2b")] * 2
    )
    assert {one["InstanceType"] for one in workers} == {"m5.large", "t2.micro"}
    assert [volume_gb(cloud, one) for one in sorted(workers, key=lambda one: str(one["InstanceType"]))] == [60, 20, 20]
    for worker in workers:
        assert yaml.safe_load(user_data(cloud, worker))["ssh_authorized_keys"] == [KEY]
    # Configured again after a crash, without a launch.
    again = launched.play("scale_out.yml", intent="auto-1", leader=launched.leader, launches=[])
    assert changed(again) == 0
    assert len(instances(cloud, intent="auto-1")) == 3


def volume_gb(cloud: TestCloud, instance: dict[str, Any]) -> int:
    root = instance["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    return int(cloud.client("ec2").describe_volumes(VolumeIds=[root])["Volumes"][0]["Size"])


def user_data(cloud: TestCloud, instance: dict[str, Any]) -> str:
    asked = {"InstanceId": instance["InstanceId"], "Attribute": "userData"}
    answer = cloud.client("ec2").describe_instance_attribute(**asked)
    return base64.b64decode(answer["UserData"]["Value"]).decode()


def test_launches_that_say_nothing_sensible_are_refused(launched: Launched) -> None:
    wrong = [{"node_type": "t2.micro", "count": 1, "without": [{"instance_type": "t2.micro"}]}]
    result = launched.play("scale_out.yml", intent="out-1", launches=wrong)
    assert result.returncode == 2
    assert "missing required arguments: zone" in result.stdout
    assert instances(launched.cloud, intent="out-1") == []


def test_an_offering_that_is_set_aside_is_missing_and_the_other_launch_goes_on(launched: Launched) -> None:
    launches = [
        {"node_type": "t2.micro", "count": 2, "without": [{"instance_type": "t2.micro", "zone": "us-west-2a"}]},
        {"node_type": "t2.small", "count": 1},
    ]
    result = launched.play("scale_out.yml", intent="auto-2", leader=launched.leader, launches=launches)
    assert result.returncode == 2
    assert "2 of 2 worker nodes t2.micro could not be launched: SetAside in us-west-2a" in result.stdout
    assert [one["InstanceType"] for one in instances(launched.cloud, intent="auto-2")] == ["t2.small"]


@pytest.fixture
def playbooks(launched: Launched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Playbooks:
    """The autoscaler's hand on the cluster; it leaves out what would be done on hosts, for there are none."""
    root = tmp_path / "ansible"
    (root / "playbooks").mkdir(parents=True)
    for name in ("roles", "inventory", "ansible.cfg"):
        (root / name).symlink_to(ROOT / name)
    plays = yaml.safe_load((ROOT / "playbooks/scale_out.yml").read_text())
    local = [play for play in plays if play.get("hosts") == "localhost"]
    (root / "playbooks/scale_out.yml").write_text(yaml.safe_dump(local))
    monkeypatch.setattr(paths, "ansible_dir", lambda: root)
    # An error of EC2's own does not say what was asked for.
    own = {"XDG_STATE_HOME": str(launched.state.parent), "TOILCTL_CONNECT_ADDRESS": "private", "AWS_MAX_ATTEMPTS": "1"}
    for name, value in {**launched.cloud.env, **own}.items():
        monkeypatch.setenv(name, value)
    written = {
        "cluster_name": "my", "region": "us-west-2", "engine": "slurm", "leader_address": "10.0.0.1",
        "node_types": ["t2.micro"], "limits": ["t2.micro=0..20"], "zones": ["us-west-2a"], "node_storage_gb": 50,
        "tuning": str(Tuning.of(variables.defaults())), "boot_timeout_s": 1,
    }  # fmt: skip
    return Playbooks(AutoscalerSettings.of(written), tmp_path, threading.Event())


def test_refusal_is_told_while_the_playbook_runs_and_what_was_launched_is_known(
    launched: Launched, playbooks: Playbooks
) -> None:
    micro, cloud = NodeType.parse("t2.micro"), launched.cloud
    cloud.faults.set("throttle", action="ec2:CreateFleet", count=2)
    told: list[Event] = []
    assert not playbooks.scale_out("told-0", [ScaleOut(micro, 1)], told.append).ok
    assert isinstance(told[0], LaunchAnswered)
    assert (told[0].node_type, told[0].launched) == (micro, None)
    assert [one.code for one in told[0].refusals] == ["RequestLimitExceeded"]

    cloud.faults.set("insufficient-capacity", instance_type="t2.micro", count=1)
    told.clear()
    ended = playbooks.scale_out("told-1", [ScaleOut(micro, 2)], told.append)
    answer, over = told
    assert isinstance(answer, LaunchAnswered)
    assert answer.launched is not None
    assert (answer.node_type, len(answer.launched)) == (micro, 1)
    assert [(one.code, one.instance_type, one.zone) for one in answer.refusals] == [
        ("InsufficientInstanceCapacity", "t2.micro", "us-west-2a")
    ]
    assert over == LaunchingOver("told-1")
    assert not ended.ok
    assert "1 of 2 worker nodes t2.micro" in ended.message


def test_the_leader_is_told_everything_that_the_tags_say(launched: Launched, changed: Changed, tmp_path: Path) -> None:
    cloud = launched.cloud
    tag(cloud, paused="yes", default_preemptible="yes")
    roles = ROOT / "roles/leader"
    names = {"cluster.yml": tmp_path / "cluster.yml", "default.yaml": tmp_path / "default.yaml"}
    tasks: list[dict[str, Any]] = [{"ansible.builtin.include_vars": str(roles / "defaults/main.yml")}]
    for name, dest in names.items():
        content = f"{{{{ lookup('ansible.builtin.template', '{roles}/templates/{name}.j2') }}}}"
        tasks.append({"ansible.builtin.copy": {"content": content, "dest": str(dest)}, "delegate_to": "localhost"})
    # By hand, from anywhere: nothing of it is said again.
    nothing: dict[str, Any] = {"node_types": [], "worker_counts": [], "zones": []}
    cloud.faults.set("service-linked-role-missing", service="spot.amazonaws.com")
    changed(launched.play("autoscale.yml", on_leader=tasks, ssh_cidrs=["192.0.2.1/32"], **nothing))
    # A node type among its limits has a bid.
    (spot,) = cloud.client("iam").list_roles(PathPrefix="/aws-service-role/spot.amazonaws.com/")["Roles"]
    assert spot["RoleName"] == "AWSServiceRoleForEC2Spot"
    written = yaml.safe_load(names["cluster.yml"].read_text())
    found = AutoscalerSettings.of(written)
    assert [str(one) for one in found.policy.limits] == TYPES["limits"]
    assert found.policy.tuning == Tuning.of({**variables.defaults(), "target_time_s": 60})
    assert (found.policy.paused, found.policy.zones) == (True, ("us-west-2a",))
    assert {str(one): gb for one, gb in found.storage_gb.items()} == {"t2.micro": 20, "r3.large/m5.large:0.6": 60}
    assert found.metrics_port == variables.defaults()["metrics_port"]
    assert written["leader_address"] == instances(cloud, role="leader")[0]["PrivateIpAddress"]
    toil = yaml.safe_load(names["default.yaml"].read_text())
    # A t2.micro has 1 GiB, and none has told yet how much of it jobs can have.
    assert toil["defaultPreemptible"] is True
    assert 300 < int(toil["defaultMemory"].removesuffix("Mi")) < 1024


def test_ended_workers_leave_known_hosts_and_another_node_at_their_address_is_no_stranger(launched: Launched) -> None:
    gone, stays = sorted(one["InstanceId"] for one in instances(launched.cloud, intent="launch", role="worker"))
    known_hosts = launched.state / "clusters/us-west-2/my/known_hosts"
    kept = f"{stays} ssh-ed25519 AAAAstays\n{gone}0 ssh-ed25519 AAAAother\n"
    known_hosts.write_text(f"{gone} ssh-ed25519 AAAAgone\n{kept}{gone} ecdsa-sha2-nistp256 AAAAgone\n")
    result = {"drained": [gone], "still_running": {}}
    drained = [{"ansible.builtin.set_fact": {"drain_result": result}}]
    ended = launched.play("scale_in.yml", on_leader=drained, instance_ids=[gone], ssh_cidrs=["192.0.2.1/32"])
    assert ended.returncode == 0, ended.stdout
    assert known_hosts.read_text() == kept
    assert [one["InstanceId"] for one in instances(launched.cloud, intent="launch", role="worker")] == [stays]


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ("leader", "Not a worker of cluster my: {leader}. Name workers that `toilctl describe-cluster` lists."),
        (["i-0123456789abcdef0"], "Not a worker of cluster my: i-0123456789abcdef0."),
        (["-oProxyCommand=x"], "Say which workers are to go, by their instance ids:"),
        ("i-0123456789abcdef0", "Say which workers are to go, by their instance ids:"),
        (None, "Say which workers are to go, by their instance ids:"),
    ],
)
def test_scale_in_of_what_is_no_worker_is_refused_before_anything_is_drained(
    launched: Launched, ids: Any, said: str, tmp_path: Path
) -> None:
    """The play on the leader would write a file."""
    there = {one["InstanceId"] for one in instances(launched.cloud, cluster="my")}
    chosen = {} if ids is None else {"instance_ids": [launched.leader] if ids == "leader" else ids}
    drained = [
        {"ansible.builtin.file": {"path": str(tmp_path / "drained"), "state": "touch"}, "delegate_to": "localhost"}
    ]
    ended = launched.play("scale_in.yml", on_leader=drained, ssh_cidrs=["192.0.2.1/32"], **chosen)
    assert ended.returncode == 2
    assert said.format(leader=launched.leader) in " ".join(ended.stdout.split())
    assert not (tmp_path / "drained").exists()
    assert {one["InstanceId"] for one in instances(launched.cloud, cluster="my")} == there
