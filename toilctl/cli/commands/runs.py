"""run, runs, logs, attach, stop."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from toilctl.cli.base import options, render
from toilctl.cli.base.command import SEPARATED, command, parsed_by
from toilctl.cli.views import runs as run_views
from toilctl.values.errors import Interrupted, UsageError
from toilctl.workflows.runs import Variable

commands = typer.Typer()

RunArgument = Annotated[
    str | None,
    typer.Argument(metavar="[RUN]", help="The run's name.", show_default="the one that goes on, else the newest"),
]
CommandArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[-- COMMAND...]", show_default=False,
                   help="What to run, as you would type it in the leader's shell."),
]  # fmt: skip
NameOption = Annotated[
    str | None, typer.Option("--name", metavar="RUN", show_default="the program's name and a number",
                             help="How to call the run."),
]  # fmt: skip
DeploymentOption = Annotated[
    str | None,
    typer.Option("--deployment", metavar="DEPLOYMENT", show_default="the newest that has what is run",
                 help="In whose virtualenv and directory to run; '' is none."),
]  # fmt: skip
EnvOption = Annotated[
    list[Variable] | None,
    typer.Option("--env", parser=parsed_by(Variable.parse), metavar="NAME[=VALUE]", show_default="none",
                 help="A variable for the command; without a value, the one that it has here. May be repeated."),
]  # fmt: skip
RestartOption = Annotated[
    bool,
    typer.Option("--restart", help="Go on with what a run left behind; without a command, with the same one."),
]
WaitOption = Annotated[
    bool, typer.Option("--wait", help="Show the log until the run ends, and end with its exit code.")
]
FollowOption = Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")]
LinesOption = Annotated[
    int | None,
    typer.Option("--lines", "-n", min=0, metavar="N", show_default="all", help="Only the last lines of what is there."),
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Kill what has not ended a minute later; that may cost jobs their work.")
]


@command(commands, "run", rich_help_panel=options.WORKFLOWS)
def run(
    ctx: typer.Context,
    name: options.ClusterArgument,
    words: CommandArgument = None,
    run_name: NameOption = None,
    deployment: DeploymentOption = None,
    variables: EnvOption = None,
    restart: RestartOption = False,
    wait: WaitOption = False,
    zone: options.ZoneOption = None,
    region: options.RegionOption = None,
    ssh_key: options.SshKeyOption = None,
) -> None:
    """Run a workflow in the leader's container; it goes on when this terminal is closed.

    Command lines of Toil's and Cactus's documents work as they are behind --.
    """
    from toilctl.verbs.workflows import follow, runs

    if words and not ctx.meta[SEPARATED]:
        raise UsageError(
            "The command is not set apart, and options of its own would be taken for toilctl's.",
            f"Write two hyphens before it: toilctl run {name} -- {shlex.join(words)}",
        )
    cluster = runs.find(name, zone, region)
    request = runs.RunRequest(tuple(words or ()), run_name, deployment, restart, dict(variables or ()))
    started = runs.start(cluster, request, ssh_key)
    if not wait:
        render.show("run", started, run_views.started)
        return
    run_views.announce(started)
    try:
        follow.to_the_end(cluster, started.run.name, ssh_key)
    except KeyboardInterrupt:
        raise Interrupted(
            f"Run {started.run.name!r} goes on; only watching it has ended.",
            f"Watch it again: toilctl logs {name} {started.run.name} -f",
        ) from None
    ended = runs.show(cluster, started.run.name, ssh_key)
    run_views.say_end(ended, name)
    raise typer.Exit(runs.exit_code(ended))


@command(commands, "runs", rich_help_panel=options.WORKFLOWS)
def list_runs(
    name: options.ClusterArgument,
    zone: options.ZoneOption = None,
    region: options.RegionOption = None,
    ssh_key: options.SshKeyOption = None,
) -> None:
    """List a cluster's runs: state, progress, duration, and what the cluster cost meanwhile."""
    from toilctl.verbs.workflows import runs

    render.show("runs", runs.listing(runs.find(name, zone, region), ssh_key), run_views.runs)


@command(commands, "logs", rich_help_panel=options.WORKFLOWS)
def logs(
    name: options.ClusterArgument,
    run_name: RunArgument = None,
    follow: FollowOption = False,
    lines: LinesOption = None,
    zone: options.ZoneOption = None,
    region: options.RegionOption = None,
    ssh_key: options.SshKeyOption = None,
) -> None:
    """Show what a run has written."""
    from toilctl.verbs.workflows import follow as verb
    from toilctl.verbs.workflows import runs

    cluster = runs.find(name, zone, region)
    try:
        verb.logs(cluster, run_name, ssh_key, follow=follow, lines=lines)
    except KeyboardInterrupt:
        raise typer.Exit(Interrupted.exit_code) from None


@command(commands, "attach", rich_help_panel=options.WORKFLOWS)
def attach(
    name: options.ClusterArgument,
    run_name: RunArgument = None,
    zone: options.ZoneOption = None,
    region: options.RegionOption = None,
    ssh_key: options.SshKeyOption = None,
) -> None:
    """Open a terminal on a run; Ctrl-B D leaves it, and the run goes on."""
    from toilctl.verbs.workflows import follow, runs

    raise typer.Exit(follow.attach(runs.find(name, zone, region), run_name, ssh_key))


@command(commands, "stop", rich_help_panel=options.WORKFLOWS)
def stop(
    name: options.ClusterArgument,
    run_name: RunArgument = None,
    force: ForceOption = False,
    zone: options.ZoneOption = None,
    region: options.RegionOption = None,
    ssh_key: options.SshKeyOption = None,
) -> None:
    """Stop a run so that it can be restarted."""
    from toilctl.verbs.workflows import runs

    cluster = runs.find(name, zone, region)
    render.show("stop", runs.stop(cluster, run_name, ssh_key, force=force), run_views.stopped)
