"""The launch module: exactly so many instances, whatever happens in between."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from tests.unit.roles.ec2.ec2_fleets import Crash, CrashingClient, Launch, live
from toilctl.local.process.testing import TestCloud


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


def test_an_attempt_whose_instances_have_all_ended_makes_room_for_the_next(
    ec2: Any, launch: Launch, cloud: TestCloud
) -> None:
    with pytest.raises(Crash):
        launch(3, CrashingClient(ec2, "create_fleet", processed=True))
    first = [instance["InstanceId"] for instance in live(ec2)]
    ec2.terminate_instances(InstanceIds=first)
    assert launch(3)["missing"] == 0
    assert len(live(ec2)) == 3
    assert not launch(3)["changed"]


@pytest.mark.parametrize("count", [1, 2])
def test_an_answer_that_comes_too_late_is_asked_for_again_and_gives_the_same_nodes(
    count: int, ec2: Any, launch: Launch, aws_utils: ModuleType, aws_env: TestCloud
) -> None:
    impatient = aws_utils.connect("ec2", "us-west-2", read_timeout_s=1)
    launch(0)
    aws_env.faults.set("slow-answer", action="CreateFleet", seconds=1.5, count=count)
    assert launch(3, impatient)["missing"] == 0
    assert aws_env.calls["ec2:CreateFleet"] > count
    assert len(live(ec2)) == 3


def test_a_launch_whose_answer_never_came_is_finished_by_the_next_run(
    ec2: Any, launch: Launch, aws_utils: ModuleType, aws_env: TestCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    impatient = aws_utils.connect("ec2", "us-west-2", read_timeout_s=1)
    launch(0)
    aws_env.faults.set("slow-answer", action="CreateFleet", seconds=1.5, count=2)
    with pytest.raises(ReadTimeoutError):
        launch(3, impatient)
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
