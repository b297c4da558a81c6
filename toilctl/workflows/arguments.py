"""Words of a command as a workflow's own parser takes them: options with their values, and words by themselves."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from toilctl.values.errors import UsageError
from toilctl.workflows import toil_options

SHELL_ONLY: Final = ""
"""Instead of words that are not known before a shell has expanded them."""

_ASSIGNMENT: Final = re.compile(r"(?P<name>[A-Za-z_]\w*)=.*", re.DOTALL)
_PREFIXES: Final = frozenset({"env", "nohup", "time"})
_PYTHON: Final = re.compile(r"(python|pypy)[\d.]*")
_PYTHON_FLAGS_WITH_VALUE: Final = frozenset({"-W", "-X"})
_SHELLS: Final = frozenset({"bash", "dash", "sh", "zsh"})
_SHELL_FLAG: Final = re.compile(r"-[a-z]*c")


@dataclass(frozen=True)
class Argument:
    """An option, with its value if it has one, or a word by itself."""

    words: tuple[str, ...]
    option: str = ""
    """Nothing for a word by itself."""
    value: str | None = None
    unsure: bool = False
    """It stands right behind an option that is not Toil's, and may be that one's value."""


def scan(words: Sequence[str]) -> tuple[Argument, ...]:
    """Tell options and other words apart, behind the program. After ``--`` there are no options."""
    end = words.index("--") if "--" in words else len(words)
    found: list[Argument] = []
    at = 0
    while at < end:
        found.append(_take(words[at], words[at + 1] if at + 1 < end else None, found[-1] if found else None))
        at += len(found[-1].words)
    return (*found, *(Argument((word,)) for word in words[end:]))


def _take(word: str, following: str | None, before: Argument | None) -> Argument:
    option = toil_options.name_of(word)
    if not option:
        return Argument((word,), unsure=before is not None and _may_take_more(before))
    if "=" in word:
        return Argument((word,), option, word.partition("=")[2])
    if option in toil_options.TAKING and following is not None and not toil_options.name_of(following):
        return Argument((word, following), option, following)
    return Argument((word,), option)


def _may_take_more(before: Argument) -> bool:
    """Tell whether the next word may still belong to an option: one of the workflow's own may take many."""
    return before.unsure or (bool(before.option) and before.value is None and before.option not in toil_options.KNOWN)


def last(arguments: Iterable[Argument], *options: str) -> str | None:
    """Return the value that counts of an option, which may have several names: the last one."""
    values = [one.value for one in arguments if one.option in options and one.value]
    return values[-1] if values else None


def program_length(words: Sequence[str]) -> int:
    """Return how many words start the program: ``cactus``, ``python -u sort.py``, ``env A=b python3 -m pkg.main``.

    They are more than there are when the program itself is missing.
    """
    start = prefix_length(words)
    if start < len(words) and _PYTHON.fullmatch(PurePosixPath(words[start]).name):
        return _python_length(words, start + 1)
    return start + 1


def prefix_length(words: Sequence[str]) -> int:
    """Return how many words stand before the program: ``env``, ``nohup``, ``time``, and variables."""
    for at, word in enumerate(words):
        if PurePosixPath(word).name not in _PREFIXES and not _ASSIGNMENT.fullmatch(word):
            return at
    return len(words)


def _python_length(words: Sequence[str], at: int) -> int:
    while at < len(words) and words[at].startswith("-"):
        if words[at] in ("-m", "-c"):
            return at + 2
        at += 2 if words[at] in _PYTHON_FLAGS_WITH_VALUE else 1
    return at + 1


def variable_in(word: str) -> str | None:
    """Return the name of the variable that a word sets for a command in a shell; None when it does not."""
    found = _ASSIGNMENT.fullmatch(word)
    return found["name"] if found else None


def shell_line(words: Sequence[str]) -> str | None:
    """Return the line that a shell is to run, as in ``bash -c LINE``; None when the command is none of a shell."""
    at = prefix_length(words)
    shell = words[at : at + 3]
    is_one = len(shell) == 3 and PurePosixPath(shell[0]).name in _SHELLS and _SHELL_FLAG.fullmatch(shell[1])
    return shell[2] if is_one else None


def split(line: str) -> tuple[str, ...]:
    """Return the words of a shell's line; ``SHELL_ONLY`` instead of those that only the shell knows.

    :raises UsageError: when a quote is not closed.
    """
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        return tuple(SHELL_ONLY if re.search(r"[$`]", word) else word for word in lexer)
    except ValueError:
        raise UsageError(
            "A quote in the shell line is not closed.", "Close it, or give the command's words without quotes."
        ) from None
