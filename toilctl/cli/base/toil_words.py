"""Words that are Toil's: which of them is the job store, and how Toil spells the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from toilctl.cli.base.command import kebab
from toilctl.values.errors import UsageError
from toilctl.workflows.locator import Locator

WITH_VALUE: Final = (
    "logLevel", "logFile", "logColors", "tempDirRoot", "jobs", "outputFile", "sort", "categories", "sortCategory",
    "sortField",
)  # fmt: skip
"""Toil's options that take a value, of its commands for job stores."""
FLAGS: Final = (
    "logCritical", "logError", "logWarning", "logInfo", "logDebug", "logTrace", "logOff", "rotatingLogging",
    "failIfNotComplete", "noAggStats", "printDot", "perJob", "printPerJobStats", "printLogs", "printChildren",
    "printStatus", "printFailed",
)  # fmt: skip
_SPELLINGS: Final = {f"--{kebab(name)}": f"--{name}" for name in (*WITH_VALUE, *FLAGS)}


def split(words: Sequence[str], log_level: str | None = None) -> tuple[Locator, tuple[str, ...]]:
    """Find the job store among the words, and return it with the others, as Toil spells them.

    :param log_level: what was taken for an option of toilctl's, and is Toil's, too.
    :raises UsageError: when there is no job store.
    """
    at = _store_at(words)
    if at is None:
        raise UsageError("Which job store?", "Name it, such as aws:us-west-2:my-store.")
    rest = (*words[:at], *words[at + 1 :], *(("--logLevel", log_level) if log_level else ()))
    return Locator.parse(words[at]), tuple(_spelled(rest))


def _store_at(words: Sequence[str]) -> int | None:
    before = ""
    for at, word in enumerate(words):
        is_value = _long(before) in WITH_VALUE and "=" not in before
        if not word.startswith("-") and not is_value:
            return at
        before = word
    return None


def _spelled(words: Iterable[str]) -> Iterable[str]:
    for word in words:
        name, equals, value = word.partition("=")
        yield f"{_SPELLINGS.get(name, name)}{equals}{value}" if word.startswith("--") else word


def _long(word: str) -> str:
    name = word.partition("=")[0]
    return _SPELLINGS.get(name, name).lstrip("-")
