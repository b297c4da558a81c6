"""Ansible and toilctl's own ssh check a node's host key in the same way, against the same file."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from toilctl.system import paths, ssh
from toilctl.values.cluster import Cluster, Node, Role
from toilctl.values.node_types import NodeType

NODE = Node(
    "i-0aaa", Role.LEADER, NodeType.parse("t2.micro"), "t2.micro", "running", "us-west-2a", "172.31.0.5", "54.1.2.3",
    spot=False, launched_at="",
)  # fmt: skip
CLUSTER = Cluster("my-cluster", "us-west-2", "0123abcd", "sg-1", {}, (NODE,))


@pytest.mark.parametrize("state", ["state", "my state"])
def test_ansible_checks_host_keys_as_toilctl_does(state, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / state))
    expected = {name: value.strip('"') for name, value in ssh.host_key_options(CLUSTER, NODE).items()}
    assert options_of(ansible_ssh_args(tmp_path)) == expected


def ansible_ssh_args(directory):
    """What the inventory's variables make of a host that the EC2 plugin would list."""
    (directory / "group_vars").symlink_to(paths.ansible_dir() / "inventory/group_vars")
    host = {
        "instance_id": NODE.instance_id,
        "public_ip_address": NODE.public_address,
        "login_user": "admin",
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
    }
    (directory / "hosts.yml").write_text(json.dumps({"aws_ec2": {"hosts": {NODE.instance_id: host}}}))
    environment = os.environ | {
        "TOILCTL_CLUSTER": CLUSTER.name,
        "TOILCTL_REGION": CLUSTER.region,
        "ANSIBLE_CONFIG": str(paths.ansible_dir() / "ansible.cfg"),
    }
    written = directory / "written"
    argv = [
        Path(sys.executable).with_name("ansible"),
        "-i",
        directory / "hosts.yml",
        "all",
        "-m",
        "ansible.builtin.copy",
    ]
    subprocess.run(
        [*argv, "-a", f"dest={written} content={{{{ ansible_ssh_common_args }}}}"], env=environment, check=True
    )
    return written.read_text()


def options_of(arguments):
    words = shlex.split(arguments)
    assert set(words[::2]) == {"-o"}
    return {name: value.strip('"') for name, _, value in (word.partition("=") for word in words[1::2])}
