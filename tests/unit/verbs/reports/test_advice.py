"""An autoscaler's sentences, with what to type for its advice."""

from __future__ import annotations

import pytest

from toilctl.autoscaler.journal.report import TickReport
from toilctl.autoscaler.model.advice import Advice
from toilctl.autoscaler.model.plan import Waiting
from toilctl.autoscaler.model.reasons import WaitReason
from toilctl.values.jobs import Shape
from toilctl.verbs.reports.advice import completed, with_words


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
    assert with_words([waiting(text, *advice)], "c")[0].next_step == told


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
    told = completed(report, "c")
    assert told.notes == (
        "A note.",
        "The cluster has cost $5.00, so nothing more is launched; raise it with 'toilctl autoscale c --budget …'.",
    )
    assert told.problem == (
        "cluster.yml: it has no settings. 'toilctl autoscale c resume' writes the leader's settings anew. "
        "The last good settings are followed."
    )
    assert told.waiting == report.waiting
