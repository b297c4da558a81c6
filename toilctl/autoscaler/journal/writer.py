"""Where a tick's report goes: a rotated file and standard output, a line each, and the last one in full."""

from __future__ import annotations

import json
import logging
import os
import sys
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final, TextIO

from toilctl.autoscaler.journal.report import JOURNAL, LAST_REPORT, TickReport
from toilctl.system import files

MAX_BYTES: Final = 10_000_000
FILES: Final = 5
MOST_BYTES: Final = 200_000_000
"""Of the last report: some thousand bytes for each of many thousand nodes."""


class Journal:
    """The reports of a state directory. A full disk costs lines, never the loop."""

    def __init__(self, state_dir: Path, out: TextIO = sys.stdout) -> None:
        self._last = state_dir / Path(LAST_REPORT).name
        self._out = out
        self._lines = _Rotated(state_dir / Path(JOURNAL).name)

    def last(self) -> TickReport | None:
        """Return the last report, this process's or that of one before; None when there is none that can be read."""
        try:
            return TickReport.of(json.loads(files.read_regular(self._last, MOST_BYTES)))
        except (OSError, ValueError, RecursionError):
            return None

    def write(self, report: TickReport) -> str:
        """Keep a report; return what went wrong, or an empty string."""
        line = _json(report.document(full=False))
        problems = [self._lines.write(line), self._replace_last(_json(report.document(full=True)))]
        with suppress(OSError, ValueError):
            print(line, file=self._out, flush=True)
        return "; ".join(filter(None, problems))

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def _replace_last(self, text: str) -> str:
        new = self._last.with_suffix(".new")
        try:
            new.write_text(text + "\n")
            os.replace(new, self._last)  # noqa: PTH105 - the atomic one, by its own name
        except OSError as error:
            return f"{self._last} cannot be written: {error.strerror}"
        return ""


class _Rotated(RotatingFileHandler):
    """A rotated file that opens when first written, and that says what went wrong instead of printing it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=MAX_BYTES, backupCount=FILES - 1, encoding="utf-8", delay=True)
        self._problem = ""

    def write(self, line: str) -> str:
        self._problem = ""
        self.handle(logging.makeLogRecord({"msg": "%s", "args": (line,)}))
        return self._problem

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - logging's name
        self._problem = f"{self.baseFilename} cannot be written: {sys.exc_info()[1]}"


def _json(document: dict[str, Any]) -> str:
    # In ASCII a line is a line for everybody, whatever jobs are called.
    return json.dumps(document, separators=(",", ":"))
