"""The program: its commands, its version, its way of ending."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Annotated

import typer

from toilctl.cli import clusters, command

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
for _module, _group in (("connect", None), ("appliance", "appliance"), ("local", "local")):
    if find_spec(f"toilctl.cli.{_module}"):
        app.add_typer(import_module(f"toilctl.cli.{_module}").commands, name=_group)


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
    from toilctl import paths

    print(paths.ansible_dir())


def main() -> None:
    """Run toilctl."""
    app()
