"""Results on stdout: text for people, or one JSON document for programs.

Names and words in them are jobs', leaders' and other people's: here, and in ``toilctl.system.progress``, what would
steer a terminal is written out, once for all. What a program writes in a session of ssh's own goes by as it is.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Any, Final, TypeVar

from toilctl.values import outside
from toilctl.values.errors import OutputLost, ToilctlError

SCHEMA: Final = 1
"""The version of the JSON envelope; it grows when a reader of the older one would stumble."""

MOST_IN_A_CELL: Final = 1000
"""Characters."""

T = TypeVar("T")


class Output(StrEnum):
    """How results are written."""

    TEXT = "text"
    JSON = "json"


_state = {"output": Output.TEXT}


def set_output(output: Output) -> None:
    """Choose how everything from here on is written."""
    _state["output"] = output


def as_json() -> bool:
    """Return whether programs read the output."""
    return _state["output"] is Output.JSON


def show(kind: str, result: T, to_text: Callable[[T], str]) -> None:
    """Write a verb's result: ``kind`` names it in the JSON envelope, ``to_text`` puts it into words."""
    say(_envelope(kind, data=plain(result)) if as_json() else to_text(result))


def say(text: str) -> None:
    """Write text, if there is any."""
    if text:
        sys.stdout.write(outside.plain(text).rstrip("\n") + "\n")


def show_error(error: ToilctlError) -> None:
    """Write an error: a sentence and the next step on stderr, or the envelope on stdout.

    Nothing is raised where that cannot be written; the exit code tells.
    """
    if isinstance(error, OutputLost):
        return
    with suppress(OSError):
        if as_json():
            facts = {"code": error.code, "message": error.message, "next_step": error.next_step}
            sys.stdout.write(_envelope("error", error=facts | {"facts": plain(error.facts)}) + "\n")
            sys.stdout.flush()
            return
        text = "\n".join(filter(None, (f"Error: {error.message}", error.next_step)))
        sys.stderr.write(outside.plain(text) + "\n")


def plain(value: Any) -> Any:
    """Turn values into what JSON has: into their own document, or, such as node types, their own string."""
    if value is None or isinstance(value, str | int | float):
        return value
    if callable(document := getattr(value, "document", None)):
        return plain(document())
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and "__str__" not in type(value).__dict__:
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    return str(value)


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], indent: str = "") -> str:
    """Align columns by two spaces; columns that hold only numbers to the right."""
    cells = [["-" if cell is None or cell == "" else _in_a_cell(str(cell)) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(headers), *cells]) for i in range(len(headers))]
    numeric = [bool(cells) and all(row[i].replace(".", "", 1).isdigit() for row in cells) for i in range(len(headers))]
    lines = [indent + "  ".join(map(_pad, row, widths, numeric)).rstrip() for row in [list(headers), *cells]]
    return "\n".join(lines)


def pairs(facts: Mapping[str, object], indent: str = "") -> str:
    """Align ``name  value`` lines; names without a value are left out."""
    known = {name: outside.one_line(str(value)) for name, value in facts.items() if value not in (None, "")}
    width = max(map(len, known), default=0)
    return "\n".join(f"{indent}{name.ljust(width)}  {value}" for name, value in known.items())


def counted(number: int, noun: str) -> str:
    """Return ``1 worker`` or ``3 workers``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _in_a_cell(text: str) -> str:
    # All rows become as wide as one cell.
    return outside.one_line(outside.cut(text, MOST_IN_A_CELL))


def _pad(cell: str, width: int, numeric: bool) -> str:
    return cell.rjust(width) if numeric else cell.ljust(width)


def _envelope(kind: str, **content: Any) -> str:
    from importlib.metadata import version

    # All is ASCII; of that, only the delete character is not written out.
    text = json.dumps({"toilctl": version("toilctl"), "schema": SCHEMA, "kind": kind, **content}, indent=2)
    return text.replace("\x7f", "\\u007f")
