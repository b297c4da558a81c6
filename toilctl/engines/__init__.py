"""The batch systems that run a cluster's jobs, Slurm and Mesos: what they say of nodes and jobs, what they are told.

``client`` has what both have in common. An engine tells which nodes have joined and what runs there, never which nodes
exist: after a restart its list is empty or short for a while. EC2 says what exists. Nothing of the autoscaler, the
verbs or the command line is imported here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toilctl.engines.client import EngineClient, Run
from toilctl.values import cluster

if TYPE_CHECKING:
    from toilctl.engines.published import Published


def of(engine: cluster.Engine, run: Run, leader_address: str, published: Published | None = None) -> EngineClient:
    """Return the client of a cluster's engine; the leader has this private address.

    :param published: what workflows on the leader publish of their jobs; away from it, Mesos tells no demand.
    """
    from toilctl.engines.mesos import Mesos
    from toilctl.engines.slurm import Slurm

    return Mesos(run, leader_address, published) if engine is cluster.Engine.MESOS else Slurm(run)
