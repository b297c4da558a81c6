"""``python3 -m toilctl_leader MODULE.VERB``: a request as JSON on stdin, the answer on stdout.

The answer is ``{"answer": …}``, or ``{"refused": {"code", "message", "next_step", "facts"}}``; both end with 0. A verb
is a function in a module's ``VERBS`` that takes the request, and returns what JSON has.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from typing import Any

from toilctl_leader.refused import RefusedError

MODULES = ("deployments", "runs", "stores")


def verb_named(name: str) -> Callable[[dict[str, Any]], Any]:
    """Return a verb; its module is imported only now.

    :raises RefusedError: when there is none of that name.
    """
    module, _, verb = name.partition(".")
    if module in MODULES:
        verbs = importlib.import_module(f"toilctl_leader.{module}").VERBS
        if verb in verbs:
            found: Callable[[dict[str, Any]], Any] = verbs[verb]
            return found
    raise RefusedError(
        "conflict", f"This leader knows no {name!r}: another toilctl has set it up.",
        "Type the launch-cluster command again with this toilctl; it brings the leader up to date.",
    )  # fmt: skip


def main(name: str) -> None:
    """Answer one request."""
    # What a verb prints must not end up in the answer.
    answer_to, sys.stdout = sys.stdout, sys.stderr
    request = json.loads(sys.stdin.read() or "{}")
    try:
        document = {"answer": verb_named(name)(request)}
    except RefusedError as error:
        document = {"refused": error.document()}
    answer_to.write(json.dumps(document) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
