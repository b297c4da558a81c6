"""Commands with their arguments and options, as the program itself knows them."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, Final

import typer.main

from docs.generate.markdown import code, page, plain, table
from toilctl.cli.app import app
from toilctl.cli.base import scaling_options
from toilctl.cli.base.command import usage
from toilctl.system import variables

COMMON: Final = ("provisioner", "output", "debug")
"""Options that all commands have, told once."""
_SHOWN_FIRST: Final = "launch-cluster"
_HEAD: Final = ("option", "means", "default", "variable")


def walk() -> Iterator[tuple[str, Any]]:
    """Yield each command, with its whole name."""
    yield from _below(typer.main.get_command(app), "")


def text() -> str:
    """Return the page."""
    found = dict(sorted(walk(), key=lambda one: one[1].rich_help_panel or ""))
    first = found[_SHOWN_FIRST]
    common = [one for one in first.params if one.name in COMMON]
    scaling = [one for one in first.params if _is_scaling(one)]
    return page(
        "Commands",
        "`toilctl COMMAND --help` says the same on a terminal. Options may be written as Toil writes them, "
        "such as `--leaderNodeType`. `toilctl --version` prints the version, and `toilctl --install-completion` "
        "installs completion for the shell.",
        _contents(found),
        "## Options of all commands",
        _options(common),
        "`--provisioner` is not there where no cloud is asked. toilctl cannot make clusters on Google Cloud, `gce`, "
        "yet.",
        *(_command(name, one) for name, one in found.items()),
        "## Options of autoscaling",
        "`launch-cluster`, `autoscale`, `autoscale simulate` and `estimate trace` have them. Their ranges are in "
        "[](settings.md).",
        _options(scaling),
        _hidden(scaling),
    )


def _below(group: Any, before: str) -> Iterator[tuple[str, Any]]:
    for name, one in group.commands.items():
        if hasattr(one, "commands"):
            yield from _below(one, f"{before}{name} ")
        else:
            yield f"{before}{name}", one


def _contents(found: dict[str, Any]) -> str:
    rows = ((f"[`{name}`](#{anchor(name)})", plain(_first_sentence(one))) for name, one in found.items())
    return table(("command", "does"), rows)


def anchor(name: str) -> str:
    """Return where a command's section is."""
    return name.replace(" ", "-")


def _first_sentence(command: Any) -> str:
    return str(command.help or "").strip().split("\n\n")[0]


def _command(name: str, command: Any) -> str:
    words = [usage(one) for one in command.params if one.param_type_name == "argument"]
    own = [one for one in command.params if one.param_type_name == "option" and one.name not in COMMON]
    shown = [one for one in own if not _is_scaling(one)]
    parts = [
        f"## {name}",
        f"```text\ntoilctl {' '.join([name, '[OPTIONS]', *words])}\n```",
        *_help(name, command),
        table(("argument", "means", "default"), map(_argument, _of_kind(command, "argument"))),
        _options(shown),
        _hidden(shown),
        "It has the [options of autoscaling](#options-of-autoscaling), too." if shown != own else "",
    ]
    return "\n\n".join(part for part in parts if part)


def _help(name: str, command: Any) -> list[str]:
    paragraphs = [plain(one) for one in str(command.help or "").strip().split("\n\n")]
    # The faults have a page of their own.
    return [paragraphs[0], "[](faults.md) lists the faults."] if name == "local fault" else paragraphs


def _of_kind(command: Any, kind: str) -> list[Any]:
    return [one for one in command.params if one.param_type_name == kind]


def _argument(parameter: Any) -> tuple[str, ...]:
    return code(usage(parameter)), plain(parameter.help or ""), plain(_default(parameter))


def _options(parameters: list[Any]) -> str:
    shown = [one for one in parameters if not one.hidden]
    head = _HEAD if any(one.envvar for one in shown) else _HEAD[:3]
    return table(head, ((*_option(one), code(one.envvar or ""))[: len(head)] for one in shown))


def _option(parameter: Any) -> tuple[str, str, str]:
    return ", ".join(map(code, _names(parameter))), plain(parameter.help or ""), plain(_default(parameter))


def _names(parameter: Any) -> Iterator[str]:
    metavar = "" if parameter.is_flag else f" {parameter.metavar or _choices(parameter)}"
    *short, long = sorted(parameter.opts, key=len)
    yield from short
    yield f"{long}{metavar}"
    yield from parameter.secondary_opts


def _choices(parameter: Any) -> str:
    return "|".join(getattr(parameter.type, "choices", ())) or "VALUE"


def _default(parameter: Any) -> str:
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    if not parameter.show_default:
        return "required" if parameter.required else ""
    value = parameter.default
    if value is None:
        value = variables.shown_defaults().get(parameter.name)
    if parameter.param_type_name == "option" and parameter.is_flag:
        return str((parameter.opts if value else parameter.secondary_opts)[0]) if parameter.secondary_opts else "no"
    if value is None:
        return "required" if parameter.required else ""
    return f"`{value.value if isinstance(value, Enum) else value}`"


def _hidden(parameters: list[Any]) -> str:
    names = [one for one in parameters if one.hidden and one.help]
    told = (f"{' or '.join(map(code, _names(one)))} ({plain(one.help).rstrip('.')})" for one in names)
    return f"Toil's own, which help does not show: {'; '.join(told)}." if names else ""


def _is_scaling(parameter: Any) -> bool:
    panel = getattr(parameter, "rich_help_panel", None)
    return panel == scaling_options.PANEL or parameter.name in ("min_preemptible_nodes", "max_preemptible_nodes")
