"""deploy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from toilctl.cli.base import options, render
from toilctl.cli.base.command import command, provisioner
from toilctl.values.errors import UsageError

if TYPE_CHECKING:
    from toilctl.verbs.workflows.deploy import Deployed

_MOST_COMMANDS: Final = 5
_MOST_PACKAGES: Final = 8

commands = typer.Typer()

PathArgument = Annotated[
    str,
    typer.Argument(metavar="PATH", show_default=False,
                   help="A script, a directory of packages, a project, a wheel, a requirements file, or the name of a "
                        "package, such as 'toil[cwl]'."),
]  # fmt: skip
NameOption = Annotated[
    str | None,
    typer.Option("--name", metavar="DEPLOYMENT", show_default="PATH's, the project's, or the package's",
                 help="How to call it."),
]  # fmt: skip
RequirementsOption = Annotated[
    Path | None,
    typer.Option("--requirements", "-r", metavar="FILE", help="What a script or a directory of packages needs, as pip "
                 "reads it."),
]  # fmt: skip
WheelhouseOption = Annotated[
    Path | None,
    typer.Option("--wheelhouse", metavar="DIR", show_default="the leader's package index",
                 help="Install from the wheels in a directory alone."),
]  # fmt: skip
IncludeOption = Annotated[
    list[str] | None,
    typer.Option("--include", metavar="FILE", help="Send this file or directory of PATH's, although it looks like a "
                 "secret, or .gitignore names it. May be repeated."),
]  # fmt: skip
MatchOption = Annotated[
    bool,
    typer.Option("--match-appliance", help="Where it needs another Toil: replace the containers of an idle cluster by "
                 "those of the appliance that has it."),
]  # fmt: skip
MatchedOption = Annotated[
    str | None,
    typer.Option("--appliance", metavar="IMAGE", show_default="Toil's own, with the version that is needed",
                 help="The appliance that --match-appliance takes."),
]  # fmt: skip


@command(commands, "deploy", rich_help_panel=options.WORKFLOWS)
def deploy(
    name: options.ClusterArgument,
    path: PathArgument,
    deployment_name: NameOption = None,
    requirements: RequirementsOption = None,
    wheelhouse: WheelhouseOption = None,
    include: IncludeOption = None,
    match: MatchOption = False,
    appliance: MatchedOption = None,
    zone: options.ZoneOption = None,
    region: options.RegionOption = None,
    ssh_key: options.SshKeyOption = None,
) -> None:
    """Put a workflow on the leader, with the packages that it needs, and say how to run it.

    The appliance's Toil stays as it is. The same again sends and installs only what changed.
    """
    from toilctl.system import inventory
    from toilctl.verbs.workflows import deploy as verb

    if appliance and not match:
        raise UsageError("--appliance goes with --match-appliance.", "Add it, or leave --appliance out.")
    plan = verb.plan(path, deployment_name, requirements, wheelhouse, include or ())
    cluster = inventory.find(name, zone, region)
    if not match:
        render.show("deploy", verb.carry_out(plan, cluster, ssh_key, provisioner()), text)
        return
    from toilctl.verbs.workflows import match_appliance

    done = match_appliance.deploy_with(plan, cluster, appliance, ssh_key, provisioner())
    render.show("deploy", done, text)


def text(result: Deployed) -> str:
    """Say what is there now, and what to type next."""
    packages = [f"{name} {version}" for name, version in result.packages.items()]
    facts = {
        "sent": _listed(result.sent, 3, "file"),
        "left out": f"{_listed(result.left_out, 3, 'file')} (--include sends one)" if result.left_out else "",
        "removed": _listed(result.removed, 3, "file"),
        "packages": _listed(packages, _MOST_PACKAGES, "package"),
        "Toil": f"{result.toil} (the appliance's), on Python {result.python}",
    }
    following = [f"  {one}" for one in result.commands[:_MOST_COMMANDS]]
    if len(result.commands) > _MOST_COMMANDS:
        following.append(f"  … and {len(result.commands) - _MOST_COMMANDS} more programs; --output json lists them")
    run = ["", "Run it:", *following] if following else []
    return "\n".join([_first(result), *_notes(result), render.pairs(facts, indent="  "), *run])


def _first(result: Deployed) -> str:
    if not result.changed:
        return f"Nothing to do: {result.name} is on {result.cluster} as it is here."
    return f"{result.name} ({result.kind}) is on {result.cluster}."


def _notes(result: Deployed) -> list[str]:
    notes = []
    if result.replaced:
        notes.append(f"It takes the place of {result.replaced}, which was deployed by the same name.")
    if result.on_workers:
        notes.append("Its packages are on each worker, too, and come to those that join later.")
    return notes


def _listed(names: Sequence[str], most: int, noun: str) -> str:
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {render.counted(len(names) - most, f'more {noun}')}"
