"""How an estimate from a trace reads: a sentence, a table, cost, waiting, what is left out, and what to type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from toilctl.cli.base.render import counted, table
from toilctl.cli.views.runs import duration
from toilctl.values.wording import ON_TOP, bought, priced

if TYPE_CHECKING:
    from toilctl.autoscaler.model.plan import Infeasible
    from toilctl.verbs.planning.estimate_trace import TraceEstimate
    from toilctl.verbs.planning.replay import NodeUse


def trace(result: TraceEstimate) -> str:
    """Say it all."""
    jobs, notes = "\n".join(_job_lines(result)), "\n".join(result.notes)
    launch = f"Launch:\n  {in_lines(result.launch_command)}"
    return "\n\n".join(filter(None, (_head(result), node_table(result.nodes), _cost(result), jobs, notes, launch)))


def _head(result: TraceEstimate) -> str:
    if not result.jobs:
        return "None of the recorded jobs can run on these node types."
    done = f"{counted(result.jobs, 'job')} would be done in {duration(result.makespan_s)}"
    return f"{done}; the recorded run took {duration(result.recorded_s)}."


def node_table(nodes: Iterable[NodeUse]) -> str:
    """Show each node type's workers."""
    headers = ("NODE TYPE", "MARKET", "MAX", "AT ONCE", "LAUNCHED", "NODE HOURS", "IDLE HOURS", "USD")
    return table(headers, map(_row, nodes), "  ")


def _row(use: NodeUse) -> tuple[object, ...]:
    hours = (f"{use.node_hours:.2f}", f"{use.idle_hours:.2f}")
    return (use.node_type, bought(use.market), use.max_nodes, use.most_at_once, use.launched, *hours, f"{use.usd:.2f}")


def _cost(result: TraceEstimate) -> str:
    workers = f"workers {'at most' if result.at_most else 'about'} ${result.workers_usd:.2f}"
    leader = "not known here" if result.leader_usd is None else f"about ${result.leader_usd:.2f}"
    spot = "Spot never costs more than its bid. " if result.at_most else ""
    size = f"{said} " if (said := reckoned(result.nodes)) else ""
    return (
        f"Cost, in {result.region}: {workers}, the leader ({result.leader_node_type}) {leader} "
        f"({priced(result.prices_as_of)}).\n{spot}{size}{ON_TOP}\n{source(result.source)}"
    )


def source(whose: str) -> str:
    """Say where the numbers are from."""
    return f"Prices and sizes of instance types are from {whose}."


def reckoned(nodes: Iterable[NodeUse]) -> str:
    """Say whose price is a guess."""
    names = dict.fromkeys(str(use.node_type) for use in nodes if use.price_estimated)
    return f"No price is known here for {' and '.join(names)}: it is reckoned from the size." if names else ""


def _job_lines(result: TraceEstimate) -> Iterator[str]:
    waits = result.waits
    if result.jobs:
        median, most, longest = map(duration, (waits.median_s, waits.most_s, waits.longest_s))
        yield f"Jobs wait {median} (median), 95 % at most {most}, the longest {longest}."
    for one in result.infeasible:
        yield infeasible(one)
    if result.stuck:
        yield f"{counted(result.stuck, 'job')} never had a place."
    numbers = {"unfinished job": result.unfinished, "killed job": result.killed, "damaged line": result.damaged_lines}
    left_out = [counted(number, what) for what, number in numbers.items() if number]
    if left_out:
        yield f"Left out: {', '.join(left_out)}."


def infeasible(one: Infeasible) -> str:
    """Say which jobs can never run, and why."""
    shape = one.shape
    cores = f"{shape.cores:g} {'core' if shape.cores == 1 else 'cores'}"
    size = f"{cores}, {shape.memory_mib / 1024:.1f} GiB of memory, {shape.disk_mib / 1024:.1f} GiB of disk"
    jobs = counted(one.count, "preemptible job" if shape.preemptible else "job")
    return f"Never run: {jobs} ({', '.join(one.names)}) of {size}. {one.next_step}"


def in_lines(launch: str) -> str:
    """Return a launch's command line in two lines."""
    return launch.replace(" --node-types", " \\\n      --node-types")
