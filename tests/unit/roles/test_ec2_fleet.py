"""The launch module: exactly so many instances, whatever happens in between."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest

from toilctl.local.testing import TestCloud

Launch = Callable[..., dict[str, Any]]


class Crash(Exception):
    """The machine that launches loses power."""


class CrashingClient:
    """A client whose process ends before or after EC2 processes a call, so that the answer is lost."""

    def __init__(self, client: Any, action: str, *, processed: bool) -> None:
        self.client, self.action, self.processed = client, action, processed

    def __getattr__(self, name: str) -> Any:
        return self._crash if name == self.action else getattr(self.client, name)

    def _crash(self, **params: Any) -> None:
        if self.processed:
            getattr(self.client, self.action)(**params)
        raise Crash


@pytest.fixture
def launch(
    cloud: TestCloud, module: Callable[[str], ModuleType], ec2: Any, make_group: Callable[..., dict[str, Any]]
) -> Launch:
    """Launch workers t2.micro as role ec2_nodes does; ``client`` and the options that matter can be given."""
    cloud.faults.set("profile-delay", seconds=0)
    ec2.create_key_pair(KeyName="k")
    image = cloud.client("ssm").get_parameter(Name="/aws/service/debian/release/12/latest/amd64")["Parameter"]["Value"]

    def run(count: int, client: Any = None, **options: Any) -> dict[str, Any]:
        group = make_group(options.get("cluster", "my"))
        data = {
            "ImageId": image,
            "KeyName": "k",
            "NetworkInterfaces": [{"DeviceIndex": 0, "Groups": [group["group_id"]]}],
            **options.pop("data", {}),
        }
        tags = {"toilctl:cluster": options.get("cluster", "my")}
        template = module("ec2_node_template").ensure(ec2, f"toilctl-{options.get('cluster', 'my')}", data, tags)
        zones = options.pop("zones", ["us-west-2a"])
        found = ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": zones}])["Subnets"]
        usual = {
            "cluster": "my",
            "generation": group["generation"],
            "region": "us-west-2",
            "security_group_id": group["group_id"],
            "role": "worker",
            "node_type": "t2.micro",
            "slug": "t2_micro",
            "instance_types": ["t2.micro"],
            "spot_bid": None,
            "subnet_ids": sorted(subnet["SubnetId"] for subnet in found),
            "zones": {subnet["SubnetId"]: subnet["AvailabilityZone"] for subnet in found},
            "without": [],
            "launch_template": template,
            "count": count,
            "count_by": "node-type",
            "intent": "launch",
            "tags": {},
            "settle_timeout_s": 60,
        }
        result: dict[str, Any] = module("ec2_fleet").ensure(client or ec2, {**usual, **options})
        return result

    return run


def live(ec2: Any, **tags: str) -> list[dict[str, Any]]:
    wanted = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    wanted += [{"Name": f"tag:toilctl:{name}", "Values": [value]} for name, value in tags.items()]
    found = ec2.describe_instances(Filters=wanted)["Reservations"]
    return [instance for reservation in found for instance in reservation["Instances"]]


def tags_of(resource: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in resource["Tags"]}


def test_a_launch_twice_launches_nothing_twice(ec2: Any, launch: Launch) -> None:
    first, second = launch(3), launch(3)
    assert (first["changed"], len(first["launched"])) == (True, 3)
    assert (second["changed"], second["launched"]) == (False, [])
    assert first["instance_ids"] == second["instance_ids"]
    assert len(live(ec2)) == 3


def test_what_is_launched_carries_its_tags_from_the_launch_itself(ec2: Any, launch: Launch, cloud: TestCloud) -> None:
    launch(1, tags={"Owner": "me", "Name": "my-worker"}, intent="scale-1")
    (instance,) = live(ec2)
    expected = {
        "Owner": "me", "Name": "my-worker", "toilctl:cluster": "my", "toilctl:role": "worker",
        "toilctl:node-type": "t2.micro", "toilctl:intent": "scale-1",
    }  # fmt: skip
    assert tags_of(instance).items() >= expected.items()
    (volume,) = ec2.describe_volumes()["Volumes"]
    assert tags_of(volume).items() >= expected.items()
    # Two calls: the attempt's beginning and its end.
    assert cloud.calls["ec2:CreateTags"] == 2


def test_a_launch_takes_the_same_number_of_calls_for_any_number_of_nodes(launch: Launch, cloud: TestCloud) -> None:
    def calls(count: int) -> int:
        before = sum(cloud.calls.values())
        launch(count, node_type=f"t2.micro-{count}", slug=f"of_{count}")
        return sum(cloud.calls.values()) - before

    launch(0)
    assert calls(1) == calls(10) == calls(100)


def test_a_partial_fill_is_no_failure_and_a_second_run_fills_the_rest(
    ec2: Any, launch: Launch, cloud: TestCloud
) -> None:
    cloud.faults.set("insufficient-capacity", instance_type="t2.micro", count=2)
    partial = launch(5)
    assert (len(partial["instance_ids"]), partial["missing"]) == (2, 3)
    assert partial["errors"][0]["code"] == "InsufficientInstanceCapacity"
    assert partial["toilctl_error"]["code"] == "partial"
    assert "3 of 5 worker nodes t2.micro" in partial["toilctl_error"]["message"]
    cloud.faults.clear()
    cloud.faults.set("profile-delay", seconds=0)
    assert launch(5)["missing"] == 0
    assert len(live(ec2)) == 5


def test_no_capacity_at_all_fails_with_the_code_of_ec2(launch: Launch, cloud: TestCloud, aws_utils: ModuleType) -> None:
    cloud.faults.set("insufficient-capacity", instance_type="t2.micro")
    with pytest.raises(aws_utils.AwsError, match="InsufficientInstanceCapacity") as error:
        launch(2)
    assert (error.value.code, error.value.facts["aws_code"]) == ("capacity", "InsufficientInstanceCapacity")
    assert "InsufficientInstanceCapacity in us-west-2a: We currently do not have" in str(error.value)
    assert not str(error.value).endswith("..")
    assert "zones" in error.value.next_step


def test_a_quota_that_is_used_up_says_so(launch: Launch, cloud: TestCloud, aws_utils: ModuleType) -> None:
    cloud.faults.set("vcpu-quota", market="on-demand", vcpus=0)
    with pytest.raises(aws_utils.AwsError, match="VcpuLimitExceeded") as error:
        launch(2)
    assert error.value.code == "capacity"
    assert "request-service-quota-increase --region us-west-2 --service-code ec2 --quota-code L-1216C47A" in (
        error.value.next_step
    )


@pytest.mark.parametrize(
    ("instance_type", "bid", "told"),
    [
        ("m5.large", None, "--quota-code L-1216C47A"),
        ("c4.8xlarge", 0.6, "--quota-code L-34B43A08"),
        ("p3.2xlarge", None, "ask AWS for a larger vCPU quota: Service Quotas, EC2, us-west-2"),
        ("inf1.xlarge", None, "Service Quotas, EC2, us-west-2"),
    ],
)
def test_advice_on_a_quota_names_the_one_of_the_family_and_market(
    module: Callable[[str], ModuleType], instance_type: str, bid: float | None, told: str
) -> None:
    options = {"region": "us-west-2", "instance_types": [instance_type], "spot_bid": bid}
    assert told in module("ec2_fleet").advice(options, "VcpuLimitExceeded")


def test_a_denied_launch_asks_for_the_permission(
    ec2: Any, launch: Launch, cloud: TestCloud, aws_utils: ModuleType
) -> None:
    from botocore.exceptions import ClientError

    class Denied:
        def __getattr__(self, name: str) -> Any:
            return self._deny if name == "create_fleet" else getattr(ec2, name)

        def _deny(self, **_: Any) -> None:
            error = {"Code": "UnauthorizedOperation", "Message": "Not authorized to perform: ec2:CreateFleet."}
            raise ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": 403}}, "CreateFleet")

    with pytest.raises(aws_utils.AwsError, match="ec2:CreateFleet") as error:
        launch(1, Denied())
    assert (error.value.code, error.value.next_step) == (
        "credentials",
        "Ask for that permission, then run the same command again.",
    )


@pytest.mark.parametrize("lag_s", [0, 2])
@pytest.mark.parametrize("processed", [False, True])
def test_after_a_crash_around_the_request_the_same_run_again_ends_with_exactly_n(
    processed: bool, lag_s: float, ec2: Any, launch: Launch, cloud: TestCloud
) -> None:
    cloud.faults.set("api-lag", seconds=lag_s)
    with pytest.raises(Crash):
        launch(3, CrashingClient(ec2, "create_fleet", processed=processed))
    assert launch(3)["missing"] == 0
    cloud.advance(60)
    assert len(live(ec2)) == 3
    assert not launch(3)["changed"]


def test_after_a_crash_in_a_partial_fill_that_the_listing_hides_the_same_run_again_ends_with_exactly_n(
    ec2: Any, launch: Launch, cloud: TestCloud
) -> None:
    cloud.faults.set("api-lag", seconds=30)
    cloud.faults.set("insufficient-capacity", instance_type="t2.micro", count=2)
    with pytest.raises(Crash):
        launch(5, CrashingClient(ec2, "create_fleet", processed=True))
    cloud.faults.clear("insufficient-capacity")
    assert launch(5)["missing"] == 3
    cloud.advance(60)
    assert launch(5)["missing"] == 0
    cloud.advance(60)
    assert len(live(ec2)) == 5


def test_after_a_crash_before_the_answer_is_kept_the_same_run_again_ends_with_exactly_n(
    ec2: Any, launch: Launch, cloud: TestCloud
) -> None:
    class Keeping(CrashingClient):
        calls = 0

        def _crash(self, **params: Any) -> None:
            self.calls += 1
            if self.calls == 2:
                raise Crash
            self.client.create_tags(**params)

    cloud.faults.set("api-lag", seconds=30)
    with pytest.raises(Crash):
        launch(3, Keeping(ec2, "create_tags", processed=False))
    assert len(launch(3)["instance_ids"]) == 3
    cloud.advance(60)
    assert len(live(ec2)) == 3


def test_after_a_crash_and_a_day_the_count_is_believed_rather_than_the_token(
    ec2: Any, launch: Launch, cloud: TestCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    cloud.faults.set("insufficient-capacity", instance_type="t2.micro", count=2)
    with pytest.raises(Crash):
        launch(3, CrashingClient(ec2, "create_fleet", processed=True))
    cloud.faults.clear("insufficient-capacity")
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 2 * 86400)
    cloud.advance(2 * 86400)
    assert launch(3)["missing"] == 0
    assert len(live(ec2)) == 3


def test_two_who_launch_at_once_launch_once(ec2: Any, launch: Launch, cloud: TestCloud) -> None:
    launch(0)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: launch(3), range(4)))
    assert len(live(ec2)) == 3


def test_a_worker_that_ended_is_replaced_under_a_new_token(ec2: Any, launch: Launch) -> None:
    first = launch(2)["instance_ids"]
    ec2.terminate_instances(InstanceIds=first[:1])
    second = launch(2)
    assert len(second["launched"]) == 1
    assert len(live(ec2)) == 2


def test_a_relaunched_cluster_gets_new_instances_though_its_requests_look_the_same(
    ec2: Any, launch: Launch, make_group: Callable[..., dict[str, Any]]
) -> None:
    first = launch(2)["instance_ids"]
    ec2.terminate_instances(InstanceIds=first)
    live(ec2)
    make_group(state="absent")
    second = launch(2)["instance_ids"]
    assert len(live(ec2)) == 2
    assert not set(first) & set(second)


def test_a_scale_out_counts_its_own_intent_alone(ec2: Any, launch: Launch) -> None:
    launch(2)
    assert len(launch(3, count_by="intent", intent="out-1")["launched"]) == 3
    assert launch(3, count_by="intent", intent="out-1")["launched"] == []
    assert len(live(ec2)) == 5


def test_a_cluster_whose_name_begins_alike_is_not_counted(ec2: Any, launch: Launch) -> None:
    launch(2, cluster="my-cluster")
    assert len(launch(2)["launched"]) == 2
    assert len(live(ec2, cluster="my")) == 2


def test_a_profile_that_ec2_does_not_see_yet_is_waited_for(
    ec2: Any, launch: Launch, cloud: TestCloud, quick: None
) -> None:
    cloud.faults.set("profile-delay", seconds=10)
    iam = cloud.client("iam")
    iam.create_instance_profile(InstanceProfileName="p")
    iam.create_role(RoleName="p", AssumeRolePolicyDocument="{}")
    iam.add_role_to_instance_profile(InstanceProfileName="p", RoleName="p")
    assert launch(2, data={"IamInstanceProfile": {"Name": "p"}})["missing"] == 0
    assert cloud.calls["ec2:CreateFleet"] > 1
    assert len(live(ec2)) == 2


def test_throttled_calls_are_tried_again(
    module: Callable[[str], ModuleType], launch: Launch, aws_utils: ModuleType, aws_env: TestCloud
) -> None:
    aws_env.faults.set("throttle", action="CreateFleet", count=2)
    assert launch(2, aws_utils.connect("ec2", "us-west-2"))["missing"] == 0


def test_a_cluster_being_destroyed_gets_no_nodes(
    launch: Launch, module: Callable[[str], ModuleType], ec2: Any, aws_utils: ModuleType
) -> None:
    launch(1)

    class Destroyed(CrashingClient):
        def _crash(self, **params: Any) -> Any:
            ec2.create_tags(Resources=[params["GroupIds"][0]], Tags=[{"Key": "toilctl:state", "Value": "destroying"}])
            return ec2.describe_security_groups(**params)

    with pytest.raises(aws_utils.AwsError, match="being destroyed"):
        launch(2, Destroyed(ec2, "describe_security_groups", processed=True))
    assert len(live(ec2)) == 1


def test_a_destruction_that_begins_meanwhile_takes_the_new_nodes_along(
    launch: Launch, ec2: Any, aws_utils: ModuleType, make_group: Callable[..., dict[str, Any]]
) -> None:
    class Destroyed(CrashingClient):
        def _crash(self, **params: Any) -> Any:
            answer = ec2.create_fleet(**params)
            make_group(state="destroying")
            return answer

    with pytest.raises(aws_utils.AwsError, match="being destroyed"):
        launch(2, Destroyed(ec2, "create_fleet", processed=True))
    assert live(ec2) == []


def test_the_preferred_type_comes_first_and_the_next_takes_over(ec2: Any, launch: Launch, cloud: TestCloud) -> None:
    options = {"node_type": "t2.micro/t3.micro", "slug": "both", "instance_types": ["t2.micro", "t3.micro"]}
    cloud.faults.set("insufficient-capacity", instance_type="t2.micro", count=2)
    assert launch(3, **options)["missing"] == 0
    assert sorted(instance["InstanceType"] for instance in live(ec2)) == ["t2.micro", "t2.micro", "t3.micro"]


def test_a_bid_buys_spot_with_that_price_as_the_limit(ec2: Any, launch: Launch, cloud: TestCloud) -> None:
    cloud.faults.set("spot-price", instance_type="t2.micro", price=0.01)
    launch(1, node_type="t2.micro:0.02", slug="s", spot_bid=0.02)
    assert [instance["InstanceLifecycle"] for instance in live(ec2)] == ["spot"]


def test_a_bid_below_the_price_says_so(launch: Launch, cloud: TestCloud, aws_utils: ModuleType) -> None:
    cloud.faults.set("spot-price", instance_type="t2.micro", price=0.03)
    with pytest.raises(aws_utils.AwsError, match="SpotMaxPriceTooLow") as error:
        launch(1, node_type="t2.micro:0.02", slug="s", spot_bid=0.02)
    assert "Bid more" in error.value.next_step


@pytest.mark.parametrize(
    ("service", "options"),
    [("ec2fleet.amazonaws.com", {}), ("spot.amazonaws.com", {"node_type": "t2.micro:1", "slug": "s", "spot_bid": 1.0})],
)
def test_a_missing_service_linked_role_names_the_command_that_makes_it(
    service: str, options: dict[str, Any], launch: Launch, cloud: TestCloud, aws_utils: ModuleType
) -> None:
    cloud.faults.set("service-linked-role-missing", service=service)
    with pytest.raises(aws_utils.AwsError) as error:
        launch(1, **options)
    assert error.value.next_step.endswith(f"aws iam create-service-linked-role --aws-service-name {service}")


def test_several_zones_are_one_request(ec2: Any, launch: Launch, cloud: TestCloud) -> None:
    cloud.faults.set("insufficient-capacity", zone="us-west-2a", count=1)
    cloud.faults.set("insufficient-capacity", zone="us-west-2b", count=2)
    launch(3, zones=["us-west-2a", "us-west-2b"])
    assert sorted(i["Placement"]["AvailabilityZone"] for i in live(ec2)) == ["us-west-2a", "us-west-2b", "us-west-2b"]
    assert cloud.calls["ec2:CreateFleet"] == 1


def test_the_token_depends_on_everything_that_makes_a_launch_another_one(module: Callable[[str], ModuleType]) -> None:
    fleet = module("ec2_fleet")
    first, second = {"generation": "aaaa"}, {"generation": "bbbb"}
    tokens = {
        fleet.token(options, request, attempt)
        for options in (first, second)
        for request in ({"count": 1}, {"count": 2})
        for attempt in (0, 1)
    }
    assert len(tokens) == 8
    assert {len(token) for token in tokens} == {64}


def test_an_offering_that_is_left_out_is_not_asked_for(ec2: Any, launch: Launch, cloud: TestCloud) -> None:
    kinds = {"node_type": "t2.micro/t3.micro", "instance_types": ["t2.micro", "t3.micro"], "slug": "both"}
    left_out = [
        {"instance_type": "t2.micro", "zone": "us-west-2a"},
        {"instance_type": "t3.micro", "zone": "us-west-2a"},
        {"instance_type": "t2.micro", "zone": "us-west-2b"},
    ]
    result = launch(2, zones=["us-west-2a", "us-west-2b"], without=left_out, **kinds)
    assert (result["missing"], result["node_type"]) == (0, "t2.micro/t3.micro")
    assert {(i["InstanceType"], i["Placement"]["AvailabilityZone"]) for i in live(ec2)} == {("t3.micro", "us-west-2b")}


def test_nothing_is_asked_for_when_all_offerings_are_left_out(
    ec2: Any, launch: Launch, cloud: TestCloud, aws_utils: ModuleType
) -> None:
    launch(1)
    left_out = [{"instance_type": "t2.micro", "zone": "us-west-2a"}]
    before = cloud.calls["ec2:CreateFleet"]
    result = launch(3, without=left_out)
    assert (result["missing"], len(result["instance_ids"]), result["launched"]) == (2, 1, [])
    (error,) = result["errors"]
    assert (error["code"], error["instance_type"], error["zone"]) == ("SetAside", "t2.micro", "us-west-2a")
    with pytest.raises(aws_utils.AwsError) as none:
        launch(3, without=left_out, intent="other", count_by="intent")
    assert (none.value.code, none.value.facts["aws_code"], none.value.facts["missing"]) == ("capacity", "SetAside", 3)
    assert none.value.facts["errors"] == [error]
    assert cloud.calls["ec2:CreateFleet"] == before
