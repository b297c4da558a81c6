from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.odd_values import TEXTS, texts
from toilctl.values import tag_forms, tags

OURS = sorted(
    value for name, value in vars(tags).items()
    if name.isupper() and isinstance(value, str) and value.startswith("toilctl:")
)  # fmt: skip
SOUND = {
    tags.CLUSTER: "my-cluster", tags.GENERATION: "0123abcd", tags.ROLE: "leader",
    tags.NODE_TYPE: "c4.8xlarge/c5.9xlarge:0.6", tags.INTENT: "scale-0123456789ab", tags.ENGINE: "mesos",
    tags.APPLIANCE: "quay.io/ucsc_cgl/toil:9.6.0-py3.11", tags.STORAGE: "50", tags.STATE: "destroying",
    tags.LEADER_NODE_TYPE: "t2.medium", tags.WORKERS: "c4.8xlarge:0.6=2,r3.8xlarge=0",
    tags.NODE_TYPES: "c4.8xlarge:0.6,r3.8xlarge", tags.LIMITS: "c4.8xlarge:0.6=0..20",
    tags.AUTOSCALER: "target_time_s=1800 invented_later=x", tags.PAUSED: "yes", tags.DEFAULT_PREEMPTIBLE: "no",
    tags.LEADER_PUBLIC_KEY: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ root@leader", tags.ZONES: "us-west-2a,us-west-2b",
    tags.KEY_PAIR_NAME: "my laptop's key (2026)", tags.LOGIN_USER: "ec2-user", tags.LEADER_STORAGE: "50",
    tags.NODE_STORAGE: "50", tags.AMI: "ami-0123456789abcdef0", tags.VPC_SUBNET: "subnet-0123",
    tags.PROFILE_ARN: "arn:aws:iam::123456789012:instance-profile/mine", tags.EXTRA_SECURITY_GROUPS: "sg-1,sg-2",
    tags.ORPHAN_TIMEOUT: "1800", tags.SHARED: "efs:fs-0123456789abcdef0", tags.SSE_KEY: "yes", tags.CUSTOM_INIT: "yes",
    tags.FUSE: "no", tags.PUBLIC_ADDRESS: "yes", tags.S3_WRITE: "my-results,their-bucket/sorted-(2)/it's+all",
    tags.ATTEMPT: f"3 20 1700000000 {'0a' * 32}", tags.CONTENT: f"2 {'0a' * 32}",
}  # fmt: skip
ELSEWHERE = {"Name": "x -oProxyCommand=y", "Owner": "\x1b[2J", "project": "$(id)", "aws:ec2:fleet-id": "x y"}


def test_every_tag_of_ours_has_a_form_that_it_is_written_in() -> None:
    assert sorted(SOUND) == OURS
    checked = tag_forms.check(SOUND | ELSEWHERE)
    assert (checked.sound, checked.damage) == (SOUND | ELSEWHERE, {})


@pytest.mark.parametrize("key", sorted(set(OURS) - {tags.CLUSTER, tags.ENGINE, tags.SHARED}))
def test_empty_tag_says_nothing(key: str) -> None:
    assert tag_forms.check({key: ""}).damage == {}


@pytest.mark.parametrize("key", OURS)
@pytest.mark.parametrize(
    "value",
    ["-oProxyCommand=touch /tmp/x", "x; id", "$(id)", "a\nb", "\x1b[2J", "../../x", "9" * 250, " -A", "{{ x }}"],
)
def test_option_command_path_or_escape_is_no_value_of_ours(key: str, value: str) -> None:
    free = {tags.KEY_PAIR_NAME: ("x; id", "$(id)", "{{ x }}", "9" * 250)}
    words = {value for value in ("9" * 250,) if key not in (tags.STORAGE, tags.LEADER_STORAGE, tags.ORPHAN_TIMEOUT)}
    checked = tag_forms.check({key: value})
    if key == tags.AUTOSCALER or value in free.get(key, ()) or value in words:
        return
    assert checked.damage == {key: value}
    assert key not in checked.sound
    assert tag_forms.said(checked.damage).isprintable()


@settings(deadline=None, max_examples=examples(100))
@given(st.dictionaries(st.sampled_from(OURS) | st.text(), texts))
@example(dict.fromkeys(OURS, "-oProxyCommand=x"))
@example(dict.fromkeys(OURS, "9" * 5000))
@example({tags.LIMITS: "c4.8xlarge=0.." + "9" * 5000})
@example({tags.WORKERS: "1,2", tags.NODE_TYPES: ""})
@example({tags.NODE_STORAGE: "1,2,3", tags.NODE_TYPES: "x"})
def test_any_tags_are_sound_or_damaged(given_tags: dict[str, str]) -> None:
    checked = tag_forms.check(given_tags)
    assert {**checked.sound, **checked.damage} == given_tags
    assert tag_forms.check(checked.sound).damage == {}


@pytest.mark.parametrize("text", TEXTS)
def test_user_that_logs_in_is_never_an_option(text: str) -> None:
    sound = tag_forms.check({tags.LOGIN_USER: text}).sound.get(tags.LOGIN_USER, "")
    assert not sound or sound.isalnum()
