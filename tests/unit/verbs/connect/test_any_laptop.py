"""ssh, rsync and Ansible reach a real sshd, whatever agent, ~/.ssh/config and home directory somebody has."""

from pathlib import Path

import pytest
import yaml

from tests.unit.verbs.connect.real_host import NEEDED, keygen
from toilctl.system import paths, playbooks, ssh, variables
from toilctl.values import tags
from toilctl.verbs.checks import key_pairs
from toilctl.verbs.connect import rsync_cluster

pytestmark = NEEDED

CONFIG = """Host *
  IgnoreUnknown OfMacOS
  OfMacOS yes
  AddressFamily inet6
  BatchMode no
  CheckHostIP yes
  ControlMaster auto
  ControlPath {directory}/cp-%r@%h
  ExitOnForwardFailure yes
  ForkAfterAuthentication yes
  ForwardX11 yes
  IdentitiesOnly yes
  LocalCommand touch {directory}/local-command
  LocalForward {directory}/local-forward localhost:1
  LogLevel QUIET
  PermitLocalCommand yes
  Port 1
  PubkeyAuthentication no
  RemoteCommand touch {directory}/remote-command
  RequestTTY force
  SessionType none
  StdinNull yes
  StrictHostKeyChecking yes
  VisualHostKey yes
"""


@pytest.fixture(params=["ssh", "rsync", "Ansible", "Ansible's rsync"])
def reaches(request, here, host, tmp_path, monkeypatch):
    """Copy a file to the host in each way, with a key; return whether it arrived."""
    (tmp_path / "file").write_text("content")
    arrived = host.root / "arrived"

    def copy(key):
        WAYS[request.param](here, key, tmp_path / "file", arrived)
        return arrived.exists() and arrived.read_text() == "content"

    # Playbooks are given credentials, whatever they do with them.
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    variables.defaults()  # read once per process, from where toilctl's own playbooks are
    monkeypatch.setattr(paths, "ansible_dir", lambda: made_for(here, tmp_path / "ansible"))
    return copy


def by_ssh(cluster, key, source, target):
    ssh.capture(ssh.leader_of(cluster, key), f"cat > {target}", text=source.read_text())


def by_rsync(cluster, key, source, target):
    rsync_cluster.run(cluster, rsync_cluster.parse([str(source), f":{target}"]), key)


def by_ansible(cluster, key, source, target):
    # First what is piped, then what sftp brings.
    tasks = [
        {"ansible.builtin.file": {"path": f"{target}.d", "state": "directory"}},
        {"ansible.builtin.copy": {"src": str(source), "dest": str(target)}},
    ]
    play(cluster, key, {"tasks": tasks})


def by_synchronize(cluster, key, source, target):
    sent = {"workflow_sync_source": str(source), "workflow_sync_target": str(target)}
    play(cluster, key, {"roles": ["workflow_sync"], "vars": sent})


def play(cluster, key, what):
    written = [{"hosts": "all", "gather_facts": False, **what}]
    (paths.ansible_dir() / "playbooks/try.yml").write_text(yaml.safe_dump(written))
    place = playbooks.PlaybookTarget(cluster.region, cluster.name)
    playbooks.raise_failure(playbooks.run("try.yml", place, {"ansible_ssh_private_key_file": str(key)}))


WAYS = {"ssh": by_ssh, "rsync": by_rsync, "Ansible": by_ansible, "Ansible's rsync": by_synchronize}


def made_for(cluster, directory):
    """An inventory as EC2's would be, with toilctl's own variables."""
    own = Path(__file__).parents[4]
    (directory / "playbooks").mkdir(parents=True, exist_ok=True)
    (directory / "inventory").mkdir(exist_ok=True)
    if not (directory / "ansible.cfg").exists():
        (directory / "ansible.cfg").symlink_to(own / "ansible.cfg")
        (directory / "roles").symlink_to(own / "roles")
        (directory / "inventory/group_vars").symlink_to(own / "inventory/group_vars")
    node = cluster.leader
    host = {
        "instance_id": node.instance_id,
        # The same host; Ansible's rsync takes no detour over ssh to 127.0.0.1.
        "public_ip_address": "127.0.0.2",
        "login_user": cluster.settings[tags.LOGIN_USER],
    }
    (directory / "inventory/hosts.yml").write_text(yaml.safe_dump({"aws_ec2": {"hosts": {node.instance_id: host}}}))
    return directory


@pytest.fixture
def nine(agent, host, tmp_path):
    """An agent with nine keys, the last of them the right one."""
    others = [tmp_path / f"key{number}" for number in range(8)]
    for path in others:
        keygen(path)
    agent(*others)
    return lambda: agent(host.home / "id")


def pair(host):
    return key_pairs.KeyPair("k", (host.home / "id.pub").read_text(), "")


def test_right_key_is_the_ninth_of_the_agent(reaches, host, nine, tmp_path):
    nine()
    (tmp_path / "ssh_config").write_text(f"Host *\n  IdentitiesOnly yes\n  IdentityFile {tmp_path}/key0\n")
    assert reaches(key_pairs.find(pair(host)).path)


def test_named_key_is_offered_before_eight_others_of_the_agent(reaches, host, nine):
    assert reaches(key_pairs.find(pair(host), host.home / "id").path)


def test_config_for_all_hosts_and_a_long_home_do_not_get_in_the_way(reaches, here, host, tmp_path, monkeypatch):
    (tmp_path / "ssh_config").write_text(CONFIG.format(directory=tmp_path))
    home = tmp_path / ("long" * 20)
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    assert reaches(host.home / "id")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(("cp-", "local-", "remote-"))] == []
    assert ssh.options.known_hosts(here).read_text().startswith(f"{here.leader.instance_id} ")


def test_host_that_another_key_was_recorded_of_is_refused(reaches, here, host):
    known = ssh.options.known_hosts(here)
    known.parent.mkdir(parents=True)
    other = (host.home / "other.pub").read_text().split()[:2]
    known.write_text(f"{here.leader.instance_id} {' '.join(other)}\n")
    with pytest.raises(Exception, match=r"host key|HOST IDENTIFICATION HAS CHANGED"):
        assert not reaches(host.home / "id")
