"""Spot requests, and the state that their instances give them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.local.conftest import Account, code, ids
from toilctl.local.aws.base.faults import Noticed
from toilctl.local.aws.ec2.instance_states import BY_SPOT, BY_USER
from toilctl.local.aws.ec2.interruptions import Notice
from toilctl.local.aws.ec2.spot_requests import status

POOL = ("m5.large", "us-west-2a")
TAGS = [{"Key": "toilctl:cluster", "Value": "c"}]
TAGGED = {"TagSpecifications": [{"ResourceType": "spot-instances-request", "Tags": TAGS}]}
SPOT = {"InstanceMarketOptions": {"MarketType": "spot", "SpotOptions": {"MaxPrice": "0.07"}}}
MARKED = Notice(0, 120, Noticed.MARKED)
AT_ONCE = Notice(0, 120, Noticed.NO_CAPACITY)


def requests(account: Account, **filters: list[str]) -> list[dict[str, Any]]:
    """Return the requests that pass filters, whose names have underscores here."""
    wanted = [{"Name": name.replace("_", "-"), "Values": values} for name, values in filters.items()]
    found: list[dict[str, Any]] = account.ec2.describe_spot_instance_requests(Filters=wanted)["SpotInstanceRequests"]
    return found


def stands(account: Account) -> list[tuple[str, str]]:
    return [(one["State"], one["Status"]["Code"]) for one in requests(account)]


def spot(account: Account) -> str:
    started = ids(account.fleet(POOL, market="spot", **TAGGED))[0]
    account.describe()
    return started


@pytest.mark.parametrize(
    ("instance_state", "reason", "notice", "cancelled", "expected"),
    [
        ("running", "", None, False, ("active", "fulfilled")),
        ("pending", "", None, False, ("active", "fulfilled")),
        ("running", "", MARKED, False, ("active", "marked-for-termination")),
        ("shutting-down", BY_SPOT, MARKED, False, ("closed", "instance-terminated-no-capacity")),
        ("terminated", BY_SPOT, None, False, ("closed", "instance-terminated-no-capacity")),
        ("terminated", BY_USER, MARKED, False, ("closed", "instance-terminated-by-user")),
        ("running", "", AT_ONCE, False, ("closed", "instance-terminated-no-capacity")),
        ("terminated", BY_SPOT, AT_ONCE, False, ("closed", "instance-terminated-no-capacity")),
        ("running", "", None, True, ("cancelled", "request-canceled-and-instance-running")),
        ("terminated", BY_USER, None, True, ("cancelled", "instance-terminated-by-user")),
    ],
)
def test_status_follows_from_the_instance(
    instance_state: str, reason: str, notice: Notice | None, cancelled: bool, expected: tuple[str, str]
) -> None:
    assert status(instance_state, reason, notice, cancelled=cancelled) == expected


def test_each_spot_instance_of_a_fleet_has_its_request(account: Account) -> None:
    started = ids(account.fleet(POOL, count=2, market="spot", **TAGGED))
    found = requests(account)
    assert [one["InstanceId"] for one in found] == started
    assert [one["SpotInstanceRequestId"] for one in account.describe(*started)] == [
        one["SpotInstanceRequestId"] for one in found
    ]
    request = found[0]
    assert (request["Type"], request["Tags"], request["LaunchedAvailabilityZone"]) == ("one-time", TAGS, "us-west-2a")
    assert (request["State"], request["Status"]["Code"]) == ("active", "fulfilled")
    assert request["LaunchSpecification"]["InstanceType"] == "m5.large"
    assert [group["GroupId"] for group in request["LaunchSpecification"]["SecurityGroups"]] == [account.group]


def test_request_of_run_instances_has_its_bid(account: Account) -> None:
    instance = account.run(InstanceType="m5.large", **SPOT, **TAGGED)[0]
    account.run()
    request = requests(account)[0]
    assert instance["SpotInstanceRequestId"] == request["SpotInstanceRequestId"]
    assert (request["SpotPrice"], request["Tags"]) == ("0.070000", TAGS)
    assert len(requests(account)) == 1


def test_request_goes_along_with_an_interruption(account: Account) -> None:
    spot(account)
    account.cloud.faults.set("interrupt", status="marked-for-termination")
    assert stands(account) == [("active", "marked-for-termination")]
    account.cloud.advance(121)
    assert stands(account) == [("closed", "instance-terminated-no-capacity")]


def test_request_is_closed_with_the_notice(account: Account) -> None:
    instance_id = spot(account)
    account.cloud.faults.set("interrupt")
    assert stands(account) == [("closed", "instance-terminated-no-capacity")]
    assert account.describe(instance_id)[0]["State"]["Name"] == "running"
    account.cloud.advance(121)
    assert account.describe(instance_id)[0]["State"]["Name"] == "terminated"


def test_request_of_an_instance_taken_at_once_was_never_marked(account: Account) -> None:
    spot(account)
    account.cloud.faults.set("interrupt", seconds=0)
    assert stands(account) == [("closed", "instance-terminated-no-capacity")]


def test_request_ends_with_its_instance(account: Account) -> None:
    instance_id = spot(account)
    account.ec2.terminate_instances(InstanceIds=[instance_id])
    assert stands(account) == [("closed", "instance-terminated-by-user")]
    account.cloud.advance(3700)
    account.describe()
    account.describe()
    assert requests(account) == []


def test_time_of_a_status_is_when_it_began(account: Account) -> None:
    spot(account)
    first = requests(account)[0]["Status"]["UpdateTime"]
    account.cloud.advance(60)
    account.cloud.faults.set("interrupt")
    marked = requests(account)[0]["Status"]["UpdateTime"]
    account.cloud.advance(130)
    taken = requests(account)[0]["Status"]["UpdateTime"]
    assert 59 <= (marked - first).total_seconds() <= 65
    assert 129 <= (taken - marked).total_seconds() <= 135


def test_requests_are_found_by_filters(account: Account) -> None:
    tagged = spot(account)
    plain = ids(account.fleet(("c5.large", "us-west-2b"), market="spot"))[0]
    account.describe()
    account.cloud.faults.set("interrupt", instance_id=plain, status="marked-for-termination")
    by_instance = {one["InstanceId"]: one["SpotInstanceRequestId"] for one in requests(account)}

    def found(**filters: list[str]) -> list[str]:
        return [one["InstanceId"] for one in requests(account, **filters)]

    assert found(instance_id=[plain]) == [plain]
    assert found(status_code=["marked-for-termination"]) == [plain]
    assert found(state=["open", "active"]) == [tagged, plain]
    assert found(state=["closed"]) == []
    assert found(spot_instance_request_id=[by_instance[tagged]]) == [tagged]
    assert found(**{"tag:toilctl:cluster": ["c"]}) == found(tag_key=["toilctl:*"]) == [tagged]
    assert found(**{"tag:toilctl:cluster": ["other"]}) == []
    assert found(status_code=["fulfilled"], **{"launch.instance-type": ["c5.large"]}) == []
    with pytest.raises(ClientError) as error:
        found(colour=["red"])
    assert code(error) == "InvalidParameterValue"


def test_cancelled_request_leaves_its_instance_running(account: Account) -> None:
    instance_id = spot(account)
    request_id = requests(account)[0]["SpotInstanceRequestId"]
    answer = account.ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[request_id])
    assert answer["CancelledSpotInstanceRequests"] == [{"SpotInstanceRequestId": request_id, "State": "cancelled"}]
    assert stands(account) == [("cancelled", "request-canceled-and-instance-running")]
    account.ec2.terminate_instances(InstanceIds=[instance_id])
    assert stands(account) == [("cancelled", "instance-terminated-by-user")]


def test_closed_request_stays_closed(account: Account) -> None:
    account.ec2.terminate_instances(InstanceIds=[spot(account)])
    request_id = requests(account)[0]["SpotInstanceRequestId"]
    answer = account.ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[request_id])
    assert answer["CancelledSpotInstanceRequests"][0]["State"] == "closed"


def test_unknown_request_is_not_found(account: Account) -> None:
    for call in (account.ec2.describe_spot_instance_requests, account.ec2.cancel_spot_instance_requests):
        with pytest.raises(ClientError) as error:
            call(SpotInstanceRequestIds=["sir-00000000"])
        assert code(error) == "InvalidSpotInstanceRequestID.NotFound"


def test_requests_made_the_old_way_are_kept_alike(account: Account) -> None:
    launch = {"ImageId": account.ami, "InstanceType": "m5.large", "SubnetId": account.subnets["us-west-2a"]}
    made = account.ec2.request_spot_instances(LaunchSpecification=launch, SpotPrice="0.08", **TAGGED)
    request = made["SpotInstanceRequests"][0]
    found = requests(account)[0]
    assert found["SpotInstanceRequestId"] == request["SpotInstanceRequestId"]
    assert (found["SpotPrice"], found["Tags"]) == ("0.080000", TAGS)
    assert account.describe(found["InstanceId"])[0]["SpotInstanceRequestId"] == request["SpotInstanceRequestId"]
