"""What the command line hands on: words after the cluster's name are never toilctl's."""

import json
import os

import pytest

from tests.unit.conftest import two_nodes
from toilctl.cli.app import app
from toilctl.system import inventory
from toilctl.verbs.connect import ssh_cluster


@pytest.fixture
def run(node, tmp_path, monkeypatch):
    """Run a command line with an ssh and an rsync that write down their words and end with 7."""
    cluster, asked = two_nodes(node), []
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("TOILCTL_CONNECT_ADDRESS", raising=False)
    monkeypatch.setattr(inventory, "find", lambda *where: asked.append(where) or cluster)
    monkeypatch.setattr(ssh_cluster, "session_key", lambda cluster, key: key)
    (tmp_path / "bin").mkdir()
    for program in ("ssh", "rsync"):
        script = f"import json, sys; json.dump(sys.argv[1:], open('{tmp_path}/{program}', 'w')); sys.exit(7)"
        (tmp_path / "bin" / program).write_text(f"#!/usr/bin/env python3\n{script}\n")
        (tmp_path / "bin" / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            app(list(words))
        written = tmp_path / words[0].removesuffix("-cluster")
        return ended.value.code, asked, json.loads(written.read_text()) if written.exists() else None

    return run


def test_options_after_the_name_are_the_remote_commands(run):
    code, asked, words = run("ssh-cluster", "-z", "us-west-2b", "c", "ls", "-z", "--help", "--output", "json")
    assert code == 7
    assert asked == [("c", "us-west-2b", None)]
    assert "toil_leader ls -z --help --output json;" in words[-1]


def test_host_and_forwards_stand_before_the_name(run):
    _, _, words = run("ssh-cluster", "--host", "-L", "8888", "-L", "8080:h:80", "c", "hostname")
    assert words[-1] == "hostname"
    assert [words[at + 1] for at, word in enumerate(words) if word == "-L"] == ["8888:localhost:8888", "8080:h:80"]


def test_options_after_the_name_are_rsyncs(run):
    code, asked, words = run("rsync-cluster", "-z", "us-west-2b", "c", "-avzP", "a.txt", "b.fa", ":/")
    assert code == 7
    assert asked == [("c", "us-west-2b", None)]
    assert words[-4:] == ["-avzP", "a.txt", "b.fa", "54.1.2.3:/"]


@pytest.mark.parametrize(
    "words",
    [
        ("rsync-cluster", "c", "a", "b"),
        ("rsync-cluster", "c"),
        ("ssh-cluster", "-L", "x", "c"),
        ("ssh-cluster", "c", "-L"),
    ],
)
def test_bad_command_lines_end_with_2_before_anything_is_asked(run, words, capsys):
    code, asked, written = run(*words)
    assert (code, asked, written) == (2, [], None)
    assert len(capsys.readouterr().err.splitlines()) == 2
