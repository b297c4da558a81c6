"""timeline: what became of a cluster, drawn and told from its autoscaler's journal."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from toilctl.cli.base import options, render
from toilctl.cli.base.command import command, no_cloud, parsed_by
from toilctl.cli.views import timeline as timeline_views

commands = typer.Typer()


def _moment(text: str) -> datetime | timedelta:
    from toilctl.autoscaler.journal.window import parse_moment

    return parse_moment(text)


def _moment_option(name: str, default: str, about: str) -> Any:
    return typer.Option(name, parser=parsed_by(_moment), metavar="TIME|AGO", show_default=default, help=about)


SinceOption = Annotated[
    datetime | None,
    _moment_option("--since", "the journal's first line", "From when on: a time such as '2026-11-21 12:00', UTC unless "
                   "it says otherwise; or how long before the journal's last line, such as 90m, 2h or 1d."),
]  # fmt: skip
UntilOption = Annotated[datetime | None, _moment_option("--until", "the journal's last line", "Until when; likewise.")]
JournalOption = Annotated[
    list[Path] | None,
    typer.Option("--journal", metavar="FILE", show_default="the cluster's own, or the one kept when it was destroyed",
                 help="A copy of a leader's journal, also one packed by gzip, or a directory of several. May be "
                 "repeated, in any order."),
]  # fmt: skip


@command(commands, "timeline", needs_cloud=False)
def timeline(
    name: options.ClusterArgument,
    since: SinceOption = None,
    until: UntilOption = None,
    plot: options.PlotOption = None,
    journal: JournalOption = None,
    zone: options.ZoneOption = None,
    region: options.RegionOption = None,
    ssh_key: options.SshKeyOption = None,
) -> None:
    """Show who waited, which workers ran and what they cost over time, of a running cluster or one that is gone.

    It is told by the journal of the cluster's autoscaler, which destroy-cluster keeps on this machine.
    """
    from toilctl.verbs.reports import timeline as verb

    request = verb.TimelineRequest(
        cluster=name, since=since, until=until, plot=plot, files=tuple(journal or ()), zone=zone, region=region,
        ssh_key=ssh_key, no_cloud=no_cloud(),
    )  # fmt: skip
    render.show("timeline", verb.timeline(request), timeline_views.text)
