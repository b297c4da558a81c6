"""Ansible and toilctl's own ssh have the same options, host keys in the same file among them."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from toilctl.system import paths, variables
from toilctl.system.ssh import options
from toilctl.values.cluster import Cluster, Node, Role
from toilctl.values.node_types import NodeType

NODE = Node(
    "i-0aaa", Role.LEADER, NodeType.parse("t2.micro"), "t2.micro", "running", "us-west-2a", "172.31.0.5", "54.1.2.3",
    spot=False, launched_at="",
)  # fmt: skip
CLUSTER = Cluster("my-cluster", "us-west-2", "0123abcd", "sg-1", {}, (NODE,))


@pytest.mark.parametrize(
    ("state", "key"), [("state", None), ("my state", Path("/k.pem")), ("100% \"of 'my' state\"", Path("/k"))]
)
def test_ansible_starts_ssh_as_toilctl_does(state, key, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / state))
    common, more = ansible_ssh_args(tmp_path, {"ansible_ssh_private_key_file": str(key)} if key else {})
    wanted = options.shared(CLUSTER, NODE, key)
    # Ansible adds the file itself.
    wanted.pop("IdentityFile", None)
    assert quoted(options_of(common)) == quoted(wanted)
    assert next(iter(options_of(common))) == "IgnoreUnknown"
    assert options_of(more) == variables.defaults()["ssh_session_options"]


def quoted(chosen):
    """Options with all paths quoted: only some need it."""
    known = chosen["UserKnownHostsFile"]
    return chosen | {"UserKnownHostsFile": known if known.startswith('"') else f'"{known}"'}


def ansible_ssh_args(directory, more):
    """What the inventory's variables make of a host that the EC2 plugin would list."""
    (directory / "group_vars").symlink_to(paths.ansible_dir() / "inventory/group_vars")
    host = {
        "instance_id": NODE.instance_id,
        "public_ip_address": NODE.public_address,
        "login_user": "admin",
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        **more,
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
    content = "{{ [ansible_ssh_common_args, ansible_ssh_extra_args] | to_json }}"
    subprocess.run([*argv, "-a", json.dumps({"dest": str(written), "content": content})], env=environment, check=True)
    return json.loads(written.read_text())


def options_of(arguments):
    words = shlex.split(arguments)
    assert set(words[::2]) == {"-o"}
    return dict(word.split("=", 1) for word in words[1::2])
