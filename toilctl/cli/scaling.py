"""The options of autoscaling, each once, for all commands that have them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from toilctl.cli.command import parsed_by
from toilctl.cli.options import Counts
from toilctl.errors import UsageError
from toilctl.verbs.scaling import Wish

PANEL: Final = "Autoscaling"
_LONGEST_BOOT_S: Final = 86400.0
_TUNING: Final = (
    "target_time_s", "beta_inertia", "scale_interval_s", "preemptible_compensation", "idle_timeout_s",
    "join_deadline_s", "spot_fallback_after_s", "max_usd_per_hour", "budget_usd",
)  # fmt: skip


class OneCount(int):
    """A number of workers."""

    @classmethod
    def parse(cls, text: str) -> OneCount:
        """Read ``3``."""
        if not text.strip().isdecimal():
            raise UsageError(f"{text!r} is not a number of workers.", "Write one, such as 3.")
        return cls(text)


def _tuned(name: str) -> Callable[[str], float]:
    """Return a parser of one field of the autoscaler's ``Tuning``."""

    def parse(text: str) -> float:
        from toilctl import variables
        from toilctl.autoscaler.policy import Tuning

        try:
            return float(getattr(Tuning.of({**variables.defaults(), name: text}), name))
        except UsageError as error:  # The option's name stands before it already.
            raise UsageError(f"{text!r} cannot be.", error.next_step, **error.facts) from None

    return parsed_by(parse)


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
TargetTimeOption = Annotated[
    float | None,
    typer.Option("--target-time", parser=_tuned("target_time_s"), metavar="SECONDS", rich_help_panel=PANEL,
                 help="Within this time all waiting jobs shall have run; shorter launches more workers."),
]  # fmt: skip
BetaInertiaOption = Annotated[
    float | None,
    typer.Option("--beta-inertia", parser=_tuned("beta_inertia"), metavar="0…0.9", rich_help_panel=PANEL,
                 help="How slowly the number of workers follows demand; 0 at once."),
]  # fmt: skip
ScaleIntervalOption = Annotated[
    float | None,
    typer.Option("--scale-interval", parser=_tuned("scale_interval_s"), metavar="SECONDS", rich_help_panel=PANEL,
                 help="The time between two decisions."),
]  # fmt: skip
PreemptibleCompensationOption = Annotated[
    float | None,
    typer.Option("--preemptible-compensation", parser=_tuned("preemptible_compensation"), metavar="0…1",
                 rich_help_panel=PANEL,
                 help="For this share of spot workers that cannot be had, on-demand ones are launched."),
]  # fmt: skip
DefaultPreemptibleOption = Annotated[
    bool | None,
    typer.Option("--default-preemptible/--no-default-preemptible", rich_help_panel=PANEL, show_default="no",
                 help="Whether jobs that say nothing about it may run on spot workers."),
]  # fmt: skip
IdleTimeoutOption = Annotated[
    float | None,
    typer.Option("--idle-timeout", parser=_tuned("idle_timeout_s"), metavar="SECONDS", rich_help_panel=PANEL,
                 help="How long a worker runs nothing before it goes."),
]  # fmt: skip
JoinDeadlineOption = Annotated[
    float | None,
    typer.Option("--join-deadline", parser=_tuned("join_deadline_s"), metavar="SECONDS", rich_help_panel=PANEL,
                 help="How long a new worker may take to join before it is replaced."),
]  # fmt: skip

SpotFallbackAfterOption = Annotated[
    float | None,
    typer.Option("--spot-fallback-after", parser=_tuned("spot_fallback_after_s"), metavar="SECONDS",
                 rich_help_panel=PANEL,
                 help="How long spot workers may be lacking before on-demand ones take their place, until there are "
                 "spot ones again; 0 waits for ever."),
]  # fmt: skip
MaxCostPerHourOption = Annotated[
    float | None,
    typer.Option("--max-cost-per-hour", parser=_tuned("max_usd_per_hour"), metavar="USD", rich_help_panel=PANEL,
                 help="What the cluster may cost per hour, its leader among it and spot at its bid: no worker is "
                 "launched beyond that; 0 is no bound."),
]  # fmt: skip
BudgetOption = Annotated[
    float | None,
    typer.Option("--budget", parser=_tuned("budget_usd"), metavar="USD", rich_help_panel=PANEL,
                 help="What the cluster may cost in all: then nothing more is launched, and what runs goes on; 0 is "
                 "no bound."),
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

_OPTIONS: Final[dict[str, Any]] = {
    "min_nodes": MinNodesOption,
    "max_nodes": MaxNodesOption,
    "min_preemptible_nodes": MinPreemptibleNodesOption,
    "max_preemptible_nodes": MaxPreemptibleNodesOption,
    "target_time_s": TargetTimeOption,
    "beta_inertia": BetaInertiaOption,
    "scale_interval_s": ScaleIntervalOption,
    "preemptible_compensation": PreemptibleCompensationOption,
    "default_preemptible": DefaultPreemptibleOption,
    "idle_timeout_s": IdleTimeoutOption,
    "join_deadline_s": JoinDeadlineOption,
    "spot_fallback_after_s": SpotFallbackAfterOption,
    "max_usd_per_hour": MaxCostPerHourOption,
    "budget_usd": BudgetOption,
}


def wished(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command all of these options; it takes what they say as one value, ``wish``."""

    @functools.wraps(function)
    def run(*args: Any, **given: Any) -> Any:
        own = {name: given.pop(name) for name in _OPTIONS}
        tuning = {name: value for name in _TUNING if (value := own.pop(name)) is not None}
        return function(*args, wish=Wish(tuning=tuning, **own), **given)

    signature = inspect.signature(function, eval_str=True)
    others = [one for name, one in signature.parameters.items() if name != "wish"]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in _OPTIONS.items()
    ]
    run.__signature__ = signature.replace(parameters=[*others, *added])  # type: ignore[attr-defined]
    return run
