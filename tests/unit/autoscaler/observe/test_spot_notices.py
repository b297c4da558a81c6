"""EC2's notices: from files that workers' words are put into, and from spot requests."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from toilctl.autoscaler.model.snapshot import NOTICE_S, NoticeKind, SpotNotice
from toilctl.autoscaler.observe.spot_notices import REQUESTS_S, WITHDRAWN_S, SpotNotices
from toilctl.system import aws
from toilctl.values.cluster import Node, Role
from toilctl.values.node_types import NodeType

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
END = NOW + timedelta(seconds=120)
SPOT = NodeType.parse("c4.8xlarge:0.6")
IDS = frozenset({"i-1"})


def node(instance_id: str = "i-1", address: str = "172.31.0.5", spot: bool = True) -> Node:
    return Node(instance_id, Role.WORKER, SPOT, "c4.8xlarge", "running", "a", address, None, spot, NOW.isoformat())


def tell(directory: Path, instance_id: str = "i-1", **changes: object) -> None:
    said = {"instance_id": instance_id, "kind": "terminate", "takes_at": END.isoformat(), "address": "172.31.0.5",
            "heard_at": NOW.isoformat()}  # fmt: skip
    path = directory / "172.31.0.5.json"
    path.write_text(json.dumps(said | changes))
    number = path.stat().st_mtime_ns + len(changes)
    os.utime(path, ns=(number, number))


@pytest.fixture
def requests(monkeypatch):
    """What EC2 says of marked spot requests; asking is counted."""
    found: list[dict[str, object]] = []
    asked: list[str] = []

    def pages(service, region, operation, key, **parameters):
        asked.append(operation)
        return iter(found)

    monkeypatch.setattr(aws, "pages", pages)
    return found, asked


def marked(instance_id: str, code: str = "marked-for-termination") -> dict[str, object]:
    return {"InstanceId": instance_id, "Status": {"Code": code, "UpdateTime": NOW}}


def test_worker_tells_of_its_end(tmp_path, requests):
    notices = SpotNotices(tmp_path)
    assert not notices.news("us-west-2", IDS, NOW)
    tell(tmp_path)
    assert notices.news("us-west-2", IDS, NOW)
    assert not notices.news("us-west-2", IDS, NOW)
    assert notices.of([node()], NOW) == {"i-1": SpotNotice(NoticeKind.TERMINATE, NOW, END)}


def test_end_after_a_recommendation_is_news(tmp_path, requests):
    notices = SpotNotices(tmp_path)
    tell(tmp_path, kind="rebalance", takes_at=None)
    assert notices.news("us-west-2", IDS, NOW)
    assert notices.of([node()], NOW) == {"i-1": SpotNotice(NoticeKind.REBALANCE, NOW)}
    tell(tmp_path)
    assert notices.news("us-west-2", IDS, NOW)
    assert notices.of([node()], NOW)["i-1"].takes_at == END


@pytest.mark.parametrize(
    "changes",
    [
        {"address": "172.31.0.6"},
        {"instance_id": "i-2"},
        {"instance_id": ["i-1"]},
        {"takes_at": (NOW + timedelta(seconds=181)).isoformat()},
        {"takes_at": (NOW - timedelta(seconds=61)).isoformat()},
        {"takes_at": "2099-01-01T00:00:00Z"},
        {"takes_at": "0001-01-01T00:00:00+23:59"},
        {"takes_at": 1e300},
        {"kind": "explode"},
        {"takes_at": None},
        {"kind": "rebalance"},
        {"heard_at": "yesterday"},
        {"kind": None},
    ],
)
def test_what_is_no_word_of_the_node_itself_counts_for_nothing(tmp_path, changes):
    tell(tmp_path, **changes)
    assert SpotNotices(tmp_path).of([node()], NOW) == {}


def test_damaged_file_counts_for_nothing(tmp_path):
    damaged = "{", "[]", "[" * 60_000, "9" * 5000, "x" * 70_000, "\xff"
    for number, text in enumerate(damaged):
        (tmp_path / f"10.0.0.{number}.json").write_bytes(text.encode("latin-1"))
    nodes = [node(f"i-{number}", f"10.0.0.{number}") for number in range(len(damaged))]
    assert SpotNotices(tmp_path).of(nodes, NOW) == {}


def test_what_is_no_file_keeps_nobody_waiting(tmp_path):
    os.mkfifo(tmp_path / "172.31.0.5.json")
    assert SpotNotices(tmp_path).of([node()], NOW) == {}


def test_node_that_was_to_end_cannot_put_that_off(tmp_path):
    notices = SpotNotices(tmp_path)
    later = END
    while later < END + timedelta(hours=1):
        tell(tmp_path, takes_at=later.isoformat(), heard_at=(later - timedelta(seconds=120)).isoformat())
        found = notices.of([node()], later - timedelta(seconds=60))
        assert [one.takes_at for one in found.values()] == [END] * (later <= END + timedelta(seconds=WITHDRAWN_S + 60))
        later += timedelta(seconds=60)


def test_ec2s_own_word_counts_whatever_a_node_has_said(tmp_path, requests):
    found, _ = requests
    notices = SpotNotices(tmp_path)
    tell(tmp_path)
    assert notices.news("us-west-2", IDS, NOW)
    notices.of([node()], NOW)
    late = END + timedelta(hours=1)
    found.append(marked("i-1") | {"Status": {"Code": "marked-for-termination", "UpdateTime": late}})
    assert notices.news("us-west-2", IDS, late)
    assert notices.of([node()], late)["i-1"].takes_at == late + timedelta(seconds=NOTICE_S)


def test_on_demand_node_is_never_taken_away(tmp_path):
    tell(tmp_path)
    assert SpotNotices(tmp_path).of([node(spot=False)], NOW) == {}


def test_spot_request_tells_where_the_node_does_not(tmp_path, requests):
    found, _ = requests
    notices = SpotNotices(tmp_path)
    found += [marked("i-1"), marked("i-another"), {"Status": {"Code": "marked-for-stop"}}]
    assert notices.news("us-west-2", IDS, NOW)
    assert notices.of([node()], NOW) == {
        "i-1": SpotNotice(NoticeKind.TERMINATE, NOW, NOW + timedelta(seconds=NOTICE_S)),
    }  # fmt: skip


def test_spot_request_that_is_marked_counts_before_a_recommendation(tmp_path, requests):
    found, _ = requests
    notices = SpotNotices(tmp_path)
    tell(tmp_path, kind="rebalance", takes_at=None)
    found.append(marked("i-1", "marked-for-stop"))
    assert [notices.news("us-west-2", IDS, NOW) for _ in range(3)] == [True, True, False]
    assert notices.of([node()], NOW)["i-1"].kind is NoticeKind.STOP


def test_ec2_is_asked_every_few_seconds_and_only_where_there_are_spot_nodes(tmp_path, requests):
    _, asked = requests
    notices = SpotNotices(tmp_path)
    for seconds in range(11):
        notices.news("us-west-2", IDS, NOW + timedelta(seconds=seconds))
    assert len(asked) == 10 // REQUESTS_S + 1
    SpotNotices(tmp_path).news("us-west-2", frozenset(), NOW)
    assert len(asked) == 10 // REQUESTS_S + 1


def test_nodes_own_word_does_not_wait_for_ec2(tmp_path, requests):
    _, asked = requests
    tell(tmp_path)
    notices = SpotNotices(tmp_path)
    assert notices.news("us-west-2", IDS, NOW)
    assert asked == []


def test_throttled_ec2_is_asked_once_and_keeps_nobody_waiting(tmp_path, aws_env):
    aws_env.faults.set("throttle", action="ec2:DescribeSpotInstanceRequests", count=100)
    assert not SpotNotices(tmp_path).news("us-west-2", IDS, NOW)
    assert aws_env.calls["ec2:DescribeSpotInstanceRequests"] == 1


def test_ec2_that_does_not_answer_changes_nothing(tmp_path, requests, monkeypatch):
    found, _ = requests
    notices = SpotNotices(tmp_path)
    found.append(marked("i-1"))
    notices.news("us-west-2", IDS, NOW)
    monkeypatch.setattr(aws, "pages", lambda *_, **__: 1 / 0)
    assert not notices.news("us-west-2", IDS, NOW + timedelta(seconds=REQUESTS_S))
    assert notices.of([node()], NOW) != {}


def test_node_that_outlives_its_end_for_long_is_a_node_again(tmp_path):
    tell(tmp_path)
    notices = SpotNotices(tmp_path)
    assert notices.of([node()], END + timedelta(seconds=WITHDRAWN_S)) != {}
    assert notices.of([node()], END + timedelta(seconds=WITHDRAWN_S + 1)) == {}
