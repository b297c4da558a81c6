"""The tags that role ec2_network writes are those by which the command line compares a later launch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.checkout import ROOT
from tests.unit.verbs.plans import PLAIN, launched, plan, scales
from toilctl.system.variables import as_data
from toilctl.values import tags
from toilctl.verbs.clusters import same_cluster
from toilctl.verbs.clusters.launch_plan import LaunchPlan

PRECISE = replace(PLAIN, preemptible_compensation=0.3333333, target_time_s=1234567, max_usd_per_hour=1e-7)


def written(of: LaunchPlan, directory: Path) -> dict[str, str]:
    """Return the role's tags for a launch's variables, without those that EC2 would not keep."""
    play: dict[str, Any] = {
        "hosts": "localhost", "gather_facts": False, "vars": {"ec2_network_caller": {"cidr": "192.0.2.1/32"}},
        "tasks": [
            {"ansible.builtin.import_role": {"name": "ec2_network", "tasks_from": "ssh_cidrs"}},
            {"ansible.builtin.copy": {"content": "{{ ec2_network_settings | to_json }}",
                                      "dest": str(directory / "tags.json")}},
        ],
    }  # fmt: skip
    (directory / "play.yml").write_text(yaml.safe_dump([play]))
    (directory / "extra.json").write_text(json.dumps(as_data({**of.variables(), "ssh_cidrs": ["192.0.2.1/32"]})))
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    files = ["-e", "@inventory/group_vars/all.yml", "-e", f"@{directory / 'extra.json'}"]
    env = {**os.environ, "ANSIBLE_LOCAL_TEMP": str(directory / "ansible")}
    done = subprocess.run(
        [program, "-i", "localhost,", "-c", "local", *files, str(directory / "play.yml")],
        cwd=ROOT, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads((directory / "tags.json").read_text())
    return {tag: str(value) for tag, value in found.items() if str(value)}


@pytest.mark.parametrize(
    "asked",
    [plan(), plan(scales(PRECISE, preemptible=True), node_storage_gb="50,60"), plan(scales(PLAIN), shared="nfs")],
    ids=["fixed", "autoscaled", "shared"],
)
def test_tags_are_those_of_the_plan_and_the_same_launch_again_is_that_of_the_same_cluster(
    asked: LaunchPlan, tmp_path: Path
) -> None:
    found = written(asked, tmp_path)
    wanted = {tag: value for tag, value in asked.settings().items() if value}
    assert {tag: found.get(tag) for tag in wanted} == wanted
    assert set(found) - set(wanted) == {tags.ORPHAN_TIMEOUT, tags.PUBLIC_ADDRESS}
    same_cluster.checked(asked, replace(launched(asked), settings=found))
