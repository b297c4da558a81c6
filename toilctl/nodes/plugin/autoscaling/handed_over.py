"""``--provisioner`` on a leader of toilctl's: Toil starts no scaler of its own, the autoscaler follows the limits.

Ten years of documents have people type ``--provisioner aws --nodeTypes c3.large --maxNodes 2 --batchSystem mesos``.
Toil's scaler would launch nodes beside toilctl's, and end those that toilctl launched.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .. import cluster_settings, known_toil
from . import scaler_options, typed
from .scaler_options import DEFAULT_MAX, DEFAULT_MIN, ScalerOption

logger = logging.getLogger(f"toil.{__name__}")

_USED = {"check_configuration_consistency": {"self"}}
_NO_SCALER = "only --provisioner aws asks for workers, as in Toil"


@dataclass(frozen=True)
class Asked:
    """What a workflow asks of the autoscaler, each in the form that tags and settings have."""

    limits: tuple[str, ...] = ()
    """``NODE_TYPE=MIN..MAX``."""
    tuning: str = ""
    """``target_time_s=600 preemptible_compensation=0.5``: those that were asked for."""
    storage: str = ""
    """``NODE_TYPE=GB,…``: root volumes of those node types that have a size of their own."""


_asked = [Asked()]


def asked() -> Asked:
    """Return what this process's workflow asked for."""
    return _asked[-1]


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
    elif idle := [one.name for one, _ in _values(config)]:
        _say(f"toilctl: {', '.join(idle)} {'are' if len(idle) > 1 else 'is'} left out: {_NO_SCALER}.")


def _take_scaler(config: Any, here: cluster_settings.LeaderSettings) -> None:
    """Take the provisioner and its limits off a configuration, and remember them."""
    option = f"--provisioner {config.provisioner}"
    wish = _wish(config)
    for one in scaler_options.OPTIONS:
        if one.dest and (value := getattr(config, one.dest, None)):
            if typed.is_asked(one, one.dest, value):
                _say(f"toilctl: {one.name} is left out: {one.why}.")
            setattr(config, one.dest, None)
    config.provisioner, config.nodeTypes, config.nodeStorageOverrides = None, [], []
    if not wish.limits:
        also = [one.name for one, _ in _values(config)]
        _say(f"toilctl: {', '.join([option, *also])} is left out: the cluster's nodes are toilctl's.")
    elif here.autoscaled:
        _asked[:] = [wish]
        _say(
            f"toilctl: its autoscaler follows {', '.join(wish.limits)} while this workflow runs; Toil's own scaler is "
            "not started."
        )
        _say_tuning(wish, here)
    else:
        _say(
            f"toilctl: no autoscaler runs on this leader, so {option} and its node types are left out and the workers "
            f"stay as they are. To let them follow the demand, type on your own machine: {_command(wish, here)}"
        )


def _say_tuning(wish: Asked, here: cluster_settings.LeaderSettings) -> None:
    if wish.storage:
        _say(f"toilctl: workers that it launches for this workflow have root volumes of {wish.storage} GB or more.")
    names = {one.setting: one.name for one in scaler_options.OPTIONS if one.setting}
    typed_here = ", ".join(f"{names[name]} {value}" for name, value in (one.split("=") for one in wish.tuning.split()))
    if wish.tuning and here.limited:
        _say(
            f"toilctl: {typed_here} left out: the cluster has limits of its own, and its own settings count. To "
            f"change them, type on your own machine: {_command(Asked(tuning=wish.tuning), here)}"
        )
    elif wish.tuning:
        _say(f"toilctl: it follows {typed_here}, too.")


def _command(wish: Asked, here: cluster_settings.LeaderSettings) -> str:
    """Return what gives the cluster for good what a workflow asks for."""
    words = ["toilctl autoscale", here.cluster or "NAME"]
    if wish.limits:
        words += ["--node-types", ",".join(one.partition("=")[0] for one in wish.limits)]
        words += ["--max-nodes", ",".join(one.rpartition(".")[2] for one in wish.limits)]
    sizes = dict(one.rpartition("=")[::2] for one in wish.storage.split(",") if one)
    if sizes:
        words += ["--node-storage", max(sizes.values(), key=int)]
    flags = {one.setting: one.becomes for one in scaler_options.OPTIONS if one.setting}
    for name, value in (word.split("=") for word in wish.tuning.split()):
        words += [flags[name], value]
    return " ".join(words)


def _wish(config: Any) -> Asked:
    limits = asked_limits(config.nodeTypes or (), config.minNodes or (), config.maxNodes or ())
    values = {one.setting: value for one, value in _values(config) if one.setting}
    return Asked(tuple(limits), " ".join(f"{name}={value:g}" for name, value in values.items()), _storage(config))


def _values(config: Any) -> Iterator[tuple[ScalerOption, Any]]:
    """Yield the options that somebody asked for and that have a value for the autoscaler, with that value."""
    for one in scaler_options.OPTIONS:
        if not one.setting and one.name not in (scaler_options.STORAGE, scaler_options.OVERRIDES):
            continue
        for name in (name.lstrip("-") for name in one.names):
            value = getattr(config, name, None)
            if value not in (None, []) and typed.is_asked(one, name, value):
                yield one, float(value) if one.setting else value
                break


def _storage(config: Any) -> str:
    """Return the root volume of each node type that is asked for with one: the largest of its instance types."""
    asked_for = {one.name: value for one, value in _values(config)}
    usual = asked_for.get(scaler_options.STORAGE)
    sizes = dict(_overrides(config, asked_for.get(scaler_options.OVERRIDES, ())))
    found = []
    for types, bid in config.nodeTypes or ():
        of_types = [int(size) for one in types if (size := sizes.get(one, usual)) is not None]
        if of_types:
            found.append(f"{_text(types, bid)}={max(of_types)}")
    return ",".join(found)


@functools.cache
def _say(line: str) -> None:
    """Say a line once, however many configurations a workflow makes."""
    logger.warning(line)


def _overrides(config: Any, texts: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Yield instance types and the size of their root volumes; what fits none of the node types is told."""
    known = {name for types, _ in config.nodeTypes or () for name in types}
    for text in texts:
        name, _, size = text.rpartition(":")
        if name in known and size.isdecimal():
            yield name, int(size)
        else:
            _say(
                f"toilctl: {scaler_options.OVERRIDES} {text} is left out: it is no TYPE:GB of an instance type "
                f"in {scaler_options.NODE_TYPES}."
            )


def asked_limits(node_types: Sequence[Any], least: Sequence[int], most: Sequence[int]) -> list[str]:
    """Return ``NODE_TYPE=MIN..MAX`` of each node type, as Toil fills its lists up: with the first value.

    :param node_types: pairs of instance types and a spot bid or None, as ``toil.provisioners.parse_node_types`` has
        them.
    """
    spot = [False] * len(node_types)
    low = scaler_options.filled(spot, [*map(int, least)], None, DEFAULT_MIN)
    high = scaler_options.filled(spot, [*map(int, most)], None, DEFAULT_MAX)
    return [f"{_text(*one)}={low[at]}..{high[at]}" for at, one in enumerate(node_types)]


def _text(types: Iterable[str], bid: float | None) -> str:
    # Toil keeps alternatives as a set; their order is lost.
    names = "/".join(sorted(types))
    return names if bid is None else f"{names}:{bid:g}"
