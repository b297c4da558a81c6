"""A file system that all nodes of a cluster have at the same path, on hosts and in containers."""

from __future__ import annotations

import re
from typing import Final, Self

from toilctl.values.errors import UsageError

MOUNT_POINT: Final = "/shared"
"""Where a file system is that toilctl mounts itself; group_vars/all.yml says the same to the roles."""

NFS: Final = "nfs"
_EFS: Final = "efs:"
_EFS_ID = re.compile(r"fs-[0-9a-f]{8,40}")
_PATH = re.compile(r"(/[A-Za-z0-9_@+-][A-Za-z0-9_.@+-]*)+")
_OF_THE_APPLIANCE: Final = (
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/opt/toil", "/opt/toilctl", "/proc", "/root", "/run", "/sbin",
    "/sys", "/tmp", "/usr", "/var/cache", "/var/lib", "/var/log", "/var/run", "/var/spool", "/var/tmp",  # noqa: S108
)  # fmt: skip
"""Directories of hosts and containers that a file system would hide, or be hidden by."""


class Shared(str):
    """``nfs``, ``efs:ID``, or the path at which the machine image mounts one."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Check what was asked for.

        :raises UsageError: when it is none of the three, or a path that nodes use otherwise.
        """
        if text == NFS or (text.startswith(_EFS) and _EFS_ID.fullmatch(text.removeprefix(_EFS))):
            return cls(text)
        if text.startswith(_EFS):
            raise UsageError(
                f"{text.removeprefix(_EFS)!r} is not the id of an EFS file system.",
                "It looks like fs-0123456789abcdef0; 'aws efs describe-file-systems' lists them.", shared=text,
            )  # fmt: skip
        if not text.startswith("/"):
            raise UsageError(
                f"{text!r} is not a shared file system.",
                "Write nfs, efs:ID, or the absolute path of one that the machine image mounts, such as /mnt/data.",
                shared=text,
            )
        return cls(_checked(text.rstrip("/") or "/"))

    @property
    def path(self) -> str:
        """Where it is on every node."""
        return str(self) if self.startswith("/") else MOUNT_POINT

    @property
    def efs_id(self) -> str | None:
        """The EFS file system's id, if it is one."""
        return self.removeprefix(_EFS) if self.startswith(_EFS) else None

    @property
    def about(self) -> str:
        """What it is and where, for people."""
        return f"{self}, mounted by the machine image" if self.startswith("/") else f"{self} at {self.path}"


def _checked(path: str) -> str:
    if path != "/" and not _PATH.fullmatch(path):
        raise UsageError(
            f"{path!r} cannot be the path of a shared file system.",
            "Use letters, digits and any of _ . @ + - in the names of its directories.", shared=path,
        )  # fmt: skip
    own = next((own for own in _OF_THE_APPLIANCE if path == "/" or _within(path, own) or _within(own, path)), None)
    if own:
        raise UsageError(
            f"{path} cannot be a shared file system: nodes have files of their own in {own}.",
            "Let the machine image mount it elsewhere, such as at /mnt/data.", shared=path,
        )  # fmt: skip
    return path


def _within(path: str, directory: str) -> bool:
    return f"{path}/".startswith(f"{directory}/")
