"""appliance build: the container image that nodes run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from toilctl.cli.base import render
from toilctl.cli.base.command import command
from toilctl.system import progress

if TYPE_CHECKING:
    from toilctl.local.images.images import Built

commands = typer.Typer(help="The appliance: the container image with Toil and the engine.")


@commands.callback()
def _group() -> None:
    # Without this, a group of one command would be that command.
    pass


@command(commands, "build", with_provisioner=False)
def build(
    tag: Annotated[
        str | None,
        typer.Option("--tag", metavar="NAME", show_default="the rehearsal cloud's name for it",
                     help="The image's name, such as ghcr.io/me/toil:9.6.0."),
    ] = None,
    toil_version: Annotated[
        str | None, typer.Option("--toil-version", metavar="VERSION", help="Toil's release.", show_default="9.6.0")
    ] = None,
    mesos_from: Annotated[
        str | None,
        typer.Option("--mesos-from", metavar="IMAGE_OR_DIRECTORY", envvar="TOILCTL_MESOS_PREFIX", show_default="none",
                     help="Take Mesos from a container image, or from the directory below which it is installed."),
    ] = None,
    push: Annotated[bool, typer.Option("--push", help="Push it to the registry that its name begins with.")] = False,
) -> None:  # fmt: skip
    """Build an appliance with Slurm from Debian's packages and PyPI, unless it is there already.

    With --mesos-from it has Mesos, too, and so has the rehearsal cloud from its next toilctl local up on.
    """
    from toilctl.local.images import images

    built = images.build_appliance(progress.note, tag, toil_version, mesos_from=mesos_from, push=push)
    render.show("appliance-build", built, _built)


def _built(made: Built) -> str:
    facts = {
        "image": made.image,
        "engines": ", ".join(made.engines),
        "Toil": made.toil_version,
        "size": f"{made.size_bytes / 1e6:.0f} MB",
        "pushed": "yes" if made.pushed else "",
    }
    use = f"Use it: --appliance {made.image}, or export TOIL_APPLIANCE_SELF={made.image}"
    again = "The rehearsal cloud that runs keeps its appliance; to give it this one: toilctl local down, then up"
    return "\n".join([render.pairs(facts), *[use] * made.pushed, *[again] * made.other_runs])
