"""What to type on an autoscaler's advice: the words that complete its sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from toilctl.autoscaler.journal.report import TickReport
from toilctl.autoscaler.model.advice import Advice, Remedy
from toilctl.autoscaler.model.plan import Infeasible, Waiting
from toilctl.values.wording import listed

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


def completed(report: TickReport, cluster: str) -> TickReport:
    """Return a report whose sentences end with what to type for its advice."""
    return replace(
        report,
        problem=_with_words(report.problem, report.advice, cluster),
        notes=tuple(_with_words(note, report.advice, cluster) for note in report.notes),
        waiting=with_words(report.waiting, cluster),
        infeasible=with_words(report.infeasible, cluster),
    )


def with_words(jobs: Iterable[T], cluster: str = "") -> tuple[T, ...]:
    """Return jobs whose next step ends with what to type for their advice; options alone where there is no cluster."""
    return tuple(replace(one, next_step=_next_step(one, cluster)) for one in jobs)


def _next_step(of: Waiting | Infeasible, cluster: str) -> str:
    text = of.next_step
    if isinstance(of, Infeasible) and of.remedy is not None:
        return f"{text.removesuffix('.')}; {_remedy(of, of.remedy, cluster)}."
    for one in of.advice:
        words = _WORDS[one].format(cluster or "NAME")
        text = f"{text.removesuffix('.')}{', or' if one in _INSTEAD else ';'} {words}."
    return text


def _remedy(of: Infeasible, remedy: Remedy, cluster: str) -> str:
    """Say what makes a place for jobs that have none."""
    storage = [f"--node-storage {','.join(map(str, remedy.storage_gb))}"] if remedy.storage_gb else []
    if remedy.advice is Advice.ENLARGE_DISKS:
        return f"give {remedy.node_type} larger disks with {_autoscale(cluster, *storage)}"
    if remedy.advice is Advice.ALLOW_NODES:
        return f"raise the maximum of {remedy.node_type} with {_autoscale(cluster, '--max-nodes …', *storage)}"
    command = _autoscale(cluster, "--node-types …", *storage)
    if remedy.advice is Advice.ADD_ON_DEMAND:
        return f"add {remedy.node_type}, on demand, with {command}{_or_preemptible(of)}"
    sizes = [f"{remedy.cores} {'core' if remedy.cores == 1 else 'cores'}", f"{remedy.memory_gib} GiB of memory"]
    sizes += [f"{remedy.instance_store_gb} GB of instance store"] if remedy.instance_store_gb else []
    kind = "a node type" if of.shape.preemptible else "an on-demand node type"
    return f"add {kind} that has at least {listed(sizes)} with {command}"


def _autoscale(cluster: str, *options: str) -> str:
    return f"'{' '.join(('toilctl autoscale', cluster, *options))}'" if cluster else " ".join(options)


def _or_preemptible(of: Infeasible) -> str:
    """Name the other way where spot nodes are large enough."""
    lacking: dict[str, set[str]] = {}
    for one in of.lacks:
        lacking.setdefault(one.node_type, set()).add(one.resource)
    helps = {"preemptible"} in lacking.values()
    return ", or run the workflow with --defaultPreemptible" if helps else ""


def _with_words(text: str, advice: Mapping[str, Sequence[Advice]], cluster: str) -> str:
    """Put the words behind the sentences of a text to which they belong."""
    for sentence, asked in advice.items():
        for one in asked:
            stem = sentence if one is Advice.WRITE_SETTINGS else f"{sentence.removesuffix('.')};"
            # Once: what a leader tells may not blow up.
            text = text.replace(sentence, f"{stem} {_WORDS[one].format(cluster)}.", 1)
    return text
