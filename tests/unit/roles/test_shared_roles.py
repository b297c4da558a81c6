"""What roles hand to nodes and containers: a shared file system, a key, FUSE, Docker's API. Ansible renders it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.checkout import ROOT

HOST = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
INVENTORY = {
    "leader": {"hosts": {"i-1": HOST | {"private_ip_address": "10.0.0.1"}}},
    "worker": {"hosts": {"i-2": HOST | {"private_ip_address": "10.0.0.2"}}},
}
SUBNETS = [{"id": "subnet-1", "zone": "us-west-2a", "cidr": "10.0.0.0/20"}, {"zone": "b", "cidr": "10.0.16.0/20"}]
SHOWN = {
    "source": "{{ shared_storage_source }}",
    "options": "{{ shared_storage_fstab_options }}",
    "volumes": "{{ appliance_shared_volumes }}",
    "environment": "{{ appliance_shared_environment if appliance_shared_path else {} }}",
    "rights": "{{ appliance_rights }}",
    "interface": "{{ ec2_nodes_template_data.NetworkInterfaces[0] }}",
    "docker": "{{ appliance_docker_environment }}",
    "image": "{{ appliance_docker_image }}",
    "settings": "{{ leader_settings.shared }}",
    "packages": "{{ ec2_nodes_boot_packages }}",
    "tags": "{{ ec2_network_settings }}",
    "orphan_timeout_s": "{{ cluster_orphan_timeout_s }}",
}
ROLE_FILES = ("shared_storage/defaults", "shared_storage/vars", "appliance/defaults", "appliance/vars",
              "leader/defaults", "ec2_network/vars", "ec2_nodes/defaults", "ec2_nodes/vars")  # fmt: skip
TEMPLATES = {
    "exports": f"{ROOT}/roles/shared_storage/templates/toilctl.exports.j2",
    "toil": f"{ROOT}/roles/leader/templates/default.yaml.j2",
}
PLAYBOOK = [
    {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.set_fact": {"ec2_nodes_launch": "{{ launch }}"}}],
    },
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            *({"ansible.builtin.include_vars": {"file": f"{ROOT}/roles/{part}/main.yml"}} for part in ROLE_FILES),
            *(
                {
                    "ansible.builtin.template": {"src": src, "dest": "{{ out }}/" + name, "mode": "0600"},
                    "when": "'leader' in group_names",
                }
                for name, src in TEMPLATES.items()
            ),
            {
                "ansible.builtin.copy": {
                    "content": "{{ shown | to_json }}",
                    "dest": "{{ out }}/{{ inventory_hostname }}.json",
                    "mode": "0600",
                },
                "vars": {"shown": SHOWN},
            },
        ],
    },
]  # fmt: skip


class Nodes:
    """What a cluster whose security group has these tags makes of its nodes."""

    def __init__(self, directory: Path, tags: Mapping[str, str], **variables: Any) -> None:
        self.directory = directory
        group = {"id": "sg-1", "generation": "0123abcd", "tags": dict(tags)}
        extra = {
            "cluster_name": "lab",
            "region": "us-west-2",
            "engine": "slurm",
            "node_types": ["t2.micro"],
            "launch": {
                "group": group,
                "subnets": SUBNETS,
                "image": {"id": "ami-1", "root_device_name": "/dev/xvda", "architecture": "x86_64", "root_gb": 8},
            },
            "ec2_nodes_parsed": {"name": "t2.micro", "instance_types": ["t2.micro"], "preemptible": False},
            "ec2_nodes_launch": "{{ launch }}",
            "ec2_nodes_offers": [],
            "ec2_nodes_user_data": "",
            "appliance_host": {"rc": 1},
            "appliance_engine": {"json": {"ApiVersion": "1.44"}},
            "leader_worker_resources": [],
            "ec2_nodes_role": "{{ 'leader' if 'leader' in group_names else 'worker' }}",
            "ec2_nodes_settings": dict(tags),
            "out": str(directory),
        } | variables
        (directory / "inventory.json").write_text(json.dumps(INVENTORY))
        (directory / "group_vars").symlink_to(ROOT / "inventory/group_vars")
        (directory / "playbook.json").write_text(json.dumps(PLAYBOOK))
        done = subprocess.run(
            [sys.executable, "-m", "ansible", "playbook", "-i", "inventory.json", "playbook.json", "-e",
             json.dumps(extra)],
            cwd=directory, env={**os.environ, "ANSIBLE_FILTER_PLUGINS": str(ROOT / "roles/ec2_nodes/filter_plugins")},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def of(self, host: str) -> dict[str, Any]:
        return json.loads((self.directory / f"{host}.json").read_text())

    @property
    def leader(self) -> dict[str, Any]:
        return self.of("i-1")

    @property
    def worker(self) -> dict[str, Any]:
        return self.of("i-2")

    def file(self, name: str) -> str:
        return (self.directory / name).read_text()


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Nodes]:
    made: dict[str, Nodes] = {}

    def make(**tags: str) -> Nodes:
        named = {f"toilctl:{name.replace('_', '-')}": value for name, value in tags.items()}
        key = json.dumps(named)
        if key not in made:
            made[key] = Nodes(tmp_path_factory.mktemp("nodes"), named)
        return made[key]

    return make


def test_cluster_without_any_is_as_before(nodes: Callable[..., Nodes]) -> None:
    plain = nodes()
    for one in (plain.leader, plain.worker):
        assert (one["volumes"], one["environment"], one["rights"], one["settings"]) == ([], {}, {}, "")
        assert not {"nfs-common", "nfs-kernel-server"} & set(one["packages"])
    assert not {"sseKey", "symlinkImports"} & set(yaml.safe_load(plain.file("toil")))


def test_workers_mount_what_the_leader_exports_to_the_clusters_subnets_alone(nodes: Callable[..., Nodes]) -> None:
    nfs = nodes(shared="nfs")
    assert nfs.worker["source"] == "10.0.0.1:/shared"
    lines = [line.split() for line in nfs.file("exports").splitlines() if not line.startswith("#")]
    options = "(rw,sync,no_root_squash,no_subtree_check,mp)"
    assert lines == [["/shared", f"10.0.0.0/20{options}"], ["/shared", f"10.0.16.0/20{options}"]]


def test_mount_waits_for_a_server_that_is_away_and_the_boot_does_not(nodes: Callable[..., Nodes]) -> None:
    options = nodes(shared="nfs").worker["options"].split(",")
    assert {"hard", "nofail", "_netdev", "retry=10000", "x-systemd.mount-timeout=infinity"} <= set(options)
    # The leader takes requests from reserved ports only.
    assert "noresvport" not in options


def test_efs_is_mounted_by_its_name_with_the_options_that_aws_recommends(nodes: Callable[..., Nodes]) -> None:
    efs = nodes(shared="efs:fs-0123abcd")
    recommended = {"nfsvers=4.1", "rsize=1048576", "wsize=1048576", "hard", "timeo=600", "retrans=2", "noresvport"}
    for one in (efs.leader, efs.worker):
        assert one["source"] == "fs-0123abcd.efs.us-west-2.amazonaws.com:/"
        assert recommended <= set(one["options"].split(","))


@pytest.mark.parametrize(
    ("shared", "path"), [("nfs", "/shared"), ("efs:fs-0123abcd", "/shared"), ("/mnt/data", "/mnt/data")]
)
def test_containers_have_it_at_the_hosts_path_and_see_later_mounts(
    nodes: Callable[..., Nodes], shared: str, path: str
) -> None:
    cluster = nodes(shared=shared)
    for one in (cluster.leader, cluster.worker):
        assert one["volumes"] == [f"{path}:{path}:rslave"]
        assert one["environment"] == {"TOILCTL_SHARED": path}
    assert cluster.leader["settings"] == path


@pytest.mark.parametrize(
    ("shared", "leader", "worker"),
    [
        ("nfs", {"nfs-kernel-server"}, {"nfs-common"}),
        ("efs:fs-0123abcd", {"nfs-common"}, {"nfs-common"}),
        ("/mnt/data", set(), set()),
    ],
)
def test_nodes_install_what_they_need_while_they_boot(
    nodes: Callable[..., Nodes], shared: str, leader: set[str], worker: set[str]
) -> None:
    of_nfs = {"nfs-common", "nfs-kernel-server"}
    assert of_nfs & set(nodes(shared=shared).leader["packages"]) == leader
    assert of_nfs & set(nodes(shared=shared).worker["packages"]) == worker


def test_toil_does_not_link_to_what_other_nodes_lack(nodes: Callable[..., Nodes]) -> None:
    assert yaml.safe_load(nodes(shared="nfs").file("toil"))["symlinkImports"] is False


def test_toil_finds_the_key_without_a_flag(nodes: Callable[..., Nodes]) -> None:
    assert yaml.safe_load(nodes(sse_key="yes", fuse="yes").file("toil"))["sseKey"] == "/etc/toilctl/sse.key"


def test_what_was_asked_for_becomes_tags_and_the_key_does_not(nodes: Callable[..., Nodes], tmp_path: Path) -> None:
    names = ("toilctl:shared", "toilctl:sse-key", "toilctl:fuse")
    assert [nodes().leader["tags"][name] for name in names] == ["", "", ""]
    asked = Nodes(tmp_path, {}, shared="nfs", sse_key="/home/me/sse.key", enable_fuse=True).leader["tags"]
    assert [asked[name] for name in names] == ["nfs", "yes", "yes"]
    assert "sse.key" not in str(asked)


def test_orphan_timeout_travels_by_its_tag_and_a_cluster_without_one_has_none(
    nodes: Callable[..., Nodes], tmp_path: Path
) -> None:
    without = nodes().worker
    assert (without["orphan_timeout_s"], without["tags"]["toilctl:orphan-timeout"]) == (0, 1800)
    tagged = Nodes(tmp_path, {"toilctl:orphan-timeout": "7200"}, orphan_timeout_s="0").worker
    assert (tagged["orphan_timeout_s"], tagged["tags"]["toilctl:orphan-timeout"]) == (7200, 0)


def test_fuse_is_had_as_toil_has_it_and_by_single_rights_in_a_host_that_is_a_container(
    nodes: Callable[..., Nodes], tmp_path: Path
) -> None:
    assert nodes(sse_key="yes", fuse="yes").worker["rights"] == {"privileged": True}
    rehearsed = Nodes(tmp_path, {"toilctl:fuse": "yes"}, appliance_host={"rc": 0}).worker["rights"]
    assert "privileged" not in rehearsed
    assert (rehearsed["devices"], rehearsed["capabilities"]) == (["/dev/fuse:/dev/fuse:rwm"], ["SYS_ADMIN"])


def test_nodes_have_public_addresses_where_the_cluster_is_reached_by_them_else_as_their_subnet_says(
    nodes: Callable[..., Nodes], tmp_path: Path
) -> None:
    """Whoever launches workers later: the leader reaches them by private addresses."""
    public = {"AssociatePublicIpAddress": True}
    assert public.items() <= nodes().worker["interface"].items()
    private = Nodes(tmp_path, {"toilctl:public-address": "subnet"}, connect_address="private").worker
    assert "AssociatePublicIpAddress" not in private["interface"]
    assert private["interface"]["DeviceIndex"] == 0
    assert (private["tags"]["toilctl:public-address"], nodes().worker["tags"]["toilctl:public-address"]) == (
        "subnet",
        "yes",
    )
    (tmp_path / "without").mkdir()
    without = Nodes(tmp_path / "without", {}, ec2_nodes_public_address=False).worker
    assert without["interface"]["AssociatePublicIpAddress"] is False


def test_containers_are_told_the_api_of_an_engine_that_is_older_than_their_clients(
    nodes: Callable[..., Nodes], tmp_path: Path
) -> None:
    assert nodes().worker["docker"] == {}
    old = Nodes(tmp_path, {}, appliance_engine={"json": {"ApiVersion": "1.41"}})
    assert old.worker["docker"] == old.leader["docker"] == {"DOCKER_API_VERSION": "1.41"}


def test_environment_for_docker_is_known_before_the_engine_was_asked(tmp_path: Path) -> None:
    # An engine's role passes it to the appliance's, which looks at its arguments first.
    assert Nodes(tmp_path, {}, appliance_engine={}).worker["docker"] == {}


def test_docker_is_asked_for_the_digest_alone_where_there_is_one(nodes: Callable[..., Nodes], tmp_path: Path) -> None:
    assert nodes().worker["image"].startswith("quay.io/ucsc_cgl/toil:9.6.0-")
    pinned = Nodes(tmp_path, {}, appliance_image="registry:5000/me/toil:9.6.0-py3.11@sha256:0a")
    assert pinned.leader["image"] == pinned.worker["image"] == "registry:5000/me/toil@sha256:0a"


def test_key_is_written_once_replaced_by_another_and_never_said(tmp_path: Path) -> None:
    template = yaml.safe_load((ROOT / "roles/sse_key/vars/main.yml").read_text())["sse_key_write"]
    path = tmp_path / "etc/sse.key"
    script = template.replace("{{ sse_key_path | quote }}", str(path))

    def write(key: str) -> str:
        done = subprocess.run(["sh", "-c", script], input=key, capture_output=True, text=True, check=True)
        assert key not in done.stdout + done.stderr
        assert (path.read_text(), path.stat().st_mode & 0o777) == (key, 0o400)
        assert list(path.parent.iterdir()) == [path]
        return done.stdout.strip()

    assert [write("a" * 32), write("a" * 32), write("b" * 32)] == ["written", "kept", "replaced"]


@pytest.mark.parametrize(
    ("sizes", "chosen"), [((100, 100), "first"), ((100, 50), "first"), ((100, 200), "second"), ((8, 10), "second")]
)
def test_directory_on_the_largest_disk_is_shared(tmp_path: Path, sizes: tuple[int, int], chosen: str) -> None:
    for name, size in zip(("first", "second"), sizes, strict=True):
        (tmp_path / name).mkdir()
        (tmp_path / name / "size").write_text(f"1K-blocks\n{size:9}\n")
    (tmp_path / "df").write_text('#!/bin/sh\ncat "$2/size"\n')
    (tmp_path / "df").chmod(0o755)
    program = ROOT / "roles/shared_storage/files/choose_directory.sh"
    # What is to be made does not exist yet: the disk is that of the directory above.
    directories = [str(tmp_path / name / "to/be/made") for name in ("first", "second")]
    done = subprocess.run(
        ["sh", program, "/nowhere-in-fstab", *directories],
        env={"PATH": f"{tmp_path}:{os.defpath}"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == str(tmp_path / chosen / "to/be/made")
