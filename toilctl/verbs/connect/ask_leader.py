"""Asks the program in the leader's container, ``toilctl_leader``: one JSON document there, one back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from toilctl.system import progress, ssh
from toilctl.values import errors
from toilctl.values.cluster import Cluster
from toilctl.values.errors import ConflictError, ConnectError, ToilctlError
from toilctl.values.outside import brief, cut, document
from toilctl.verbs.connect import let_in
from toilctl.verbs.connect import ssh_cluster as sessions
from toilctl.workflows import told

PROGRAM: Final = ("python3", "-m", "toilctl_leader")
DIRECTORY: Final = "/var/lib/toilctl/workflows"
"""Where deployments and runs are, at the same path on the leader and in its container; deployments on workers, too."""
TIMEOUT_S: Final = 120.0
MOST_SAID: Final = 4000
"""Characters of a refusal's sentences; pip's reasons have several lines."""
_SHOWN: Final = 200
_FOLLOWED: Final = frozenset({"appliance_image", "reason", "result", "ssh_key"})
"""Facts of errors that this machine goes by: a leader has no say in them."""


def ask(  # noqa: PLR0913 - whom, what, and how long
    cluster: Cluster,
    ssh_key: Path | None,
    verb: str,
    request: Mapping[str, Any],
    *,
    doing: str = "Ask the leader",
    timeout_s: float = TIMEOUT_S,
) -> Any:
    """Let the leader do something, and return its answer.

    :param verb: ``MODULE.VERB`` of ``toilctl_leader``.
    :raises ToilctlError: of the class whose code the leader named.
    :raises ConflictError: when the leader was set up by a toilctl that does not know this yet.
    :raises ConnectError: when the leader cannot be reached, or its answer cannot be read.
    """
    key = sessions.session_key(cluster, ssh_key)
    with progress.step(doing):
        text = let_in.with_admission(
            cluster, lambda: _asked(ssh.leader_of(cluster, key), verb, json.dumps(request), timeout_s)
        )
    return answered(text, verb)


def answered(text: str, verb: str) -> Any:
    """Read an answer.

    :raises ToilctlError: when it says that nothing was done.
    """
    with understood(verb):
        try:
            found = document(text)
            refused = found.get("refused")
        except (ValueError, AttributeError):
            raise ValueError(repr(text[:_SHOWN])) from None
        if not refused:
            return found["answer"]
        kind = errors.named(str(refused["code"]), ToilctlError)
        error = kind(*(cut(str(refused[part]), MOST_SAID) for part in ("message", "next_step")))
        facts = dict(refused.get("facts") or {})
        brief_enough = len(json.dumps(facts)) <= told.MOST_LETTERS
        error.facts = {name: value for name, value in facts.items() if brief_enough and name not in _FOLLOWED}
    raise error


@contextmanager
def understood(verb: str) -> Iterator[None]:
    """Read an answer: what of it is not as it has to be is the leader's fault.

    :raises ConnectError: for what Python says of it: of a part that is missing, or of another kind.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ConnectError(
            f"The leader's answer to {verb} cannot be read: {brief(why)}.",
            "Try again, with --debug; another toilctl may have set it up.", verb=verb,
        ) from error  # fmt: skip


def last_words(said: str | None, code: int) -> str:
    """Return what a program that failed said last, for a sentence of ours."""
    lines = (said or "").rsplit("\n", 100)
    return next((brief(one) for one in reversed(lines) if one.strip()), f"exit code {code}")


def _asked(leader: ssh.SshTarget, verb: str, request: str, timeout_s: float) -> str:
    command = ssh.in_container(leader.container, (*PROGRAM, verb))
    try:
        return ssh.capture(leader, command, timeout_s, request)
    except subprocess.TimeoutExpired as error:
        raise ConnectError(
            f"The leader did not answer {verb} in {error.timeout:g} s.",
            f"Look there: toilctl ssh-cluster --host {leader.cluster.name}", instance_id=leader.node.instance_id,
        ) from error  # fmt: skip
    except subprocess.CalledProcessError as error:
        said = last_words(error.stderr, error.returncode)
        if "No module named" in said and "toilctl_leader" in said:
            raise ConflictError(
                "This leader was set up by an older toilctl, which knows nothing of runs and deployments.",
                "Type the launch-cluster command again with this toilctl; it brings the leader up to date.",
            ) from error
        raise ConnectError(
            f"The leader {leader.node.instance_id} could not do {verb}: {said}",
            f"Add --debug, or look there: toilctl ssh-cluster --host {leader.cluster.name}",
            instance_id=leader.node.instance_id,
        ) from error  # fmt: skip
