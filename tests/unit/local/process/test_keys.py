"""The user's public keys as key pairs of the rehearsal cloud: its real process, without hosts."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from toilctl.cli.app import app
from toilctl.local.hosts import hosts
from toilctl.local.process import keys, up_and_down
from toilctl.values.errors import HostError, NotFoundError, UsageError


def quiet(_: str) -> None:
    pass


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty ~/.ssh; what ran ends with the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(hosts, "left_of", lambda _: [])
    monkeypatch.setattr(hosts, "list_all", lambda _: {})
    directory = tmp_path / ".ssh"
    directory.mkdir()
    yield directory
    up_and_down.down(quiet)


@pytest.fixture
def make(ssh: Path) -> Callable[..., Path]:
    """Make a key in ~/.ssh."""

    def key(name: str, *options: str) -> Path:
        words = options or ("-t", "ed25519")
        subprocess.run(["ssh-keygen", "-q", "-N", "", *words, "-f", str(ssh / name)], check=True)
        return ssh / f"{name}.pub"

    return key


def test_up_brings_the_keys_that_ec2_would_take_named_as_their_files(ssh: Path, make: Callable[..., Path]) -> None:
    make("k")
    make("id_rsa", "-t", "rsa", "-b", "2048")
    make("id_ecdsa", "-t", "ecdsa")
    make("aws.pem").unlink()
    (ssh / "broken.pub").write_text("ssh-ed25519 AAAA me\n")
    (ssh / "text.pub").write_bytes(b"\xff\n")
    (ssh / "gone.pub").symlink_to(ssh / "nowhere")
    (ssh / "config").write_text("Host *\n")
    assert up_and_down.up(None, quiet, with_hosts=False).key_pairs == ("id_rsa", "k", "aws")
    make("later")
    again = up_and_down.up(None, quiet, with_hosts=False)
    assert (again.already, again.key_pairs) == (True, ("id_rsa", "k", "later", "aws"))


def test_key_pair_that_is_there_stays_as_it_is(make: Callable[..., Path]) -> None:
    make("k")
    up_and_down.up(None, quiet, with_hosts=False)
    make("k2")
    with pytest.raises(UsageError, match="There is a key pair 'k' with another key"):
        keys.bring("k", Path.home() / ".ssh/k2.pub")
    assert keys.bring("k", None).already


def test_key_is_brought_under_another_name(ssh: Path, make: Callable[..., Path]) -> None:
    up_and_down.up(None, quiet, with_hosts=False)
    with pytest.raises(NotFoundError, match="no public key") as caught:
        keys.bring("work", None)
    assert "ssh-keygen -t ed25519 -f ~/.ssh/work" in caught.value.next_step
    make("id_ed25519")
    assert keys.bring("work", None) == keys.Brought("work", str(ssh / "id_ed25519.pub"), already=False)
    make("own")
    assert keys.bring("own", None).path == str(ssh / "own.pub")
    said = CliRunner().invoke(app, ["local", "key", "other", "--file", str(ssh / "own")])
    assert said.output == f"Key pair 'other' is there: {ssh / 'own'}\n"


@pytest.mark.parametrize("name", ["", " k", "k\n", "ключ", "k" * 256])
def test_name_that_ec2_refuses_is_refused(name: str, make: Callable[..., Path]) -> None:
    file = make("k")
    up_and_down.up(None, quiet, with_hosts=False)
    with pytest.raises(UsageError, match="cannot be the name of a key pair"):
        keys.bring(name, file)


def test_file_without_a_key_is_refused(ssh: Path) -> None:
    (ssh / "notes").write_text("none")
    for file in (ssh / "notes", ssh / "gone"):
        with pytest.raises(UsageError, match="has no public key that EC2 takes"):
            keys.bring("k", file)


def test_without_a_cloud_there_is_nothing_to_bring_it_to(make: Callable[..., Path]) -> None:
    make("k")
    with pytest.raises(HostError, match="No rehearsal cloud"):
        keys.bring("k", None)
