"""A node that answers with another host key than the recorded one is spoken to by no playbook."""

import os
import subprocess
import sys

import pytest
import yaml

from tests.checkout import ROOT
from tests.unit.verbs.connect.real_host import NEEDED
from tests.unit.verbs.connect.test_any_laptop import made_for, play
from toilctl.system import paths, ssh, variables
from toilctl.values.errors import ConnectError

FIRST_CONTACT = {"ansible.builtin.include_role": {"name": "ec2_nodes", "tasks_from": "first_contact"}}
EACH = ("launch", "configure", "scale_out", "scale_in", "autoscale", "deployments", "sync")
"""The playbooks that speak to nodes; the others are parts of these, or speak to EC2 alone."""


@pytest.fixture
def place(here, host, tmp_path, monkeypatch):
    """Ansible's directory for a cluster whose leader is a real sshd, with another key on record."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    variables.defaults()  # read once per process, from where toilctl's own playbooks are
    directory = made_for(here, tmp_path / "ansible")
    monkeypatch.setattr(paths, "ansible_dir", lambda: directory)
    known = ssh.options.known_hosts(here)
    known.parent.mkdir(parents=True)
    known.write_text(f"{here.leader.instance_id} {' '.join((host.home / 'other.pub').read_text().split()[:2])}\n")
    return directory


@NEEDED
def test_first_contact_names_the_node_what_it_means_and_what_to_do(place, here, host):
    with pytest.raises(ConnectError) as raised:
        play(here, host.home / "id", {"tasks": [FIRST_CONTACT]})
    node = here.leader.instance_id
    assert str(raised.value) == (
        f"The host key of {node} is not the one recorded at the first contact: somebody else may be answering. If you "
        f"know why it changed, forget the old one: ssh-keygen -R {node} -f '{ssh.options.known_hosts(here)}'."
    )
    assert raised.value.facts["reason"] == "host-key"


@NEEDED
@pytest.mark.parametrize("asked", [{}, {"ANSIBLE_HOST_KEY_CHECKING": "False"}])
@pytest.mark.parametrize("known", [False, True])
def test_playbook_by_hand_says_the_same_whatever_the_environment_has(place, here, host, known, asked):
    """With the right key on record it goes on; otherwise the connection itself is refused, without a first contact."""
    if known:
        right = " ".join((host.home / "host_key.pub").read_text().split()[:2])
        ssh.options.known_hosts(here).write_text(f"{here.leader.instance_id} {right}\n")
    tasks = [{"ansible.builtin.raw": f"touch {host.root}/spoken"}]
    written = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
    (place / "playbooks/try.yml").write_text(yaml.safe_dump(written))
    env = {**os.environ, **asked, "TOILCTL_CLUSTER": here.name, "TOILCTL_REGION": here.region}
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "inventory", "playbooks/try.yml",
         "-e", f"ansible_ssh_private_key_file={host.home}/id", "-e", "ansible_ssh_retries=0"],
        cwd=place, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode == 0) is known, done.stdout + done.stderr
    assert (host.root / "spoken").exists() is known
    assert ("HOST IDENTIFICATION HAS CHANGED" in done.stdout + done.stderr) is not known


def plays_of(name):
    """The plays of a playbook, in their order, those of its parts among them."""
    for one in yaml.safe_load((ROOT / "playbooks" / name).read_text()):
        if "ansible.builtin.import_playbook" in one:
            yield from plays_of(one["ansible.builtin.import_playbook"])
        else:
            yield one


@pytest.mark.parametrize("name", EACH)
def test_every_playbook_makes_a_first_contact_before_it_does_anything_on_the_leader(name):
    first = next(play for play in plays_of(f"{name}.yml") if play["hosts"] == "leader")
    tasks = [*first.get("pre_tasks", []), *first.get("tasks", [])]
    tasks = [inner for task in tasks for inner in task.get("block", [task])]
    does = [task for task in tasks if "ansible.builtin.assert" not in task]
    assert does[0]["ansible.builtin.include_role"] == {"name": "ec2_nodes", "tasks_from": "first_contact"}


def test_every_playbook_that_speaks_to_nodes_is_looked_at():
    parts = {"leader_key", "site_settings"}
    speaking = {
        path.stem
        for path in (ROOT / "playbooks").glob("*.yml")
        if any(play["hosts"] != "localhost" for play in plays_of(path.name))
    }
    assert speaking == set(EACH) | parts
