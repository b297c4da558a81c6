"""Toil's options of its cluster commands and its scaler, of all releases, and what becomes of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from docs.generate.markdown import code, page, plain, sentence, table
from toilctl.nodes.plugin.autoscaling.scaler_options import OPTIONS as OF_SCALER
from toilctl.workflows.cluster_options import COMMANDS, OPTIONS, ClusterOption, Fate

_HEAD: Final = ("Toil's option", "Toil's releases", "here")


def text() -> str:
    """Return the page."""
    parts = [part for command in COMMANDS for part in (f"## {command}", table(_HEAD, _of_command(command)))]
    return page(
        "Toil's options",
        "Every option of Toil's cluster commands and of its scaler since Toil 3.5, by its name of today first. Hyphens "
        "in place of capitals are read as well (`--node-types` for `--nodeTypes`), and so is `preemptible` for "
        "`preemptable` and the other way round. What is left out is told with its reason.",
        "## Of a workflow",
        "Behind `toilctl run NAME --`, and in the leader's shell, with `--provisioner aws`: "
        "[](../how-to/autoscaling.md#let-a-workflow-bring-its-own-limits).",
        table(_HEAD, _of_scaler()),
        "`launch-cluster` and `autoscale` have [settings](settings.md) of the same names, and leave out the others.",
        "## All four cluster commands",
        table(_HEAD, _of_command("")),
        *parts,
    )


def _of_scaler() -> Iterator[tuple[str, ...]]:
    for one in OF_SCALER:
        said = (one.becomes, one.why) if one.becomes else (f"left out: {one.why}",)
        yield ", ".join(map(code, one.names)), plain(one.releases), plain(_sentences(*said))


def _of_command(command: str) -> Iterator[tuple[str, ...]]:
    """Yield the options of one command alone, or of all of them."""
    for one in OPTIONS:
        for_all = one.commands == COMMANDS
        if one.releases and (command in one.commands and not for_all if command else for_all):
            yield ", ".join(map(code, one.names)), one.releases, plain(_becomes(one))


def _becomes(one: ClusterOption) -> str:
    if one.fate is Fate.HERE:
        return _sentences(one.says)
    if one.fate is Fate.WRITTEN:
        return _sentences(f"becomes {one.says}", one.next_step)
    return _sentences(f"{one.fate.value}: {one.says}", one.next_step)


def _sentences(*parts: str) -> str:
    return " ".join(sentence(part[0].upper() + part[1:]) for part in parts if part)
