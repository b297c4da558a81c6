"""How many workers Cactus needs, as its documentation says.

The numbers are those of ``doc/running-in-aws.md`` in Cactus's repository, section "Estimating the maximum number of
worker instances you'll need". It calls them very rough, and has them rounded up. For ``N`` genomes:

- mammal size: ``(N / 2) * 20`` c4.8xlarge on the spot market and ``N / 2`` r3.8xlarge on demand,
- bird size: ``(N / 2) * 10`` and ``N / 4``,
- nematode size: ``N / 2`` and ``N / 10``,
- smaller than 100 Mb: a single machine is better than an autoscaled cluster.

The bid and the leader's type are those of its command lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Self

from toilctl.values.errors import UsageError
from toilctl.values.node_types import NodeType, NodeTypes
from toilctl.values.outside import brief
from toilctl.values.units import whole

LEADER: Final = NodeType(("t2.medium",))
NODE_TYPES: Final = NodeTypes.parse("c4.8xlarge:0.6,r3.8xlarge")
"""For most jobs, and for those that need much memory and must not be interrupted."""
SINGLE_MACHINE: Final = NodeType(("r3.8xlarge",))
"""Where there are no workers: the one of the two that has the memory for every job."""
CONSOLIDATION_CORES: Final = 32
"""Cactus's ``--consCores``, which it requires on clusters: all of an r3.8xlarge, where that job has the memory."""
LEAST_GENOMES: Final = 2


class Size(StrEnum):
    """How large each of the genomes is."""

    MAMMAL = "mammal"
    BIRD = "bird"
    NEMATODE = "nematode"
    SMALL = "small"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``mammal``.

        :raises UsageError: naming the sizes that there are.
        """
        try:
            return cls(text.strip().lower())
        except ValueError:
            raise UsageError(f"{text!r} is not a size.", f"Choose {cls.named()}.", size=text) from None

    @classmethod
    def named(cls) -> str:
        """Return all of them, and what they mean."""
        *rest, last = (f"{one} ({one.bases})" for one in cls)
        return f"{', '.join(rest)} or {last}"

    @property
    def bases(self) -> str:
        """What that means."""
        return _BASES[self]


class Genomes(int):
    """How many genomes are aligned."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``8``.

        :raises UsageError: when it is not a number, or less than Cactus can align.
        """
        known = whole(text)
        if known is None:
            raise UsageError(f"{brief(text)!r} is not a number of genomes.", "Write one, such as 8.")
        number = cls(known)
        if number < LEAST_GENOMES:
            raise UsageError(
                f"Cactus needs at least {LEAST_GENOMES} genomes, not {number}.",
                "Count those that the seqFile lists.",
                genomes=number,
            )
        return number


_BASES: Final[Mapping[Size, str]] = {
    Size.MAMMAL: "2 to 4 Gb",
    Size.BIRD: "1 to 2 Gb",
    Size.NEMATODE: "100 to 300 Mb",
    Size.SMALL: "less than 100 Mb",
}
_WORKERS: Final[Mapping[Size, tuple[tuple[int, int], ...]]] = {
    Size.MAMMAL: ((20, 2), (1, 2)),
    Size.BIRD: ((10, 2), (1, 4)),
    Size.NEMATODE: ((1, 2), (1, 10)),
    Size.SMALL: (),
}
"""Of each of ``NODE_TYPES``, how many workers for how many genomes."""


def workers(genomes: Genomes, size: Size) -> tuple[tuple[NodeType, int], ...]:
    """Return how many workers of each node type there may be at most; none where a single machine is better."""
    if not _WORKERS[size]:
        return ()
    counts = (-(-genomes * number // among) for number, among in _WORKERS[size])
    return tuple(zip(NODE_TYPES, counts, strict=True))
