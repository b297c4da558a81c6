"""What a journal tells of a cluster's past, held against simulations whose past is known."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.unit.autoscaler.journals import line, recorded, waiting
from toilctl.autoscaler.journal.reader import Tick, held, read, restarts
from toilctl.autoscaler.journal.report import InterruptionReport
from toilctl.autoscaler.journal.timeline import Timeline, tell
from toilctl.autoscaler.journal.window import parse_moment, window
from toilctl.autoscaler.simulation.hazards import Hazards
from toilctl.autoscaler.simulation.outcome import Simulated
from toilctl.charts.of_timeline import picture_of
from toilctl.charts.picture import Mark, Picture, Span
from toilctl.values.errors import UsageError
from toilctl.values.node_types import NodeType
from toilctl.values.units import HOUR_S

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
KIND = NodeType.parse("m5.large:0.05")
INTERVAL_S = 30.0


def ticks(*lines: str) -> tuple[Tick, ...]:
    return held(read(lines, "c").ticks)


def told(*lines: str) -> Timeline:
    return tell(ticks(*lines), INTERVAL_S)


def drawn(*lines: str) -> Picture:
    of = ticks(*lines)
    return picture_of(of, tell(of, INTERVAL_S), "c")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Simulated, list[str]]:
    """A simulated run with interruptions, and its journal."""
    directory = tmp_path_factory.mktemp("run")
    found = recorded(directory, hazards=Hazards(1.0))
    return found, (directory / "journal.jsonl").read_text().splitlines()


Run = tuple[Simulated, list[str]]


def test_nodes_and_cost_are_those_of_the_simulation(run: Run) -> None:
    found, lines = run
    of = told(*lines)
    assert len(found.lives) > 20
    # A node is seen from the tick after its launch on, and until the tick at which it is gone or goes.
    tick_h = INTERVAL_S / HOUR_S * len(found.lives)
    assert of.node_hours == pytest.approx(sum(one.seconds for one in found.lives) / HOUR_S, abs=tick_h)
    assert of.usd == pytest.approx(found.usd, abs=tick_h * max(one.usd_per_hour for one in found.lives))
    assert sum(use.asked_for for use in of.node_types) == len(found.lives)
    assert sum(use.node_hours for use in of.node_types) == pytest.approx(of.node_hours)
    assert of.usd == of.usd_in_all


def test_waits_are_those_of_the_simulation(run: Run) -> None:
    found, lines = run
    of = told(*lines)
    waited_h = (sum(one.waited_s for one in found.runs) - found.lost_s) / HOUR_S
    assert of.waiting_job_hours == pytest.approx(waited_h, rel=0.05)
    assert sum(one.job_hours for one in of.waits) == pytest.approx(of.waiting_job_hours, rel=0.05)
    lost = {one.job for one in found.lost}
    longest_s = max(one.waited_s for one in found.runs if one.job not in lost)
    assert max(one.longest_s for one in of.waits) >= longest_s - INTERVAL_S
    assert [one.job_hours for one in of.waits] == sorted((one.job_hours for one in of.waits), reverse=True)


def test_picture_has_what_the_timeline_says(run: Run) -> None:
    _, lines = run
    of, picture = told(*lines), drawn(*lines)
    assert picture.waiting.highest == of.most_waiting > 0
    assert picture.running.highest == of.most_running > 0
    assert {str(kind): steps.highest for kind, steps in picture.nodes.items()} == {
        str(use.node_type): use.most_at_once for use in of.node_types
    }
    assert picture.usd.values[-1] == pytest.approx(of.usd, abs=1e-3)
    assert picture.ends_s == of.seconds
    assert picture.began_at == datetime.fromisoformat(of.begin)


def test_files_may_come_in_any_order_and_twice(run: Run) -> None:
    _, lines = run
    mixed = [*lines, *lines[: len(lines) // 3]]
    random.Random(1).shuffle(mixed)
    assert told(*mixed) == told(*lines)


def test_parts_of_the_time_sum_up_to_the_whole(run: Run) -> None:
    _, lines = run
    of = ticks(*lines)
    edges = [of[0].at + (of[-1].at - of[0].at) * part / 7 for part in range(8)]
    parts = [tell(window(of, begin, end), INTERVAL_S) for begin, end in pairwise(edges)]
    whole = tell(of, INTERVAL_S)
    for name in ("usd", "node_hours", "waiting_job_hours", "running_job_hours", "seconds"):
        assert sum(getattr(one, name) for one in parts) == pytest.approx(getattr(whole, name), abs=0.01), name
    assert parts[-1].usd_in_all == pytest.approx(whole.usd_in_all)
    assert max(one.most_waiting for one in parts) == whole.most_waiting


def test_value_holds_until_the_next_tick() -> None:
    of = told(
        line(0, node_counts={str(KIND): 2}, waiting_jobs=3, running_jobs=1, waiting=[waiting(3)]),
        line(1800, node_counts={str(KIND): 1}),
        line(3600),
    )
    assert (of.node_hours, of.most_nodes, of.waiting_job_hours, of.running_job_hours) == (1.5, 2, 1.5, 0.5)
    assert (of.begin, of.end, of.seconds) == (
        "2026-11-21T12:00:00.000+00:00", "2026-11-21T13:00:00.000+00:00", 3600,
    )  # fmt: skip


def test_what_a_tick_did_not_know_is_as_before() -> None:
    first = line(0, node_counts={str(KIND): 2}, waiting_jobs=3, waiting=[waiting(3)])
    blind = line(30, nodes_known=False, jobs_known=False)
    of = told(first, blind, line(60))
    assert of.node_hours == round(2 * 60 / HOUR_S, 3)
    assert of.waiting_job_hours == round(3 * 60 / HOUR_S, 3)
    assert of.waits[0].longest_s == 60


def test_longest_wait_of_a_shape_is_the_longest_stretch_in_which_some_waited() -> None:
    some, more = [waiting(1, names=("sort",))], [waiting(2, names=("merge",), reason="maximum")]
    other = [waiting(5, cores=4)]
    (first, second) = told(
        line(0, waiting=some), line(30, waiting=more), line(60, waiting=other), line(90, waiting=some), line(120)
    ).waits
    assert (first.cores, first.job_hours, first.longest_s) == (4, round(5 * 30 / HOUR_S, 3), 30)
    assert (second.longest_s, second.most_at_once, second.job_hours) == (60, 2, round(4 * 30 / HOUR_S, 3))
    assert (second.names, second.reason, second.never) == (("sort", "merge"), "launching", False)


def test_reason_is_the_one_of_most_of_the_time_and_infeasible_jobs_are_named() -> None:
    big = waiting(1, cores=64, reason="cores")
    (one,) = told(line(0, waiting=[waiting(1, cores=64)]), line(30, infeasible=[big]), line(90)).waits
    assert (one.reason, one.never, one.longest_s) == ("cores", True, 90)


@pytest.mark.parametrize(
    "broken",
    [
        "{", '{"at": "2026-11-21T12:', "\x00\x00", "x" * 5000, "[" * 100_000, line(15, usd=float("nan")),
    ],
    ids=["brace", "cut-off", "zeros", "text", "deep", "no number"],
)  # fmt: skip
def test_damaged_lines_are_counted(broken: str) -> None:
    found = read([line(0), broken, "", line(30)], "c")
    assert (len(found.ticks), found.damaged, found.unknown) == (2, 1, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"at": "yesterday"}, {"at": None}, {"tick": "x"}, {"usd": "much"}, {"usd": -1},
        {"usd_per_hour": None}, {"node_counts": [1]}, {"node_counts": {"m5.large": -1}}, {"node_counts": {"?": 1}},
        {"waiting": [{"cores": 1}]}, {"waiting": 5}, {"waiting": [None]}, {"waiting_jobs": None}, {"results": ["no"]},
        {"actions": [{"action": "launch", "reason": "demand", "node_type": "no type"}]},
        {"waiting": [{"cores": [], "memory_mib": 1, "disk_mib": 1, "preemptible": 1, "count": 1, "names": ["a"],
                      "reason": "x", "next_step": ""}]},
    ],
    ids=json.dumps,
)  # fmt: skip
def test_lines_of_another_kind_are_counted(change: dict[str, Any]) -> None:
    found = read([line(0), json.dumps(json.loads(line(15)) | change), line(30)], "c")
    assert (len(found.ticks), found.damaged, found.unknown) == (2, 0, 1)


@pytest.mark.parametrize("other", ["5", "[]", "null", '"x"', "{}", '{"version": "99"}'])
def test_json_that_is_no_report_is_counted(other: str) -> None:
    assert read([line(0), other], "c").unknown == 1


def test_line_of_a_later_version_is_read_as_far_as_it_is_known() -> None:
    found = read([line(0, invented_later={"a": 1}, version="99")], "c")
    assert (len(found.ticks), found.unknown) == (1, 0)


def test_lines_of_other_clusters_are_counted_and_those_from_before_the_name_was_known_are_the_clusters() -> None:
    found = read([line(0, cluster=""), line(30), line(60, cluster="d"), line(90, cluster="d")], "c")
    assert (len(found.ticks), found.others) == (2, {"d": 2})


def test_cost_goes_on_where_the_journal_began_anew() -> None:
    lines = [
        line(0, tick=100, usd=5.0, usd_per_hour=1.0), line(1800, tick=101, usd=5.5, usd_per_hour=2.0),
        line(3600, tick=1, usd=0.0, usd_per_hour=2.0), line(5400, tick=2, usd=1.0, usd_per_hour=0.0),
    ]  # fmt: skip
    of = told(*lines)
    assert (of.usd, of.usd_in_all) == (2.5, 7.5)
    assert restarts(read(lines, "c").ticks) == 1


def test_cost_that_falls_although_the_ticks_go_on_began_anew() -> None:
    assert told(line(0, tick=1, usd=5.0), line(30, tick=2, usd=1.0)).usd == 1.0


def test_nodes_that_were_told_to_go_are_counted_once_and_those_needed_again_are_not() -> None:
    of = told(
        line(0, actions=[doing("scale-in", "idle", "i-1", "i-2")]),
        line(30, actions=[doing("scale-in", "idle", "i-2"), doing("replace", "never-joined", "i-3")]),
        line(60, actions=[doing("undrain", "needed", "i-1")]),
    )
    assert of.told_to_go == {"idle": 1, "never-joined": 1}


def doing(action: str, reason: str, *ids: str) -> dict[str, Any]:
    return {"action": action, "reason": reason, "instance_ids": ids}


def test_failures_are_told_once_with_how_often_and_marked_each_time() -> None:
    refused = {"at": "", "action": "launch", "ok": False, "message": "InsufficientInstanceCapacity"}
    stuck = {"at": "", "action": "scale-in", "ok": False, "message": "unreachable"}
    fine = {"at": "", "action": "launch", "ok": True, "message": ""}
    lines = [line(0, results=[refused]), line(30, results=[refused, fine]), line(60, results=[stuck])]
    assert [(one.action, one.times, one.first[11:19], one.last[11:19]) for one in told(*lines).failures] == [
        ("launch", 2, "12:00:00", "12:00:30"), ("scale-in", 1, "12:01:00", "12:01:00"),
    ]  # fmt: skip
    assert drawn(*lines).marks == (Mark(0, "launch failed"), Mark(30, "launch failed"), Mark(60, "another failure"))


def notice(instance_id: str, kind: str, **more: str) -> dict[str, str]:
    return {
        "instance_id": instance_id, "node_type": str(KIND), "instance_type": "m5.large", "zone": "us-west-2a",
        "kind": kind, "at": "2026-11-21T12:00:20Z", **more,
    }  # fmt: skip


def test_interruptions_are_told_each_once() -> None:
    ends = notice("i-1", "terminate", takes_at="2026-11-21T12:02:20Z")
    lines = [line(30, interruptions=[ends]), line(60, interruptions=[ends, notice("i-2", "stop")])]
    full, bare = told(*lines).interruptions
    place = (str(KIND), "m5.large", "us-west-2a")
    at = "2026-11-21T12:00:20.000+00:00"
    assert full == InterruptionReport("i-1", *place, "terminate", at, "2026-11-21T12:02:20.000+00:00")
    assert bare == InterruptionReport("i-2", *place, "stop", at, "")
    # That of before the first line is where the picture begins.
    assert drawn(*lines).marks == (Mark(0, "interruption"), Mark(0, "interruption"))


def test_line_with_an_interruption_of_another_form_is_of_another_version() -> None:
    lines = [line(30), line(60, interruptions=[{"zone": "x"}]), line(90, interruptions=[notice("i-1", "stop", at="?")])]
    assert (told(*lines).interruptions, len(read(lines, "c").ticks), read(lines, "c").unknown) == ((), 1, 2)


def test_recommendation_is_marked_apart_from_interruptions_and_behind_them() -> None:
    notices = [notice("i-1", "rebalance"), notice("i-1", "terminate")]
    marks = drawn(line(0), *(line(30 + at, interruptions=[one]) for at, one in enumerate(notices))).marks
    assert [one.text for one in marks] == ["interruption", "rebalance recommendation"]


def test_pauses_and_problems_last_until_the_tick_without_them() -> None:
    lines = [
        line(0), line(30, paused=True), line(60, paused=True, problem="Slurm does not answer."), line(90),
        line(120, problem="It is not YAML."),
    ]  # fmt: skip
    assert [(one.kind, one.begin[14:19], one.end[14:19], one.seconds, one.why) for one in told(*lines).stretches] == [
        ("paused", "00:30", "01:30", 60, ""), ("problem", "01:00", "01:30", 30, "Slurm does not answer."),
        ("problem", "02:00", "02:00", 0, "It is not YAML."),
    ]  # fmt: skip
    assert drawn(*lines).spans[0] == Span(30, 90, "paused")


def gaps(times_s: Sequence[float], interval_s: float = INTERVAL_S, took_s: float = 0.0) -> list[tuple[float, float]]:
    of = tell(ticks(*(line(at, seconds=took_s) for at in times_s)), interval_s)
    began = datetime.fromisoformat(of.begin)
    found = [one for one in of.stretches if one.kind == "autoscaler off"]
    return [((datetime.fromisoformat(one.begin) - began).total_seconds(), one.seconds) for one in found]


def test_gap_is_more_than_three_intervals_without_a_line() -> None:
    assert gaps([0, 30, 60, 151, 181]) == [(60, 91)]
    assert gaps([0, 30, 60, 150, 180]) == []


def test_two_lines_far_apart_are_a_gap_and_one_line_is_none() -> None:
    assert gaps([0, 100]) == [(0, 100)]
    assert gaps([0]) == []


def test_longer_interval_is_no_gap_and_neither_is_its_beginning() -> None:
    before, after = [float(one * 30) for one in range(20)], [600.0 + one * 300 for one in range(20)]
    assert gaps([*before, *after]) == []
    assert gaps([*before, *after, after[-1] + 901]) == [(after[-1], 901)]


def test_ticks_in_quick_succession_make_no_gap_of_the_usual_pace() -> None:
    assert gaps([*range(20), 49, 79, *range(80, 99)]) == []


def test_tick_that_takes_long_is_no_gap() -> None:
    assert gaps([0, 30, 60, 160, 190], took_s=20) == []


def test_journal_of_one_line_is_told() -> None:
    of = told(line(0, node_counts={str(KIND): 2}, usd=3.0, waiting_jobs=1, waiting=[waiting(1)]))
    assert (of.seconds, of.usd, of.usd_in_all, of.most_nodes, of.node_hours) == (0, 0, 3.0, 2, 0)
    assert drawn(line(0)).ends_s == 0


def test_part_of_the_time_begins_with_what_held_and_has_only_what_was_done_within() -> None:
    launch = [{"action": "launch", "reason": "demand", "node_type": str(KIND), "count": 1}]
    of = ticks(
        line(0, actions=launch, usd_per_hour=3.6, node_counts={str(KIND): 1}), line(100, usd=0.1, usd_per_hour=3.6),
        line(200, actions=launch, usd=0.2),
    )  # fmt: skip
    part = tell(window(of, NOON + timedelta(seconds=50), NOON + timedelta(seconds=150)), INTERVAL_S)
    assert (part.usd, part.usd_in_all, part.seconds) == (0.1, 0.15, 100)
    assert (part.node_types[0].asked_for, part.node_types[0].node_hours) == (0, round(50 / HOUR_S, 3))
    assert window(of, since=timedelta(seconds=150)) == window(of, since=NOON + timedelta(seconds=50))
    assert window(of) == of


@pytest.mark.parametrize(
    ("since", "until", "told_so"),
    [
        (NOON + timedelta(days=1), None, "The journal has nothing from 2026-11-22 12:00:00 UTC on."),
        (None, NOON - timedelta(days=1), "The journal has nothing until 2026-11-20 12:00:00 UTC."),
        (
            timedelta(seconds=10),
            timedelta(seconds=20),
            "from 2026-11-21 12:01:30 UTC on until 2026-11-21 12:01:20 UTC.",
        ),
        (timedelta(0), None, "The journal has nothing from 2026-11-21 12:01:40 UTC on."),
    ],
)
def test_time_in_which_there_is_nothing_is_refused_with_what_there_is(since: Any, until: Any, told_so: str) -> None:
    with pytest.raises(UsageError) as error:
        window(ticks(line(0), line(100)), since, until)
    assert told_so in error.value.message
    assert error.value.next_step == "It goes from 2026-11-21 12:00:00 UTC to 2026-11-21 12:01:40 UTC."


def test_longer_ago_than_there_is_time_is_the_beginning() -> None:
    of = ticks(line(0), line(100))
    assert window(of, since=timedelta(days=999_999)) == of


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-21 12:00", NOON), ("2026-11-21T12:00:00Z", NOON), ("2026-11-21T14:00+02:00", NOON),
        ("2026-11-21", NOON - timedelta(hours=12)), ("90m", timedelta(minutes=90)), ("90 min", timedelta(minutes=90)),
        ("2h", timedelta(hours=2)), ("1.5d", timedelta(hours=36)), (" 45s ", timedelta(seconds=45)),
    ],
)  # fmt: skip
def test_moments_are_times_or_how_long_before_the_end(text: str, moment: Any) -> None:
    assert parse_moment(text) == moment


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2", "h", "-2h", "2026-13-01", "2w", "9" * 400 + "d", "0001-01-01T00:00+10:00"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no time"):
        parse_moment(text)


def test_picture_of_a_long_journal_is_as_small_and_has_its_peaks() -> None:
    lines = [line(at * 30.0, tick=at + 1, waiting_jobs=at % 7, usd=at * 0.01) for at in range(9000)]
    lines[4321] = line(4321 * 30.0, tick=4322, waiting_jobs=500, usd=43.21)
    picture = drawn(*lines)
    assert max(len(picture.waiting.times_s), len(picture.usd.times_s)) <= 2000
    assert (picture.waiting.highest, picture.usd.values[-1]) == (500, pytest.approx(89.99))
