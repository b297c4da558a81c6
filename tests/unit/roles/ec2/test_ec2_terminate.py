"""Terminating and sweeping up: this cluster's, and nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from toilctl.local.process.testing import TestCloud
from toilctl.values import aws_errors
from toilctl.values.aws_limits import FILTER_VALUES

Module = Callable[[str], ModuleType]


@pytest.fixture
def run_instances(cloud: TestCloud, ec2: Any) -> Callable[..., list[str]]:
    """Run instances with a cluster's tags, by default workers."""
    image = cloud.client("ssm").get_parameter(Name="/aws/service/debian/release/12/latest/amd64")["Parameter"]["Value"]

    def run(cluster: str, count: int = 1, role: str = "worker", generation: str = "g1") -> list[str]:
        says = {"cluster": cluster, "role": role, "generation": generation}
        tags = [{"Key": f"toilctl:{name}", "Value": value} for name, value in says.items()]
        made = ec2.run_instances(
            ImageId=image,
            InstanceType="t2.micro",
            MinCount=count,
            MaxCount=count,
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )
        return sorted(instance["InstanceId"] for instance in made["Instances"])

    return run


@pytest.fixture(autouse=True)
def group(ec2: Any) -> None:
    """A security group, by which a cluster is there and has a generation."""
    tags = [{"Key": "toilctl:cluster", "Value": "my"}, {"Key": "toilctl:generation", "Value": "g1"}]
    ec2.create_security_group(
        GroupName="toilctl-my",
        Description="my",
        TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
    )


def terminate(module: Module, ec2: Any, cluster: str, instance_ids: list[str] | None = None) -> list[str]:
    options = {"cluster": cluster, "instance_ids": instance_ids, "wait": True, "timeout_s": 300}
    result: list[str] = module("ec2_terminate").terminate(ec2, options)["terminated"]
    return result


def state(ec2: Any, instance_id: str) -> str:
    found = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
    return str(found["State"]["Name"])


def test_all_of_a_cluster_end_and_one_whose_name_begins_alike_runs_on(
    module: Module, ec2: Any, run_instances: Callable[..., list[str]], quick: None
) -> None:
    mine, other = run_instances("my", 2), run_instances("my-cluster")[0]
    assert terminate(module, ec2, "my") == mine
    assert terminate(module, ec2, "my") == []
    assert state(ec2, other) == "running"


def test_named_nodes_end_and_the_others_run_on(
    module: Module, ec2: Any, run_instances: Callable[..., list[str]], quick: None
) -> None:
    first, second = run_instances("my", 2)
    assert terminate(module, ec2, "my", [first]) == [first]
    assert terminate(module, ec2, "my", [first]) == []
    assert terminate(module, ec2, "my", []) == []
    assert state(ec2, second) == "running"


@pytest.mark.parametrize("other", [
    pytest.param({"cluster": "my-cluster"}, id="of another cluster"),
    pytest.param({"cluster": "my", "role": "leader"}, id="the leader"),
    pytest.param({"cluster": "my", "generation": "g0"}, id="of a former cluster of that name"),
    pytest.param(None, id="that does not exist"),
])  # fmt: skip
def test_a_named_node_that_is_no_worker_of_the_cluster_is_refused_and_none_ends(
    module: Module,
    ec2: Any,
    run_instances: Callable[..., list[str]],
    aws_utils: ModuleType,
    other: dict[str, str] | None,
) -> None:
    mine = run_instances("my")[0]
    wrong = run_instances(**other)[0] if other else "i-0123456789abcdef0"
    options = {"cluster": "my", "instance_ids": [mine, wrong], "wait": True, "timeout_s": 10}
    for act in (module("ec2_terminate").terminate, module("ec2_terminate").would_terminate):
        with pytest.raises(aws_utils.AwsError, match=f"^Not a worker of cluster my: {wrong}\\.$"):
            act(ec2, options)
    assert state(ec2, mine) == "running"
    if other:
        assert state(ec2, wrong) == "running"


def test_what_would_end_is_told_and_runs_on(module: Module, ec2: Any, run_instances: Callable[..., list[str]]) -> None:
    first, second = run_instances("my", 2)
    told = module("ec2_terminate").would_terminate(ec2, {"cluster": "my", "instance_ids": [first]})
    assert told == {"changed": True, "terminated": [first]}
    assert state(ec2, first) == state(ec2, second) == "running"


def test_more_nodes_than_a_filter_takes_end_in_one_scale_in(
    module: Module, ec2: Any, cloud: TestCloud, run_instances: Callable[..., list[str]], quick: None
) -> None:
    nodes = run_instances("my", FILTER_VALUES + 1)
    ended = [*nodes[1:], nodes[0]]
    assert terminate(module, ec2, "my", ended) == nodes
    assert cloud.calls["ec2:TerminateInstances"] == 1


def test_of_many_nodes_that_do_not_end_a_few_are_named(module: Module) -> None:
    states = {f"i-{number:02}": "shutting-down" for number in range(12)}
    error = module("ec2_terminate").left_over(states)
    assert error.message.endswith("i-08, i-09 and 2 more.")
    assert error.facts["left"] == sorted(states)


def test_a_node_of_another_cluster_is_found_among_many(
    module: Module, ec2: Any, run_instances: Callable[..., list[str]], aws_utils: ModuleType
) -> None:
    mine, other = run_instances("my", FILTER_VALUES), run_instances("my-cluster")[0]
    with pytest.raises(aws_utils.AwsError, match=other):
        terminate(module, ec2, "my", [*mine, other])
    assert state(ec2, mine[0]) == "running"


def test_nodes_of_a_cluster_that_is_not_there_are_refused(
    module: Module, ec2: Any, run_instances: Callable[..., list[str]], aws_utils: ModuleType
) -> None:
    (node,) = run_instances("gone")
    with pytest.raises(aws_utils.AwsError, match="There is no cluster gone"):
        terminate(module, ec2, "gone", [node])
    assert state(ec2, node) == "running"


def test_leftovers_are_deleted_and_those_of_another_cluster_stay(module: Module, ec2: Any) -> None:
    for cluster in ("my", "my-cluster"):
        tags = [{"Key": "toilctl:cluster", "Value": cluster}]
        ec2.create_launch_template(
            LaunchTemplateName=f"toilctl-{cluster}",
            LaunchTemplateData={"InstanceType": "t2.micro"},
            TagSpecifications=[{"ResourceType": "launch-template", "Tags": tags}],
        )
        ec2.create_volume(
            AvailabilityZone="us-west-2a", Size=8, TagSpecifications=[{"ResourceType": "volume", "Tags": tags}]
        )
        ec2.create_network_interface(
            SubnetId=ec2.describe_subnets()["Subnets"][0]["SubnetId"],
            TagSpecifications=[{"ResourceType": "network-interface", "Tags": tags}],
        )
    assert len(module("ec2_cluster_leftovers").delete_all(ec2, "my")["deleted"]) == 3
    assert not module("ec2_cluster_leftovers").delete_all(ec2, "my")["changed"]
    assert len(module("ec2_cluster_leftovers").delete_all(ec2, "my-cluster")["deleted"]) == 3


def test_nodes_that_run_and_nodes_that_ended_while_booting_are_told_apart(
    module: Module, ec2: Any, cloud: TestCloud, run_instances: Callable[..., list[str]], quick: None
) -> None:
    cloud.faults.set("boot-delay", seconds=5)
    first, second = run_instances("my", 2)
    ec2.terminate_instances(InstanceIds=[first])
    options = {"cluster": "my", "instance_ids": [first, second], "intent": "", "timeout_s": 30}
    result = module("ec2_nodes_running").wait(ec2, options)
    assert (result["running"], result["pending"], list(result["lost"])) == ([second], [], [first])
    assert result["lost"][first] == "Client.UserInitiatedShutdown: User initiated shutdown"


def test_node_that_ends_while_it_is_counted_is_told_with_ec2s_reason(
    module: Module, ec2: Any, cloud: TestCloud, run_instances: Callable[..., list[str]]
) -> None:
    ended, _ = run_instances("my", 2)
    cloud.cloud.lifetimes.terminate(cloud.cloud.lifetimes.find(ended).instance, aws_errors.CLIENT_ERROR)
    reasons = module("ec2_fleet").why_launched_ended(ec2, {"cluster": "my"}, {ended})
    assert reasons == [f"Client.InternalError: Client error on launch. {aws_errors.DISK_KEY_REFUSED}"]
    options = {
        "count": 1,
        "role": "worker",
        "node_type": "t2.micro:0.1",
        "spot_bid": 0.1,
        "instance_types": ["t2.micro"],
    }
    with pytest.raises(Exception, match=r"could not be launched: Client\.InternalError") as error:
        module("ec2_fleet").report(options, [], [ended], [], reasons)
    assert str(error.value).endswith("permissions has it).")


def test_node_that_ends_for_its_disk_key_is_told_with_what_that_means(module: Module) -> None:
    reason = module("ec2_nodes_running").why_ended
    code = "Client.InternalError"
    told = reason({"StateReason": {"Code": code, "Message": f"{code}: Client error on launch"}})
    assert told == f"{code}: Client error on launch. {aws_errors.DISK_KEY_REFUSED}"
    assert reason({}) == "EC2 gives no reason"


def test_a_node_that_never_runs_is_reported_as_pending(
    module: Module, ec2: Any, cloud: TestCloud, run_instances: Callable[..., list[str]]
) -> None:
    cloud.faults.set("boot-delay", seconds=3600)
    (node,) = run_instances("my")
    options = {"cluster": "my", "instance_ids": [node], "intent": "", "timeout_s": 0}
    assert module("ec2_nodes_running").wait(ec2, options)["pending"] == [node]


def test_all_live_nodes_of_an_intent_are_waited_for(
    module: Module, ec2: Any, cloud: TestCloud, run_instances: Callable[..., list[str]], quick: None
) -> None:
    cloud.faults.set("boot-delay", seconds=5)
    mine, gone, other = run_instances("my", 3)
    ec2.create_tags(Resources=[mine, gone], Tags=[{"Key": "toilctl:intent", "Value": "out-1"}])
    ec2.create_tags(Resources=[other], Tags=[{"Key": "toilctl:intent", "Value": "out-2"}])
    ec2.terminate_instances(InstanceIds=[gone])
    options = {"cluster": "my", "instance_ids": [], "intent": "out-1", "timeout_s": 30}
    result = module("ec2_nodes_running").wait(ec2, options)
    assert (result["running"], result["pending"], result["lost"]) == ([mine], [], {})
