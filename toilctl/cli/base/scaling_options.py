"""The options of autoscaling, each once, for all commands that have them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Final

import typer

from toilctl.cli.base.command import parsed_by
from toilctl.cli.base.numbers import Counts, Workers
from toilctl.values.errors import UsageError
from toilctl.values.outside import brief
from toilctl.values.tuning import SETTINGS, Setting
from toilctl.values.units import DAY_S, whole
from toilctl.verbs.settings.scaling import ScalingWish

PANEL: Final = "Autoscaling"
_LONGEST_BOOT_S: Final = DAY_S


class OneCount(int):
    """A number of workers."""

    @classmethod
    def parse(cls, text: str) -> OneCount:
        """Read ``3``."""
        number = whole(text)
        if number is None:
            raise UsageError(f"{brief(text)!r} is not a number of workers.", "Write one, such as 3.")
        return cls(number)


MinNodesOption = Annotated[
    Counts | None,
    typer.Option("--min-nodes", parser=parsed_by(Counts.parse), metavar="N[,N…]", rich_help_panel=PANEL,
                 show_default="0", help="How many workers there are at least: one number per node type, or one for "
                 "all of them."),
]  # fmt: skip
MaxNodesOption = Annotated[
    Counts | None,
    typer.Option("--max-nodes", parser=parsed_by(Counts.parse), metavar="N[,N…]", rich_help_panel=PANEL,
                 show_default=False, help="How many workers there are at most: one number per node type, or one for "
                 "all of them. With it, workers follow the demand of workflows."),
]  # fmt: skip
MinPreemptibleNodesOption = Annotated[
    OneCount | None,
    typer.Option("--min-preemptible-nodes", parser=parsed_by(OneCount.parse), metavar="N", hidden=True,
                 help="The minimum of the node type with a bid, as older Toil has it."),
]  # fmt: skip
MaxPreemptibleNodesOption = Annotated[
    OneCount | None,
    typer.Option("--max-preemptible-nodes", parser=parsed_by(OneCount.parse), metavar="N", hidden=True,
                 help="The maximum of the node type with a bid, as older Toil has it."),
]  # fmt: skip
DefaultPreemptibleOption = Annotated[
    bool | None,
    typer.Option("--default-preemptible/--no-default-preemptible", rich_help_panel=PANEL, show_default="no",
                 help="Whether jobs that say nothing about it may run on spot workers."),
]  # fmt: skip


def _boot_s(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= _LONGEST_BOOT_S:
        raise UsageError(f"{text!r} is not a time to boot.", "Write seconds, such as 240.")
    return seconds


BootTimeOption = Annotated[
    float | None,
    typer.Option("--boot-time", parser=parsed_by(_boot_s), metavar="SECONDS", show_default="240",
                 help="How long a worker takes from its launch until it runs jobs."),
]  # fmt: skip


def _option(setting: Setting) -> Any:
    """Return the option of one of the autoscaler's settings."""
    return Annotated[
        float | None,
        typer.Option(setting.flag, parser=parsed_by(setting.read), metavar=setting.metavar, rich_help_panel=PANEL,
                     help=setting.help),
    ]  # fmt: skip


_OPTIONS: Final[dict[str, Any]] = {
    "min_nodes": MinNodesOption,
    "max_nodes": MaxNodesOption,
    "min_preemptible_nodes": MinPreemptibleNodesOption,
    "max_preemptible_nodes": MaxPreemptibleNodesOption,
    **{name: _option(setting) for name, setting in SETTINGS.items()},
    "default_preemptible": DefaultPreemptibleOption,
}


def with_ranges(workers: Workers | None, wish: ScalingWish) -> tuple[tuple[int, ...] | None, ScalingWish]:
    """Turn ranges of ``--workers`` into limits; return with how many workers to begin, None for the limits' minimum.

    :raises UsageError: when there are other limits, too.
    """
    if workers is None or not workers.ranges:
        return None if workers is None else tuple(least for least, _ in workers), wish
    if wish.limits_nodes:
        raise UsageError(
            "A range of --workers is a minimum and a maximum, and --min-nodes or --max-nodes is given, too.",
            "Give --workers one number per node type, or leave out the others.",
        )
    least, most = zip(*workers, strict=True)
    return None, replace(wish, min_nodes=least, max_nodes=most)


def wished(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command all of these options; it takes what they say as one value, ``wish``."""

    @functools.wraps(function)
    def run(*args: Any, **given: Any) -> Any:
        own = {name: given.pop(name) for name in _OPTIONS}
        tuning = {name: value for name in SETTINGS if (value := own.pop(name)) is not None}
        return function(*args, wish=ScalingWish(tuning=tuning, **own), **given)

    signature = inspect.signature(function, eval_str=True)
    others = [one for name, one in signature.parameters.items() if name != "wish"]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in _OPTIONS.items()
    ]
    run.__signature__ = signature.replace(parameters=[*others, *added])  # type: ignore[attr-defined]
    return run
