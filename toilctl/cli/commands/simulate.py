"""autoscale simulate: how a policy would do, before anything is launched."""

from __future__ import annotations

import math
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from toilctl.cli.base import options, render, scaling_options
from toilctl.cli.base.command import command, kebab, parsed_by, provisioner
from toilctl.cli.views import simulate as simulation_views
from toilctl.values.errors import UsageError
from toilctl.values.node_types import NodeTypes
from toilctl.verbs.settings.scaling import ScalingWish

if TYPE_CHECKING:
    from toilctl.verbs.planning.replay import WantedPolicy
    from toilctl.verbs.planning.simulate import Generated

commands = typer.Typer()

_PANEL: Final = "Trace"
_HAZARDS: Final = "Hazards"
_NUMBERS: Final[dict[str, tuple[float, float]]] = {
    "--jobs": (1, 1_000_000),
    "--hours": (0.01, 24 * 366),
    "--interruptions-per-hour": (0, 10),
    "--shortages": (0, 0.99),
}
"""The least and the most of each option."""


def _within(option: str, whole: bool = False) -> Any:
    least, most = _NUMBERS[option]

    def parse(text: str) -> float:
        try:
            number = int(text) if whole else float(text)
        except ValueError:
            number = math.nan
        if not least <= number <= most:
            noun = "a whole number" if whole else "a number"
            raise UsageError(f"{text!r} is not {noun} from {least:g} to {most:,g}.", "Write one that is.")
        return number

    return parsed_by(parse)


TraceArgument = Annotated[
    list[str],
    typer.Argument(metavar="TRACE", show_default=False,
                   help="Recordings of a run, trace-*.jsonl; or bursts, long-tails, diurnal or giant: one is made up."),
]  # fmt: skip
JobsOption = Annotated[
    int, typer.Option("--jobs", parser=_within("--jobs", whole=True), metavar="N", rich_help_panel=_PANEL,
                      help="How many jobs are made up."),
]  # fmt: skip
HoursOption = Annotated[
    float, typer.Option("--hours", parser=_within("--hours"), metavar="HOURS", rich_help_panel=_PANEL,
                        help="Within these, they arrive."),
]  # fmt: skip
SeedOption = Annotated[
    int, typer.Option("--seed", metavar="N", rich_help_panel=_PANEL,
                      help="Other numbers make up other jobs, interruptions and shortages."),
]  # fmt: skip
InterruptionsOption = Annotated[
    float,
    typer.Option("--interruptions-per-hour", parser=_within("--interruptions-per-hour"), metavar="RATE",
                 rich_help_panel=_HAZARDS, help="How often EC2 takes a spot worker away, per worker and hour."),
]  # fmt: skip
ShortagesOption = Annotated[
    float,
    typer.Option("--shortages", parser=_within("--shortages"), metavar="0…0.99", rich_help_panel=_HAZARDS,
                 help="For which share of the time an instance type cannot be had in a zone."),
]  # fmt: skip
CompareOption = Annotated[
    list[str] | None,
    typer.Option("--compare", metavar="'OPTIONS'", show_default="none",
                 help="Another policy beside this one, by what differs, such as --compare '--target-time 600'. "
                 "May be repeated."),
]  # fmt: skip


@command(commands, "autoscale simulate")
@scaling_options.wished
def simulate(
    trace: TraceArgument,
    wish: ScalingWish,
    node_types: options.NodeTypesOption = None,
    preemptible_node_type: options.PreemptibleNodeTypeOption = None,
    node_storage_gb: options.NodeStorageOption = None,
    boot_s: scaling_options.BootTimeOption = None,
    jobs: JobsOption = 10_000,
    hours: HoursOption = 24.0,
    seed: SeedOption = 0,
    interruptions_per_hour: InterruptionsOption = 0.0,
    shortages: ShortagesOption = 0.0,
    compare: CompareOption = None,
    plot: options.PlotOption = None,
    zone: options.ZonesOption = None,
    region: options.RegionOption = None,
) -> None:
    """Let the autoscaler decide on recorded or made-up jobs, in simulated time, and say what that costs.

    Nothing is launched. A policy is what launch-cluster takes: node types, limits, and how eager scaling is.
    """
    from toilctl.autoscaler.simulation.hazards import Hazards
    from toilctl.verbs.planning import simulate as verb
    from toilctl.verbs.planning.replay import BOOT_S, WantedPolicy

    _, types = options.merge_node_types(None, None, node_types, preemptible_node_type)
    first = WantedPolicy(node_types=types, wish=wish, zones=zone or (), region=region, node_storage_gb=node_storage_gb)
    others = [(text, _other(first, text)) for text in compare or ()]
    request = verb.SimulateRequest(
        source=_source(trace, jobs, hours, seed),
        policies=((verb.AS_GIVEN, first), *others),
        boot_s=BOOT_S if boot_s is None else boot_s,
        hazards=Hazards(interruptions_per_hour, shortages, seed),
        plot=plot,
    )
    render.show("simulation", verb.simulate(request, provisioner()), simulation_views.text)


def _source(words: list[str], jobs: int, hours: float, seed: int) -> Generated | tuple[Path, ...]:
    from toilctl.autoscaler.simulation.workloads import ArrivalPattern
    from toilctl.verbs.planning.simulate import Generated

    if len(words) == 1 and words[0] in list(ArrivalPattern):
        return Generated(ArrivalPattern(words[0]), jobs, hours, seed)
    return tuple(map(Path, words))


_policy = typer.Typer(context_settings={"token_normalize_func": kebab}, add_completion=False)


@_policy.command()
@scaling_options.wished
def _read_policy(
    wish: ScalingWish,
    node_types: options.NodeTypesOption = None,
    preemptible_node_type: options.PreemptibleNodeTypeOption = None,
) -> tuple[NodeTypes, ScalingWish]:
    _, types = options.merge_node_types(None, None, node_types, preemptible_node_type)
    return types, wish


def _other(first: WantedPolicy, text: str) -> WantedPolicy:
    """Return a policy that differs from the first one in what a text of options says.

    :raises UsageError: for options that no policy has.
    """
    try:
        types, wish = typer.main.get_command(_policy).main(shlex.split(text), "policy", standalone_mode=False)
    except (typer.TyperException, ValueError) as error:
        why = error.format_message() if isinstance(error, typer.TyperException) else str(error)
        raise UsageError(
            f"--compare {text!r} is no policy: {why.rstrip('.')}.",
            "Write options of autoscaling that launch-cluster has, such as --compare '--max-nodes 4'.",
        ) from None
    # Limits go with the node types that they were given for.
    former = (
        ScalingWish(tuning=first.wish.tuning, default_preemptible=first.wish.default_preemptible)
        if types
        else first.wish
    )
    said = {name: value for name, value in vars(wish).items() if name != "tuning" and value is not None}
    merged = replace(former, **said, tuning={**former.tuning, **wish.tuning})
    return replace(first, node_types=types or first.node_types, wish=merged)
