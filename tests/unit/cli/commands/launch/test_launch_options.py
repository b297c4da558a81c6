"""Ranges of workers, --shared, --sse-key, --enable-fuse and --orphan-timeout of launch-cluster, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.stand_in import LAUNCH
from toilctl.values import tags

pytestmark = pytest.mark.usefixtures("playbooks")
KEY = b"0123456789abcdefghijklmnopqrstuv"


@pytest.fixture
def key(tmp_path: Path) -> Callable[[bytes], str]:
    """Write a key's file, and return its path."""

    def write(content: bytes) -> str:
        (tmp_path / "sse.key").write_bytes(content)
        return str(tmp_path / "sse.key")

    return write


def test_cluster_without_them_has_none(toilctl, playbooks):
    toilctl(*LAUNCH)
    variables = playbooks.runs[0][1]
    assert not {"shared", "sse_key"} & set(variables)
    assert variables["enable_fuse"] is False
    described = toilctl.json("describe-cluster", "c")["data"]
    assert [described[name] for name in ("shared", "sse_key", "enable_fuse")] == [None, False, False]


@pytest.mark.parametrize(("shared", "told"), [("nfs", "nfs at /shared"), ("/mnt/data", "/mnt/data, mounted by")])
def test_shared_file_system_reaches_the_playbook_and_is_described(toilctl, playbooks, shared, told):
    assert told in toilctl(*LAUNCH, "--shared", shared, "--dry-run").stdout
    result = toilctl(*LAUNCH, "--shared", shared)
    assert result.exit_code == 0, result.stderr
    assert playbooks.runs[0][1]["shared"] == shared
    assert toilctl.json("describe-cluster", "c")["data"]["shared"] == shared
    assert told in toilctl("describe-cluster", "c").stdout


def test_places_where_jobs_may_write_reach_the_playbook_and_stay_until_others_are_named(toilctl, playbooks):
    assert "jobs may write to results/sorted" in toilctl(*LAUNCH, "--s3-write", "results/sorted", "--dry-run").stdout
    for asked, has in (
        (("s3://results/sorted/", "data"), ["results/sorted", "data"]),
        ((), ["data", "results/sorted"]),
    ):
        result = toilctl(*LAUNCH, *(word for place in asked for word in ("--s3-write", place)))
        assert result.exit_code == 0, result.stderr
        assert playbooks.runs[-1][1]["s3_write"] == has
    assert toilctl.json("describe-cluster", "c")["data"]["s3_write"] == ["data", "results/sorted"]


def test_places_where_jobs_may_write_are_refused_with_a_profile_of_ones_own(toilctl, account, playbooks):
    account.client("iam").create_instance_profile(InstanceProfileName="p")
    arn = "arn:aws:iam::123456789012:instance-profile/p"
    result = toilctl(*LAUNCH, "--s3-write", "results", "--aws-ec2-profile-arn", arn)
    assert (result.exit_code, playbooks.runs) == (2, [])
    assert "--s3-write" in result.stderr


def test_what_is_no_shared_file_system_names_the_option(toilctl, playbooks):
    result = toilctl(*LAUNCH, "--shared", "s3://bucket")
    assert (result.exit_code, playbooks.runs) == (2, [])
    assert "--shared" in result.stderr


@pytest.mark.parametrize(
    ("launched", "again", "told"),
    [
        (("--shared", "nfs"), (), "shared is nfs, not none"),
        ((), ("--shared", "nfs"), "shared is none, not nfs"),
        (("--enable-fuse",), (), "fuse is yes, not none"),
        ((), ("--enable-fuse",), "fuse is none, not yes"),
    ],
)
def test_what_nodes_depend_on_is_the_clusters_for_good(toilctl, playbooks, launched, again, told):
    assert toilctl(*LAUNCH, *launched).exit_code == 0
    result = toilctl(*LAUNCH, *again)
    assert (result.exit_code, len(playbooks.runs)) == (5, 1)
    assert told in result.stderr
    assert toilctl(*LAUNCH, *launched).exit_code == 0


def test_sse_key_travels_as_a_path_and_never_as_a_tag(toilctl, playbooks, key):
    path = key(KEY)
    result = toilctl(*LAUNCH, "--sseKey", path)
    assert result.exit_code == 0, result.stderr
    assert playbooks.runs[0][1]["sse_key"] == path
    assert playbooks.settings()[tags.SSE_KEY] == "yes"
    assert KEY.decode() not in str(playbooks.runs) + str(playbooks.settings()) + result.stdout + result.stderr
    assert toilctl.json("describe-cluster", "c")["data"]["sse_key"] is True


def test_sse_key_is_not_asked_for_again(toilctl, playbooks, key):
    toilctl(*LAUNCH, "--sse-key", key(KEY))
    result = toilctl(*LAUNCH)
    assert result.exit_code == 0, result.stderr
    assert "sse_key" not in playbooks.runs[1][1]


def test_replaced_sse_key_is_noted(toilctl, playbooks, key):
    assert "another SSE key" not in toilctl(*LAUNCH, "--sse-key", key(KEY)).stdout
    playbooks.told = {"sse_key_replaced": True}
    result = toilctl(*LAUNCH, "--sse-key", key(KEY[::-1]))
    assert "The leader had another SSE key, which this one has replaced" in result.stdout


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "has 0 bytes, and a key has 32"),
        (KEY[:31], "has 31 bytes"),
        (KEY * 2, "has 64 bytes"),
        (KEY + b"\n", "ends with a line break or space"),
        (KEY[:31] + b"\n", "has bytes that are no printable ASCII characters"),
        (bytes(range(200, 232)), "has bytes that are no printable ASCII characters"),
    ],
)
def test_what_toil_does_not_take_as_a_key_is_refused(toilctl, playbooks, key, content, told):
    result = toilctl(*LAUNCH, "--sse-key", key(content))
    assert (result.exit_code, playbooks.runs) == (2, [])
    assert told in result.stderr


def test_sse_key_that_is_no_file_is_named(toilctl, playbooks, tmp_path):
    for path in (tmp_path / "missing", tmp_path):
        result = toilctl(*LAUNCH, "--sse-key", str(path))
        assert (result.exit_code, playbooks.runs) == (2, [])
        assert f"There is no SSE key {path}." in result.stderr


@pytest.mark.parametrize(
    ("words", "enabled"),
    [
        (("--enable-fuse",), True),
        (("--enableFuse",), True),
        (("--allowFuse", "True"), True),
        (("--allowFuse", "False"), False),
        (("--no-enable-fuse",), False),
    ],
)
def test_fuse_by_either_spelling(toilctl, playbooks, words, enabled):
    result = toilctl(*LAUNCH, *words)
    assert result.exit_code == 0, result.stderr
    assert playbooks.runs[0][1]["enable_fuse"] is enabled
    assert toilctl.json("describe-cluster", "c")["data"]["enable_fuse"] is enabled


def test_neither_true_nor_false_names_the_option(toilctl, playbooks):
    result = toilctl(*LAUNCH, "--allowFuse", "maybe")
    assert (result.exit_code, "--allow-fuse" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "seconds", "told"),
    [
        ((), 1800, "workers end after 1800 s without the leader"),
        (("--orphan-timeout", "60"), 60, "workers end after 60 s without the leader"),
        (("--orphanTimeout", "0"), 0, "workers stay without the leader"),
    ],
)
def test_orphan_timeout_reaches_the_playbook_and_is_described(toilctl, playbooks, words, seconds, told):
    assert told in toilctl(*LAUNCH, *words, "--dry-run").stdout
    result = toilctl(*LAUNCH, *words)
    assert result.exit_code == 0, result.stderr
    assert playbooks.runs[0][1]["orphan_timeout_s"] == seconds
    assert toilctl.json("describe-cluster", "c")["data"]["orphan_timeout_s"] == seconds
    assert told in toilctl("describe-cluster", "c").stdout


def test_another_orphan_timeout_is_for_the_cluster_that_is_there_and_stays(toilctl, playbooks):
    for words in ((), ("--orphan-timeout", "7200"), (), ("--orphan-timeout", "0"), ()):
        result = toilctl(*LAUNCH, *words)
        assert result.exit_code == 0, result.stderr
    assert [variables["orphan_timeout_s"] for _, variables in playbooks.runs] == [1800, 7200, 7200, 0, 0]
    assert len(playbooks.live()) == 2


def test_workers_of_a_cluster_from_before_orphan_timeouts_stay(toilctl, playbooks, account):
    toilctl(*LAUNCH)
    group = account.client("ec2").describe_security_groups(GroupNames=["toilctl-c"])["SecurityGroups"][0]["GroupId"]
    account.client("ec2").delete_tags(Resources=[group], Tags=[{"Key": tags.ORPHAN_TIMEOUT}])
    assert toilctl.json("describe-cluster", "c")["data"]["orphan_timeout_s"] == 0
    toilctl(*LAUNCH)
    assert playbooks.runs[-1][1]["orphan_timeout_s"] == 1800


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        *((value, "below 60") for value in ("59", "1", "-1")),
        *((value, "not a whole number of seconds") for value in ("x", "", "1800.5", "half an hour", "nan")),
    ],
)
def test_orphan_timeout_that_cannot_be_names_the_option_and_the_form(toilctl, playbooks, value, fault):
    result = toilctl(*LAUNCH, f"--orphan-timeout={value}")
    assert (result.exit_code, playbooks.runs) == (2, [])
    assert f"Invalid value for '--orphan-timeout': {value!r} is {fault}." in result.stderr
    assert "Write a whole number of seconds, at least 60, such as 1800; 0: never." in result.stderr


def test_help_shows_the_shared_default_of_the_orphan_timeout(toilctl):
    from toilctl.system import variables

    shown = " ".join(toilctl("launch-cluster", "--help").stdout.split())
    described = shown[shown.index("--orphan-timeout") :]
    assert f"[default: {variables.defaults()['orphan_timeout_s']}]" in described[:300]


def test_range_of_workers_is_a_minimum_and_a_maximum_as_in_toil(toilctl, playbooks):
    words = [word for word in LAUNCH if word not in ("--nodeType", "t2.micro", "-w", "2")]
    ranges = (*words, "--nodeTypes", "t2.micro,t2.small,t2.medium", "--workers", "0-2,5,3-1", "--engine", "slurm")
    assert toilctl(*ranges).exit_code == 0
    variables = playbooks.runs[0][1]
    assert variables["limits"] == ["t2.micro=0..2", "t2.small=5..5", "t2.medium=1..3"]
    assert variables["worker_counts"] == [0, 5, 1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("-w", "1-2", "--maxNodes", "5"), "A range of --workers is a minimum and a maximum"),
        (("-w", "1-"), "'1-' is not a number of workers"),
        (("-w", "1-2-3"), "'1-2-3' is not a number of workers"),
        (("-T", "kubernetes"), "toilctl makes no clusters of type 'kubernetes'"),
    ],
)
def test_bad_ranges_and_types_are_refused(toilctl, words, says):
    result = toilctl(*LAUNCH[:-2], *words)
    assert result.exit_code == 2
    assert says in result.stderr
