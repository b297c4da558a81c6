"""Every option of the cluster commands, each once. Toil's camelCase spellings reach them through ``command.kebab``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple, Self

import typer

from toilctl.cli.base.command import parsed_by
from toilctl.cli.base.numbers import Counts, Sizes, Workers
from toilctl.values.cluster import ClusterName, Engine, Zone
from toilctl.values.errors import UsageError
from toilctl.values.machine_images import LoginUser
from toilctl.values.node_types import NodeType, NodeTypes
from toilctl.values.s3_places import S3Place
from toilctl.values.shared_storage import Shared
from toilctl.values.tuning import ORPHAN_TIMEOUT

NODES, NETWORK, SOFTWARE = "Nodes", "Network and access", "Software"
WORKFLOWS = "Workflows"
"""The panel of commands about workflows, in the help of the whole program."""


class Zones(tuple[Zone, ...]):
    """Availability zones, as -z takes them for a launch."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``us-west-2a,us-west-2b``."""
        return cls(Zone.parse(zone.strip()) for zone in text.split(","))


class Tag(NamedTuple):
    """A tag of the user's own."""

    key: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``KEY=VALUE``; the value may contain more of =."""
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"{text!r} is not a tag.", "Write KEY=VALUE.")
        return cls(key.strip(), value)


class Truth(int):
    """A flag with a value, as Toil has some."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``True`` or ``False``."""
        words = {"true": 1, "yes": 1, "1": 1, "false": 0, "no": 0, "0": 0}
        if text.lower() not in words:
            raise UsageError(f"{text!r} is neither true nor false.", "Write True or False.")
        return cls(words[text.lower()])


def _orphan_timeout_s(text: str) -> int:
    return int(ORPHAN_TIMEOUT.read(text))


def _cluster_type(text: str) -> Engine:
    if text not in tuple(Engine):
        raise UsageError(
            f"toilctl makes no clusters of type {text!r}.", f"Give {' or '.join(Engine)}, or leave it out."
        )
    return Engine(text)


def _cidr(text: str) -> str:
    import ipaddress

    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise UsageError(f"{text!r} is not an address range: {error}.", "Write one such as 198.51.100.7/32.") from error


def seen_clusters(incomplete: str) -> list[str]:
    """Complete with clusters that this machine has connected to: asking AWS would be too slow for a Tab."""
    from toilctl.system import paths

    return sorted({name for _, name in paths.seen_clusters() if name.startswith(incomplete)})


ClusterArgument = Annotated[
    ClusterName,
    typer.Argument(metavar="NAME", parser=parsed_by(ClusterName.parse), autocompletion=seen_clusters,
                   help="The cluster's name.", show_default=False),
]  # fmt: skip
ZoneOption = Annotated[
    Zone | None,
    typer.Option("--zone", "-z", parser=parsed_by(Zone.parse), metavar="ZONE", envvar="TOIL_AWS_ZONE",
                 show_default="the region of AWS_REGION or the profile, else all regions",
                 help="An availability zone of the cluster's region, such as us-west-2a."),
]  # fmt: skip
ZonesOption = Annotated[
    Zones | None,
    typer.Option("--zone", "-z", parser=parsed_by(Zones.parse), metavar="ZONE[,ZONE…]", envvar="TOIL_AWS_ZONE",
                 help="Where to launch, such as us-west-2a; several of one region to spread spot workers.",
                 rich_help_panel=NODES),
]  # fmt: skip
RegionOption = Annotated[
    str | None, typer.Option("--region", metavar="REGION", help="The region, when no zone says it.")
]

NodeTypeOption = Annotated[
    NodeType | None,
    typer.Option("--node-type", parser=parsed_by(NodeType.parse), metavar="TYPE[:BID]", rich_help_panel=NODES,
                 help="Leader and workers of one type. The bid, for spot workers, leaves the leader on demand."),
]  # fmt: skip
LeaderNodeTypeOption = Annotated[
    NodeType | None,
    typer.Option("--leader-node-type", parser=parsed_by(NodeType.parse), metavar="TYPE", rich_help_panel=NODES,
                 help="The leader's instance type; a/b in order of preference."),
]  # fmt: skip
NodeTypesOption = Annotated[
    NodeTypes | None,
    typer.Option("--node-types", parser=parsed_by(NodeTypes.parse), metavar="TYPE[:BID],…", rich_help_panel=NODES,
                 help="The workers' node types, such as c4.8xlarge:0.6,r3.8xlarge; a bid in USD per hour buys spot."),
]  # fmt: skip
PreemptibleNodeTypeOption = Annotated[
    NodeType | None,
    typer.Option("--preemptible-node-type", parser=parsed_by(NodeType.parse), metavar="TYPE:BID",
                 rich_help_panel=NODES, hidden=True, help="One more node type of workers, as older Toil has it."),
]  # fmt: skip
WorkersOption = Annotated[
    Workers | None,
    typer.Option("--workers", "-w", parser=parsed_by(Workers.parse), metavar="N[,N…]", rich_help_panel=NODES,
                 help="How many workers of each node type; with --max-nodes, how many to begin with. A range, such as "
                 "0-2, is a minimum and a maximum."),
]  # fmt: skip
ScaleWorkersOption = Annotated[
    Counts,
    typer.Option("--workers", "-w", parser=parsed_by(Counts.parse), metavar="N[,N…]", show_default=False,
                 help="How many workers there are to be: one number per node type, in the cluster's order."),
]  # fmt: skip
ScaleNodeTypeOption = Annotated[
    NodeType | None,
    typer.Option("--node-type", parser=parsed_by(NodeType.parse), metavar="TYPE[:BID]", show_default=False,
                 help="The node type to scale, where the cluster has several; a new one is added."),
]  # fmt: skip
LeaderStorageOption = Annotated[
    int | None, typer.Option("--leader-storage", metavar="GB", help="The leader's root volume.", rich_help_panel=NODES)
]
NodeStorageOption = Annotated[
    Sizes | None,
    typer.Option("--node-storage", parser=parsed_by(Sizes.parse), metavar="GB[,GB…]", rich_help_panel=NODES,
                 help="The workers' root volumes: one size for all, or one per node type."),
]  # fmt: skip
OrphanTimeoutOption = Annotated[
    int | None,
    typer.Option(ORPHAN_TIMEOUT.flag, parser=parsed_by(_orphan_timeout_s), metavar=ORPHAN_TIMEOUT.metavar,
                 rich_help_panel=NODES, help=ORPHAN_TIMEOUT.help),
]  # fmt: skip
AmiOption = Annotated[
    str | None,
    typer.Option("--ami", metavar="ID", envvar="TOIL_AWS_AMI", rich_help_panel=NODES, show_default="Debian 12",
                 help="The machine image."),
]  # fmt: skip
LoginUserOption = Annotated[
    LoginUser | None,
    typer.Option("--login-user", metavar="NAME", parser=parsed_by(LoginUser.parse), rich_help_panel=NODES,
                 show_default="by the image's name: admin for Debian, ubuntu for Ubuntu",
                 help="Who logs in on nodes, where the machine image's name does not tell."),
]  # fmt: skip
OwnerOption = Annotated[
    str | None,
    typer.Option(
        "--owner",
        metavar="NAME",
        rich_help_panel=NODES,
        show_default="TOIL_OWNER_TAG, else the key pair's name",
        help="Who pays and whom to ask: the tag Owner.",
    ),
]
TagOption = Annotated[
    list[Tag] | None,
    typer.Option("--tag", "-t", parser=parsed_by(Tag.parse), metavar="KEY=VALUE", rich_help_panel=NODES,
                 show_default="those of TOIL_AWS_TAGS",
                 help="A tag for everything that is made; repeat for more."),
]  # fmt: skip

KeyPairNameOption = Annotated[
    str | None,
    typer.Option("--key-pair-name", metavar="NAME", envvar="TOIL_AWS_KEYNAME", rich_help_panel=NETWORK,
                 help="The EC2 key pair that opens the nodes to you."),
]  # fmt: skip
SshKeyOption = Annotated[
    Path | None,
    typer.Option("--ssh-key", "-i", metavar="FILE", resolve_path=True, rich_help_panel=NETWORK,
                 show_default="the agent's, else the matching one in ~/.ssh", help="The key pair's private key."),
]  # fmt: skip
SshCidrOption = Annotated[
    list[str] | None,
    typer.Option("--ssh-cidr", parser=parsed_by(_cidr), metavar="CIDR", rich_help_panel=NETWORK,
                 show_default="this machine's address", help="Who may reach port 22; repeat for more."),
]  # fmt: skip
VpcSubnetOption = Annotated[
    str | None,
    typer.Option("--vpc-subnet", metavar="ID", help="A subnet to use instead of the zone's default one.",
                 rich_help_panel=NETWORK),
]  # fmt: skip
ProfileArnOption = Annotated[
    str | None,
    typer.Option("--aws-ec2-profile-arn", metavar="ARN", rich_help_panel=NETWORK,
                 show_default="one for the leader and one for workers are made",
                 help="An instance profile to use for all nodes."),
]  # fmt: skip
ExtraSecurityGroupOption = Annotated[
    list[str] | None,
    typer.Option("--aws-ec2-extra-security-group-id", metavar="ID", rich_help_panel=NETWORK, show_default=False,
                 help="A security group beside the cluster's own; repeat for more."),
]  # fmt: skip

EngineOption = Annotated[
    Engine | None,
    typer.Option("--engine", help="What places jobs on nodes.", rich_help_panel=SOFTWARE),
]
ApplianceOption = Annotated[
    str | None,
    typer.Option("--appliance", metavar="IMAGE", rich_help_panel=SOFTWARE,
                 show_default="by TOIL_APPLIANCE_SELF and Toil's other rules",
                 help="The container image with Toil and the engine."),
]  # fmt: skip
SharedOption = Annotated[
    Shared | None,
    typer.Option("--shared", parser=parsed_by(Shared.parse), metavar="nfs|efs:ID|PATH", rich_help_panel=SOFTWARE,
                 show_default="none",
                 help="A file system for all nodes, so that file: job stores work: a directory of the leader's, or an "
                 "EFS file system, both at /shared; or the path of one that the machine image mounts."),
]  # fmt: skip
SseKeyOption = Annotated[
    Path | None,
    typer.Option("--sse-key", metavar="FILE", resolve_path=True, rich_help_panel=SOFTWARE, show_default=False,
                 help="A key of 32 characters by which Toil encrypts what it keeps in S3; all nodes get it."),
]  # fmt: skip
S3WriteOption = Annotated[
    list[S3Place] | None,
    typer.Option("--s3-write", parser=parsed_by(S3Place.parse), metavar="BUCKET[/PREFIX]", rich_help_panel=SOFTWARE,
                 show_default="only what Toil makes for job stores",
                 help="Where in S3 jobs may write and delete, too; repeat for more. They may read all that you share."),
]  # fmt: skip
EnableFuseOption = Annotated[
    bool | None,
    typer.Option("--enable-fuse/--no-enable-fuse", rich_help_panel=SOFTWARE, show_default="no",
                 help="Whether jobs may mount with FUSE, as Singularity does; their containers get more rights."),
]  # fmt: skip
AllowFuseOption = Annotated[
    Truth | None,
    typer.Option("--allow-fuse", parser=parsed_by(Truth.parse), metavar="BOOL", hidden=True,
                 help="Toil's name for --enable-fuse."),
]  # fmt: skip
PlotOption = Annotated[
    Path | None,
    typer.Option("--plot", metavar="PATH", show_default="none",
                 help="Draw jobs, workers by node type and cost over time: PATH.svg and PATH.png."),
]  # fmt: skip
ClusterTypeOption = Annotated[
    Engine | None,
    typer.Option(
        "--cluster-type", "-T", parser=parsed_by(_cluster_type), hidden=True, help="Toil's name for --engine."
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Check everything, print the plan, make nothing.", rich_help_panel="Common")
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Terminate workers although jobs run on them; the jobs are lost.")
]


def merge_node_types(
    both: NodeType | None, leader: NodeType | None, workers: NodeTypes | None, preemptible: NodeType | None
) -> tuple[NodeType | None, NodeTypes]:
    """Bring old and new spellings together: the leader's node type, and those of the workers.

    :raises UsageError: when they contradict each other.
    """
    if both and workers:
        raise UsageError("--node-type and --node-types exclude each other.", "Use --leader-node-type and --node-types.")
    types = NodeTypes([both] if both else workers or ())
    if preemptible:
        if not preemptible.preemptible:
            raise UsageError(f"--preemptible-node-type {preemptible} has no bid.", f"Write {preemptible}:BID.")
        types = NodeTypes([*types, preemptible])
    if both and leader is None:
        leader = NodeType(both.instance_types)
    return leader, types
