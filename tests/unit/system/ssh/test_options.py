"""What ssh does, whatever ~/.ssh/config says for all hosts; ``ssh -G`` tells."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from toilctl.system import variables
from toilctl.system.ssh import options


def settings_of(options):
    assert options[::2] == ("-o",) * (len(options) // 2)
    return dict(option.split("=", 1) for option in options[1::2])


def test_host_keys_are_kept_per_cluster_under_the_instance_id(cluster, tmp_path):
    chosen = settings_of(options.arguments(cluster, cluster.leader))
    assert chosen["UserKnownHostsFile"] == str(tmp_path / "state/toilctl/clusters/us-west-2/c/known_hosts")
    assert chosen["HostKeyAlias"] == "i-0aaa"
    assert chosen["GlobalKnownHostsFile"] == "/dev/null"
    assert chosen["StrictHostKeyChecking"] == "accept-new"


def test_given_key_is_the_only_one_offered(cluster):
    chosen = settings_of(options.arguments(cluster, cluster.leader, Path("/keys/k.pem")))
    assert (chosen["IdentityFile"], chosen["IdentitiesOnly"]) == ("/keys/k.pem", "yes")


def test_without_a_key_the_agent_decides(cluster):
    assert "IdentitiesOnly" not in settings_of(options.arguments(cluster, cluster.leader))


@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_is_asked_where_stdin_is_no_terminal(cluster, monkeypatch, terminal):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: terminal))
    chosen = settings_of(options.arguments(cluster, cluster.leader))
    assert chosen["BatchMode"] == ("no" if terminal else "yes")


def test_ssh_reads_paths_with_spaces_and_percent_signs_as_they_are(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "100% my state"))
    argv = ["ssh", "-G", "-F", "none", *options.arguments(cluster, cluster.leader), "host"]
    shown = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert f"userknownhostsfile {tmp_path}/100% my state/toilctl/clusters/us-west-2/c/known_hosts" in shown


CONFIG = """Host *
  IgnoreUnknown OfMacOS
  OfMacOS yes
  OfTheFuture yes
  AddressFamily inet6
  BatchMode no
  CheckHostIP yes
  ClearAllForwardings no
  ControlMaster auto
  ControlPath ~/.ssh/%r@%h
  ExitOnForwardFailure yes
  ForkAfterAuthentication yes
  ForwardAgent yes
  ForwardX11 yes
  GlobalKnownHostsFile ~/known
  HashKnownHosts yes
  KnownHostsCommand /bin/false
  LocalCommand touch x
  LocalForward 5050 localhost:5050
  LogLevel QUIET
  PermitLocalCommand yes
  Port 2222
  PreferredAuthentications password
  PubkeyAuthentication no
  RemoteCommand tmux
  RequestTTY force
  ServerAliveCountMax 0
  ServerAliveInterval 0
  SessionType none
  StdinNull yes
  StrictHostKeyChecking ask
  UpdateHostKeys ask
  UserKnownHostsFile ~/known
  VerifyHostKeyDNS yes
  VisualHostKey yes
"""


def told(directory, *words):
    """What ssh would do, by its options in lower case; an option that it has twice, once."""
    config = directory / "config"
    config.write_text(CONFIG)
    shown = subprocess.run(["ssh", "-G", "-F", config, *words, "h"], capture_output=True, text=True, check=True).stdout
    return dict(line.partition(" ")[::2] for line in shown.splitlines())


def plain(value):
    return {"yes": "true", "no": "false"}.get(value, value).lower()


def test_config_for_all_hosts_changes_nothing_that_is_pinned(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    given = options.arguments(cluster, cluster.leader)
    shown = told(tmp_path, *given)
    pinned = settings_of(given)
    wanted = {name.lower(): plain(value) for name, value in pinned.items()} | {"remotecommand": None}
    # What is as it would be by itself, ssh may not show, or in its own words.
    del wanted["controlpath"], wanted["knownhostscommand"]
    shown_words = {name: plain(shown[name]) if name in shown else None for name in wanted}
    assert shown_words == wanted
    assert "controlpath" not in shown
    assert shown.get("knownhostscommand", "none") == "none"
    assert "localforward" not in shown
    ours = {line.split()[0].lower() for line in CONFIG.splitlines()[4:]} - {"localcommand", "localforward"}
    assert ours <= set(wanted) | {"controlpath", "knownhostscommand"}


@pytest.mark.parametrize("flag", ["-t", "-T"])
def test_terminal_is_what_the_command_line_says(cluster, tmp_path, flag):
    given = options.arguments(cluster, cluster.leader)
    for words in ((*given, flag), (flag, *given)):
        assert told(tmp_path, *words)["requesttty"] == {"-t": "true", "-T": "false"}[flag]


def test_forwards_of_a_session_are_made_or_it_fails(cluster, tmp_path):
    shown = told(tmp_path, *options.arguments(cluster, cluster.leader, forwards=True), "-L", "8080:localhost:80")
    assert (shown["clearallforwardings"], shown["exitonforwardfailure"]) == ("no", "yes")


def test_what_an_older_ssh_does_not_know_comes_after_the_permission_not_to_know_it(cluster):
    assert options.arguments(cluster, cluster.leader)[:2] == ("-o", "IgnoreUnknown=*")
    assert next(iter(variables.defaults()["ssh_options"])) == "IgnoreUnknown"
