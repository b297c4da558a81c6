"""What cloud-init does at a node's first boot."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import jinja2
import pytest
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


APT_GET = """#!/bin/sh
echo "$*" >> {root}/asked
[ "$1" = install ] || ! cat {root}/etc/apt/sources.list {root}/etc/apt/sources.list.d/* 2>/dev/null |
  awk '/^Suites:/ {{ suites = $0 }} /^Enabled: no/ {{ suites = "" }} /^$/ {{ print suites }}
       /^deb/ {{ print }} END {{ print suites }}' | grep -q backports
"""
"""Fails as apt-get does while a source that is gone is in use."""


class Node:
    """A root directory in which user data runs."""

    def __init__(self, root: Path) -> None:
        self.root, self.sources = root, root / "etc/apt/sources.list.d"
        self.sources.mkdir(parents=True)
        (root / "apt-get").write_text(APT_GET.format(root=root))
        (root / "apt-get").chmod(0o755)

    def boot(self) -> list[str]:
        """Run it; return what apt-get was asked."""
        ((shell, flag, script),) = user_data()["runcmd"]
        script = script.replace("/etc/apt", f"{self.root}/etc/apt")
        path = f"{self.root}:/usr/bin:/bin"
        subprocess.run([shell, flag, script], env={"PATH": path}, capture_output=True, check=True)
        return (self.root / "asked").read_text().splitlines()


INSTALL = "install --yes --no-install-recommends docker.io rsync"
DEBIAN = (
    "Types: deb\nURIs: mirror+file:///etc/apt/mirrors/debian.list\nSuites: bookworm bookworm-updates{}\n"
    "Components: main\n"
)
ALONE = "Types: deb\nURIs: http://deb.debian.org/debian\nSuites: bookworm-backports\nComponents: main\n"
LINES = (
    "deb http://deb.debian.org/debian bullseye main\n{}deb-src http://deb.debian.org/debian bullseye-backports main\n"
)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_packages_are_installed_though_backports_are_gone_and_the_other_sources_stay(node: Node) -> None:
    whole = node.sources / "debian.sources"
    whole.write_text(f"{DEBIAN.format(' bookworm-backports')}\n{ALONE}")
    (node.root / "etc/apt/sources.list").write_text(LINES.format(""))
    assert node.boot() == ["update", "update", INSTALL]
    assert (
        whole.read_text()
        == f"{DEBIAN.format('')}\n{ALONE.replace('backports', 'backports' + os.linesep + 'Enabled: no')}"
    )
    assert (node.root / "etc/apt/sources.list").read_text() == LINES.format("# ")


def test_sources_that_all_answer_are_left_alone(node: Node) -> None:
    text = DEBIAN.format("")
    (node.sources / "debian.sources").write_text(text)
    assert node.boot() == ["update", INSTALL]
    assert (node.sources / "debian.sources").read_text() == text


def test_packages_are_installed_from_what_answers(node: Node) -> None:
    """As where another source is gone, or is away for now."""
    (node.sources / "own.list").write_text("deb [signed-by=x] https://own/backports-of-ours stable main\n")
    assert node.boot() == ["update", "update", INSTALL]
