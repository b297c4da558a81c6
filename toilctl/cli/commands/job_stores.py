"""status, stats, clean, kill: Toil's commands for job stores."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from toilctl.cli.base import options, render, toil_words
from toilctl.cli.base.command import command, parsed_by
from toilctl.cli.views import job_stores as views
from toilctl.values.cluster import ClusterName
from toilctl.values.errors import Interrupted

if TYPE_CHECKING:
    from toilctl.verbs.job_stores.clean import Deletion

commands = typer.Typer()

# Options that are not toilctl's are Toil's.
_TOILS_OPTIONS: Final[dict[str, Any]] = {"ignore_unknown_options": True}

WordsArgument = Annotated[
    list[str],
    typer.Argument(metavar="JOBSTORE [TOIL'S OPTIONS]", show_default=False,
                   help="Such as aws:us-west-2:my-store or file:/data/store; behind it, any option of Toil's."),
]  # fmt: skip
ClusterOption = Annotated[
    ClusterName | None,
    typer.Option("--cluster", "-c", metavar="NAME", parser=parsed_by(ClusterName.parse),
                 autocompletion=options.seen_clusters, show_default="the Toil beside toilctl",
                 help="Whose leader is asked; file: stores are then in the leader's container."),
]  # fmt: skip
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Delete without a question.")]
ForceOption = Annotated[
    bool, typer.Option("--force", help="With --yes, also where nobody can tell that no workflow uses it.")
]


@command(commands, "status", rich_help_panel=options.WORKFLOWS, context_settings=_TOILS_OPTIONS)
def status(
    ctx: typer.Context,
    words: WordsArgument,
    cluster: ClusterOption = None,
    zone: options.ZoneOption = None,
    region: options.RegionOption = None,
    ssh_key: options.SshKeyOption = None,
) -> None:
    """Show how far a workflow is, which jobs failed, and what to do next, by its job store.

    With options of Toil's, such as --per-job, --print-logs, --print-failed or --print-dot, it is Toil's own answer.
    """
    from toilctl.verbs.job_stores import job_stores, toil

    store, rest = toil_words.split(words, ctx.params["log_level"])
    place = toil.choose(cluster, zone, region, ssh_key)
    if not rest:
        render.show("status", job_stores.status(place, store), views.status)
    elif render.as_json():
        written = job_stores.written(place, "status", store, rest)
        render.show("toil-status", written, lambda one: one.text)
        raise typer.Exit(written.exit_code)
    else:
        raise typer.Exit(job_stores.pass_on(place, "status", store, rest))


@command(commands, "stats", rich_help_panel=options.WORKFLOWS, context_settings=_TOILS_OPTIONS)
def stats(
    ctx: typer.Context,
    words: WordsArgument,
    cluster: ClusterOption = None,
    zone: options.ZoneOption = None,
    region: options.RegionOption = None,
    ssh_key: options.SshKeyOption = None,
) -> None:
    """Show what a workflow's jobs used, by kind: time, processors, memory, disk. It must have run with --stats.

    Toil's options choose and sort, such as --human, --categories time,memory or --sort-category memory.
    """
    from toilctl.verbs.job_stores import job_stores, toil

    store, rest = toil_words.split(words, ctx.params["log_level"])
    place = toil.choose(cluster, zone, region, ssh_key)
    if not render.as_json():
        job_stores.check_statistics(place, store)
        raise typer.Exit(job_stores.pass_on(place, "stats", store, rest))
    result = job_stores.statistics(place, store, rest)
    render.show("stats", result, lambda _: "")
    raise typer.Exit(result.exit_code)


@command(commands, "kill", rich_help_panel=options.WORKFLOWS, context_settings=_TOILS_OPTIONS)
def kill(
    ctx: typer.Context,
    words: WordsArgument,
    cluster: ClusterOption = None,
    zone: options.ZoneOption = None,
    region: options.RegionOption = None,
    ssh_key: options.SshKeyOption = None,
) -> None:
    """End the workflow that works on a job store, also one that was started by hand; it can be restarted.

    Toil's --force ends its leader at once, where that runs beside this Toil.
    """
    from toilctl.verbs.job_stores import job_stores, toil

    store, rest = toil_words.split(words, ctx.params["log_level"])
    killed = job_stores.kill(toil.choose(cluster, zone, region, ssh_key), store, rest)
    render.show("kill", killed, views.killed)
    raise typer.Exit(killed.exit_code)


@command(commands, "clean", rich_help_panel=options.WORKFLOWS, context_settings=_TOILS_OPTIONS)
def clean(
    ctx: typer.Context,
    words: WordsArgument,
    yes: YesOption = False,
    force: ForceOption = False,
    cluster: ClusterOption = None,
    zone: options.ZoneOption = None,
    region: options.RegionOption = None,
    ssh_key: options.SshKeyOption = None,
) -> None:
    """Delete a job store, after a question. One that a workflow uses is not deleted."""
    from toilctl.verbs.job_stores import clean as verb
    from toilctl.verbs.job_stores import toil

    store, rest = toil_words.split(words, ctx.params["log_level"])
    place = toil.choose(cluster, zone, region, ssh_key)
    deletion = verb.plan(place, store)
    if deletion is None:
        render.show("clean", verb.Cleaned(str(store), existed=False, exit_code=0), views.cleaned)
        return
    _confirm(deletion, yes=yes, force=force)
    cleaned = verb.clean(place, deletion, rest)
    render.show("clean", cleaned, views.cleaned)
    raise typer.Exit(cleaned.exit_code)


def _confirm(deletion: Deletion, *, yes: bool, force: bool) -> None:
    """Ask, where there is somebody to ask.

    :raises Interrupted: when the answer is no.
    """
    from toilctl.verbs.job_stores import clean as verb

    if yes or not sys.stdin.isatty():
        verb.allow_unasked(deletion, yes=yes, force=force)
    elif not typer.confirm(views.question(deletion), err=True):
        raise Interrupted("Nothing was deleted.", "Answer y, or add --yes, to delete it.")
