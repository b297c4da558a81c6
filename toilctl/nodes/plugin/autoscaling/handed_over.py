"""``--provisioner`` on a leader of toilctl's: Toil starts no scaler of its own, the autoscaler follows the limits.

Ten years of documents have people type ``--provisioner aws --nodeTypes c3.large --maxNodes 2 --batchSystem mesos``.
Toil's scaler would launch nodes beside toilctl's, and end those that toilctl launched.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from .. import cluster_settings, known_toil

logger = logging.getLogger(f"toil.{__name__}")

DEFAULT_MAX, DEFAULT_MIN = 10, 0
"""Toil's own."""
_USED = {"check_configuration_consistency": {"self"}}
_limits: list[str] = []


def limits() -> tuple[str, ...]:
    """Return what this process's workflow asked for, as ``NODE_TYPE=MIN..MAX``."""
    return tuple(_limits)


@functools.cache
def install() -> None:
    """Take the scaler's options off every configuration that Toil makes here; elsewhere, leave Toil alone."""
    if cluster_settings.find() is None:
        return
    from toil.common import Config

    missing = known_toil.missing(Config, _USED)
    if missing:
        known_toil.warn(missing, "do not give it --provisioner here, its scaler and toilctl's would fight")
        return
    check = Config.check_configuration_consistency

    @functools.wraps(check)
    def take_over_and_check(self: Any) -> Any:
        take_over(self)
        return check(self)

    Config.check_configuration_consistency = take_over_and_check


def take_over(config: Any) -> None:
    """Make a configuration fit this cluster, and say what that changes in one line each."""
    here = cluster_settings.find()
    if here is None:
        return
    if config.batchSystem == "mesos" and here.engine == "slurm":
        config.batchSystem = here.engine
        _say("toilctl: this cluster's engine is Slurm, so the workflow runs with --batchSystem slurm.")
    if getattr(config, "provisioner", None):
        _take_scaler(config, here)


def _take_scaler(config: Any, here: cluster_settings.LeaderSettings) -> None:
    """Take the provisioner and its limits off a configuration, and remember them."""
    asked = asked_limits(config.nodeTypes or (), config.minNodes or (), config.maxNodes or ())
    option = f"--provisioner {config.provisioner}"
    config.provisioner, config.nodeTypes, config.nodeStorageOverrides = None, [], []
    if not asked:
        _say(f"toilctl: {option} is left out: the cluster's nodes are toilctl's.")
    elif here.autoscaled:
        _limits[:] = asked
        _say(
            f"toilctl: its autoscaler follows {', '.join(asked)} while this workflow runs; Toil's own scaler is not "
            "started."
        )
    else:
        node_types = ",".join(one.partition("=")[0] for one in asked)
        most = ",".join(one.rpartition(".")[2] for one in asked)
        _say(
            f"toilctl: no autoscaler runs on this leader, so {option} and its node types are left out and the workers "
            f"stay as they are. To let them follow the demand, type on your own machine: "
            f"toilctl autoscale {here.cluster or 'NAME'} --node-types {node_types} --max-nodes {most}"
        )


@functools.cache
def _say(line: str) -> None:
    """Say a line once, however many configurations a workflow makes."""
    logger.warning(line)


def asked_limits(node_types: Sequence[Any], least: Sequence[int], most: Sequence[int]) -> list[str]:
    """Return ``NODE_TYPE=MIN..MAX`` of each node type, as Toil fills its lists up: with the first value.

    :param node_types: pairs of instance types and a spot bid or None, as ``toil.provisioners.parse_node_types`` has
        them.
    """
    return [
        f"{_text(types, bid)}={_nth(least, number, DEFAULT_MIN)}..{_nth(most, number, DEFAULT_MAX)}"
        for number, (types, bid) in enumerate(node_types)
    ]


def _text(types: Iterable[str], bid: float | None) -> str:
    # Toil keeps alternatives as a set; their order is lost.
    names = "/".join(sorted(types))
    return names if bid is None else f"{names}:{bid:g}"


def _nth(numbers: Sequence[int], number: int, missing: int) -> int:
    if number < len(numbers):
        return int(numbers[number])
    return int(numbers[0]) if numbers else missing
