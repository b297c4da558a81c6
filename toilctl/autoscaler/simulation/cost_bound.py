"""The least that any schedule pays for the nodes of some jobs, even one that knows what will come.

Nodes are taken to be paid by the second and in fractions, without limits, boots or idle time, and jobs to be as
divisible as sand, over time and over node types: but each grain takes its cores, memory and disk on the same node. The
cheapest hours of each node type that hold all work are a linear program. Its dual puts prices on each node type's
cores, memory and disk, which together are worth no more than the node costs; a job is then worth what it takes, at the
prices of the node type where that is least, and all jobs' worth is no more than any schedule costs. That holds for any
such prices. So the best ones are looked for with the shapes that have the most work, and all jobs are valued by them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from toilctl.autoscaler.model.snapshot import Offer
from toilctl.autoscaler.packing.pack import fits
from toilctl.autoscaler.simulation.trace import TraceJob
from toilctl.values.jobs import Shape
from toilctl.values.node_types import NodeType
from toilctl.values.units import HOUR_S

_SHAPES: Final = 24
"""So many shapes decide on the prices; those of a few long jobs would hardly change them."""
_EFFORT: Final = 50_000_000
"""Bounds the search: numbers that pivots change. About 3 s."""
_EPSILON: Final = 1e-9
_Shares = tuple[float, float, float]
"""Of a node's cores, memory and disk."""


def least_usd(jobs: Iterable[TraceJob], offers: Mapping[NodeType, Offer]) -> float:
    """Return a lower bound of what these jobs cost on nodes of these types, in US dollars at the offers' prices.

    Jobs that no node type can run are left out.
    """
    seconds = defaultdict[Shape, list[float]](list)
    for job in jobs:
        seconds[job.shape].append(job.run_s)
    nodes = list(offers.values())
    able = {shape: found for shape in sorted(seconds) if (found := _able(shape, nodes))}
    hours = {shape: math.fsum(seconds[shape]) / HOUR_S for shape in able}
    most = sorted(able, key=lambda shape: -hours[shape] * _alone(able[shape], nodes))[:_SHAPES]
    worth = _worth([(hours[shape], able[shape]) for shape in most if hours[shape]], nodes)
    return math.fsum(
        hours[shape] * min(_value(shares, worth[at]) for at, shares in places.items())
        for shape, places in able.items()
    )  # fmt: skip


def _able(shape: Shape, nodes: Sequence[Offer]) -> dict[int, _Shares]:
    """Return which nodes can run a job, by number, and the shares that it takes there."""
    return {
        at: _shares(shape, one)
        for at, one in enumerate(nodes)
        if fits(shape, one.resources) and (shape.preemptible or not one.node_type.preemptible)
    }


def _shares(shape: Shape, offer: Offer) -> _Shares:
    whole = offer.resources
    return (
        shape.cores / whole.cores if whole.cores else 0.0,
        shape.memory_mib / whole.memory_mib if whole.memory_mib else 0.0,
        shape.disk_mib / whole.disk_mib if whole.disk_mib else 0.0,
    )


def _alone(places: Mapping[int, _Shares], nodes: Sequence[Offer]) -> float:
    """Return what an hour of a job costs where it shares a node with its like."""
    return min(nodes[at].usd_per_hour * max(shares) for at, shares in places.items())


def _value(shares: _Shares, worth: _Shares) -> float:
    return sum(share * one for share, one in zip(shares, worth, strict=True))


def _worth(shapes: Sequence[tuple[float, Mapping[int, _Shares]]], nodes: Sequence[Offer]) -> list[_Shares]:
    """Return what all cores, all memory and all disk of each node are worth an hour, at most its price together.

    :param shapes: hours of work and the shares that a job takes, by node, of each.
    """
    width, most = len(shapes) + 3 * len(nodes), max((hours for hours, _ in shapes), default=1.0)
    rows, limits = [], []
    for number, (_, places) in enumerate(shapes):
        for at, shares in places.items():
            # No hour of a job is worth more than what it takes here.
            row = [0.0] * width
            row[number] = 1.0
            first = len(shapes) + 3 * at
            row[first : first + 3] = [-nodes[at].usd_per_hour * share for share in shares]
            rows.append(row)
            limits.append(0.0)
    for at in range(len(nodes)):
        row = [0.0] * width
        row[len(shapes) + 3 * at : len(shapes) + 3 * at + 3] = [1.0] * 3
        rows.append(row)
        limits.append(1.0)
    gains = [hours / most for hours, _ in shapes] + [0.0] * (3 * len(nodes))
    found = _best(gains, rows, limits)[len(shapes) :]
    return [_priced(found[3 * at : 3 * at + 3], one.usd_per_hour) for at, one in enumerate(nodes)]


def _priced(parts: Sequence[float], usd_per_hour: float) -> _Shares:
    """Return a node's price in three parts; what rounding made of them is put right, so that the bound is one."""
    cores, memory, disk = (max(0.0, part) for part in parts)
    by = usd_per_hour / max(1.0, cores + memory + disk)
    return cores * by, memory * by, disk * by


def _best(gains: Sequence[float], rows: Sequence[Sequence[float]], limits: Sequence[float]) -> list[float]:
    """Return the ``x >= 0`` with ``rows · x <= limits`` of which ``gains · x`` is greatest; no limit is negative.

    The simplex method with Bland's rule, under which it ends (New finite pivoting rules for the simplex method, 1977);
    rounding may make it go on, and then it stops early, at an ``x`` that is allowed, too.
    """
    table = [[*row, limit] for row, limit in zip(rows, limits, strict=True)]
    table.append([*gains, 0.0])
    columns, basis = list(range(len(gains))), list(range(len(gains), len(gains) + len(rows)))
    for _ in range(_EFFORT // (len(table) * len(table[0]))):
        gaining = [at for at in range(len(columns)) if table[-1][at] > _EPSILON]
        if not gaining:
            break
        column = min(gaining, key=columns.__getitem__)
        bounding = [at for at in range(len(basis)) if table[at][column] > _EPSILON]
        if not bounding:
            break
        row = min(bounding, key=lambda at: (table[at][-1] / table[at][column], basis[at]))
        _exchange(table, row, column)
        columns[column], basis[row] = basis[row], columns[column]
    values = dict(zip(basis, (one[-1] for one in table), strict=False))
    return [values.get(number, 0.0) for number in range(len(gains))]


def _exchange(table: list[list[float]], row: int, column: int) -> None:
    """Let a row's variable and a column's change places."""
    pivot = table[row][column]
    by = [value / pivot for value in table[row]]
    by[column] = 1 / pivot
    for at, values in enumerate(table):
        if at != row and (slope := values[column]):
            values[column] = 0.0
            table[at] = [value - slope * each for value, each in zip(values, by, strict=True)]
    table[row] = by
