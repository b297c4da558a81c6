"""Machine images: whose system they have, who logs in there, and what boots them."""

from __future__ import annotations

from typing import Any

import pytest

from toilctl.local.aws.ec2.offerings import instance_type
from toilctl.values.errors import UsageError
from toilctl.values.machine_images import LoginUser, MachineImage, check_boots, login_user

DEBIAN = MachineImage("ami-1", "x86_64", 8, "debian-12-amd64-20260101-2000")


def named(name: str) -> MachineImage:
    return MachineImage("ami-1", "x86_64", 8, name)


@pytest.mark.parametrize(
    ("name", "user"),
    [
        ("debian-12-amd64-20240507-1739", "admin"),
        ("debian-12-arm64-daily-20240507-1739", "admin"),
        ("ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20240701", "ubuntu"),
        ("ubuntu-minimal/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-minimal-20240701", "ubuntu"),
    ],
)
def test_login_user_is_told_by_the_image_of_the_systems_makers(name: str, user: str) -> None:
    assert login_user(named(name), None) == user
    assert login_user(named(name), "me") == "me"


@pytest.mark.parametrize("name", ["", "genomics-2026", "bitnami-nginx-1.25-linux-debian-12-x86_64", "my-ubuntu/x"])
def test_login_user_of_an_image_of_ones_own_is_asked_for(name: str) -> None:
    with pytest.raises(UsageError, match="does not tell its login user") as caught:
        login_user(named(name), None)
    assert "--login-user" in caught.value.next_step
    assert login_user(named(name), "me") == "me"


@pytest.mark.parametrize(
    "name",
    [
        "al2023-ami-2023.5.20240701.0-kernel-6.1-x86_64", "amzn2-ami-kernel-5.10-hvm-2.0.20240620.0-x86_64-gp2",
        "RHEL-9.4.0_HVM-20240605-x86_64-82-Hourly2-GP3", "Windows_Server-2022-English-Full-Base-2024.06.13",
        "suse-sles-15-sp6-v20240705-hvm-ssd-x86_64", "Rocky-9-EC2-Base-9.4-20240523.0.x86_64",
    ],
)  # fmt: skip
def test_system_without_apt_is_refused_whoever_logs_in(name: str) -> None:
    for user in (None, "ec2-user"):
        with pytest.raises(UsageError, match="none of Debian or Ubuntu"):
            login_user(named(name), user)


@pytest.mark.parametrize("name", ["", "-oProxyCommand=x", "a b", "root;x", "Admin", "a" * 33, "a@b"])
def test_what_ssh_would_not_take_for_a_name_is_no_login_user(name: str) -> None:
    with pytest.raises(UsageError, match="login user"):
        LoginUser.parse(name)
    assert LoginUser.parse("ec2-user") == "ec2-user"


def described(name: str, **changed: Any) -> dict[str, Any]:
    found = instance_type(name)
    assert found is not None
    return {**found, **changed}


@pytest.mark.parametrize(
    "name", ["t2.micro", "c4.8xlarge", "r3.8xlarge", "m3.medium", "m1.small", "c5d.large", "i4i.large"]
)
def test_usual_types_boot_debian(name: str) -> None:
    check_boots(described(name), DEBIAN)
    check_boots(described(name), DEBIAN, spot=True)


@pytest.mark.parametrize(
    ("kind", "image", "lacks"),
    [
        (described("t4g.micro"), DEBIAN, "t4g.micro is arm64"),
        (described("m1.small", SupportedVirtualizationTypes=["paravirtual"]), DEBIAN, "does not run hvm images"),
        (described("m1.small", EbsInfo={"EncryptionSupport": "unsupported"}), DEBIAN, "cannot be encrypted"),
        (described("c5.metal"), DEBIAN, "bare-metal"),
        (described("c5.large"), MachineImage("ami-1", "x86_64", 8, virtualization="paravirtual"), "paravirtual images"),
        (described("c5.large", SupportedUsageClasses=["spot"]), DEBIAN, "does not sell on-demand instances"),
    ],
)
def test_type_that_cannot_be_a_node_is_refused_with_the_reason(
    kind: dict[str, Any], image: MachineImage, lacks: str
) -> None:
    with pytest.raises(UsageError, match=lacks):
        check_boots(kind, image)


def test_type_that_is_not_sold_as_spot_is_refused_with_a_bid_alone() -> None:
    kind = described("hpc6a.48xlarge", SupportedUsageClasses=["on-demand"])
    check_boots(kind, DEBIAN)
    with pytest.raises(UsageError, match="does not sell spot instances"):
        check_boots(kind, DEBIAN, spot=True)


def test_description_of_ec2s_becomes_an_image() -> None:
    told = {
        "ImageId": "ami-1", "Architecture": "arm64", "Name": "debian-12-x", "VirtualizationType": "hvm",
        "RootDeviceName": "/dev/xvda",
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvdb"}, {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 9}}],
    }  # fmt: skip
    assert MachineImage.of(told) == MachineImage("ami-1", "arm64", 9, "debian-12-x", "hvm")
    assert MachineImage.of({"ImageId": "ami-2"}) == MachineImage("ami-2", "x86_64", 0)
