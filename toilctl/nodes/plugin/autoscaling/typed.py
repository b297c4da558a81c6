"""What a workflow's parser is given of the scaler's options: older spellings written as it knows them, and remembered.

Toil's configuration does not tell a value that somebody typed from a default.
"""

from __future__ import annotations

import argparse
import functools
import logging
import sys
from typing import Any

from .. import cluster_settings
from . import scaler_options

logger = logging.getLogger(f"toil.{__name__}")

_names: set[str] = set()
_defaults: dict[str, object] = {}


def is_asked(option: scaler_options.ScalerOption, dest: str, value: object) -> bool:
    """Tell whether an option was typed, or a program set its value to another than Toil's default."""
    return option.name in _names or (dest in _defaults and value != _defaults[dest])


@functools.cache
def install() -> None:
    """On a leader of toilctl's, look at the words that parsers with Toil's options are given."""
    if cluster_settings.find() is None:
        return
    parse = argparse.ArgumentParser.parse_known_args

    @functools.wraps(parse)
    def modernize_and_parse(self: Any, args: Any = None, namespace: Any = None) -> Any:
        known = self._option_string_actions
        if "--provisioner" in known and scaler_options.MIN in known:
            args, changes = scaler_options.modern([*(sys.argv[1:] if args is None else args)], known)
            for one in changes:
                _say(" ".join(one.before), " ".join(one.after), one.why)
            _remember(self, args)
        return parse(self, args, namespace)

    argparse.ArgumentParser.parse_known_args = modernize_and_parse  # type: ignore[method-assign]


def _remember(parser: Any, words: list[str]) -> None:
    _names.clear()
    for word in words[: words.index("--") if "--" in words else len(words)]:
        option = scaler_options.find(word)
        if option:
            _names.add(option.name)
    _defaults.clear()
    _defaults.update({action.dest: action.default for action in parser._actions})


@functools.cache
def _say(before: str, after: str, why: str) -> None:
    logger.warning("toilctl: %s %s: %s.", before, f"is read as {after}" if after else "is left out", why)
