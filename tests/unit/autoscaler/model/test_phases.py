from __future__ import annotations

import pytest

from tests.unit.autoscaler.builders import NOW, booting, node, policy
from toilctl.autoscaler.model.phases import TRAITS, Phase, Readiness, phase
from toilctl.autoscaler.model.reasons import EndReason
from toilctl.autoscaler.model.snapshot import NodeView
from toilctl.values.cluster import NodeState


def phase_of(one: NodeView) -> Phase:
    return phase(one, policy(join_deadline_s=900), NOW)


def test_node_that_has_not_joined_boots() -> None:
    assert phase_of(booting(age_s=899)) is Phase.BOOTING


def test_node_that_has_not_joined_within_the_deadline_is_late() -> None:
    assert phase_of(booting(age_s=901)) is Phase.LATE


def test_a_new_process_gives_nodes_it_finds_the_whole_deadline() -> None:
    assert phase_of(booting(age_s=5000, missing_s=30)) is Phase.BOOTING
    assert phase_of(booting(age_s=5000, missing_s=901)) is Phase.LATE


def test_joined_node_is_busy_or_idle() -> None:
    assert phase_of(node(running=["1"])) is Phase.BUSY
    assert phase_of(node()) is Phase.IDLE


def test_cordon_and_drain_are_told_apart() -> None:
    assert phase_of(node(state=NodeState.CORDONED)) is Phase.CORDONED
    assert phase_of(node(state=NodeState.DRAINING, running=["1"])) is Phase.DRAINING


def test_node_that_the_engine_does_not_list_any_more_returns_or_is_missing_then_lost() -> None:
    assert phase_of(node(state=None, joined_before=True, missing_s=60)) is Phase.RETURNING
    assert phase_of(node(state=None, joined_before=True, missing_s=151)) is Phase.MISSING
    assert phase_of(node(state=None, joined_before=True, missing_s=901)) is Phase.LOST


def test_missing_node_is_not_lost_while_nobody_knows_since_when() -> None:
    assert phase_of(node(state=None, joined_before=True)) is Phase.MISSING


def test_dead_node_is_down_then_lost() -> None:
    assert phase_of(node(state=NodeState.DOWN, missing_s=60)) is Phase.DOWN
    assert phase_of(node(state=NodeState.DOWN, missing_s=901)) is Phase.LOST


@pytest.mark.parametrize("state", ["stopping", "stopped"])
def test_stopped_node_is_stopped_whatever_the_engine_says(state: str) -> None:
    assert phase_of(node(ec2_state=state)) is Phase.STOPPED


def test_node_that_is_being_terminated_is_leaving_whatever_else_is_known() -> None:
    assert phase_of(node(leaving=True, ec2_state="stopped", state=NodeState.DOWN, missing_s=5000)) is Phase.LEAVING


def test_every_phase_has_its_traits() -> None:
    assert set(TRAITS) == set(Phase)


def test_only_nodes_that_are_joined_boot_or_come_back_take_jobs() -> None:
    assert {one for one in Phase if TRAITS[one].readiness is Readiness.NOW} == {Phase.IDLE, Phase.BUSY}
    assert {one for one in Phase if TRAITS[one].readiness is Readiness.SOON} == {Phase.BOOTING, Phase.RETURNING}


def test_what_is_replaced_does_not_count_for_the_minimum() -> None:
    replaced = {one for one in Phase if TRAITS[one].goes}
    assert replaced == {Phase.LATE, Phase.LOST, Phase.STOPPED}
    assert not any(TRAITS[one].counts for one in replaced)
    assert TRAITS[Phase.LATE].goes is EndReason.NEVER_JOINED
