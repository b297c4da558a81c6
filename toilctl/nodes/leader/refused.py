"""How a program here answers, and why something was not done, as toilctl tells its user."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any


class RefusedError(Exception):
    """One of ``toilctl.values.errors``, by its code; ``next_step`` is a sentence."""

    def __init__(self, code: str, message: str, next_step: str, **facts: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.next_step = next_step
        self.facts = facts

    def document(self) -> dict[str, Any]:
        """Return what ``toilctl.verbs.connect.ask_leader`` reads."""
        return {"code": self.code, "message": self.message, "next_step": self.next_step, "facts": self.facts}


def answer(verb: Callable[[dict[str, Any]], Any]) -> None:
    """Read a request from stdin, and write on stdout what a verb returns for it, or why it was refused."""
    # What a verb, or Toil, prints must not end up in the answer.
    answer_to, sys.stdout = sys.stdout, sys.stderr
    request = json.loads(sys.stdin.read() or "{}")
    try:
        document = {"answer": verb(request)}
    except RefusedError as error:
        document = {"refused": error.document()}
    answer_to.write(json.dumps(document) + "\n")
