"""local up, down, status, env, key, fault: the rehearsal cloud on this machine."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toilctl.cli.base import render
from toilctl.cli.base.command import command
from toilctl.local.aws.base.faults import KINDS
from toilctl.system import progress
from toilctl.values.errors import UsageError

if TYPE_CHECKING:
    from toilctl.local.process.keys import Brought
    from toilctl.local.process.up_and_down import Down, LocalStatus, Up

commands = typer.Typer(help="The rehearsal cloud: AWS's interfaces and real hosts, on this machine.")


class ImageName(StrEnum):
    """What a node has when it boots."""

    PREPARED = "prepared"
    PLAIN = "plain"


ImageOption = Annotated[
    ImageName | None,
    typer.Option("--image", show_default="prepared",
                 help="What the machine image has: Debian alone (plain), or Docker and the appliance, too (prepared)."),
]  # fmt: skip


@command(commands, "up", with_provisioner=False)
def up(
    image: ImageOption = None,
    hosts: Annotated[
        bool, typer.Option("--hosts/--no-hosts", help="Whether instances are real hosts, or the API's word only.")
    ] = True,
) -> None:
    """Start the rehearsal cloud; the first time, build its images.

    Its appliance has Mesos, too, when TOILCTL_MESOS_PREFIX names a directory or an image that has it, or one was named
    in an earlier appliance build --mesos-from; the engine of new clusters is then Mesos, as on AWS.

    Your public keys in ~/.ssh are key pairs there, named as their files: k of k.pub. toilctl local key brings others.
    """
    from toilctl.local.process import up_and_down

    render.show("local-up", up_and_down.up(image and image.value, progress.note, with_hosts=hosts), _up)


@command(commands, "down", with_provisioner=False)
def down(
    images: Annotated[
        bool, typer.Option("--images", help="Remove the images that were built, and the Mesos for them, too.")
    ] = False,
) -> None:
    """Remove everything that the rehearsal cloud made: hosts, volumes, networks, process and state."""
    from toilctl.local.process import up_and_down

    render.show("local-down", up_and_down.down(progress.note, with_images=images), _down)


@command(commands, "status", with_provisioner=False)
def status() -> None:
    """Show the rehearsal cloud's endpoint, and its instances with their containers."""
    from toilctl.local.process import up_and_down

    render.show("local-status", up_and_down.status(), _status)


@command(commands, "env", with_provisioner=False)
def env() -> None:
    """Print shell commands that point AWS clients, Ansible's among them, at the rehearsal cloud.

    Use it as: eval "$(toilctl local env)"
    """
    from toilctl.local.process import up_and_down

    render.show("local-env", up_and_down.environment(), _env)


@command(commands, "key", with_provisioner=False)
def key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The key pair's name.", show_default=False)],
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", resolve_path=True, show_default="the likeliest one in ~/.ssh",
                     help="The public key, such as ~/.ssh/id_ed25519.pub."),
    ] = None,
) -> None:  # fmt: skip
    """Make a key pair in the rehearsal cloud of one of your public keys, as aws ec2 import-key-pair does on AWS."""
    from toilctl.local.process import keys

    render.show("local-key", keys.bring(name, file), _key)


def _key(brought: Brought) -> str:
    return f"Key pair {brought.name!r} {'was there' if brought.already else 'is there'}: {brought.path}"


def _fault_help() -> str:
    lines = [
        "Make the rehearsal cloud fail as AWS does on a bad day. Without a NAME, list the faults that are set.",
        "",
    ]
    for name, kind in KINDS.items():
        words = " ".join([name, *(f"{key}=…" for key in (*kind.where, *kind.how))])
        lines += [f"{words}: {kind.summary}.", ""]
    return "\n".join(lines)


@command(commands, "fault", with_provisioner=False, help=_fault_help())
def fault(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", show_default=False, help="The fault.",
                       autocompletion=lambda incomplete: [name for name in KINDS if name.startswith(incomplete)]),
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Where and how; * stands for all.", show_default=False),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Clear the fault, or all of them without a NAME.")] = False,
) -> None:  # fmt: skip
    """Set, clear or list faults."""
    from toilctl.local.process import client

    given = dict(map(_parameter, parameters or ()))
    if clear:
        render.show("local-fault", {"cleared": client.clear_faults(name, **given)}, _cleared)
    elif name is None:
        render.show("local-fault", {"faults": client.faults()}, _faults)
    else:
        render.show("local-fault", {"faults": [client.set_fault(name, **given)]}, _faults)


def _parameter(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"{text!r} is not a fault's parameter.", "Write KEY=VALUE, such as zone=us-west-2a.")
    return key.replace("-", "_"), value


def _up(cloud: Up) -> str:
    kind = f"{cloud.image} nodes" if cloud.hosts else "no hosts"
    begun = "runs already" if cloud.already else "runs"
    facts = {
        "endpoint": cloud.endpoint,
        "region": cloud.region,
        "appliance": cloud.appliance_image,
        "engines": ", ".join(cloud.engines) if cloud.hosts else "",
        "key pairs": ", ".join(cloud.key_pairs) or "none: toilctl local key NAME",
    }
    return (
        f"The rehearsal cloud {begun}, with {kind}.\n{render.pairs(facts, '  ')}\n"
        "Use it with --provisioner local on any command, or: export TOILCTL_PROVISIONER=local"
    )


def _down(gone: Down) -> str:
    if not (gone.stopped or gone.removed or gone.removed_images):
        return "There was no rehearsal cloud."
    things = [*gone.removed, *gone.removed_images]
    listed = "".join(f"\n  {name}" for name in things)
    return f"The rehearsal cloud is gone{': removed' if things else ''}{listed}"


def _status(cloud: LocalStatus) -> str:
    facts = {
        "endpoint": cloud.endpoint,
        "region": cloud.region,
        "process": cloud.pid,
        "nodes": f"{cloud.image} image" if cloud.hosts else "no hosts",
        "networks": f"{cloud.cidr} private, {cloud.public_cidr} public" if cloud.hosts else "",
        "appliance": cloud.appliance_image,
        "engines": ", ".join(cloud.engines) if cloud.hosts else "",
        "nfs, efs": f"what is written there is in Docker's volume {cloud.nfs_volume}; no NFS of the kernel's"
        if cloud.hosts
        else "",
        "directory": cloud.directory,
    }
    rows = [
        (one.instance_id, one.state, one.instance_type, one.zone, one.private_ip, one.public_ip, one.container,
         one.container_state)
        for one in cloud.instances
    ]  # fmt: skip
    headers = ("INSTANCE", "STATE", "TYPE", "ZONE", "PRIVATE", "PUBLIC", "CONTAINER", "CONTAINER STATE")
    return render.pairs(facts) + "\n\n" + (render.table(headers, rows) if rows else "No instances.")


def _env(variables: dict[str, str]) -> str:
    from shlex import quote

    from toilctl.local.process.provisioner import MISLEADING

    lines = [f"export {name}={quote(value)}" for name, value in variables.items() if value]
    return "\n".join([f"unset {' '.join(MISLEADING)}", *lines])


def _cleared(answer: dict[str, int]) -> str:
    return f"Cleared {render.counted(answer['cleared'], 'fault')}."


def _faults(answer: dict[str, list[dict[str, Any]]]) -> str:
    lines = [
        " ".join([one["name"], *(f"{key}={value}" for key, value in one.items() if key != "name")])
        for one in answer["faults"]
    ]
    return "\n".join(lines) or "No faults are set."
