"""estimate cactus and estimate trace: what a cluster may grow to, and cost, before it is launched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from toilctl.cli.base import options, render, scaling_options
from toilctl.cli.base.command import command, parsed_by, provisioner
from toilctl.cli.views import estimate
from toilctl.values.wording import ON_TOP, bought
from toilctl.verbs.settings.scaling import ScalingWish
from toilctl.workflows.cactus import Genomes, Size

if TYPE_CHECKING:
    from toilctl.verbs.planning.estimate_cactus import Estimate, NodeEstimate

_UNKNOWN: Final = "not known"

commands = typer.Typer(
    help="How large a workflow's cluster may grow, and what that costs, before anything is launched."
)


def _sizes(incomplete: str) -> list[str]:
    return [one for one in Size if one.startswith(incomplete)]


@command(commands, "cactus", with_provisioner=False)
def cactus(
    genomes: Annotated[
        Genomes,
        typer.Option("--genomes", parser=parsed_by(Genomes.parse), metavar="N", show_default=False,
                     help="How many genomes are aligned."),
    ],
    size: Annotated[
        Size,
        typer.Option("--size", parser=parsed_by(Size.parse), metavar="|".join(Size), show_default=False,
                     autocompletion=_sizes, help=f"How large each of them is: {Size.named()}."),
    ],
    zone: options.ZoneOption = None,
    region: options.RegionOption = None,
) -> None:  # fmt: skip
    """Say how many workers Cactus needs at most, as its documentation reckons, and what to type to get them.

    It asks nobody, and needs no credentials. The numbers are very rough; the autoscaler launches what jobs demand.
    """
    from toilctl.verbs.planning import estimate_cactus

    render.show("estimate", estimate_cactus.cactus(genomes, size, zone, region), _text)


@command(commands, "trace")
@scaling_options.wished
def trace(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", show_default=False,
                       help="Recordings of a run: trace-*.jsonl of its directory on the leader."),
    ],
    wish: ScalingWish,
    node_types: options.NodeTypesOption = None,
    preemptible_node_type: options.PreemptibleNodeTypeOption = None,
    node_storage_gb: options.NodeStorageOption = None,
    leader_node_type: options.LeaderNodeTypeOption = None,
    boot_s: scaling_options.BootTimeOption = None,
    zone: options.ZonesOption = None,
    region: options.RegionOption = None,
) -> None:  # fmt: skip
    """Replay a recorded run's jobs against the autoscaler, and say what its cluster would need and cost.

    Nothing is launched: the autoscaler decides in simulated time. Jobs arrive when they did in the recording, since
    what each waited for is not known, and take as long as they did.
    """
    from toilctl.verbs.planning import estimate_trace as verb
    from toilctl.verbs.planning.replay import BOOT_S, WantedPolicy

    leader, types = options.merge_node_types(None, leader_node_type, node_types, preemptible_node_type)
    wanted = WantedPolicy(
        node_types=types, wish=wish, zones=zone or (), region=region, node_storage_gb=node_storage_gb,
    )  # fmt: skip
    request = verb.TraceRequest(
        files=tuple(files), wanted=wanted, leader_node_type=leader, boot_s=BOOT_S if boot_s is None else boot_s,
    )  # fmt: skip
    render.show("estimate-trace", verb.estimate(request, provisioner()), estimate.trace)


def _text(result: Estimate) -> str:
    parts = (_head(result), _nodes(result), _cost(result), _quotas(result), _commands(result))
    return "\n\n".join(parts)


def _head(result: Estimate) -> str:
    if result.single_machine:
        genomes = f"{result.genomes} genomes of {result.size.bases}"
        return f"Cactus with {genomes}: a single machine is enough, your own or a leader without workers."
    highest = " and ".join(f"{count} {kind}" for kind, count in zip(result.node_types, result.max_nodes, strict=True))
    return f"Cactus with {result.genomes} {result.size}-size genomes ({result.size.bases}): at most {highest}."


def _nodes(result: Estimate) -> str:
    rows = [(one.role, one.node_type, bought(one.market), one.max_nodes, one.vcpus, _usd(one)) for one in result.nodes]
    return render.table(("ROLE", "NODE TYPE", "MARKET", "MAX", "VCPUS", "USD PER HOUR"), rows, "  ")


def _usd(nodes: NodeEstimate) -> str:
    return _UNKNOWN if nodes.usd_per_hour is None else f"{nodes.usd_per_hour:.2f}"


def _cost(result: Estimate) -> str:
    cost, on_top = result.cost_at_maximum, f"{ON_TOP}\n{estimate.source(result.source)}"
    if cost.at_most:
        on_top = f"Spot never costs more than its bid. {on_top}"
    if cost.usd_per_hour is not None:
        return f"Highest cost, in {result.region}: {cost.text()}.\n{on_top}"
    known = sum(one.usd_per_hour or 0.0 for one in result.nodes)
    rest = f"; the rest costs at most ${known:.2f} per hour" if known else ""
    unknown = " and ".join(cost.unknown)
    return f"Highest cost, in {result.region}: the price of {unknown} is not known here{rest}.\n{on_top}"


def _quotas(result: Estimate) -> str:
    table = render.table(("VCPUS", "CODE", "QUOTA"), [(one.vcpus, one.code, one.name) for one in result.quotas], "  ")
    ask = "aws service-quotas get-service-quota --service-code ec2 --quota-code CODE"
    return f"EC2 quotas needed (yours: {ask}):\n{table}"


def _commands(result: Estimate) -> str:
    why = "" if result.single_machine else " (without --default-preemptible only Cactus's preprocessing runs on spot)"
    return f"Launch{why}:\n  {estimate.in_lines(result.launch_command)}\nRun:\n  {result.run_command}"
