"""Plans of launches, and the clusters that come of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from toilctl.system import price_table, variables
from toilctl.values.cluster import Cluster, Engine, Node, Role
from toilctl.values.node_types import NodeType, NodeTypes
from toilctl.values.scaling_policy import Limits, NodeLimits
from toilctl.values.tuning import Tuning
from toilctl.verbs.checks.key_pairs import PrivateKey
from toilctl.verbs.clusters.launch_plan import LaunchPlan
from toilctl.verbs.settings import scaling
from toilctl.verbs.settings.software import Software

TYPES = NodeTypes.parse("c4.8xlarge:0.6,r3.8xlarge")
LEADER = Node(
    "i-1", Role.LEADER, NodeType.parse("t2.medium"), "t2.medium", "running", "us-west-2a", None, None, False, ""
)
COST = price_table.cost("us-west-2", ())
PLAIN = Tuning.of(variables.defaults())


def scales(tuning: Tuning, most: int = 20, preemptible: bool = False) -> scaling.Scaling:
    return scaling.Scaling(Limits(NodeLimits(one, 0, most) for one in TYPES), tuning, preemptible)


def plan(of: scaling.Scaling | None = None, **changed: Any) -> LaunchPlan:
    usual = LaunchPlan(
        cluster="c", region="us-west-2", zones=("us-west-2a",), leader_node_type=LEADER.node_type, node_types=TYPES,
        worker_counts=(2, 1), scaling=of, default_preemptible=bool(of and of.default_preemptible), leader_storage_gb=50,
        node_storage_gb=50, orphan_timeout_s=1800, key_pair_name="k", private_key=PrivateKey(Path("/k.pem")),
        owner="me", extra_tags={}, vpc_subnet=None, aws_ec2_profile_arn=None, aws_ec2_extra_security_group_ids=(),
        ssh_cidrs=(), ami="ami-1", login_user="admin", software=Software(Engine.SLURM, "image:1", "rule"),
        shared=None, sse_key=None, s3_write=(),
        enable_fuse=False, cost=COST, cost_at_maximum=None, exists=True,
    )  # fmt: skip
    return replace(usual, **changed)


def launched(of: LaunchPlan, **changed: str) -> Cluster:
    """Return the cluster that a plan makes; EC2 keeps no empty tags."""
    settings = {tag: value for tag, value in {**of.settings(), **changed}.items() if value}
    return Cluster("c", "us-west-2", "0", "sg-1", settings, (LEADER,))
