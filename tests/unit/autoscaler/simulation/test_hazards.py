"""What goes wrong in a simulation, by a seed alone."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from toilctl.autoscaler.model.snapshot import Offering
from toilctl.autoscaler.simulation.hazards import NONE, SHORTAGE_S, Hazards, Shortages
from toilctl.values.errors import UsageError

SPOT, OTHER = Offering("m5.large", "us-west-2a", spot=True), Offering("m5.large", "us-west-2b", spot=True)
ON_DEMAND = Offering("m5.large", "us-west-2a", spot=False)
SEEDS = st.integers(0, 2**32)
SHARES = st.floats(0, 1, exclude_max=True)


def sampled(shortages: Shortages, offering: Offering = SPOT, step_s: float = 60, count: int = 100_000) -> list[bool]:
    return [shortages.short(offering, number * step_s) for number in range(count)]


def test_nothing_goes_wrong_unless_it_is_asked_for() -> None:
    assert Hazards() == NONE
    assert NONE.lifetime_s(SPOT, 1) == math.inf
    assert not any(sampled(Shortages(NONE), count=100))


@pytest.mark.parametrize("rate", [-0.1, math.nan, math.inf])
def test_rate_that_cannot_be_is_refused(rate: float) -> None:
    with pytest.raises(UsageError, match="times an hour") as caught:
        Hazards(interruptions_per_hour=rate)
    assert caught.value.next_step


@pytest.mark.parametrize("share", [-0.1, 1, math.nan, math.inf])
def test_share_that_cannot_be_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="share") as caught:
        Hazards(short_share=share)
    assert caught.value.next_step


def test_spot_nodes_live_as_long_on_average_as_the_rate_says_and_exponentially() -> None:
    hazards = Hazards(interruptions_per_hour=2)
    lives = [hazards.lifetime_s(SPOT, number) for number in range(20_000)]
    # The mean of so many is within 0.7 % two times in three; of an exponential distribution it is the deviation, too.
    assert statistics.mean(lives) == pytest.approx(1800, rel=0.03)
    assert statistics.pstdev(lives) == pytest.approx(1800, rel=0.05)
    assert statistics.median(lives) == pytest.approx(1800 * math.log(2), rel=0.05)


def test_node_on_demand_is_never_taken_away() -> None:
    assert Hazards(interruptions_per_hour=1000).lifetime_s(ON_DEMAND, 1) == math.inf


def test_lives_differ_by_node_offering_and_seed_and_are_the_same_each_time() -> None:
    asked = [(seed, offering, number) for seed in (0, 1) for offering in (SPOT, OTHER) for number in (1, 2)]

    def lives() -> list[float]:
        return [Hazards(1, seed=seed).lifetime_s(offering, number) for seed, offering, number in asked]

    assert len(set(lives())) == len(asked)
    assert lives() == lives()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_offering_is_short_for_its_share_of_the_time_in_spells(share: float) -> None:
    # Looked at so often that few spells fall between.
    found = sampled(Shortages(Hazards(short_share=share)), step_s=20, count=300_000)
    assert statistics.mean(found) == pytest.approx(share, abs=0.04)
    spells = sum(one and not before for before, one in zip([False, *found], found, strict=False))
    assert sum(found) * 20 / spells == pytest.approx(SHORTAGE_S, rel=0.15)


def test_offering_is_short_as_often_at_the_beginning_as_later() -> None:
    found = [Shortages(Hazards(short_share=0.3, seed=seed)).short(SPOT, 0) for seed in range(2000)]
    assert statistics.mean(found) == pytest.approx(0.3, abs=0.04)


def test_shortages_of_offerings_and_seeds_are_independent() -> None:
    first, other = (sampled(Shortages(Hazards(short_share=0.5)), offering) for offering in (SPOT, OTHER))
    another = sampled(Shortages(Hazards(short_share=0.5, seed=1)))
    for two in (other, another, sampled(Shortages(Hazards(short_share=0.5)), ON_DEMAND)):
        both = sum(one and also for one, also in zip(first, two, strict=True)) / len(first)
        assert both == pytest.approx(0.25, abs=0.05)


@settings(max_examples=examples(100), deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from([SPOT, OTHER, ON_DEMAND]), st.floats(0, 1e6)), max_size=30), SHARES, SEEDS)
def test_order_of_asking_changes_no_answer(asked: Sequence[tuple[Offering, float]], share: float, seed: int) -> None:
    hazards = Hazards(short_share=share, seed=seed)
    there, back, alone = Shortages(hazards), Shortages(hazards), [Shortages(hazards).short(*one) for one in asked]
    assert [there.short(*one) for one in asked] == alone
    assert [back.short(*one) for one in reversed(asked)] == alone[::-1]
