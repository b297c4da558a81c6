"""ssh-cluster and rsync-cluster against a real sshd on this machine, whose ``sudo docker exec`` is a stand-in."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from tests.unit.verbs.connect.real_host import NEEDED, PATIENCE_S
from toilctl.system import ssh
from toilctl.system.waiting import wait_until
from toilctl.values import tags
from toilctl.values.errors import ConnectError, HostError
from toilctl.verbs.connect import rsync_cluster
from toilctl.verbs.connect.ssh_cluster import Session, connect

pytestmark = NEEDED


def run(cluster, host, *words, **changes):
    return connect(cluster, Session(words, **changes), host.home / "id")


def capture(cluster, host, *words):
    return ssh.in_leader(cluster, host.home / "id")(words)


@pytest.mark.parametrize("code", [0, 1, 3, 126, 127, 213, 255])
def test_exit_code_is_passed_through(here, host, code):
    assert run(here, host, "sh", "-c", f"exit {code}") == code


def test_command_that_is_not_there_ends_as_in_a_shell(here, host):
    assert run(here, host, "no-such-command") == 127


def test_words_arrive_exactly(here, host):
    words = ["a b", "$HOME", "it's", '"', "*", "", "\\", "line\nbreak", "ü"]
    assert capture(here, host, "printf", "<%s>", *words) == "".join(f"<{word}>" for word in words)


def test_command_line_runs_in_the_containers_shell(here, host, capfd):
    assert run(here, host, "cd /; pwd | tr / x; exit 4") == 4
    assert capfd.readouterr().out == "x\n"


def test_streams_stay_apart_and_ssh_adds_nothing(here, host, capfd):
    run(here, host, "sh", "-c", "echo out; echo err >&2")
    assert capfd.readouterr() == ("out\n", "err\n")


def test_stdin_reaches_the_command(here, host):
    script = PROGRAM.format(words=("cat",), key=host.home / "id", on_host=False)
    result = subprocess.run([sys.executable, "-c", script], input="data\n", capture_output=True, text=True, check=True,
                            env=os.environ | state_of(here))  # fmt: skip
    assert result.stdout == "data\n"


@pytest.mark.parametrize("command", ["yes", "sleep 1000"])
def test_end_of_the_connection_ends_the_command(here, host, command):
    script = PROGRAM.format(words=("sh", "-c", f"echo $$ >pid; exec {command}"), key=host.home / "id", on_host=False)
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               env=os.environ | state_of(here), start_new_session=True)  # fmt: skip
    said = host.root / "pid"
    text = wait_until(lambda: said.read_text() if said.exists() else "", lambda found: "\n" in found, 20, 0.05)
    there = Path(f"/proc/{int(text)}")
    try:
        if command == "yes":
            assert process.stdout.read(4) == b"y\ny\n"
            process.stdout.close()
        else:
            os.killpg(process.pid, signal.SIGINT)
        assert not wait_until(there.exists, lambda found: not found, 20, 0.05)
    finally:
        if there.exists():
            os.kill(int(text), signal.SIGKILL)
        process.kill()
        with process:
            pass


def test_host_is_reached_outside_the_container(here, host, capfd):
    (host.home / "toil_leader").unlink()
    assert run(here, host, "echo", "a  b", on_host=True) == 0
    assert capfd.readouterr().out == "a  b\n"


def test_missing_container_is_told_from_a_command_that_fails(here, host):
    assert run(here, host, "false") == 1
    (host.home / "toil_leader").unlink()
    with pytest.raises(ConnectError, match="toil_leader does not run") as caught:
        run(here, host, "true")
    assert caught.value.facts["reason"] == "container"


def test_other_key_is_refused(here, host):
    with pytest.raises(ConnectError, match="does not accept") as caught:
        connect(here, Session(("true",)), host.home / "other")
    assert caught.value.facts["reason"] == "permission"


def test_changed_host_key_is_refused_until_it_is_forgotten(here, host):
    assert run(here, host, "true") == 0
    host.change_key()
    with pytest.raises(ConnectError) as caught:
        run(here, host, "true")
    assert caught.value.facts["reason"] == "host-key"
    with pytest.raises(ConnectError, match="host key"):
        copy(here, host, ":/", str(host.home))
    subprocess.run(caught.value.next_step.split(": ")[1].rstrip(".").replace("'", "").split(), check=True)
    assert run(here, host, "true") == 0


def test_first_contact_writes_to_the_clusters_file_alone(here, host):
    own = Path.home() / ".ssh/known_hosts"
    before = own.read_bytes() if own.exists() else None
    run(here, host, "true")
    assert ssh.options.known_hosts(here).read_text().startswith("i-0aaa ssh-ed25519 ")
    assert (own.read_bytes() if own.exists() else None) == before


def test_nothing_listening_is_a_connect_error(here, host):
    host.stop()
    try:
        with pytest.raises(ConnectError) as caught:
            run(here, host, "true")
    finally:
        host.start()
    assert caught.value.facts["reason"] == "refused"


def test_taken_port_for_a_forward_is_this_machines_fault(here, host):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(HostError, match="local port"):
            run(here, host, "true", forwards=(f"127.0.0.1:{port}:localhost:80",))


def test_failed_command_of_a_program_is_an_error_with_its_output(here, host):
    with pytest.raises(subprocess.CalledProcessError) as caught:
        capture(here, host, "sh", "-c", "echo no >&2; exit 5")
    assert (caught.value.returncode, caught.value.stderr) == (5, "no\n")


PROGRAM = """
import os, sys
from pathlib import Path
from toilctl.values import tags
from toilctl.values.cluster import Cluster, Node, Role
from toilctl.values.node_types import NodeType
from toilctl.verbs.connect.ssh_cluster import Session, connect
t = NodeType.parse("t2.micro")
n = Node("i-0aaa", Role.LEADER, t, "t2.micro", "running", "us-west-2a", "172.31.0.5", "127.0.0.1", False, "")
c = Cluster("c", "us-west-2", "0", "sg-1", {{tags.LOGIN_USER: os.environ["LOGIN"]}}, (n,))
sys.exit(connect(c, Session({words!r}, on_host={on_host}), Path("{key}")))
"""


def state_of(cluster):
    return {"LOGIN": cluster.settings[tags.LOGIN_USER]}


@pytest.fixture
def terminal(here, host):
    """Start a session on a terminal of its own."""
    started = []

    def start(*words, on_host=False, term="xterm"):
        script = PROGRAM.format(words=words, key=host.home / "id", on_host=on_host)
        child = pexpect.spawn(sys.executable, ["-c", script], env=os.environ | state_of(here) | {"TERM": term},
                              dimensions=(40, 132), encoding="utf-8", timeout=PATIENCE_S)  # fmt: skip
        started.append(child)
        return child

    yield start
    for child in started:
        child.close(force=True)


def test_command_on_a_terminal_has_one_of_the_same_type_and_size(terminal):
    child = terminal("sh", "-c", "tty; stty size; echo TERM=$TERM; exit 5")
    child.expect("/dev/pts/")
    child.expect("40 132")
    child.expect("TERM=xterm")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 5


def test_terminal_and_forward_are_there_whatever_ssh_is_configured_to_do(terminal, here, host, tmp_path):
    lines = ["RequestTTY no", "RemoteCommand false", "SessionType none", "StdinNull yes", "ForkAfterAuthentication yes",
             f"LocalForward {tmp_path}/socket localhost:1", "PermitLocalCommand yes", "LocalCommand false"]  # fmt: skip
    (tmp_path / "ssh_config").write_text("Host *\n  " + "\n  ".join(lines) + "\n")
    child = terminal("sh", "-c", "tty; read line; echo got $line")
    child.expect("/dev/pts/")
    child.sendline("this")
    child.expect("got this")
    child.expect(pexpect.EOF)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Through the forward to the sshd itself, which says who it is.
    asked = f"exec 3<>/dev/tcp/127.0.0.1/{port}; head -c 4 <&3"
    assert run(here, host, "bash", "-c", f"{asked} > {tmp_path}/said", forwards=(f"{port}:127.0.0.1:{host.port}",)) == 0
    assert (tmp_path / "said").read_text() == "SSH-"


def test_terminal_type_that_the_container_does_not_know_is_replaced(terminal):
    child = terminal("sh", "-c", "echo TERM=$TERM", term="no-such-terminal")
    child.expect("TERM=xterm-256color")


def test_ctrl_c_interrupts_the_remote_command_and_not_the_session(terminal):
    child = terminal()
    # Quoted apart, so that the terminal's echo of a line is not taken for its output.
    child.sendline("PS1='rea''dy> '")
    child.expect("ready> ")
    child.sendline("echo be''gan; sleep 600")
    child.expect("began")
    # One that comes while the remote shell is just starting the command is lost, as it is for anybody.
    for _ in range(10):
        child.sendintr()
        if child.expect(["ready> ", pexpect.TIMEOUT], timeout=2) == 0:
            break
    child.sendline("exit 9")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 9


def test_termination_is_passed_on_to_ssh(terminal):
    child = terminal("sh", "-c", "echo begun; exec sleep 600")
    child.expect("begun")
    child.kill(signal.SIGTERM)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus not in (0, None) or child.signalstatus


def copy(cluster, host, *words):
    return rsync_cluster.run(cluster, rsync_cluster.parse(words), host.home / "id")


def test_odd_file_names_go_there_and_back(here, host, tmp_path):
    names = ["a b.txt", "it's", "star*", "dollar$HOME", "ümlaut", "-dash", "co:lon", 'quo"te', "back\\slash"]
    (tmp_path / "out").mkdir()
    for name in names:
        (tmp_path / "out" / name).write_text(name)
    assert copy(here, host, "-a", f"{tmp_path}/out/", f":{host.root}/my data/") == 0
    assert sorted(path.name for path in (host.root / "my data").iterdir()) == sorted(names)
    for name in names:
        assert (
            copy(here, host, "-a", "--", f":{host.root}/my data/{name.replace('*', '[*]')}", f"{tmp_path}/back/") == 0
        )
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == sorted(names)


def test_patterns_are_the_containers(here, host, tmp_path):
    for name in ("x.fa", "y.fa", "z.txt"):
        (host.root / name).write_text(name)
    assert copy(here, host, "-a", ":*.fa", f"{tmp_path}/got/") == 0
    assert sorted(path.name for path in (tmp_path / "got").iterdir()) == ["x.fa", "y.fa"]


def test_several_remote_sources_and_a_listing(here, host, tmp_path, capfd):
    for name in ("x", "y"):
        (host.root / name).write_text(name)
    assert copy(here, host, "-a", ":x", ":y", f"{tmp_path}/got/") == 0
    assert (tmp_path / "got/y").read_text() == "y"
    capfd.readouterr()
    assert copy(here, host, ":") == 0
    assert " x\n" in capfd.readouterr().out


def test_rsyncs_own_failure_keeps_its_exit_code(here, host, tmp_path):
    assert copy(here, host, "-a", ":/none/such", str(tmp_path)) == 23


def test_missing_container_is_told_after_rsync_fails(here, host, tmp_path):
    (host.home / "toil_leader").unlink()
    with pytest.raises(ConnectError, match="toil_leader does not run"):
        copy(here, host, "-a", ":/x", str(tmp_path))


def test_state_directory_with_spaces_works_for_both(here, host, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / 'my 100% "state" it\'s'))
    assert run(here, host, "true") == 0
    assert copy(here, host, f"{host.home}/bin/sudo", ":") == 0
    assert ssh.options.known_hosts(here).exists()
