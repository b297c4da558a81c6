"""What role storage runs on nodes: on files that are disks, and on what lsblk says of others."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.checkout import ROOT
from toilctl.values.capacity import InstanceType, allocatable

FILES = ROOT / "roles/storage/files"
TOOLS = f"{os.defpath}:/usr/sbin:/sbin"
needs_tools = pytest.mark.skipif(
    not all(shutil.which(tool, path=TOOLS) for tool in ("mkfs.ext3", "debugfs", "wipefs")), reason="no e2fsprogs"
)


@pytest.fixture(scope="module")
def list_disks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("list_disks", FILES / "list_disks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Disks:
    """Files that are disks, and an mdadm that writes down what it is asked."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.asked = directory, directory / "asked"
        mdadm = directory / "mdadm"
        mdadm.write_text(f'#!/bin/sh\necho "$*" > {self.asked}\n')
        mdadm.chmod(0o755)
        self.path = f"{directory}:{TOOLS}"

    def blank(self, name: str) -> Path:
        disk = self.directory / name
        disk.write_bytes(b"")
        os.truncate(disk, 8 * 1024**2)
        return disk

    def formatted(self, name: str, *files: str) -> Path:
        """Make one as EC2 does, with files in it."""
        disk, content = self.blank(name), self.directory / f"{name}.content"
        content.mkdir()
        for file in files:
            (content / file).write_text("mine")
        command = ["mkfs.ext3", "-q", "-F", *(["-d", str(content)] if files else []), str(disk)]
        subprocess.run(command, env={"PATH": self.path}, check=True)
        return disk

    def join(self, *words: object) -> int:
        return subprocess.run(
            ["sh", FILES / "join_disks.sh", *map(str, words)], env={"PATH": self.path}, capture_output=True, check=False
        ).returncode

    def is_formatted(self, disk: Path) -> bool:
        told = subprocess.run(
            ["wipefs", "--no-act", disk], env={"PATH": self.path}, capture_output=True, check=True
        ).stdout  # fmt: skip
        return bool(told)


@pytest.fixture
def disks(tmp_path: Path) -> Disks:
    return Disks(tmp_path)


@needs_tools
def test_empty_and_blank_disks_become_one_volume(disks: Disks) -> None:
    one, other = disks.formatted("xvdb"), disks.blank("xvdc")
    assert disks.join("--empty", one, one, other) == 0
    assert disks.asked.read_text().split()[-3:] == ["--raid-devices=2", str(one), str(other)]
    assert not disks.is_formatted(one)


@needs_tools
@pytest.mark.parametrize("file", ["mine", ".hidden", "lost+found2"])
def test_disk_with_a_file_is_kept_whatever_was_said_of_it(disks: Disks, file: str) -> None:
    one, other = disks.formatted("xvdb", file), disks.blank("xvdc")
    assert disks.join("--empty", one, one, other) == 1
    assert not disks.asked.exists()
    assert disks.is_formatted(one)


@needs_tools
def test_formatted_disk_that_was_not_called_empty_is_kept(disks: Disks) -> None:
    one = disks.formatted("xvdb")
    assert disks.join(one) == 1
    assert disks.is_formatted(one)


@needs_tools
def test_broken_file_system_is_not_empty(disks: Disks, list_disks: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", disks.path)
    blank = disks.blank("xvdb")
    assert disks.join("--empty", blank, blank) == 1
    assert not list_disks.is_empty({"path": str(blank), "mountpoints": [None]})


@needs_tools
@pytest.mark.parametrize(("files", "empty"), [((), True), (("mine",), False)])
def test_unmounted_disk_tells_whether_it_is_empty(
    disks: Disks, list_disks: ModuleType, monkeypatch: pytest.MonkeyPatch, files: tuple[str, ...], empty: bool
) -> None:
    monkeypatch.setenv("PATH", disks.path)
    path = str(disks.formatted("xvdb", *files))
    assert list_disks.is_empty({"path": path, "mountpoints": [None]}) is empty


def test_mounted_disk_tells_whether_it_is_empty(list_disks: ModuleType, tmp_path: Path) -> None:
    device = {"path": "/dev/xvdb", "mountpoints": [str(tmp_path)]}
    (tmp_path / "lost+found").mkdir()
    assert list_disks.is_empty(device)
    (tmp_path / "mine").write_text("")
    assert not list_disks.is_empty(device)


def test_fstab_tells_where_the_volume_is_and_what_cloud_init_mounts(list_disks: ModuleType) -> None:
    fstab = """
# /dev/xvdz /mnt auto comment=cloudconfig 0 2
PARTUUID=d4 / ext4 rw,discard,errors=remount-ro 0 1
/dev/xvdb\t/mnt\tauto\tdefaults,nofail,x-systemd.requires=cloud-init.service,_netdev,comment=cloudconfig\t0\t2
LABEL=toilctl /mnt/instance-store ext4 noatime,nofail 0 0
short line
/mnt/instance-store/var/tmp /var/tmp none bind,nofail 0 0
"""
    assert list_disks.mounted_by(fstab.splitlines()) == ("/mnt/instance-store", ["/dev/xvdb"])
    assert list_disks.mounted_by([]) == ("", [])


def test_node_without_the_disks_that_its_type_has_promises_its_root_volume(tmp_path: Path) -> None:
    """As where somebody's image has files on them; what lsblk lists is not taken then."""
    lsblk = tmp_path / "lsblk"
    lsblk.write_text("#!/bin/sh\necho '{\"blockdevices\": []}'\n")
    lsblk.chmod(0o755)
    facts = {
        "name": "r3.8xlarge", "vcpus": 32, "memory_mib": 249856, "instance_store_gb": 640, "instance_store_disks": 2,
        "instance_store_mapped": True, "architecture": "x86_64",
    }  # fmt: skip
    node = {"instance_type": "r3.8xlarge", "node_storage_gb": 50, "engine_capacity_forced": False}
    playbook = [
        {"hosts": "localhost", "gather_facts": False, "tasks": [{"ansible.builtin.set_fact": {
            "ec2_nodes_described": {"instance_types": {"r3.8xlarge": facts}}}}]},
        {"hosts": "i-1", "gather_facts": False, "vars": {"node_on_instance_store": True, "node_resources": {}},
         "roles": [str(ROOT / "roles/storage")],
         "post_tasks": [{"ansible.builtin.copy": {
             "content": "{{ [node_resources, node_on_instance_store] | to_json }}", "dest": f"{tmp_path}/out",
             "mode": "0600"}}]},
    ]  # fmt: skip
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **node}
    (tmp_path / "inventory.json").write_text(json.dumps({"worker": {"hosts": {"i-1": host}}}))
    (tmp_path / "playbook.json").write_text(json.dumps(playbook))
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "inventory.json", "playbook.json"], cwd=tmp_path,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    resources, on_store = json.loads((tmp_path / "out").read_text())
    root = allocatable(InstanceType("r3.8xlarge", 32, 249856), 50)
    assert (resources["disk_mib"], resources["memory_mib"], on_store) == (root.disk_mib, root.memory_mib, False)
