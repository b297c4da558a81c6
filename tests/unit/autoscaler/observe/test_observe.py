"""One look at EC2 and the engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.autoscaler.builders import tuning
from toilctl.autoscaler.memory.playbook_runs import PlaybookKind, PlaybookRun
from toilctl.autoscaler.model.playbook_events import Ended, LaunchAnswered
from toilctl.autoscaler.model.settings import AutoscalerSettings
from toilctl.autoscaler.observe.observe import Memory, observe
from toilctl.autoscaler.observe.spot_notices import SpotNotices
from toilctl.engines.client import EngineNode
from toilctl.local.process.testing import TestCloud
from toilctl.system import aws, inventory
from toilctl.values.aws_errors import DISK_KEY_REFUSED
from toilctl.values.capacity import InstanceType, Resources, allocatable
from toilctl.values.cluster import NodeState
from toilctl.values.errors import EngineError, NotYetError
from toilctl.values.jobs import Demand, Job, Shape
from toilctl.values.node_types import NodeType

NOW = datetime.now(UTC)
SPOT, OTHER = NodeType.parse("c4.8xlarge:0.6"), NodeType.parse("r3.8xlarge")
ADDRESS = 0.005
"""USD per hour of a public address; nodes whose tag does not tell their volume have nothing else."""
BESIDE = ADDRESS + 50 * 0.08 / 730
JOB = Job("7", "sort", Shape(1, 100, 100, True))


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def settings(limits: str = "c4.8xlarge:0.6=0..20,r3.8xlarge=0..2", **changes: object) -> AutoscalerSettings:
    return AutoscalerSettings.of({
        "cluster_name": "my", "region": "us-west-2", "engine": "slurm", "leader_address": "10.0.0.1",
        "node_types": [one.partition("=")[0] for one in limits.split(",")], "limits": limits.split(","),
        "zones": ["us-west-2a"], "node_storage_gb": 50, "tuning": str(tuning()),
        "boot_timeout_s": 300, **changes,
    })  # fmt: skip


class Engine:
    """What it lists, or why it does not answer."""

    def __init__(self, *nodes: EngineNode, demand: Demand | Exception = Demand()) -> None:  # noqa: B008 - frozen
        self.listed: tuple[EngineNode, ...] | Exception = nodes
        self.wanted = demand
        self.told: list[str] = []
        """The nodes that it was told are lost."""

    def nodes(self) -> tuple[EngineNode, ...]:
        if isinstance(self.listed, Exception):
            raise self.listed
        return self.listed

    def demand(self) -> Demand:
        if isinstance(self.wanted, Exception):
            raise self.wanted
        return self.wanted

    def cordon(self, name: str) -> None: ...
    def uncordon(self, name: str) -> None: ...
    def drain(self, name: str) -> None: ...
    def evacuate(self, node: EngineNode) -> None: ...
    def lost(self, node: EngineNode) -> None:
        self.told.append(node.name)
        raise EngineError("It knows of no such node.")


def member(instance_id: str, running: tuple[str, ...] = (), **changes: Any) -> EngineNode:
    usual = {"state": NodeState.JOINED, "resources": Resources(36, 50000, 40000)}
    return EngineNode(instance_id, instance_id, None, running=running, **{**usual, **changes})


@pytest.fixture
def launch(aws_env: TestCloud) -> Any:
    """Launch instances with a node's tags; returns their ids."""
    ec2 = aws_env.client("ec2")
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]

    def run(count: int = 1, kind: str = "c4.8xlarge", node_type: str = str(SPOT), **tags: str) -> list[str]:
        own = {"cluster": "my", "role": "worker", "node-type": node_type, "intent": "auto-1", **tags}
        listed = [{"Key": f"toilctl:{name}", "Value": value} for name, value in own.items()]
        answer = ec2.run_instances(
            ImageId=image, InstanceType=kind, MinCount=count, MaxCount=count,
            TagSpecifications=[{"ResourceType": "instance", "Tags": listed}],
            **({"InstanceMarketOptions": {"MarketType": "spot"}} if ":" in node_type else {}),
        )  # fmt: skip
        return [instance["InstanceId"] for instance in answer["Instances"]]

    return run


def test_nodes_are_what_ec2_and_the_engine_say_together(launch):
    (busy,), (idle,), (booting,) = launch(), launch(), launch(1, "r3.8xlarge", str(OTHER), intent="auto-2")
    launch(1, "t2.micro", "t2.micro", role="leader")
    launch(1, cluster="another")
    engine = Engine(member(busy, ("7",)), member(idle, idle_since=NOW), demand=Demand((JOB,)))
    seen = observe(settings(), engine, Memory(), NOW)
    nodes = {node.instance_id: node for node in seen.snapshot.nodes}
    assert nodes.keys() == {busy, idle, booting}
    assert (nodes[busy].running, nodes[busy].idle_since, nodes[busy].joined_before) == (("7",), None, True)
    assert (nodes[idle].idle_since, nodes[idle].usd_per_hour) == (NOW, pytest.approx(0.4773 + ADDRESS))
    assert (nodes[booting].engine_state, nodes[booting].intent, nodes[booting].missing_since) == (None, "auto-2", NOW)
    assert nodes[booting].usd_per_hour == pytest.approx(2.66 + ADDRESS)
    assert seen.snapshot.demand.jobs == (JOB,)
    assert seen.snapshot.engine_problem == ""


def test_offers_say_what_a_node_gives_and_costs(launch):
    offers = observe(settings(), Engine(), Memory(), NOW).snapshot.offers
    assert offers[SPOT].resources == allocatable(InstanceType("c4.8xlarge", 36, 61440), 50)
    spot = offers[SPOT].usd_per_hour, offers[SPOT].most_usd_per_hour
    assert spot == pytest.approx((0.4773 + BESIDE, 0.6 + BESIDE))
    assert offers[SPOT].beside_usd_per_hour == pytest.approx(BESIDE)
    assert (offers[SPOT].vcpus, offers[SPOT].price_estimated) == (36, False)
    assert offers[OTHER].usd_per_hour == offers[OTHER].most_usd_per_hour == pytest.approx(2.66 + BESIDE)


def test_offer_of_equivalents_is_the_least_of_them_at_the_highest_price(launch):
    both = NodeType.parse("m5.large/r5.xlarge")
    offer = observe(settings(f"{both}=0..2"), Engine(), Memory(), NOW).snapshot.offers[both]
    assert offer.resources == allocatable(InstanceType("m5.large", 2, 8192), 50)
    assert (offer.usd_per_hour, offer.vcpus) == (pytest.approx(0.252 + BESIDE), 4)


def test_offer_of_an_unknown_price_is_an_estimate(launch):
    kind = NodeType.parse("c8a.24xlarge")
    offer = observe(settings(f"{kind}=0..2"), Engine(), Memory(), NOW).snapshot.offers[kind]
    assert offer.price_estimated
    assert 3 < offer.usd_per_hour < 10


def test_instance_type_that_ec2_does_not_know_has_no_offer_and_leaves_the_others(launch):
    offers = observe(settings("c9.huge=0..2,r3.8xlarge=0..2"), Engine(), Memory(), NOW).snapshot.offers
    assert offers.keys() == {OTHER}


def test_refusal_to_describe_instance_types_ends_no_tick_that_knows_others(launch, monkeypatch):
    memory = Memory()
    observe(settings(f"{OTHER}=0..2"), Engine(), memory, NOW)
    real = aws.pages

    def pages(service: str, region: str, operation: str, key: str, **how: Any) -> Any:
        if operation == "describe_instance_types":
            raise ClientError({"Error": {"Code": "FilterLimitExceeded"}}, "DescribeInstanceTypes")
        return real(service, region, operation, key, **how)

    monkeypatch.setattr(aws, "pages", pages)
    assert observe(settings(), Engine(), memory, later(30)).snapshot.offers.keys() == {OTHER}
    with pytest.raises(ClientError):
        observe(settings(), Engine(), Memory(), NOW)


def test_offer_is_what_joined_nodes_were_found_to_have_also_when_they_are_gone(launch, aws_env):
    ids, memory = launch(3), Memory()
    small, sick = Resources(36, 30000, 0), Resources(36, 100, 0)
    members = [member(one, resources=size) for one, size in zip(ids, (small, small, sick), strict=True)]
    nominal = allocatable(InstanceType("c4.8xlarge", 36, 61440), 50)
    expected = Resources(36, 30000, nominal.disk_mib)
    assert observe(settings(), Engine(*members), memory, NOW).snapshot.offers[SPOT].resources == expected
    aws_env.client("ec2").terminate_instances(InstanceIds=ids)
    assert observe(settings(), Engine(), memory, NOW).snapshot.offers[SPOT].resources == expected


@pytest.mark.parametrize(("tag", "believed"), [("50", True), ("", False), ("50 GB", False)])
def test_larger_root_volume_is_believed_where_joined_nodes_are_known_to_have_a_smaller_one(launch, tag, believed):
    (there,), memory = launch(**{"storage-gb": tag}), Memory()
    small, large = (allocatable(InstanceType("c4.8xlarge", 36, 61440), size) for size in (50, 100))
    engine = Engine(member(there, resources=Resources(36, 30000, small.disk_mib)))
    observe(settings(), engine, memory, NOW)
    seen = observe(settings(node_storage_gb=100), engine, memory, later(30)).snapshot
    # Of memory, the old node tells the truth about new ones.
    expected = Resources(36, 30000, large.disk_mib if believed else small.disk_mib)
    assert seen.offers[SPOT].resources == expected
    assert seen.nodes[0].storage_gb == (50 if believed else 0)


@pytest.mark.parametrize("error", [EngineError("Slurm does not answer."), KeyError("State"), NotYetError("Not yet.")])
def test_engine_that_does_not_answer_is_part_of_what_is_seen(launch, error):
    (known,), memory = launch(), Memory()
    engine = Engine(member(known, ("7",)))
    observe(settings(), engine, memory, NOW)
    engine.listed = error
    seen = observe(settings(), engine, memory, later(30)).snapshot
    assert str(getattr(error, "message", "State")) in seen.engine_problem
    assert (seen.nodes[0].engine_state, seen.nodes[0].joined_before) == (None, True)


def test_engine_without_demand_is_not_trusted_though_it_lists_nodes(launch):
    (known,) = launch()
    seen = observe(settings(), Engine(member(known), demand=EngineError("No jobs.")), Memory(), NOW).snapshot
    assert (seen.engine_problem, seen.nodes[0].engine_state) == ("No jobs.", NodeState.JOINED)


def test_node_that_ends_before_it_joined_is_a_failure_of_its_type_unless_it_was_ended(launch, aws_env):
    ids, memory, ec2 = launch(2), Memory(), aws_env.client("ec2")
    observe(settings(), Engine(), memory, NOW)
    memory.under_way.begin(PlaybookRun("scale-in-1", PlaybookKind.SCALE_IN, NOW, instance_ids=frozenset({ids[0]})))
    memory.under_way.absorb(Ended("scale-in-1", True, "", terminated=frozenset({ids[0]})), NOW)
    ec2.terminate_instances(InstanceIds=ids)
    (back_off,) = observe(settings(), Engine(), memory, later(30)).snapshot.back_offs
    assert (back_off.node_type, back_off.failures) == (SPOT, 1)
    assert ids[1] in back_off.last_error
    (joined,) = launch()
    assert observe(settings(), Engine(member(joined)), memory, later(60)).snapshot.back_offs == ()


def test_node_that_ends_for_its_disk_key_is_a_failure_with_that_reason(launch, aws_env):
    (ended,), memory = launch(1), Memory()
    observe(settings(), Engine(), memory, NOW)
    cloud = aws_env.cloud
    cloud.lifetimes.terminate(cloud.lifetimes.find(ended).instance, "Client.InternalError")
    (back_off,) = observe(settings(), Engine(), memory, later(30)).snapshot.back_offs
    assert back_off.last_error == f"{ended} ended before it joined: {DISK_KEY_REFUSED}"


def test_engine_is_told_of_nodes_that_ec2_ended(launch, aws_env):
    kept, ended, elsewhere = launch()[0], launch()[0], "i-0123456789abcdef0"
    engine = Engine(member(kept), member(ended, ("7",)), member(elsewhere))
    observe(settings(), engine, Memory(), NOW)
    assert engine.told == []
    aws_env.client("ec2").terminate_instances(InstanceIds=[ended])
    seen = observe(settings(), engine, Memory(), later(30))
    assert engine.told == [ended]
    assert seen.snapshot.engine_problem == ""


def test_engine_is_not_told_of_nodes_that_a_scale_in_ends(launch, aws_env):
    (ended,) = launch()
    engine, memory = Engine(member(ended)), Memory()
    memory.under_way.begin(PlaybookRun("in-1", PlaybookKind.SCALE_IN, NOW, instance_ids=(ended,)))
    aws_env.client("ec2").terminate_instances(InstanceIds=[ended])
    observe(settings(), engine, memory, later(30))
    assert engine.told == []


def test_what_a_scale_out_asked_for_is_requested_until_it_is_listed(launch):
    memory = Memory()
    memory.under_way.begin(PlaybookRun("auto-1", PlaybookKind.LAUNCH, NOW, {SPOT: 2}, launching=True))
    assert observe(settings(), Engine(), memory, NOW).snapshot.requested == {SPOT: 2}
    launch(2)
    seen = observe(settings(), Engine(), memory, NOW).snapshot
    assert seen.requested == {}
    assert {node.set_up_by for node in seen.nodes} == {"auto-1"}


def test_node_that_ec2_ends_right_after_its_launch_is_not_requested_any_more(launch, aws_env):
    memory, (ended,) = Memory(), launch()
    memory.under_way.begin(PlaybookRun("auto-1", PlaybookKind.LAUNCH, NOW, {SPOT: 1}, launching=True))
    memory.under_way.absorb(LaunchAnswered("auto-1", SPOT, frozenset({ended})), NOW)
    observe(settings(), Engine(member(ended)), memory, NOW)
    aws_env.client("ec2").terminate_instances(InstanceIds=[ended])
    for _ in range(2):
        assert observe(settings(), Engine(), memory, NOW).snapshot.requested == {}


def test_a_quiet_look_is_one_listing(launch, aws_env):
    known, memory = launch(3), Memory()
    engine = Engine(*map(member, known))
    observe(settings(), engine, memory, NOW)
    before = aws_env.calls
    observe(settings(), engine, memory, later(30))
    made = {name: count - before.get(name, 0) for name, count in aws_env.calls.items() if count != before.get(name)}
    assert made == {"ec2:DescribeInstances": 1}


class Quotas:
    """Service Quotas, or an account that may not ask them."""

    def __init__(self, values: dict[str, float] | None) -> None:
        self.values, self.asked = values, 0

    def get_service_quota(self, **asked: str) -> Any:
        self.asked += 1
        if self.values is None:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetServiceQuota")
        return {"Quota": {"Value": self.values[asked["QuotaCode"]]}}


@pytest.fixture
def quotas(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let Service Quotas answer so."""

    def use(values: dict[str, float] | None) -> Quotas:
        service, real = Quotas(values), aws.client
        monkeypatch.setattr(
            aws, "client", lambda name, region, **how: service if "quotas" in name else real(name, region, **how)
        )
        return service

    return use


def test_quotas_are_asked_once_an_hour(launch, quotas):
    service, memory = quotas({"L-1216C47A": 64, "L-34B43A08": 256}), Memory()
    for seconds in (0, 30, 3599):
        seen = observe(settings(), Engine(), memory, later(seconds)).snapshot
        assert seen.quota_vcpus == {False: 64, True: 256}
    assert service.asked == 2
    observe(settings(), Engine(), memory, later(3600))
    assert service.asked == 4


def test_quota_that_may_not_be_read_is_not_known_and_not_asked_each_time(launch, quotas):
    service, memory = quotas(None), Memory()
    for seconds in (0, 30):
        assert observe(settings(), Engine(), memory, later(seconds)).snapshot.quota_vcpus == {}
    assert service.asked == 2


def test_quota_of_the_standard_families_says_nothing_of_others(launch, quotas):
    quotas({"L-1216C47A": 64, "L-34B43A08": 256})
    seen = observe(settings("p3.2xlarge=0..2,r3.8xlarge=0..2,c4.8xlarge:0.6=0..2"), Engine(), Memory(), NOW).snapshot
    assert seen.quota_vcpus == {True: 256}


def test_notice_of_ec2_is_seen_with_its_node_and_the_interruption_told_once(launch, aws_env, tmp_path):
    (known,) = launch()
    memory = Memory(notices=SpotNotices(tmp_path))
    observe(settings(), Engine(member(known)), memory, NOW)
    assert not memory.notices.news("us-west-2", memory.spot_ids, NOW)
    aws_env.cloud.set_fault("interrupt", instance_id=known)
    assert memory.notices.news("us-west-2", memory.spot_ids, later(5))
    (node,) = observe(settings(), Engine(member(known)), memory, later(6)).snapshot.nodes
    assert node.notice is not None
    assert 100 <= (node.notice.takes_at - datetime.now(UTC)).total_seconds() <= 121
    assert [one.instance_id for one in memory.spot.new()] == [known]
    seen = observe(settings(), Engine(member(known)), memory, later(36)).snapshot
    assert memory.spot.new() == ()
    assert [one.offering.instance_type for one in seen.emptied] == ["c4.8xlarge"]


@pytest.mark.parametrize("joined", [True, False])
def test_node_that_ec2_takes_without_notice_was_interrupted_and_did_not_fail_to_join(launch, aws_env, joined):
    ids, memory = launch(3), Memory()
    engine = Engine(*map(member, ids if joined else ()))
    observe(settings(), engine, memory, NOW)
    for one in ids:
        aws_env.cloud.set_fault("interrupt", instance_id=one, seconds=0)
    observe(settings(), engine, memory, later(30))
    assert sorted(one.instance_id for one in memory.spot.new()) == sorted(ids)
    assert memory.failures.back_offs() == ()
    assert sorted(engine.told) == sorted(ids if joined else ())


def test_node_that_a_user_terminates_is_no_interruption(launch, aws_env):
    (known,), memory = launch(), Memory()
    observe(settings(), Engine(member(known)), memory, NOW)
    aws_env.client("ec2").terminate_instances(InstanceIds=[known])
    observe(settings(), Engine(member(known)), memory, later(30))
    assert memory.spot.new() == ()


def test_leader_and_workers_have_their_prices(launch):
    launch()
    launch(1, "t2.medium", "t2.medium", role="leader")
    seen = observe(settings(), Engine(), Memory(), NOW, spent_usd=7.0)
    assert sorted((one.role, one.market, one.usd_per_hour) for one in seen.priced) == [
        ("leader", "on-demand", pytest.approx(0.0464 + ADDRESS)),
        ("worker", "spot", pytest.approx(0.4773 + ADDRESS)),
    ]  # fmt: skip
    assert seen.snapshot.leader_usd_per_hour == pytest.approx(0.0464 + ADDRESS)
    assert seen.snapshot.spent_usd == 7.0


def test_volume_counts_with_each_node_and_no_address_where_the_leader_has_none(launch, monkeypatch):
    ask = inventory.instances_of
    monkeypatch.setattr(inventory, "instances_of", lambda *of: [replace(one, public_address=None) for one in ask(*of)])
    launch(1, **{"storage-gb": "73"})
    launch(1, "t2.medium", "t2.medium", role="leader", **{"storage-gb": "730"})
    seen = observe(settings(), Engine(), Memory(), NOW)
    assert {one.role: one.usd_per_hour for one in seen.priced} == {
        "leader": pytest.approx(0.0464 + 0.08), "worker": pytest.approx(0.4773 + 0.008),
    }  # fmt: skip
    (worker,) = seen.snapshot.nodes
    assert worker.beside_usd_per_hour == pytest.approx(0.008)
    assert seen.snapshot.offers[OTHER].usd_per_hour == pytest.approx(2.66 + BESIDE - ADDRESS)
