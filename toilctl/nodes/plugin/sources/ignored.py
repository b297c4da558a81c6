"""Git's lists of what belongs to no project, as gitignore(5) has them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

FILE = ".gitignore"
_BOUND = 100_000
"""Bytes of a list that are read."""


class Ignored:
    """The lists that hold in one directory: its own, and those of the directories above, up to the root."""

    def __init__(self, rules: Iterable[tuple[str, str]] = ()) -> None:
        self._rules = tuple(rules)

    def below(self, directory: Path, relative: str) -> Ignored:
        """Return the lists that hold in a directory, whose path is relative to the root; ``""`` is the root."""
        return Ignored((*self._rules, *((relative, pattern) for pattern in _patterns(directory / FILE))))

    def has(self, relative: str, *, is_directory: bool) -> bool:
        """Tell whether a path relative to the root is listed; of several patterns the last one decides."""
        for base, pattern in reversed(self._rules):
            inner = relative[len(base) + 1 :] if base else relative
            negated, only_directories, expression = _compiled(pattern)
            if (is_directory or not only_directories) and expression.fullmatch(inner):
                return not negated
        return False


def _patterns(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as opened:
            text = opened.read(_BOUND).decode("utf-8", "replace")
    except OSError:
        return
    for line in text.splitlines():
        # Spaces at the end do not count, unless the last one has a backslash before it.
        pattern = re.sub(r"(?<!\\) +$", "", line)
        if pattern and not pattern.startswith("#"):
            yield pattern


@lru_cache(maxsize=1000)
def _compiled(pattern: str) -> tuple[bool, bool, re.Pattern[str]]:
    """Return whether a pattern takes something back, whether it is for directories, and what it matches."""
    negated = pattern.startswith("!")
    pattern = pattern[1:] if negated else pattern
    only_directories = pattern.endswith("/")
    pattern = pattern.rstrip("/")
    anchored = "/" in pattern
    text = _expression(pattern.removeprefix("/"))
    try:
        return negated, only_directories, re.compile(text if anchored else f"(?:.*/)?{text}", re.DOTALL)
    except re.error:
        # A class such as [z-a] matches nothing.
        return negated, only_directories, re.compile(r"(?!)")


def _expression(pattern: str) -> str:
    found, at = [], 0
    while at < len(pattern):
        for mark, expression in (("**/", "(?:.*/)?"), ("/**", "/.*"), ("*", "[^/]*"), ("?", "[^/]")):
            if pattern.startswith(mark, at) and _stands_alone(mark, pattern, at):
                found.append(expression)
                at += len(mark)
                break
        else:
            text, at = _literal(pattern, at)
            found.append(text)
    return "".join(found)


def _stands_alone(mark: str, pattern: str, at: int) -> bool:
    """Tell whether two asterisks are all that there is between slashes; else they are as one."""
    if mark == "**/":
        return at == 0 or pattern[at - 1] == "/"
    return mark != "/**" or at + len(mark) == len(pattern)


def _literal(pattern: str, at: int) -> tuple[str, int]:
    if pattern[at] == "[":
        end = pattern.find("]", at + 2 + pattern.startswith("!", at + 1))
        if end > 0:
            inner = pattern[at + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            inner = f"^{inner[1:]}" if inner.startswith("!") else inner
            return f"(?!/)[{inner}]", end + 1
    if pattern[at] == "\\" and at + 1 < len(pattern):
        return re.escape(pattern[at + 1]), at + 2
    return re.escape(pattern[at]), at + 1
