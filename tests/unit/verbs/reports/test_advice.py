"""An autoscaler's sentences, with what to type for its advice."""

from __future__ import annotations

from typing import Any

import pytest

from toilctl.autoscaler.journal.report import TickReport
from toilctl.autoscaler.model.advice import Advice, Remedy
from toilctl.autoscaler.model.plan import Infeasible, Lack, Waiting
from toilctl.autoscaler.model.reasons import WaitReason
from toilctl.values.jobs import Shape
from toilctl.values.scaling_policy import Limits
from toilctl.verbs.reports.advice import completed, with_words
from toilctl.verbs.reports.remedies import Place


def waiting(next_step: str, *advice: Advice) -> Waiting:
    return Waiting(Shape(1, 2048, 512, True), 12, ("sort",), WaitReason.MAXIMUM, next_step, advice)


@pytest.mark.parametrize(
    ("text", "advice", "told"),
    [
        (
            "The maximum is reached; it runs when a node has room.", (Advice.RAISE_MAXIMUM,),
            "The maximum is reached; it runs when a node has room, or raise it with "
            "'toilctl autoscale c --max-nodes …'.",
        ),
        (
            "Nothing is launched for it while the autoscaler is paused.", (Advice.RESUME,),
            "Nothing is launched for it while the autoscaler is paused; 'toilctl autoscale c resume' lets it go on.",
        ),
        (
            "It runs when a node has room.", (Advice.RAISE_BUDGET, Advice.FALL_BACK_FROM_SPOT),
            "It runs when a node has room, or raise it with 'toilctl autoscale c --budget …', or let on-demand nodes "
            "do with 'toilctl autoscale c --spot-fallback-after 600'.",
        ),
        (
            "It needs 9 GiB of disk.", (Advice.ADD_LARGER_NODES_OR_DISKS,),
            "It needs 9 GiB of disk; add a larger node type with 'toilctl autoscale c --node-types …' or larger disks "
            "with --node-storage.",
        ),
        ("The next tick tries again.", (), "The next tick tries again."),
    ],
)  # fmt: skip
def test_next_step_ends_with_what_to_type(text: str, advice: tuple[Advice, ...], told: str) -> None:
    assert with_words([waiting(text, *advice)], Place("c"))[0].next_step == told


@pytest.mark.parametrize("advice", Advice)
def test_each_advice_has_words(advice: Advice) -> None:
    (one,) = with_words([waiting("It waits.", advice)])
    assert one.next_step.startswith("It waits")
    assert len(one.next_step) > len("It waits.")


def test_notes_and_the_problem_of_a_report_are_completed() -> None:
    spent, fault = "The cluster has cost $5.00, so nothing more is launched.", "cluster.yml: it has no settings."
    report = TickReport(
        at="", tick=1, version="1", cluster="c", paused=False, notes=("A note.", spent),
        waiting=(waiting("It waits."),), problem=f"{fault} The last good settings are followed.",
        advice={spent: (Advice.RAISE_BUDGET,), fault: (Advice.WRITE_SETTINGS,)},
    )  # fmt: skip
    told = completed(report, Place("c"))
    assert told.notes == (
        "A note.",
        "The cluster has cost $5.00, so nothing more is launched; raise it with 'toilctl autoscale c --budget …'.",
    )
    assert told.problem == (
        "cluster.yml: it has no settings. 'toilctl autoscale c resume' writes the leader's settings anew. "
        "The last good settings are followed."
    )
    assert told.waiting == report.waiting


class Looked(str):
    """A note that counts how often anything is looked for in it."""

    __slots__ = ()
    times = 0

    def __contains__(self, key: str) -> bool:
        type(self).times += 1
        return super().__contains__(key)

    def replace(self, *words: Any) -> str:
        type(self).times += 1
        return super().replace(*words)

    __hash__ = str.__hash__


def test_notes_are_looked_up_and_not_searched_for_each_advice() -> None:
    notes = tuple(Looked(f"note {number}") for number in range(300))
    asked = {f"note {number}": (Advice.RESUME,) for number in range(900)}
    report = TickReport(
        at="", tick=1, version="1", cluster="c", paused=False, notes=notes, advice=asked, problem="note 1.",
    )  # fmt: skip
    told = completed(report, Place("c"))
    assert all(note.endswith("lets it go on.") for note in told.notes)
    assert told.problem.startswith("note 1; 'toilctl")
    assert Looked.times <= len(notes)


def test_problem_does_not_grow_with_the_number_of_advices() -> None:
    asked = {f"{number} is wrong.": tuple(Advice) for number in range(1000)}
    report = TickReport(
        at="", tick=1, version="1", cluster="c", paused=False, problem=" ".join(asked) * 1000, advice=asked
    )  # fmt: skip
    problem = completed(report, Place("c")).problem
    assert len(report.problem) < len(problem) < len(report.problem) + 20_000


LIMITS = Limits.parse("c4.8xlarge:0.6=0..20,r3.8xlarge=0..0")
LARGER = Remedy(Advice.ADD_LARGER_NODES, cores=36, memory_gib=61)


@pytest.mark.parametrize(
    ("remedy", "place", "told"),
    [
        (Remedy(Advice.ADD_ON_DEMAND, "c4.8xlarge"), Place("c", LIMITS),
         "add c4.8xlarge, on demand, with 'toilctl autoscale c --node-types c4.8xlarge:0.6,r3.8xlarge,c4.8xlarge "
         "--max-nodes 20,0,N', or run the workflow with --defaultPreemptible"),
        (Remedy(Advice.ENLARGE_DISKS, "r3.8xlarge", (50, 64)), Place("c", LIMITS),
         "give r3.8xlarge larger disks with 'toilctl autoscale c --node-storage 50,64'"),
        # What a workflow asks for is not among the cluster's own node types.
        (Remedy(Advice.ENLARGE_DISKS, "r3.8xlarge", (50, 64, 50)), Place("c", LIMITS),
         "give r3.8xlarge larger disks with 'toilctl autoscale c --node-storage 64'"),
        (Remedy(Advice.ALLOW_NODES, "r3.8xlarge", (64,)), Place("c", LIMITS),
         "raise the maximum of r3.8xlarge with 'toilctl autoscale c --max-nodes 20,N --node-storage 64'"),
        (Remedy(Advice.ALLOW_NODES, "m5.large"), Place("c", LIMITS),
         "raise the maximum of m5.large with 'toilctl autoscale c --max-nodes …'"),
        (LARGER, Place("c", LIMITS), "add an on-demand node type that has at least 36 cores and 61 GiB of memory with "
         "'toilctl autoscale c --node-types c4.8xlarge:0.6,r3.8xlarge,TYPE --max-nodes 20,0,N'"),
        (LARGER, Place("c"), "add an on-demand node type that has at least 36 cores and 61 GiB of memory with the "
         "workflow's own --nodeTypes …"),
        (Remedy(Advice.ENLARGE_DISKS, "r3.8xlarge", (64,)), Place("c"),
         "give r3.8xlarge larger disks with the workflow's own --nodeStorage 64"),
        (LARGER, Place(), "add an on-demand node type that has at least 36 cores and 61 GiB of memory with "
         "--node-types …"),
    ],
)  # fmt: skip
def test_job_that_can_never_run_is_told_what_to_type_where_it_is(remedy: Remedy, place: Place, told: str) -> None:
    lacks = (Lack("c4.8xlarge:0.6", "preemptible", 0, 0),)
    job = Infeasible(Shape(36, 1, 1, False), 1, ("huge",), "cores", "It fits none.", (remedy.advice,), lacks, remedy)
    assert with_words([job], place)[0].next_step == f"It fits none; {told}."
