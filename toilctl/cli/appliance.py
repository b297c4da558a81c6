"""appliance build: the container image that nodes run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from toilctl import log
from toilctl.cli import render
from toilctl.cli.command import command

if TYPE_CHECKING:
    from toilctl.local.images import Built

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
    push: Annotated[bool, typer.Option("--push", help="Push it to the registry that its name begins with.")] = False,
) -> None:  # fmt: skip
    """Build an appliance with Slurm from Debian's packages and PyPI, unless it is there already."""
    from toilctl.local import images

    render.show("appliance-build", images.build_appliance(log.note, tag, toil_version, push=push), _built)


def _built(made: Built) -> str:
    facts = {
        "image": made.image,
        "engines": ", ".join(made.engines),
        "Toil": made.toil_version,
        "size": f"{made.size_bytes / 1e6:.0f} MB",
        "pushed": "yes" if made.pushed else "",
    }
    use = f"Use it: --appliance {made.image}, or export TOIL_APPLIANCE_SELF={made.image}"
    return render.pairs(facts) + ("\n" + use if made.pushed else "")
