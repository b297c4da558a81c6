"""Files that should have a private key, and the commands that mend them, which are run."""

import shutil
import subprocess
from pathlib import Path

import pytest

from toilctl.system.ssh import key_files
from toilctl.values.errors import UsageError


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A private key, its public one beside it, and the same with a passphrase."""
    directory = tmp_path_factory.mktemp("keys")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / "k"], check=True)
    shutil.copy(directory / "k", directory / "closed")
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", directory / "closed"], check=True)
    return directory


@pytest.fixture(autouse=True)
def _no_agent(monkeypatch):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@pytest.fixture
def written(made, tmp_path):
    """Write a file of the key's, changed."""

    def write(change=lambda text: text, mode=0o600, name="my key", of="k"):
        path = tmp_path / name
        path.write_bytes(change((made / of).read_bytes()))
        path.chmod(mode)
        return path

    return write


def test_usable_file_is_named_as_it_is(written, made):
    path = written()
    assert key_files.usable(path) == path
    assert key_files.look(path).public.split()[:2] == (made / "k.pub").read_text().split()[:2]


MENDED_IN_PLACE = {
    "its mode": (lambda text: text, 0o644, "others may read it (mode 0644)"),
    "its mode for the group": (lambda text: text, 0o640, "others may read it (mode 0640)"),
    "line ends of Windows": (lambda text: text.replace(b"\n", b"\r\n"), 0o600, "line ends of Windows (CRLF)"),
    "no last line end": (bytes.rstrip, 0o600, "no end of line after its last one"),
    "a byte order mark": (lambda text: b"\xef\xbb\xbf" + text, 0o600, "begins with a byte order mark"),
    "indented": (lambda text: b"\n    " + text.replace(b"\n", b"\n    "), 0o600, "has blanks in front of its lines"),
    "all of Windows": (
        lambda text: b"\xef\xbb\xbf" + text.rstrip().replace(b"\n", b"\r\n"), 0o644, "begins with a byte order mark",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", MENDED_IN_PLACE)
def test_trouble_is_named_and_its_command_mends_it(written, kind):
    change, mode, text = MENDED_IN_PLACE[kind]
    path = written(change, mode)
    first = key_files.look(path).trouble
    assert text in first.message
    for _ in range(5):
        trouble = key_files.look(path).trouble
        if trouble is None:
            break
        subprocess.run(["sh", "-c", trouble.next_step.removeprefix("Mend it: ")], check=True)
    assert key_files.usable(path) == path


def test_utf_16_is_written_anew(written, tmp_path):
    path = written(lambda text: text.decode().encode("utf-16"))
    trouble = key_files.look(path).trouble
    assert "is written in UTF-16" in trouble.message
    command = trouble.next_step.removeprefix("Write it anew: ").partition("; then")[0]
    subprocess.run(["sh", "-c", command], check=True, cwd=tmp_path)
    assert key_files.usable(tmp_path / "key.pem")


@pytest.mark.parametrize(
    ("text", "what", "next_step"),
    [
        (b"", "is empty", "Copy the private key there again"),
        (b"PuTTY-User-Key-File-3: ssh-ed25519\r\n", "is in PuTTY's format", "puttygen '{path}' -O private-openssh"),
        (b"ssh-ed25519 AAAA me\n", "is a public key", "the same name without .pub"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n", "is a public key", "the same name without .pub"),
        (b"\x30\x82\x01", "is not a private key", "--ssh-key FILE"),
    ],
)
@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_what_no_command_mends_in_place_is_named(written, text, what, next_step, mode):
    path = written(lambda _: text, mode)
    with pytest.raises(UsageError) as caught:
        key_files.usable(path)
    assert what in caught.value.message
    assert next_step.format(path=path) in caught.value.next_step


def test_what_looks_like_a_private_key_and_is_none(written):
    path = written(lambda _: b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n")
    with pytest.raises(UsageError, match=r"ssh cannot read .* as a private key: .* ssh-keygen -p -f"):
        key_files.usable(path)


def test_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="There is no private key"):
        key_files.usable(tmp_path)


def test_passphrase_without_an_agent_says_how_to_start_one(written):
    path = written(of="closed")
    with pytest.raises(UsageError, match="has a passphrase, and the ssh agent does not have this key") as caught:
        key_files.usable(path)
    assert caught.value.next_step.endswith(f"""eval "$(ssh-agent)"; ssh-add '{path}'""")
    assert caught.value.facts["reason"] == key_files.PASSPHRASE


def test_passphrase_that_hides_which_key_it_is(tmp_path):
    path = tmp_path / "k"
    make = ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "secret", "-f", path]
    subprocess.run(make, check=True)
    Path(f"{path}.pub").unlink()
    trouble = key_files.look(path).trouble
    assert "has a passphrase" in trouble.message
    assert trouble.next_step.endswith(f"ssh-add {path}, and leave out --ssh-key.")


@pytest.mark.parametrize("name", ["closed", "k.pub"])
def test_agent_that_has_the_key_serves_for_a_file_that_does_not(written, made, agent, monkeypatch, tmp_path, name):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = written(of=name)
    with pytest.raises(UsageError):
        key_files.usable(path)
    agent(made / "k")
    assert key_files.usable(path).read_text().split() == (made / "k.pub").read_text().split()[:2]
