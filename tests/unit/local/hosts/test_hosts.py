"""What is to be done about a host, by what is wanted and what is there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from toilctl.local.host_spec import HostSpec
from toilctl.local.hosts import containers, system_calls
from toilctl.local.hosts.hosts import Container, Power, Step, at_rest, next_step, powered_off
from toilctl.local.hosts.networks import Networks
from toilctl.local.images import images

SPEC = HostSpec(
    instance_id="i-1",
    state="running",
    reboots=0,
    private_ip="172.31.0.5",
    public_ip="172.28.0.5",
    zone="us-west-2a",
    instance_type="t2.micro",
    image="plain",
    user_data=b"",
    public_key=None,
    login_user="admin",
    hostname="ip-172-31-0-5",
)
NETWORKS = Networks("0123abcd", "172.31.0.0/16", "172.28.0.0/16")


def container(state: str = "running", exit_status: int | None = None) -> Container:
    return Container("c1", "i-1", state, exit_status)


@pytest.mark.parametrize(
    ("state", "there", "step"),
    [
        ("pending", None, Step.CREATE),
        ("running", None, Step.CREATE),
        ("running", container(), None),
        ("running", container("created"), Step.START),
        ("stopping", container(), Step.STOP),
        ("stopped", container(), Step.STOP),
        ("stopped", container("exited", 130), None),
        ("stopped", None, None),
        ("shutting-down", container(), Step.REMOVE),
        ("terminated", container("exited", 137), Step.REMOVE),
        ("terminated", None, None),
        ("running", container("removing"), None),
    ],
)
def test_next_step_follows_the_wanted_state(state: str, there: Container | None, step: Step | None) -> None:
    assert next_step(replace(SPEC, state=state), there, Power(0)) == step


def test_reboot_is_taken_once_per_reboot_asked_for() -> None:
    asked = replace(SPEC, reboots=2)
    assert next_step(asked, container(), Power(1)) == Step.REBOOT
    assert next_step(asked, container(), Power(2)) is None


def test_host_that_was_stopped_by_order_is_started_by_order() -> None:
    assert next_step(SPEC, container("exited", 130), Power(0, off_by_order=True)) == Step.START


@pytest.mark.parametrize("status", sorted(containers.POWERED_OFF))
def test_host_that_powered_itself_off_is_left_alone(status: int) -> None:
    assert next_step(SPEC, container("exited", status), Power(0)) is None
    assert powered_off(SPEC, container("exited", status), Power(0))


@pytest.mark.parametrize("status", [129, 137, 255])
def test_host_that_restarted_or_crashed_is_started_again(status: int) -> None:
    assert next_step(SPEC, container("exited", status), Power(0)) == Step.START
    assert not powered_off(SPEC, container("exited", status), Power(0))


def test_stopping_host_rests_when_it_is_off_and_ending_one_when_it_is_gone() -> None:
    stopping, ending = replace(SPEC, state="stopping"), replace(SPEC, state="shutting-down")
    assert not at_rest(stopping, container())
    assert at_rest(stopping, container("exited", 130))
    assert at_rest(stopping, None)
    assert not at_rest(ending, container("exited", 130))
    assert at_rest(ending, None)
    assert not at_rest(SPEC, container())


def test_container_carries_the_labels_by_which_it_is_found() -> None:
    made = containers.creation("0123abcd", SPEC, "toilctl/node-plain:1", NETWORKS, "172.31.255.254:9")
    assert made["name"] == "toilctl-0123abcd-i-1"
    assert made["labels"] == {"toilctl.cloud": "0123abcd", "toilctl.instance": "i-1"}
    assert made["environment"] == {"TOILCTL_IMDS": "172.31.255.254:9"}
    assert made["extra_hosts"] == {"registry.toilctl.internal": "172.31.255.253"}


def test_container_is_not_privileged_and_has_no_devices_of_this_machine_but_fuse() -> None:
    made = containers.creation("0123abcd", SPEC, "toilctl/node-plain:1", NETWORKS, "")
    assert not made.get("privileged")
    assert set(made["devices"]) <= {"/dev/fuse:/dev/fuse:rwm"}
    assert made["cap_drop"] == ["ALL"]
    kept_back = {"SYS_MODULE", "SYS_RAWIO", "SYS_TIME", "SYS_RESOURCE", "SYSLOG", "DAC_READ_SEARCH", "IPC_LOCK"}
    assert not kept_back & set(made["cap_add"])


@pytest.mark.parametrize("version_2", [True, False])
def test_container_may_not_call_what_reaches_past_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version_2: bool
) -> None:
    controllers = tmp_path / "controllers"
    monkeypatch.setattr(system_calls, "_VERSION_2", controllers)
    if version_2:
        controllers.touch()
    profile = json.loads(system_calls.profile())
    (rule,) = profile["syscalls"]
    assert (profile["defaultAction"], rule["action"]) == ("SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO")
    forbidden = set(rule["names"])
    assert {"kexec_load", "init_module", "open_by_handle_at", "swapon", "clock_settime"} <= forbidden
    # What systemd and a nested Docker cannot do without.
    assert not {"mount", "unshare", "setns", "pivot_root", "keyctl", "reboot"} & forbidden
    assert ("bpf" in forbidden) == (not version_2)
    options = containers.creation("0123abcd", SPEC, "toilctl/node-plain:1", NETWORKS, "")["security_opt"]
    assert not [option for option in options if option == "seccomp=unconfined"]
    assert [json.loads(one.removeprefix("seccomp=")) for one in options if one.startswith("seccomp=")]


def test_hosts_of_one_cloud_share_a_volume_and_clouds_do_not() -> None:
    mine, other = (containers.creation(cloud, SPEC, "x", NETWORKS, "")["volumes"] for cloud in ("0123abcd", "89abcdef"))
    assert mine == ["/var/lib/docker", "toilctl-0123abcd-nfs:/var/lib/rehearsal-nfs"]
    assert set(mine) & set(other) == {"/var/lib/docker"}


def test_hosts_find_the_volume_where_they_look_for_it() -> None:
    program = Path(images.__file__).with_name("data") / "node/host-nfs"
    assert f"volume={containers.NFS_DIRECTORY}\n" in program.read_text()


def test_never_boot_reaches_the_container() -> None:
    made = containers.creation("0123abcd", replace(SPEC, fault={"never_boot": True}), "x", NETWORKS, "")
    assert made["environment"] == {"TOILCTL_NEVER_BOOT": "1"}


@pytest.mark.parametrize(
    ("zone", "domain"), [("us-west-2a", "us-west-2.compute.internal"), ("us-east-1b", "ec2.internal")]
)
def test_private_names_are_those_of_ec2(zone: str, domain: str) -> None:
    names = containers.aliases(replace(SPEC, zone=zone))
    assert names == ["ip-172-31-0-5", f"ip-172-31-0-5.{domain}"]
