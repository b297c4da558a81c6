"""What the engine roles run on leader and workers, rendered by Ansible itself for a made-up inventory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import ROOT

HOST = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
SIZE = {"cores": 1, "memory_mib": 668, "disk_mib": 40000}
INVENTORY = {
    "leader": {"hosts": {"i-1": HOST | {"private_ip_address": "10.0.0.1"}}},
    "worker": {
        "hosts": {
            "i-2": HOST | {"private_ip_address": "10.0.0.2", "node_resources": SIZE},
            "i-3": HOST | {"private_ip_address": "10.0.0.3", "node_resources": SIZE, "spot": True},
        }
    },
}
# The result is written by each host as one file; nothing of the roles is run.
PLAYBOOK = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {"ansible.builtin.include_vars": {"file": f"{ROOT}/roles/{role}/{kind}/main.yml"}}
            for role, kind in (
                ("mesos", "defaults"),
                ("mesos", "vars"),
                ("slurm", "defaults"),
                ("slurm", "vars"),
                ("leader", "defaults"),
                ("appliance", "defaults"),
                ("appliance", "vars"),
            )
        ]
        + [
            {
                "ansible.builtin.template": {"src": f"{ROOT}/roles/{src}", "dest": "{{ out }}/" + dest, "mode": "0600"},
                "when": "'leader' in group_names",
            }
            for src, dest in (
                ("slurm/templates/slurm.conf.j2", "slurm.conf"),
                ("leader/templates/default.yaml.j2", "default.yaml"),
            )
        ]
        + [
            {
                "ansible.builtin.copy": {
                    "content": "{{ {'mesos': mesos_services[mesos_role], 'slurm': slurm_services[slurm_role], "
                    "'environment': mesos_environment[mesos_role], "
                    "'volumes': appliance_docker_volumes + appliance_base_volumes} | to_json }}",
                    "dest": "{{ out }}/{{ inventory_hostname }}.json",
                    "mode": "0600",
                }
            }
        ],
    }
]


class Rendered:
    def __init__(self, directory: Path, **variables: Any) -> None:
        self.directory = directory
        extra = {
            "cluster_name": "lab",
            "region": "us-west-2",
            "engine": "mesos",
            "appliance_image": "appliance:1",
            "aws_endpoint_url": "",
            "node_types": ["t2.micro"],
            "engine_capacity_forced": False,
            "leader_worker_resources": [SIZE],
            "appliance_docker_environment": {"DOCKER_API_VERSION": "1.41"},
            "out": str(directory),
        } | variables
        (directory / "inventory.json").write_text(json.dumps(INVENTORY))
        (directory / "playbook.json").write_text(json.dumps(PLAYBOOK))
        command = [sys.executable, "-m", "ansible", "playbook", "-i", "inventory.json", "playbook.json"]
        done = subprocess.run(
            [*command, "-e", json.dumps(extra)], cwd=directory, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def services(self, host: str, engine: str) -> list[str]:
        return json.loads((self.directory / f"{host}.json").read_text())[engine]

    def has_docker(self, host: str) -> bool:
        volumes = json.loads((self.directory / f"{host}.json").read_text())["volumes"]
        return "/var/run/docker.sock:/var/run/docker.sock" in volumes

    def environment(self, host: str) -> dict[str, str]:
        return json.loads((self.directory / f"{host}.json").read_text())["environment"]


@pytest.fixture(scope="module")
def on_aws(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    return Rendered(tmp_path_factory.mktemp("aws"))


@pytest.fixture(scope="module")
def in_rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    variables = {"engine_capacity_forced": True, "aws_endpoint_url": "http://172.31.255.254:5000", "engine": "slurm"}
    return Rendered(tmp_path_factory.mktemp("rehearsal"), appliance_with_docker=False, **variables)


def test_mesos_master_listens_at_the_leaders_private_address(on_aws: Rendered) -> None:
    master = on_aws.services("i-1", "mesos")[0]
    assert master.split() == [
        "exec",
        "mesos-master",
        "--ip=10.0.0.1",
        "--hostname=10.0.0.1",
        "--port=5050",
        "--cluster=lab",
        "--registry=in_memory",
        "--log_dir=/var/lib/mesos",
        "--work_dir=/var/lib/mesos",
    ]


@pytest.mark.parametrize(("host", "preemptible"), [("i-2", "False"), ("i-3", "True")])
def test_mesos_agent_says_what_toil_asks_for(on_aws: Rendered, host: str, preemptible: str) -> None:
    agent = on_aws.services(host, "mesos")[0]
    assert "--master=10.0.0.1:5050" in agent
    assert f"'--attributes=preemptible:{preemptible};instance_id:{host}'" in agent
    assert "--no-hostname_lookup --no-systemd_enable_support" in agent


def test_mesos_agent_offers_what_the_autoscaler_reckons_with(on_aws: Rendered, in_rehearsal: Rendered) -> None:
    for place in (on_aws, in_rehearsal):
        agent = place.services("i-2", "mesos")[0]
        assert "'--resources=cpus:1;mem:668;disk:40000;ports:[31000-32000]'" in agent


@pytest.mark.parametrize(("host", "watched"), [("i-1", "mesos-master 5050"), ("i-2", "mesos-agent 5051")])
def test_mesos_that_answers_nobody_is_ended_and_started_again(
    on_aws: Rendered, tmp_path: Path, host: str, watched: str
) -> None:
    """The loop itself, with stand-ins for what it calls: three looks fail, one is answered, six fail."""
    process, port = watched.split()
    watch = on_aws.services(host, "mesos")[1]
    (tmp_path / "answers").write_text("0\n" * 3 + "1\n" + "0\n" * 6)
    for name, body in {
        "sleep": "test -s answers",
        "curl": 'echo "$@" >> asked; a=$(head -n 1 answers); sed -i 1d answers; test "$a" = 1',
        "pkill": 'echo "$@" >> killed',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    subprocess.run(["bash", "-c", watch], cwd=tmp_path, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=False)
    assert (tmp_path / "killed").read_text() == f"-KILL -x {process}\n"
    assert f"http://10.0.0.{host[-1]}:{port}/health" in (tmp_path / "asked").read_text()


def test_leader_follows_workflows_that_the_plugin_does_not_reach(on_aws: Rendered) -> None:
    assert on_aws.services("i-1", "mesos")[2] == "exec python3 -m toilctl_plugin.watcher"


def test_mesos_executors_get_path_and_endpoint(on_aws: Rendered, in_rehearsal: Rendered) -> None:
    name = "MESOS_EXECUTOR_ENVIRONMENT_VARIABLES"
    aws, rehearsal = (json.loads(place.environment("i-2")[name]) for place in (on_aws, in_rehearsal))
    assert aws["PATH"].startswith("/opt/toil/bin:")
    assert "AWS_ENDPOINT_URL" not in aws
    assert rehearsal["AWS_ENDPOINT_URL"] == "http://172.31.255.254:5000"
    assert aws["DOCKER_API_VERSION"] == "1.41"
    assert on_aws.environment("i-2")["MESOS_LAUNCHER"] == "posix"


@pytest.mark.parametrize(("host", "feature"), [("i-2", "nonpreemptible"), ("i-3", "preemptible")])
def test_slurm_worker_joins_under_its_instance_id(on_aws: Rendered, host: str, feature: str) -> None:
    slurmd = on_aws.services(host, "slurm")[1]
    assert f"-N {host} --conf 'CPUs=1 RealMemory=668 TmpDisk=40000 Feature={feature}' --conf-server 10.0.0.1" in slurmd


def test_containers_have_dockers_socket_unless_it_is_taken_from_them(on_aws: Rendered, in_rehearsal: Rendered) -> None:
    assert (on_aws.has_docker("i-1"), on_aws.has_docker("i-2")) == (True, True)
    assert not in_rehearsal.has_docker("i-1")


def test_slurm_does_nothing_for_jobs_as_root_on_the_leader(on_aws: Rendered) -> None:
    assert "\nSlurmUser=slurm\n" in (on_aws.directory / "slurm.conf").read_text()


def test_slurm_takes_a_workers_word_for_its_size_only_in_the_rehearsal(
    on_aws: Rendered, in_rehearsal: Rendered
) -> None:
    forced = "SlurmdParameters=config_overrides"
    assert forced not in (on_aws.directory / "slurm.conf").read_text()
    assert forced in (in_rehearsal.directory / "slurm.conf").read_text()


def test_controller_has_the_name_that_its_container_has(on_aws: Rendered) -> None:
    assert "SlurmctldHost=lab-leader(10.0.0.1)\n" in (on_aws.directory / "slurm.conf").read_text()


def test_toil_finds_the_engine_without_flags(on_aws: Rendered, in_rehearsal: Rendered) -> None:
    mesos, slurm = ((place.directory / "default.yaml").read_text() for place in (on_aws, in_rehearsal))
    assert "batchSystem: mesos\nmesosEndpoint: 10.0.0.1:5050\n" in mesos
    assert "batchSystem: slurm\n" in slurm
    assert "mesosEndpoint" not in slurm


def test_retried_job_still_fits_the_smallest_worker(on_aws: Rendered) -> None:
    assert "defaultMemory: 668Mi\n" in (on_aws.directory / "default.yaml").read_text()
