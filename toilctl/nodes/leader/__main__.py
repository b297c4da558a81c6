"""``python3 -m toilctl_leader MODULE.VERB``: a request as JSON on stdin, the answer on stdout.

The answer is ``{"answer": …}``, or ``{"refused": {"code", "message", "next_step", "facts"}}``; both end with 0. A verb
is a function in a module's ``VERBS`` that takes the request, and returns what JSON has.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

from .refused import RefusedError, answer

MODULES = {"deployments": "deployments.verbs", "runs": "runs.verbs", "stores": "job_stores.verbs"}


def verb_named(name: str) -> Callable[[dict[str, Any]], Any]:
    """Return a verb; its module is imported only now.

    :raises RefusedError: when there is none of that name.
    """
    module, _, verb = name.partition(".")
    if module in MODULES:
        verbs = importlib.import_module(f"{__package__}.{MODULES[module]}").VERBS
        if verb in verbs:
            found: Callable[[dict[str, Any]], Any] = verbs[verb]
            return found
    raise RefusedError(
        "conflict", f"This leader knows no {name!r}: another toilctl has set it up.",
        "Type the launch-cluster command again with this toilctl; it brings the leader up to date.",
    )  # fmt: skip


def main(name: str) -> None:
    """Answer one request."""

    def verb(request: dict[str, Any]) -> Any:
        return verb_named(name)(request)

    answer(verb)


if __name__ == "__main__":
    main(sys.argv[1])
