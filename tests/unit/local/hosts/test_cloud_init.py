"""What cloud-init finds."""

from __future__ import annotations

import io
import json
import tarfile

from toilctl.local.host_spec import HostSpec
from toilctl.local.hosts import cloud_init

SPEC = HostSpec(
    instance_id="i-1",
    state="running",
    reboots=0,
    private_ip="172.31.0.5",
    public_ip="172.28.0.5",
    zone="us-west-2a",
    instance_type="t2.micro",
    image="plain",
    user_data=b"\x1f\x8b\x00binary",
    public_key='ssh-ed25519 AAAA me: "quoted"\n',
    login_user="ubuntu",
    hostname="ip-172-31-0-5",
)


def test_archive_has_the_user_data_byte_by_byte_and_for_root_alone() -> None:
    with tarfile.open(fileobj=io.BytesIO(cloud_init.archive(SPEC))) as archive:
        member = archive.getmember("var/lib/cloud/seed/nocloud/user-data")
        content = archive.extractfile(member)
        assert content is not None
        assert content.read() == SPEC.user_data
        assert (member.mode, member.uid) == (0o600, 0)


def test_meta_data_has_names_and_key() -> None:
    document = json.loads(cloud_init.meta_data(SPEC))
    assert document["instance-id"] == "i-1"
    assert document["local-hostname"] == "ip-172-31-0-5"
    assert document["public-keys"] == ['ssh-ed25519 AAAA me: "quoted"']


def test_meta_data_without_a_key_pair_has_no_keys() -> None:
    from dataclasses import replace

    assert "public-keys" not in json.loads(cloud_init.meta_data(replace(SPEC, public_key=None)))


def test_login_user_is_the_machine_images() -> None:
    user = json.loads(cloud_init.login_config("ubuntu"))["system_info"]["default_user"]
    assert (user["name"], user["lock_passwd"]) == ("ubuntu", True)
