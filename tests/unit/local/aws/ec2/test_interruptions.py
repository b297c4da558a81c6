"""Spot instances that EC2 takes, or recommends to replace."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.local.conftest import Account, ids
from toilctl.local import state
from toilctl.local.process import client, testing
from toilctl.local.process.server import _look
from toilctl.local.process.testing import TestCloud
from toilctl.values.errors import UsageError

POOL = ("m5.large", "us-west-2a")
SPOT = {"InstanceMarketOptions": {"MarketType": "spot"}}


@pytest.fixture
def spot(account: Account) -> str:
    """Return a spot instance that runs."""
    return running(account, 1)[0]


def running(account: Account, count: int, pool: tuple[str, str] = POOL) -> list[str]:
    """Return new spot instances, oldest first, when they run."""
    started = ids(account.fleet(pool, count=count, market="spot"))
    account.describe()
    return started


def metadata(account: Account, instance_id: str, path: str) -> str | None:
    """Return what an instance reads there; None when there is nothing."""
    base = account.cloud.metadata(instance_id)
    put = urllib.request.Request(
        f"{base}/latest/api/token", method="PUT", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    )
    headers = {"X-aws-ec2-metadata-token": urllib.request.urlopen(put).read().decode()}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"{base}/latest/meta-data/{path}", headers=headers)
        ) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return None


def noticed(account: Account, *instance_ids: str) -> list[bool]:
    return [metadata(account, one, "spot/instance-action") is not None for one in instance_ids]


def states(account: Account, *instance_ids: str) -> list[str]:
    by_id = {one["InstanceId"]: one["State"]["Name"] for one in account.describe(*instance_ids)}
    return [by_id[one] for one in instance_ids]


def now(account: Account) -> float:
    return account.cloud.cloud.clock.now()


def moment(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()


def test_interrupted_instance_is_told_and_taken_after_two_minutes(account: Account, spot: str) -> None:
    before = now(account)
    account.cloud.faults.set("interrupt", instance_id=spot)
    action = json.loads(metadata(account, spot, "spot/instance-action") or "")
    assert action["action"] == "terminate"
    assert action["time"] == metadata(account, spot, "spot/termination-time")
    assert before + 119 <= moment(action["time"]) <= now(account) + 120
    account.cloud.advance(110)
    assert states(account, spot) == ["running"]
    account.cloud.advance(11)
    taken = account.describe(spot)[0]
    assert taken["State"]["Name"] == "terminated"
    assert taken["StateReason"] == {
        "Code": "Server.SpotInstanceTermination",
        "Message": "Server.SpotInstanceTermination: Spot instance termination",
    }
    assert taken["StateTransitionReason"].startswith("Service initiated (20")


def test_instance_without_notice_reads_of_none(account: Account, spot: str) -> None:
    paths = ("spot/instance-action", "spot/termination-time", "events/recommendations/rebalance")
    assert [metadata(account, spot, path) for path in paths] == [None] * 3


def test_instance_that_is_taken_at_once_has_no_notice(account: Account, spot: str) -> None:
    account.cloud.faults.set("interrupt", instance_id=spot, seconds=0)
    assert states(account, spot) == ["terminated"]
    assert account.cloud.cloud.interruptions.metadata(spot) == {}


def test_interruptions_are_counted_and_begin_with_the_oldest(account: Account) -> None:
    first, second, third = running(account, 3)
    account.cloud.faults.set("interrupt", count=2)
    assert noticed(account, first, second, third) == [True, True, False]
    account.cloud.advance(121)
    assert states(account, first, second, third) == ["terminated", "terminated", "running"]


def test_interruption_without_end_takes_later_instances_too(account: Account) -> None:
    account.cloud.faults.set("interrupt", count=-1, seconds=30)
    early = running(account, 2)
    account.cloud.advance(20)
    late = running(account, 1)
    assert noticed(account, *early, *late) == [True] * 3
    account.cloud.advance(11)
    assert states(account, *early, *late) == ["terminated", "terminated", "running"]
    account.cloud.advance(20)
    assert states(account, *late) == ["terminated"]


def test_clearing_spares_only_those_without_notice(account: Account, spot: str) -> None:
    account.cloud.faults.set("interrupt", count=-1)
    account.describe()
    account.cloud.faults.clear("interrupt")
    other = running(account, 1)[0]
    account.cloud.advance(121)
    assert states(account, spot, other) == ["terminated", "running"]


def test_interruption_goes_by_type_and_zone(account: Account) -> None:
    here, there = running(account, 1)[0], running(account, 1, ("m5.large", "us-west-2b"))[0]
    other = running(account, 1, ("c5.large", "us-west-2b"))[0]
    account.cloud.faults.set("interrupt", instance_type="m5.large", zone="us-west-2b", count=-1)
    assert noticed(account, here, there, other) == [False, True, False]


def test_instance_that_does_not_run_yet_is_told_when_it_does(account: Account) -> None:
    account.cloud.faults.set("boot-delay", seconds=30)
    instance_id = running(account, 1)[0]
    account.cloud.faults.set("interrupt")
    assert noticed(account, instance_id) == [False]
    account.cloud.advance(31)
    assert noticed(account, instance_id) == [True]


def test_on_demand_instances_are_left_alone(account: Account) -> None:
    instance_id = account.run()[0]["InstanceId"]
    account.cloud.faults.set("interrupt", count=-1, seconds=0)
    assert states(account, instance_id) == ["running"]
    assert account.cloud.faults.active()[0]["count"] == -1


@pytest.mark.parametrize("name", ["interrupt", "rebalance"])
def test_fault_for_what_is_no_running_spot_instance_is_refused(account: Account, spot: str, name: str) -> None:
    on_demand = account.run()[0]["InstanceId"]
    account.ec2.terminate_instances(InstanceIds=[spot])
    for instance_id, words in ((on_demand, "on-demand"), ("i-0000", "no instance i-0000"), (spot, "shutting-down")):
        with pytest.raises(UsageError, match=words):
            account.cloud.faults.set(name, instance_id=instance_id)
    assert account.cloud.faults.active() == []


def test_instance_has_one_notice_at_most(account: Account, spot: str) -> None:
    account.cloud.faults.set("interrupt", instance_id=spot)
    account.describe()
    with pytest.raises(UsageError, match=r"has its notice already: EC2 takes it at 20.+Z"):
        account.cloud.faults.set("interrupt", instance_id=spot, seconds=5)


def test_instance_that_its_user_ends_before_is_not_taken(account: Account, spot: str) -> None:
    account.cloud.faults.set("interrupt", instance_id=spot)
    account.describe()
    account.ec2.terminate_instances(InstanceIds=[spot])
    account.cloud.advance(121)
    ended = account.describe(spot)[0]
    assert ended["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert ended["StateTransitionReason"].startswith("User initiated (20")


def test_recommendation_is_told_and_nothing_else_happens(account: Account) -> None:
    first, second = running(account, 2)
    before = now(account)
    account.cloud.faults.set("rebalance", instance_id=second)
    notice = json.loads(metadata(account, second, "events/recommendations/rebalance") or "")
    assert before - 1 <= moment(notice["noticeTime"]) <= now(account)
    assert metadata(account, first, "events/recommendations/rebalance") is None
    account.cloud.advance(600)
    again = json.loads(metadata(account, second, "events/recommendations/rebalance") or "")
    assert again == notice
    assert noticed(account, second) == [False]
    assert states(account, first, second) == ["running", "running"]


def test_doomed_instance_is_taken_when_nobody_calls(account: Account, spot: str) -> None:
    account.cloud.faults.set("interrupt", instance_id=spot, seconds=30)
    instance = account.cloud.cloud.ec2("us-west-2").get_instance(spot)
    _look(account.cloud.cloud, None)
    account.cloud.advance(31)
    assert instance.state == "running"
    _look(account.cloud.cloud, None)
    assert instance.state == "terminated"


def test_time_in_which_an_instance_was_taken_counts_for_its_client_token(account: Account) -> None:
    started = ids(account.fleet(POOL, market="spot", ClientToken="t"))
    account.describe()
    account.cloud.advance(48 * 3600)
    account.cloud.faults.set("interrupt", seconds=0)
    assert states(account, *started) == ["terminated"]
    with pytest.raises(ClientError, match="IdempotentInstanceTerminated"):
        account.fleet(POOL, market="spot", ClientToken="t")


class TestWithHosts:
    """With hosts, an instance is gone when its host is."""

    @pytest.fixture
    def cloud(self) -> Iterator[TestCloud]:
        with testing.cloud(hosts=True) as hosted:
            yield hosted

    def test_taken_instance_shuts_down_until_its_host_is_gone(self, account: Account, spot: str) -> None:
        account.cloud.faults.set("interrupt", instance_id=spot)
        account.describe()
        account.cloud.advance(121)
        assert [spec.state for spec in account.cloud.cloud.host_specs()] == ["shutting-down"]
        assert states(account, spot) == ["shutting-down"]
        account.cloud.cloud.settle([spot])
        assert account.describe(spot)[0]["StateReason"]["Code"] == "Server.SpotInstanceTermination"
        assert states(account, spot) == ["terminated"]


class TestInBackground:
    """The fault in another process, as ``toilctl local fault`` sets it."""

    @pytest.fixture(autouse=True)
    def process(self, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
        client.start_background()
        yield
        client.stop_background()

    def test_fault_shows_at_once_and_names_what_it_cannot_take(self) -> None:
        import boto3

        known = state.load()
        ec2 = boto3.client(
            "ec2", region_name=known.region, endpoint_url=known.endpoint,
            aws_access_key_id=known.access_key_id, aws_secret_access_key=known.secret_access_key,
        )  # fmt: skip
        usual = {"ImageId": known.ami["plain"], "InstanceType": "m5.large", "MinCount": 1, "MaxCount": 1}
        on_demand = ec2.run_instances(**usual)["Instances"][0]["InstanceId"]
        spot = ec2.run_instances(**usual, **SPOT)["Instances"][0]["InstanceId"]
        with pytest.raises(UsageError, match="on-demand"):
            client.set_fault("interrupt", instance_id=on_demand)
        assert client.set_fault("interrupt", instance_id=spot, seconds="0")["seconds"] == 0
        assert [one["instance_id"] for one in client.hosts()] == [on_demand]
