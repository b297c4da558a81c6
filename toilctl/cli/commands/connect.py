"""ssh-cluster and rsync-cluster."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from toilctl.cli.base import options
from toilctl.cli.base.command import command, parsed_by

commands = typer.Typer()

# What follows the cluster's name is the remote command's, or rsync's, options included.
_REST_IS_NOT_OURS: Final[dict[str, Any]] = {"allow_interspersed_args": False}


def _forward(text: str) -> str:
    from toilctl.verbs.connect.ssh_cluster import parse_forward

    return parse_forward(text)


ForwardOption = Annotated[
    list[str] | None,
    typer.Option("-L", parser=parsed_by(_forward), metavar="PORT[:HOST:HOSTPORT]", show_default=False,
                 help="Forward a port of this machine; repeat for more. A shell on a Mesos leader has 5050, its page."),
]  # fmt: skip
AgentOption = Annotated[
    bool,
    typer.Option("-A", help="Let the node's host use the keys of your ssh agent; who is root there can, meanwhile."),
]
HostOption = Annotated[bool, typer.Option("--host", help="On the node itself, outside the appliance's container.")]
NodeOption = Annotated[
    str | None,
    typer.Option("--node", metavar="ID", show_default="the leader", help="A worker, by instance id or address."),
]
RemoteCommand = Annotated[
    list[str] | None,
    typer.Argument(metavar="COMMAND", show_default="a shell", help="What to run; a single word with spaces in it "
                   "is a command line for the remote shell."),
]  # fmt: skip
RsyncWords = Annotated[
    list[str],
    typer.Argument(metavar="ARGS", help="rsync's own; :PATH is in the leader's container.", show_default=False),
]


@command(commands, "ssh-cluster", context_settings=_REST_IS_NOT_OURS)
def ssh_cluster(
    name: options.ClusterArgument,
    words: RemoteCommand = None,
    zone: options.ZoneOption = None,
    region: options.RegionOption = None,
    key: options.SshKeyOption = None,
    forwards: ForwardOption = None,
    agent: AgentOption = False,
    host: HostOption = False,
    node: NodeOption = None,
) -> None:
    """Open a shell, or run a command, in the leader's container; its exit code is passed on."""
    from toilctl.system import inventory
    from toilctl.verbs.connect import ssh_cluster as ssh

    session = ssh.Session(ssh.command_words(words or ()), node, host, tuple(forwards or ()), agent)
    cluster = inventory.find(name, zone, region)
    raise typer.Exit(ssh.connect(cluster, session, ssh.session_key(cluster, key)))


@command(commands, "rsync-cluster", context_settings=_REST_IS_NOT_OURS)
def rsync_cluster(
    name: options.ClusterArgument,
    words: RsyncWords,
    zone: options.ZoneOption = None,
    region: options.RegionOption = None,
    key: options.SshKeyOption = None,
) -> None:
    """Copy files to or from the leader's container, such as: rsync-cluster NAME -av sort.py :/tmp."""
    from toilctl.system import inventory
    from toilctl.verbs.connect import rsync_cluster as rsync
    from toilctl.verbs.connect import ssh_cluster as ssh

    transfer = rsync.parse(words)
    cluster = inventory.find(name, zone, region)
    raise typer.Exit(rsync.run(cluster, transfer, ssh.session_key(cluster, key)))
