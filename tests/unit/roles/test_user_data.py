"""What cloud-init does at a node's first boot."""

from __future__ import annotations

import json
from typing import Any

import jinja2
import yaml

from tests.checkout import ROOT


def user_data(**variables: Any) -> dict[str, Any]:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, autoescape=False)
    environment.filters["to_json"] = json.dumps
    usual = {"ec2_nodes_role": "worker", "ec2_nodes_leader_key": "", "ec2_nodes_boot_packages": ["docker.io", "rsync"]}
    template = environment.from_string((ROOT / "roles/ec2_nodes/templates/user_data.yml.j2").read_text())
    return yaml.safe_load(template.render(usual | variables))


def test_no_boot_mounts_instance_store_where_role_storage_has_made_a_volume_of_it() -> None:
    assert user_data()["mounts"] == [["ephemeral0", None]]
    defaults = yaml.safe_load((ROOT / "roles/storage/defaults/main.yml").read_text())
    assert not f"{defaults['storage_mount_point']}/".startswith("/mnt/")


def test_workers_know_the_leaders_key_and_the_leader_does_not() -> None:
    key = "ssh-ed25519 AAAA leader"
    assert user_data(ec2_nodes_leader_key=key)["ssh_authorized_keys"] == [key]
    assert "ssh_authorized_keys" not in user_data(ec2_nodes_leader_key=key, ec2_nodes_role="leader")
