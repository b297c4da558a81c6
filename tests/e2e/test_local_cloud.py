"""The rehearsal cloud with hosts: what AWS's interfaces do to real hosts, and what is left when it ends."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.world import RETURN_S, SOON_S, wait_for
from toilctl.local import state
from toilctl.local.hosts import docker_engine, hosts
from toilctl.local.process import up_and_down
from toilctl.values.errors import HostError

pytestmark = pytest.mark.e2e


class Rehearsal:
    """A running cloud, and a client of it."""

    def __init__(self, directory: Path) -> None:
        import boto3

        self.directory = directory
        self.cloud = up_and_down.up(None, print)
        running = state.load()
        self.image = running.ami["plain"]
        self.ec2: Any = boto3.client(
            "ec2",
            running.region,
            endpoint_url=running.endpoint,
            aws_access_key_id=running.access_key_id,
            aws_secret_access_key=running.secret_access_key,
        )

    def launch(self, key_name: str, **more: Any) -> str:
        answer = self.ec2.run_instances(
            ImageId=self.image, MinCount=1, MaxCount=1, InstanceType="t2.micro", KeyName=key_name, **more
        )
        return str(answer["Instances"][0]["InstanceId"])

    def describe(self, instance_id: str) -> dict[str, Any]:
        answer = self.ec2.describe_instances(InstanceIds=[instance_id])
        return dict(answer["Reservations"][0]["Instances"][0])

    def state_of(self, instance_id: str) -> str:
        return str(self.describe(instance_id)["State"]["Name"])

    def ssh(self, instance_id: str, key: Path, command: str) -> str:
        address = self.describe(instance_id)["PublicIpAddress"]
        options = ["-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null", "-oLogLevel=ERROR",
                   "-oConnectTimeout=2", "-oBatchMode=yes", "-oIdentitiesOnly=yes"]  # fmt: skip
        words = ["ssh", "-i", str(key), *options, f"admin@{address}", command]

        def reached() -> subprocess.CompletedProcess[str] | None:
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            return None if done.returncode == 255 else done

        done = wait_for(reached, RETURN_S, f"ssh to {instance_id}")
        assert done.returncode == 0, done.stderr
        return str(done.stdout.strip())


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    directory = tmp_path_factory.mktemp("cloud")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(directory))
        try:
            yield Rehearsal(directory)
        finally:
            up_and_down.down(print)


@pytest.fixture(scope="module")
def made_key(rehearsal: Rehearsal) -> Path:
    """The private half of a key pair that EC2 made."""
    answer = rehearsal.ec2.create_key_pair(KeyName="made", KeyType="ed25519")
    path = rehearsal.directory / "made"
    path.touch(mode=0o600)
    path.write_text(answer["KeyMaterial"])
    return path


@pytest.fixture(scope="module")
def instance(rehearsal: Rehearsal, made_key: Path) -> str:
    instance_id = rehearsal.launch("made", UserData="#!/bin/sh\necho spoken by user data\n")
    rehearsal.ssh(instance_id, made_key, "cloud-init status --wait")
    return instance_id


def test_created_and_imported_key_pairs_both_open_a_host(rehearsal: Rehearsal, instance: str, made_key: Path) -> None:
    own = rehearsal.directory / "own"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(own)], check=True)
    rehearsal.ec2.import_key_pair(KeyName="own", PublicKeyMaterial=own.with_suffix(".pub").read_bytes())
    other = rehearsal.launch("own")
    assert rehearsal.ssh(other, own, "whoami") == "admin"
    assert rehearsal.ssh(instance, made_key, "whoami") == "admin"
    rehearsal.ec2.terminate_instances(InstanceIds=[other])


def test_host_learns_of_itself_from_the_metadata_service(rehearsal: Rehearsal, instance: str, made_key: Path) -> None:
    script = """
        token=$(curl -sf -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 60" http://169.254.169.254/latest/api/token)
        for path in instance-id instance-type placement/availability-zone local-ipv4; do
            curl -sf -H "X-aws-ec2-metadata-token: $token" http://169.254.169.254/latest/meta-data/$path; echo
        done
    """
    about = rehearsal.describe(instance)
    facts = [instance, "t2.micro", about["Placement"]["AvailabilityZone"], about["PrivateIpAddress"]]
    assert rehearsal.ssh(instance, made_key, script).split() == facts


def test_host_that_signs_nothing_is_forbidden(rehearsal: Rehearsal, made_key: Path, instance: str) -> None:
    for url in (f"{rehearsal.cloud.endpoint}/_toilctl/hosts", f"{rehearsal.cloud.endpoint}/"):
        asked = f"curl -s -o /dev/null -w '%{{http_code}}' {url}"
        assert rehearsal.ssh(instance, made_key, asked) == "403"


def test_container_of_another_network_of_this_machine_is_not_answered(rehearsal: Rehearsal, instance: str) -> None:
    client = docker_engine.connect()
    image = hosts_image(client, instance, rehearsal)
    ask = ["-c", f"curl -s -m 5 {rehearsal.cloud.endpoint}; echo $?"]
    said = client.containers.run(image, ask, entrypoint="/bin/sh", remove=True)
    # No answer, connection reset, or no way there at all.
    assert said.decode().strip() in {"52", "56", "28", "7"}


def test_console_output_is_the_hosts(rehearsal: Rehearsal, instance: str) -> None:
    def output() -> str:
        return str(rehearsal.ec2.get_console_output(InstanceId=instance)["Output"])

    wait_for(lambda: "spoken by user data" in output(), SOON_S, "the console's output")


def test_status_shows_instances_with_their_containers(rehearsal: Rehearsal, instance: str) -> None:
    shown = {one.instance_id: one for one in up_and_down.status().instances}
    assert shown[instance].container == f"toilctl-{rehearsal.cloud.cloud_id}-{instance}"
    assert shown[instance].container_state == "running"


def test_stop_and_start_do_to_the_host_what_ec2_does(rehearsal: Rehearsal, instance: str, made_key: Path) -> None:
    rehearsal.ssh(instance, made_key, "echo kept > ~/file && sync")
    rehearsal.ec2.stop_instances(InstanceIds=[instance])
    wait_for(lambda: rehearsal.state_of(instance) == "stopped", SOON_S, "the stop")
    shown = {one.instance_id: one for one in up_and_down.status().instances}
    assert shown[instance].container_state == "exited"
    rehearsal.ec2.start_instances(InstanceIds=[instance])
    assert rehearsal.ssh(instance, made_key, "cat ~/file") == "kept"


@pytest.mark.parametrize("behavior", ["terminate", "stop"])
def test_poweroff_inside_ends_an_instance_as_it_was_launched_to(
    rehearsal: Rehearsal, made_key: Path, behavior: str
) -> None:
    instance_id = rehearsal.launch("made", InstanceInitiatedShutdownBehavior=behavior)
    rehearsal.ssh(instance_id, made_key, "sudo sh -c '(sleep 0.5; systemctl poweroff) >/dev/null 2>&1 &'")
    off = {"terminate": "terminated", "stop": "stopped"}[behavior]
    wait_for(lambda: rehearsal.state_of(instance_id) == off, SOON_S, "the end")
    rehearsal.ec2.terminate_instances(InstanceIds=[instance_id])


def test_terminated_instance_has_no_container(rehearsal: Rehearsal) -> None:
    instance_id = rehearsal.launch("made")
    wait_for(lambda: instance_id in hosts.list_all(rehearsal.cloud.cloud_id), SOON_S, "the host")
    rehearsal.ec2.terminate_instances(InstanceIds=[instance_id])
    wait_for(lambda: rehearsal.state_of(instance_id) == "terminated", SOON_S, "the end")
    assert instance_id not in hosts.list_all(rehearsal.cloud.cloud_id)


def test_second_cloud_has_other_addresses_and_survives_the_firsts_end(
    rehearsal: Rehearsal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance: str
) -> None:
    first = up_and_down.status()
    with monkeypatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path))
        try:
            up_and_down.up(None, print)
            second = up_and_down.status()
        finally:
            up_and_down.down(print)
    assert not {first.cidr, first.public_cidr} & {second.cidr, second.public_cidr}
    assert second.endpoint != first.endpoint
    assert instance in hosts.list_all(first.cloud_id)


def test_down_after_a_crash_removes_all_of_this_cloud_and_nothing_else(rehearsal: Rehearsal, instance: str) -> None:
    client = docker_engine.connect()
    foreign = client.containers.create(hosts_image(client, instance, rehearsal), labels={"toilctl.cloud": "another"})
    try:
        os.kill(state.load().pid, signal.SIGKILL)
        wait_for(lambda: state.find() is None, SOON_S, "the process's end")
        with pytest.raises(HostError, match="has ended and left"):
            up_and_down.status()
        up_and_down.down(print)
        assert hosts.left_of(rehearsal.cloud.cloud_id) == []
        assert not state.local_dir().exists()
        foreign.reload()
    finally:
        foreign.remove(force=True, v=True)


def hosts_image(client: Any, instance: str, rehearsal: Rehearsal) -> str:
    container = client.containers.get(hosts.list_all(rehearsal.cloud.cloud_id)[instance].name)
    return str(container.image.tags[0])
