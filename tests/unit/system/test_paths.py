"""A disk that is full or read-only: one sentence, whatever was to be written."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from toilctl.cli.base import command
from toilctl.engines import client
from toilctl.system import paths, playbooks, ssh
from toilctl.system.ssh import agent
from toilctl.values.cluster import Cluster
from toilctl.values.errors import HostError, ToilctlError
from toilctl.verbs.reports import kept_journals


@pytest.fixture
def read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory below which nothing can be made; root, too, is told so."""
    home = tmp_path / "home"

    def refuse(self: Path, *_: object, **__: object) -> None:
        if self.is_relative_to(home):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))
        os.mkdir(self)  # noqa: PTH102

    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    monkeypatch.setattr(Path, "mkdir", refuse)
    return home


WRITES: dict[str, Callable[[Cluster], object]] = {
    "a log": lambda _: playbooks._new_log(playbooks.PlaybookTarget("us-west-2", "c"), "launch.yml"),
    "known hosts": lambda cluster: ExitStack().enter_context(ssh.own_messages(ssh.SshTarget(cluster, cluster.leader))),
    "a key": lambda _: agent.key_file("ssh-ed25519 AAAA"),
    "a journal": lambda cluster: kept_journals._write(cluster, b"x"),
}


@pytest.mark.parametrize("what", WRITES)
def test_read_only_home_is_one_sentence_with_the_way_out(what: str, cluster: Cluster, read_only: Path) -> None:
    with pytest.raises(HostError, match=r"cannot be written: Read-only file system\.") as caught:
        WRITES[what](cluster)
    assert str(read_only) in caught.value.message
    assert caught.value.next_step.endswith("export XDG_STATE_HOME=DIRECTORY")


def test_engine_is_not_blamed_for_this_machines_disk(cluster: Cluster, read_only: Path) -> None:
    with pytest.raises(HostError, match="Read-only"):
        client.ask(lambda _: ssh.in_leader(cluster)(["true"]), ["true"], "Slurm")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM])
def test_disk_is_never_something_unforeseen(code: int) -> None:
    known = command._known(OSError(code, os.strerror(code), "/x/y"))
    assert (known.exit_code, known.message) == (9, f"/x/y cannot be written: {os.strerror(code)}.")
    assert ("room" in known.next_step) == (code in (errno.ENOSPC, errno.EDQUOT))


def test_other_errors_of_the_system_are_unforeseen() -> None:
    assert type(command._known(OSError(errno.EBADF, "x"))) is ToilctlError


def test_directory_that_is_made_is_its_users_alone(tmp_path: Path) -> None:
    assert paths.made(tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
