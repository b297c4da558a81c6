import json
import os
import shlex
import socket
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import pytest

from toilctl.values import tags
from toilctl.values.errors import ConnectError, NotFoundError, UsageError
from toilctl.verbs.checks.key_pairs import PrivateKey
from toilctl.verbs.connect import ssh_cluster as verb
from toilctl.verbs.connect.ssh_cluster import Session, choose, command_words, parse_forward, remote_command


@pytest.mark.parametrize(
    ("text", "forward"),
    [
        ("5050", "5050:localhost:5050"),
        ("8080:localhost:5050", "8080:localhost:5050"),
        ("127.0.0.1:8080:10.0.0.1:80", "127.0.0.1:8080:10.0.0.1:80"),
        ("[::1]:8080:[fe80::1]:80", "[::1]:8080:[fe80::1]:80"),
        ("*:1:h:2", "*:1:h:2"),
    ],
)
def test_forwards_are_sshs_or_a_bare_port(text, forward):
    assert parse_forward(text) == forward


@pytest.mark.parametrize("text", ["", "0", "70000", "x:y:z", "1:h", "1:h:99999", "1:h:2:3:4", "80:h h:80"])
def test_other_forwards_are_usage_errors(text):
    with pytest.raises(UsageError, match="PORT:HOST:HOSTPORT"):
        parse_forward(text)


def test_single_word_with_spaces_is_a_command_line():
    assert "bash -c 'ls -l | wc'" in remote_command("toil_leader", Session(("ls -l | wc",)), tty=False)
    assert remote_command("toil_leader", Session(("ls -l | wc",), on_host=True), tty=False) == "ls -l | wc"


def test_several_words_are_arguments():
    assert "toil_leader echo 'a b'" in remote_command("toil_leader", Session(("echo", "a b")), tty=False)
    assert remote_command("x", Session(("echo", "a b"), on_host=True), tty=False) == "echo 'a b'"


def test_no_words_ask_for_a_shell():
    assert remote_command("x", Session(on_host=True), tty=True) == ""
    assert shlex.split(remote_command("toil_leader", Session(), tty=True).split("; code=")[0])[-1] == "bash"


def test_terminal_is_given_only_when_there_is_one():
    with_one = remote_command("toil_leader", Session(("top",)), tty=True)
    without = remote_command("toil_leader", Session(("top",)), tty=False)
    assert '-i -t -e TERM="$TERM"' in with_one
    assert "-t" not in shlex.split(without.split("; code=")[0])


def test_options_after_the_name_belong_to_the_command():
    assert command_words(["ls", "-l"]) == ("ls", "-l")
    assert command_words(["--", "ls"]) == ("ls",)
    with pytest.raises(UsageError, match="before the name"):
        command_words(["-L", "5050", "ls"])


@pytest.mark.parametrize("name", ["i-0bbb", "172.31.0.6", "54.1.2.4"])
def test_worker_is_found_by_id_or_address(cluster, name):
    target = choose(cluster, name, None)
    assert (target.node.instance_id, target.container) == ("i-0bbb", "toil_worker")


def test_unknown_node_is_not_found_and_the_others_are_named(cluster):
    with pytest.raises(NotFoundError, match="i-0bbb"):
        choose(cluster, "i-0ccc", None)


def test_cluster_without_leader_is_not_found(cluster):
    with pytest.raises(NotFoundError, match="has no leader"):
        choose(replace(cluster, nodes=()), None, None)


def test_pending_leader_cannot_be_reached_yet(cluster, node):
    with pytest.raises(ConnectError, match="is pending"):
        choose(replace(cluster, nodes=(node(state="pending"),)), None, None)


@pytest.fixture
def fake_ssh(tmp_path, monkeypatch):
    """An ssh that writes down its words and ends with 7."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/ssh").write_text(
        f"#!/usr/bin/env python3\nimport json, sys; json.dump(sys.argv[1:], open('{tmp_path}/a', 'w')); sys.exit(7)\n"
    )
    (tmp_path / "bin/ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return lambda: json.loads((tmp_path / "a").read_text())


def test_exit_code_is_passed_on_and_forwards_reach_ssh(cluster, fake_ssh):
    code = verb.connect(cluster, Session(("true",), forwards=("8080:localhost:8080",)))
    argv = fake_ssh()
    assert code == 7
    assert argv[argv.index("-L") + 1] == "8080:localhost:8080"
    assert "ExitOnForwardFailure=yes" in argv
    assert argv[-5:-1] == ["-l", "admin", "--", "54.1.2.3"]
    assert "-T" in argv


@pytest.mark.parametrize("agent", [False, True])
def test_agent_is_forwarded_only_when_it_is_asked_for(cluster, fake_ssh, agent):
    verb.connect(cluster, Session(("true",), agent=agent))
    forwarded = [word for word in fake_ssh() if word.startswith("ForwardAgent")]
    assert forwarded == [f"ForwardAgent={'yes' if agent else 'no'}"]


def test_value_of_a_tag_is_no_option_of_ssh(cluster, fake_ssh):
    cluster.settings[tags.LOGIN_USER] = "-oProxyCommand=touch pwned"
    verb.connect(cluster, Session(("true",)))
    argv = fake_ssh()
    assert argv[-5:-1] == ["-l", "-oProxyCommand=touch pwned", "--", "54.1.2.3"]


@pytest.mark.parametrize(
    ("engine", "chosen", "there"),
    [("mesos", None, "172.31.0.5"), ("mesos", "i-0bbb", "localhost"), ("slurm", None, "localhost")],
)
def test_mesos_port_leads_to_where_its_master_listens(cluster, fake_ssh, engine, chosen, there):
    cluster.settings[tags.ENGINE] = engine
    verb.connect(cluster, Session(("true",), chosen, forwards=(parse_forward("5050"), "9000:localhost:5050")))
    argv = fake_ssh()
    forwards = [argv[number + 1] for number, word in enumerate(argv) if word == "-L"]
    assert forwards == [f"5050:{there}:5050", f"9000:{there}:5050"]


@pytest.mark.parametrize(("chosen", "there"), [(None, "172.31.0.5"), ("i-0bbb", "localhost")])
def test_port_of_metrics_leads_to_where_the_leader_serves_them(cluster, fake_ssh, chosen, there):
    cluster.settings[tags.ENGINE] = "slurm"
    verb.connect(cluster, Session(("true",), chosen, forwards=(parse_forward("7462"), "9000:other:7462")))
    argv = fake_ssh()
    forwards = [argv[number + 1] for number, word in enumerate(argv) if word == "-L"]
    assert forwards == [f"7462:{there}:7462", "9000:other:7462"]


@pytest.mark.parametrize(
    ("engine", "in_use", "words", "forwarded"),
    [
        ("mesos", False, (), True),
        ("mesos", True, (), False),
        ("slurm", False, (), False),
        ("mesos", False, ("ls",), False),
    ],
)
def test_shell_on_a_mesos_leader_has_the_masters_page(
    cluster, fake_ssh, monkeypatch, capsys, engine, in_use, words, forwarded
):
    cluster.settings[tags.ENGINE] = engine
    monkeypatch.setattr(verb.sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(verb.sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(verb, "_in_use", lambda port: in_use)
    verb.connect(cluster, Session(words))
    assert ("5050:172.31.0.5:5050" in fake_ssh()) is forwarded
    assert ("http://localhost:5050" in capsys.readouterr().err) is forwarded


def test_port_that_somebody_has_is_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert verb._in_use(taken.getsockname()[1])
        port = taken.getsockname()[1]
    assert not verb._in_use(port)


def keygen(path, passphrase=""):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", path], check=True)
    return path


def test_named_key_is_taken_and_otherwise_the_key_pair_tells(cluster, monkeypatch, tmp_path):
    monkeypatch.setattr(verb.key_pairs, "of_cluster", lambda cluster: PrivateKey(tmp_path / "k.pem"))
    mine = keygen(tmp_path / "mine")
    assert verb.session_key(cluster, mine) == mine
    assert verb.session_key(cluster, None) == tmp_path / "k.pem"


@pytest.mark.parametrize("terminal", [True, False])
def test_ssh_asks_for_a_passphrase_where_somebody_sees_it(cluster, monkeypatch, tmp_path, terminal):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setattr(verb.sys, "stdin", SimpleNamespace(isatty=lambda: terminal))
    mine = keygen(tmp_path / "mine", "secret")
    if terminal:
        assert verb.session_key(cluster, mine) == mine
        return
    with pytest.raises(UsageError, match=f"ssh-add {mine}"):
        verb.session_key(cluster, mine)


def test_ssh_decides_when_the_key_pair_tells_nothing(cluster, monkeypatch):
    def of_cluster(cluster):
        raise NotFoundError("no key", "next")

    monkeypatch.setattr(verb.key_pairs, "of_cluster", of_cluster)
    assert verb.session_key(cluster, None) is None
