from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from toilctl.local.process.testing import TestCloud
from toilctl.values.errors import NotFoundError, UsageError
from toilctl.verbs.checks import key_pairs


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty ~/.ssh and no agent."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    directory = tmp_path / ".ssh"
    directory.mkdir(mode=0o700)
    return directory


def make(path: Path, *options: str) -> str:
    subprocess.run(["ssh-keygen", "-q", *options, "-f", str(path)], check=True)
    return path.with_name(path.name + ".pub").read_text()


def test_created_rsa_key_pair_is_found_by_its_name(ssh, aws_env):
    material = aws_env.client("ec2").create_key_pair(KeyName="k")["KeyMaterial"]
    (ssh / "k.pem").write_text(material)
    (ssh / "k.pem").chmod(0o600)
    assert key_pairs.find(key_pairs.key_pair("us-west-2", "k")).path == ssh / "k.pem"


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_imported_key_pair_is_found_under_any_usual_name(ssh, aws_env: TestCloud, kind):
    make(ssh / "id_rsa", "-t", "rsa", "-b", "2048", "-N", "")
    public = make(ssh / "id_work", "-t", kind, "-N", "")
    aws_env.client("ec2").import_key_pair(KeyName="k", PublicKeyMaterial=public.encode())
    assert key_pairs.find(key_pairs.key_pair("us-west-2", "k")).path == ssh / "id_work"


# The fingerprints are what `openssl rsa -pubout -outform DER | openssl md5 -c`, `openssl pkcs8 -outform DER -topk8
# -nocrypt | openssl sha1 -c` and `ssh-keygen -l` print: those that EC2 documents.
@pytest.mark.parametrize(
    ("kind", "shell"),
    [
        ("rsa", "openssl rsa -in {key} -pubout -outform DER 2>/dev/null | openssl md5 -c | sed 's/.*= *//'"),
        ("rsa", "openssl pkcs8 -in {key} -inform PEM -outform DER -topk8 -nocrypt | openssl sha1 -c | sed 's/.*= *//'"),
        ("ed25519", "ssh-keygen -l -f {key}.pub | sed 's/.*SHA256://; s/ .*/=/'"),
    ],
    ids=["imported rsa", "created rsa", "ed25519"],
)
def test_key_pair_whose_public_key_is_not_told_is_compared_by_fingerprint(ssh, kind, shell):
    options = ("-t", kind, "-N", "", *(("-b", "2048", "-m", "PEM") if kind == "rsa" else ()))
    make(ssh / "id_x", *options)
    make(ssh / "id_a", *options)
    command = shell.format(key=ssh / "id_x")
    printed = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout.strip()
    assert key_pairs.find(key_pairs.KeyPair("k", None, printed)).path == ssh / "id_x"


def test_named_file_that_is_another_key_is_refused(ssh):
    wanted, other = make(ssh / "a", "-t", "ed25519", "-N", ""), ssh / "b"
    make(other, "-t", "ed25519", "-N", "")
    with pytest.raises(UsageError, match="is not the private key of key pair 'k'"):
        key_pairs.find(key_pairs.KeyPair("k", wanted, ""), other)


def test_file_with_a_passphrase_is_compared_by_the_public_key_beside_it(ssh):
    public = make(ssh / "a", "-t", "ed25519", "-N", "secret")
    assert key_pairs.find(key_pairs.KeyPair("k", public, ""), ssh / "a").path == ssh / "a"
    (ssh / "a.pub").unlink()
    with pytest.raises(UsageError, match="without a passphrase"):
        key_pairs.find(key_pairs.KeyPair("k", public, ""), ssh / "a")


def test_no_key_at_all(ssh):
    with pytest.raises(NotFoundError, match="neither in the ssh agent nor in"):
        key_pairs.find(key_pairs.KeyPair("k", "ssh-ed25519 AAAA", ""))


@pytest.mark.parametrize("named", ["IdentityAgent {agent}", 'IdentityAgent "{agent}"', "IdentityAgent $OTHER", ""])
def test_agent_is_the_one_that_ssh_asks(tmp_path, monkeypatch, named):
    """As on macOS, where the environment has an agent of the system's, and the configuration a password manager's."""
    listing = "case $SSH_AUTH_SOCK in *'1 Password'*) echo ssh-ed25519 AAAA;; *) exit 1;; esac"
    agent = tmp_path / "1 Password/agent.sock"
    for name, text in (("ssh", f"cat '{tmp_path}/told'"), ("ssh-add", listing)):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    # What ssh -G prints of it.
    told = "user me\n" + (named.format(agent=agent).replace("IdentityAgent", "identityagent") + "\n" if named else "")
    (tmp_path / "told").write_text(told)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("OTHER", str(agent))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "of-the-system") if named else str(agent))
    assert key_pairs.find(key_pairs.KeyPair("k", "ssh-ed25519 AAAA", "")) == key_pairs.PrivateKey(None)


def test_ssh_that_asks_no_agent_is_believed(ssh, monkeypatch):
    (ssh / "config").write_text("Host *\n  IdentityAgent none\n")
    real = subprocess.run

    def run(argv, **options):
        assert argv[0] != "ssh-add"
        return real([*argv, "-F", str(ssh / "config")] if argv[0] == "ssh" else argv, **options)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setenv("SSH_AUTH_SOCK", "/nowhere")
    with pytest.raises(NotFoundError):
        key_pairs.find(key_pairs.KeyPair("k", "ssh-ed25519 AAAA", ""))


@pytest.mark.parametrize(
    ("files", "rehearsal", "step"),
    [
        (("id_rsa",), False, "--key-name new --public-key-material fileb://{ssh}/id_rsa.pub"),
        (("id_rsa", "new"), False, "--public-key-material fileb://{ssh}/new.pub"),
        ((), False, "ssh-keygen -t ed25519 -f ~/.ssh/new, then aws ec2 import-key-pair"),
        (("id_rsa",), True, "Bring yours: toilctl local key new"),
        ((), True, "ssh-keygen -t ed25519 -f ~/.ssh/new, then toilctl local key new"),
    ],
)
def test_key_pair_that_is_not_there_is_told_with_what_brings_it(ssh, aws_env, files, rehearsal, step):
    for name in files:
        make(ssh / name, "-t", "ed25519", "-N", "")
    with pytest.raises(NotFoundError) as caught:
        key_pairs.key_pair("us-west-2", "new", rehearsal=rehearsal)
    assert step.format(ssh=ssh) in caught.value.next_step
    assert "Name one of those" not in caught.value.next_step
