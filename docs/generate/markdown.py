"""Markdown as the pages need it: headings, tables, words of code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

_HEAD: Final = "<!-- make docs writes this page. -->"
_SPECIAL: Final = re.compile(r"([<>\[\]*|])")


def page(title: str, *parts: str) -> str:
    """Return a page; empty parts are left out."""
    return "\n\n".join([_HEAD, f"# {title}", *(part.strip("\n") for part in parts if part)]) + "\n"


def code(text: object) -> str:
    """Return words of code, in a table, too; nothing of nothing."""
    shown = str(text).replace("|", r"\|")
    return f"`{shown}`" if shown else ""


def plain(text: str) -> str:
    """Return a docstring, help or comment as Markdown: on one line, its marks kept from meaning something."""
    words = re.sub(r"\s+", " ", text.strip())
    parts = re.split(r"(``[^`]+``|`[^`]+`)", words)
    shown = (
        code(part.strip("`")) if part.startswith("`") else re.sub(r"(?<![\w/])(--[a-z][\w-]*)", r"`\1`", _escape(part))
        for part in parts
    )
    return "".join(shown)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; without rows, nothing."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", f"|{'|'.join('---' for _ in head)}|", *lines]) if lines else ""


def sentence(text: str) -> str:
    """Return a text with a full stop at its end."""
    return text if not text or text.endswith((".", ":")) else f"{text}."


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)
