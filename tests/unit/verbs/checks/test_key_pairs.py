from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from toilctl.local.process.testing import TestCloud
from toilctl.values.errors import HostError, NotFoundError, UsageError
from toilctl.verbs.checks import key_pairs


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty ~/.ssh and no agent."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
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


@pytest.mark.parametrize("beside", [True, False])
def test_file_with_a_passphrase_is_known_and_wants_the_agent(ssh, agent, beside):
    public = make(ssh / "a", "-t", "ed25519", "-N", "secret")
    if not beside:
        (ssh / "a.pub").unlink()
    pair = key_pairs.KeyPair("k", public, "")
    with pytest.raises(UsageError, match=f"a passphrase.* ssh-add {ssh}/a$"):
        key_pairs.find(pair, ssh / "a")
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "secret", "-N", "", "-f", ssh / "a"], check=True)
    agent(ssh / "a")
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", ssh / "a"], check=True)
    found = key_pairs.find(pair, ssh / "a")
    assert (found.in_agent, found.path.read_text().split()) == (True, public.split()[:2])


def test_key_of_the_agent_is_found_among_nine_and_named_by_a_file(ssh, agent):
    public = [make(ssh / f"key{number}", "-t", "ed25519", "-N", "") for number in range(9)]
    agent(*(ssh / f"key{number}" for number in range(9)))
    found = key_pairs.find(key_pairs.KeyPair("k", public[8], ""))
    assert (str(found), found.path.read_text().split()) == ("in the ssh agent", public[8].split()[:2])
    assert found.path.stat().st_mode & 0o777 == 0o600
    assert key_pairs.find(key_pairs.KeyPair("k", public[8], ""), found.path) == found
    assert key_pairs.find(key_pairs.KeyPair("k", public[8], ""), ssh / "key8").path == ssh / "key8"


def test_trouble_of_a_file_that_is_meant_is_told_and_of_another_not(ssh):
    public = make(ssh / "a", "-t", "ed25519", "-N", "")
    (ssh / "k.pem").write_bytes((ssh / "a").read_bytes().replace(b"\n", b"\r\n"))
    (ssh / "k.pem").chmod(0o600)
    (ssh / "id_rsa").write_text("")
    with pytest.raises(UsageError, match=r"k\.pem has the line ends of Windows"):
        key_pairs.find(key_pairs.KeyPair("k", public, ""))
    with pytest.raises(NotFoundError):
        key_pairs.find(key_pairs.KeyPair("another", public, ""))
    (ssh / "a").rename(ssh / "id_a")
    assert key_pairs.find(key_pairs.KeyPair("k", public, "")).path == ssh / "id_a"


def test_no_key_at_all(ssh):
    with pytest.raises(NotFoundError, match="neither in the ssh agent nor in"):
        key_pairs.find(key_pairs.KeyPair("k", "ssh-ed25519 AAAA", ""))


def test_machine_without_ssh_is_told_what_to_install(ssh, monkeypatch):
    monkeypatch.setenv("PATH", str(ssh))
    with pytest.raises(HostError, match="openssh-client"):
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
