"""What the Toil that is installed here makes of a command's words."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any
from unittest import mock


def taken_by_toil(program: str, words: Sequence[str], own: Sequence[str] = ()) -> tuple[Any, list[str]]:
    """Return Toil's options, and the words that its parser does not know.

    :param own: the workflow's own options, as ``documents.Line`` has them.
    :raises SystemExit: when it refuses the words.
    """
    # Its runners look at the process's own command line, too.
    with mock.patch.object(sys, "argv", [program, *words]):
        parser = _parser(program)
        for option in own:
            name, has_value, several = option.partition("=")
            more: dict[str, Any] = {"nargs": several or None} if has_value else {"action": "store_true"}
            parser.add_argument(name, **more)
        return parser.parse_known_args(list(words))


def _parser(program: str) -> Any:
    from configargparse import ArgParser
    from toil.common import addOptions
    from toil.job import Job

    if program == "toil-cwl-runner":
        parser = ArgParser(allow_abbrev=False)
        addOptions(parser, jobstore_as_flag=True, cwl=True)
    elif program == "toil-wdl-runner":
        parser = ArgParser()
        addOptions(parser, jobstore_as_flag=True, wdl=True)
    else:
        parser = Job.Runner.getDefaultArgumentParser()
    return parser
