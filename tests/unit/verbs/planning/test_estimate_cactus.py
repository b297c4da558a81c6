"""What Cactus's cluster may grow to: EC2's quotas and prices beside the documented counts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from moto.ec2.models.instance_types import INSTANCE_TYPES

from toilctl.system import aws, quotas
from toilctl.values.cluster import Role, Zone
from toilctl.values.errors import CapacityError, UsageError
from toilctl.verbs.checks import instance_types
from toilctl.verbs.planning import estimate_cactus
from toilctl.verbs.planning.estimate_cactus import Estimate
from toilctl.workflows.cactus import Genomes, Size

ZONE = Zone("us-west-2b")


@pytest.fixture(autouse=True)
def _nobody_to_ask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials, no region, and an error for whoever turns to AWS."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "TOIL")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))

    def unreachable(service: str, region: str) -> None:
        raise AssertionError(f"{service} in {region} was asked")

    monkeypatch.setattr(aws, "client", unreachable)


def cactus(genomes: int, size: Size, zone: Zone | None = ZONE, region: str | None = None) -> Estimate:
    return estimate_cactus.cactus(Genomes(genomes), size, zone, region)


def test_nodes_are_the_leader_and_the_documented_workers() -> None:
    nodes = cactus(8, Size.MAMMAL).nodes
    assert [(one.role, str(one.node_type), one.market, one.max_nodes, one.vcpus) for one in nodes] == [
        (Role.LEADER, "t2.medium", "on-demand", 1, 2),
        (Role.WORKER, "c4.8xlarge:0.6", "spot", 80, 2880),
        (Role.WORKER, "r3.8xlarge", "on-demand", 4, 128),
    ]


def test_quotas_are_apart_by_market_and_the_leader_counts() -> None:
    assert {one.code: (one.market, one.vcpus) for one in cactus(8, Size.BIRD).quotas} == {
        "L-34B43A08": ("spot", 40 * 36),
        "L-1216C47A": ("on-demand", 2 * 32 + 2),
    }


def test_quota_is_known_by_its_name() -> None:
    assert [one.name.partition(" Standard")[0] for one in cactus(8, Size.BIRD).quotas] == ["All", "Running On-Demand"]


@pytest.mark.parametrize(("size", "spot"), [(Size.MAMMAL, True), (Size.NEMATODE, False), (Size.SMALL, False)])
def test_quota_is_what_a_launch_is_checked_for(size: Size, spot: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    found = cactus(30, size)
    (needed,) = [one for one in found.quotas if one.market == ("spot" if spot else "on-demand")]
    wanted = [(one.node_type, one.max_nodes) for one in found.nodes]
    quota = {needed.code: float(needed.vcpus)}
    monkeypatch.setattr(quotas, "vcpus", lambda region, *, spot: quota.get(quotas.CODES[spot]))
    instance_types.check_quota("us-west-2", wanted, INSTANCE_TYPES)
    quota[needed.code] -= 1
    with pytest.raises(CapacityError, match=f"This needs {needed.vcpus} ") as caught:
        instance_types.check_quota("us-west-2", wanted, INSTANCE_TYPES)
    assert needed.code in caught.value.next_step


def test_highest_cost_has_spot_at_its_bid() -> None:
    found = cactus(8, Size.MAMMAL)
    assert [one.usd_per_hour for one in found.nodes] == pytest.approx([0.0569, 80 * 0.6105, 4 * 2.6705], rel=0.01)
    assert found.cost_at_maximum.usd_per_hour == pytest.approx(sum(one.usd_per_hour or 0 for one in found.nodes))
    assert found.cost_at_maximum.at_most


def test_price_that_is_not_known_is_not_guessed() -> None:
    found = cactus(8, Size.MAMMAL, Zone("eu-north-1a"))
    assert found.cost_at_maximum.usd_per_hour is None
    assert found.cost_at_maximum.unknown == ("r3.8xlarge", "t2.medium")
    assert [one.usd_per_hour for one in found.nodes] == [None, pytest.approx(48.84, abs=0.01), None]


def test_small_genomes_get_a_leader_alone() -> None:
    found = cactus(8, Size.SMALL)
    assert found.single_machine
    assert (found.node_types, found.max_nodes) == ((), ())
    assert [(one.role, str(one.node_type)) for one in found.nodes] == [(Role.LEADER, "r3.8xlarge")]
    assert [(one.market, one.vcpus) for one in found.quotas] == [("on-demand", 32)]
    assert not found.cost_at_maximum.at_most


def test_commands_name_the_place_that_was_named() -> None:
    found = cactus(8, Size.MAMMAL)
    assert " -z us-west-2b " in found.launch_command
    assert " aws:us-west-2:JOBSTORE " in found.run_command


def test_commands_have_placeholders_where_no_place_was_named() -> None:
    found = cactus(8, Size.MAMMAL, None)
    assert " -z ZONE " in found.launch_command
    assert " aws:REGION:JOBSTORE " in found.run_command
    assert found.region == "us-west-2"


def test_region_of_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-2")
    found = cactus(8, Size.MAMMAL, None)
    assert found.region == "us-east-2"
    assert " -z ZONE " in found.launch_command
    assert " aws:us-east-2:JOBSTORE " in found.run_command


def test_cluster_wants_cores_for_the_consolidation_and_a_single_machine_does_not() -> None:
    assert cactus(8, Size.BIRD).run_command.endswith(" seqFile.txt output.hal --consCores 32")
    alone = cactus(8, Size.SMALL).run_command
    assert " cactus file:/" in alone
    assert alone.endswith(" seqFile.txt output.hal --batchSystem single_machine")


def test_zone_of_another_region_is_refused() -> None:
    with pytest.raises(UsageError, match="us-west-2b is not in region us-east-1"):
        cactus(8, Size.BIRD, region="us-east-1")
