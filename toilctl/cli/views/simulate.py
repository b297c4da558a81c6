"""How a simulation reads: a line on the trace, a table with a row per policy, the workers of each, what to type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from toilctl.cli.base.render import counted, table
from toilctl.cli.views.estimate import infeasible, node_table, reckoned, source
from toilctl.cli.views.runs import duration
from toilctl.values.wording import priced

if TYPE_CHECKING:
    from toilctl.verbs.planning.simulate import PolicyOutcome, Simulation


def text(result: Simulation) -> str:
    """Say it all."""
    parts = [_head(result), _policies(result), *(_workers(result, one) for one in result.outcomes)]
    drawn = f"Drawn: {', '.join(map(str, result.plots))}" if result.plots else ""
    return "\n\n".join(filter(None, [*parts, "\n".join(_notes(result)), drawn]))


def _head(result: Simulation) -> str:
    hazards = result.hazards
    recorded = f"{result.trace}: {counted(result.jobs, 'job')}, recorded over {duration(result.recorded_s)}."
    lines = [recorded if result.recorded else f"{result.trace}."]
    lines += [f"A worker boots in {result.boot_s:g} s."]
    if hazards.interruptions_per_hour:
        lines += [f"A spot worker is taken away {hazards.interruptions_per_hour:g} times an hour."]
    if hazards.short_share:
        lines += [f"An instance type cannot be had in a zone for {hazards.short_share:.0%} of the time."]
    return " ".join(lines)


def _policies(result: Simulation) -> str:
    headers = (
        "POLICY", "USD", "OF BOUND", "TAKES", "WAIT 95 %", "LAUNCHED", "AT ONCE", "NODE HOURS", "IDLE HOURS", "LOST",
    )  # fmt: skip
    return table(headers, map(_row, result.outcomes), "  ")


def _row(one: PolicyOutcome) -> tuple[object, ...]:
    over = "" if one.over_least is None else f"{one.over_least:.2f}"
    return (
        one.policy, f"{one.usd:.2f}", over, duration(one.makespan_s), duration(one.waits.most_s), one.launches,
        one.most_at_once, f"{one.node_hours:.2f}", f"{one.idle_hours:.2f}", f"{one.lost_hours:.2f}",
    )  # fmt: skip


def _workers(result: Simulation, one: PolicyOutcome) -> str:
    lines = [f"{one.policy}:" if len(result.outcomes) > 1 else "", node_table(one.nodes), *_jobs(one)]
    return "\n".join(filter(None, [*lines, f"  {one.launch_command}"]))


def _jobs(one: PolicyOutcome) -> Iterator[str]:
    if one.interruptions:
        yield f"  {counted(one.interruptions, 'interruption')}; {one.lost_hours:.2f} hours of jobs were lost."
    if one.refusals:
        yield f"  {counted(one.refusals, 'launch request')} met no capacity in a zone."
    for never in one.infeasible:
        yield f"  {infeasible(never)}"
    if one.stuck:
        yield f"  {counted(one.stuck, 'job')} never came to an end."
    for waiting in one.waiting:
        yield f"    {counted(waiting.count, 'job')} ({', '.join(waiting.names)}) waited to the end: {waiting.next_step}"
    if lost := one.stuck - sum(waiting.count for waiting in one.waiting):
        yield f"    {counted(lost, 'job')} lost too many workers to begin again."


def _notes(result: Simulation) -> Iterator[str]:
    least = min((one.least_usd for one in result.outcomes), default=0.0)
    yield (
        f"Cost of the workers in {result.region} ({priced(result.prices_as_of)})."
        + (" Spot never costs more than its bid." if any(one.at_most for one in result.outcomes) else "")
    )
    if least:
        yield "The bound is what no schedule on these node types can be below, not even one that knows the future."
    if said := reckoned(use for one in result.outcomes for use in one.nodes):
        yield said
    yield source(result.source)
    yield from result.notes
