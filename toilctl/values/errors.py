"""Errors that reach a user: facts as attributes, an exit code on the class, a text that ends with the next step."""

from __future__ import annotations

from typing import Any, ClassVar


class ToilctlError(Exception):
    """Something a user can act on.

    ``message`` is one sentence that says what is wrong; ``next_step`` one that says what to do about it. ``facts``
    are the values that the sentence speaks of, for ``--output json``.
    """

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "error"

    def __init__(self, message: str, next_step: str = "", **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.facts = facts

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}".strip()


class UsageError(ToilctlError):
    """The command line or a value on it is wrong; nothing was done."""

    exit_code = 2
    code = "usage"


class CredentialsError(ToilctlError):
    """AWS credentials are missing, expired, or lack a permission."""

    exit_code = 3
    code = "credentials"


class NotFoundError(ToilctlError):
    """A cluster, node, key pair or image that was named does not exist."""

    exit_code = 4
    code = "not-found"


class ConflictError(ToilctlError):
    """What was asked contradicts what exists: other settings, two matches, a cluster being destroyed."""

    exit_code = 5
    code = "conflict"


class PartialError(ToilctlError):
    """Part of what was asked is there and works; the rest is named."""

    exit_code = 6
    code = "partial"


class CapacityError(ToilctlError):
    """EC2 has no capacity, or the account no quota, for what was asked."""

    exit_code = 7
    code = "capacity"


class NotYetError(ToilctlError):
    """A feature that toilctl does not have yet."""

    exit_code = 8
    code = "not-yet"


class HostError(ToilctlError):
    """This machine lacks something: a Docker engine, disk space, a free port, ssh, rsync, Toil, or a way to AWS."""

    exit_code = 9
    code = "host"


class LeftoversError(ToilctlError):
    """Something of a destroyed cluster still exists; ``facts['left']`` lists it."""

    exit_code = 10
    code = "leftovers"


class PlaybookError(ToilctlError):
    """A playbook failed; ``facts['log']`` names its log."""

    exit_code = 11
    code = "playbook"


class EngineError(ToilctlError):
    """The cluster's engine (Mesos or Slurm) does not answer, or answers nonsense."""

    exit_code = 12
    code = "engine"


class ConnectError(ToilctlError):
    """A node cannot be reached over ssh, or its host key changed."""

    exit_code = 13
    code = "connect"


class Interrupted(ToilctlError):
    """Ctrl-C; what was done so far is there, and the next step says how to go on."""

    exit_code = 130
    code = "interrupted"


class OutputLost(ToilctlError):
    """Who read the output, such as head, has gone; what was asked for went on until then."""

    exit_code = 141
    code = "output-lost"


def named(code: str, otherwise: type[ToilctlError]) -> type[ToilctlError]:
    """Return the class of errors that has a code, as other processes name theirs; not of what only happens here."""
    own = (Interrupted, OutputLost)
    return {kind.code: kind for kind in ToilctlError.__subclasses__() if kind not in own}.get(code, otherwise)
