"""What to type on an autoscaler's advice: the words that complete its sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final, TypeVar

from toilctl.autoscaler.journal.report import TickReport
from toilctl.autoscaler.model.advice import Advice
from toilctl.autoscaler.model.plan import Infeasible, Waiting
from toilctl.verbs.reports import remedies
from toilctl.verbs.reports.remedies import Place

_NOWHERE: Final = Place()
_MOST_SEARCHED: Final = 10_000
"""Characters of a problem."""
_MOST_COMPLETED: Final = 10
"""Sentences of a problem."""
T = TypeVar("T", Waiting, Infeasible)

_WORDS: Final[Mapping[Advice, str]] = {
    Advice.RESUME: "'toilctl autoscale {0} resume' lets it go on",
    Advice.ALLOW_NODES: "raise a maximum with 'toilctl autoscale {0} --max-nodes …'",
    Advice.ENLARGE_DISKS: "give workers larger disks with 'toilctl autoscale {0} --node-storage …'",
    Advice.RAISE_MAXIMUM: "raise it with 'toilctl autoscale {0} --max-nodes …'",
    Advice.RAISE_BUDGET: "raise it with 'toilctl autoscale {0} --budget …'",
    Advice.RAISE_COST_PER_HOUR: "raise it with 'toilctl autoscale {0} --max-cost-per-hour …'",
    Advice.FALL_BACK_FROM_SPOT: "let on-demand nodes do with 'toilctl autoscale {0} --spot-fallback-after 600'",
    Advice.ADD_ON_DEMAND: (
        "add an on-demand node type with 'toilctl autoscale {0} --node-types …', or run the workflow with "
        "--defaultPreemptible"
    ),
    Advice.ADD_LARGER_NODES: "add a larger node type with 'toilctl autoscale {0} --node-types …'",
    Advice.ADD_LARGER_NODES_OR_DISKS: (
        "add a larger node type with 'toilctl autoscale {0} --node-types …' or larger disks with --node-storage"
    ),
    Advice.WRITE_SETTINGS: "'toilctl autoscale {0} resume' writes the leader's settings anew",
}
_INSTEAD: Final = frozenset(
    {Advice.RAISE_MAXIMUM, Advice.RAISE_BUDGET, Advice.RAISE_COST_PER_HOUR, Advice.FALL_BACK_FROM_SPOT}
)
"""For a job, these are what else can be done than to wait for what its sentence says."""


def completed(report: TickReport, place: Place) -> TickReport:
    """Return a report whose sentences end with what to type for its advice."""
    cluster = place.cluster
    return replace(
        report,
        problem=_problem(report.problem, report.advice, cluster),
        notes=tuple(_with_words(note, note, report.advice.get(note, ()), cluster) for note in report.notes),
        waiting=with_words(report.waiting, place),
        infeasible=with_words(report.infeasible, place),
    )


def with_words(jobs: Iterable[T], place: Place = _NOWHERE) -> tuple[T, ...]:
    """Return jobs whose next step ends with what to type for their advice."""
    return tuple(replace(one, next_step=_next_step(one, place)) for one in jobs)


def _next_step(of: Waiting | Infeasible, place: Place) -> str:
    text = of.next_step
    if isinstance(of, Infeasible) and of.remedy is not None:
        return f"{text.removesuffix('.')}; {remedies.words(of, of.remedy, place)}."
    for one in of.advice:
        words = _WORDS[one].format(place.cluster or "NAME")
        text = f"{text.removesuffix('.')}{', or' if one in _INSTEAD else ';'} {words}."
    return text


def _problem(text: str, advice: Mapping[str, Sequence[Advice]], cluster: str) -> str:
    """Complete a text of some sentences; what a leader tells may not blow up."""
    head, rest = text[:_MOST_SEARCHED], text[_MOST_SEARCHED:]
    for sentence in islice((one for one in advice if one in head), _MOST_COMPLETED):
        head = _with_words(head, sentence, advice[sentence], cluster)
    return head + rest


def _with_words(text: str, sentence: str, advice: Sequence[Advice], cluster: str) -> str:
    """Put the words for its advice behind a sentence of a text, where it is first."""
    for one in advice:
        stem = sentence if one is Advice.WRITE_SETTINGS else f"{sentence.removesuffix('.')};"
        text = text.replace(sentence, f"{stem} {_WORDS[one].format(cluster)}.", 1)
    return text
