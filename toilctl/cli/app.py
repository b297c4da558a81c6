"""The program: its commands, its version, its way of ending."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from toilctl.cli.base import command
from toilctl.cli.commands import (
    appliance,
    autoscale,
    clusters,
    connect,
    deploy,
    estimate,
    job_stores,
    local,
    policy,
    runs,
    simulate,
    timeline,
)

app = typer.Typer(
    name="toilctl",
    cls=command.Root,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "token_normalize_func": command.kebab},
    help="Launch, grow, shrink and destroy clusters that run Toil workflows on AWS EC2.",
    epilog="Toil's own spellings of options, such as --leaderNodeType, work everywhere.",
)
app.add_typer(clusters.commands)
app.add_typer(autoscale.commands)
app.add_typer(simulate.commands)
app.add_typer(timeline.commands)
app.add_typer(connect.commands)
app.add_typer(deploy.commands)
app.add_typer(runs.commands)
app.add_typer(job_stores.commands)
app.add_typer(appliance.commands, name="appliance")
app.add_typer(estimate.commands, name="estimate")
app.add_typer(policy.commands, name="policy")
app.add_typer(local.commands, name="local")


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"toilctl {version('toilctl')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command("ansible-dir", rich_help_panel="For ops")
def ansible_dir() -> None:
    """Print where the playbooks, roles and inventory are, for ansible-playbook without toilctl."""
    from toilctl.system import paths

    print(paths.ansible_dir())


def main() -> None:
    """Run toilctl."""
    for stream in (sys.stdout, sys.stderr):
        # What the terminal's encoding lacks, and what a file's name has of another one, is a question mark there.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    app()
