"""launch-cluster, with playbooks that do in EC2 what the real ones do there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.cli.stand_in import LAUNCH
from toilctl.system import playbooks as runner
from toilctl.values import tags
from toilctl.values.errors import ConnectError, Interrupted

pytestmark = pytest.mark.usefixtures("playbooks")


def test_node_type_is_that_of_leader_and_workers(toilctl, playbooks):
    result = toilctl(*LAUNCH, "-t", "project=a=b", "-t", "x=y", "--owner", "me")
    assert result.exit_code == 0, result.stderr
    ((name, variables),) = playbooks.runs
    assert name == "launch.yml"
    assert variables["leader_node_type"] == "t2.micro"
    assert (variables["node_types"], variables["worker_counts"]) == (["t2.micro"], [2])
    assert variables["extra_tags"] == {"project": "a=b", "x": "y"}
    assert variables["owner"] == "me"
    assert "toilctl ssh-cluster -z us-west-2a c" in result.stdout


def test_nothing_that_was_not_asked_for_is_passed_on_where_the_playbooks_have_a_default(toilctl, playbooks):
    toilctl(*LAUNCH)
    assert not {"boot_timeout_s", "vpc_subnet", "ssh_cidrs"} & set(playbooks.runs[0][1])


def test_login_user_is_the_images_and_stays_that_of_the_cluster(toilctl, playbooks, account):
    ec2 = account.client("ec2")
    own = ec2.register_image(Name="genomics", Architecture="x86_64")["ImageId"]
    refused = toilctl(*LAUNCH, "--ami", own)
    assert (refused.exit_code, playbooks.runs) == (2, [])
    assert "(genomics) does not tell its login user" in refused.stderr
    named = toilctl(*LAUNCH, "--ami", own, "--login-user", "me")
    assert named.exit_code == 0, named.stderr
    assert playbooks.runs[0][1]["login_user"] == "me"
    assert toilctl(*LAUNCH, "--ami", own, "--dry-run").exit_code == 0
    other = toilctl(*LAUNCH, "--ami", own, "--login-user", "ubuntu")
    assert (other.exit_code, "login-user is me, not ubuntu" in other.stderr) == (5, True)


def test_login_user_of_debian_needs_no_word(toilctl, playbooks):
    assert "(login user admin)" in toilctl(*LAUNCH, "--dry-run").stdout
    toilctl(*LAUNCH)
    assert playbooks.runs[0][1]["login_user"] == "admin"


def test_zone_from_the_environment(toilctl, playbooks, monkeypatch):
    monkeypatch.setenv("TOIL_AWS_ZONE", "us-west-2b")
    assert toilctl("launch-cluster", "c", "--keyPairName", "k").exit_code == 0
    assert playbooks.runs[0][1]["zones"] == ["us-west-2b"]


def test_spot_workers_and_alternatives(toilctl, playbooks):
    result = toilctl(
        "launch-cluster", "c", "--leaderNodeType", "t2.medium", "--nodeTypes", "c4.8xlarge/c5.9xlarge:0.6,r3.8xlarge",
        "-w", "1,0", "-z", "us-west-2a", "--keyPairName", "k", "--dry-run",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert "1 worker (c4.8xlarge/c5.9xlarge:0.6)" in result.stdout
    assert "at most $0.67 per hour" in result.stdout
    assert playbooks.runs == []


@pytest.mark.parametrize("count", [("-w", "1"), ("--maxNodes", "3")])
def test_cost_that_is_not_known_is_said_in_a_sentence(toilctl, playbooks, count):
    where = ("-z", "us-west-2a", "--keyPairName", "k", "--engine", "slurm", "--dry-run")
    result = toilctl("launch-cluster", "c", "--leaderNodeType", "t2.medium", "--nodeTypes", "c8a.large", *count, *where)
    assert "engine slurm; what it costs is not known here, for there is no price of c8a.large" in result.stdout
    assert "unknown (" not in result.stdout


def test_toils_spelling_of_every_option(toilctl, account):
    ec2, iam = account.client("ec2"), account.client("iam")
    arn = iam.create_instance_profile(InstanceProfileName="x")["InstanceProfile"]["Arn"]
    subnets = ec2.describe_subnets()["Subnets"]
    subnet = next(one["SubnetId"] for one in subnets if one["AvailabilityZone"] == "us-west-2a")
    group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    plan = toilctl.json(
        "launch-cluster", "c", "--leaderNodeType", "t2.small", "--nodeTypes", "t2.micro,t2.micro:0.1", "-w", "2,1",
        "--zone", "us-west-2a", "--keyPairName", "k", "--leaderStorage", "20", "--nodeStorage", "30",
        "--vpcSubnet", subnet, "--awsEc2ProfileArn", arn, "--awsEc2ExtraSecurityGroupId", group,
        "--clusterType", "slurm", "--appliance", "example.org/slurm:1", "--owner", "me", "--tag", "k=a=b",
        "--logLevel", "INFO", "--dry-run",
    )["data"]  # fmt: skip
    told = ("leader_node_type", "node_types", "worker_counts", "leader_storage_gb", "node_storage_gb", "vpc_subnet")
    assert [plan[name] for name in told] == ["t2.small", ["t2.micro", "t2.micro:0.1"], [2, 1], 20, 30, subnet]
    assert (plan["aws_ec2_profile_arn"], plan["aws_ec2_extra_security_group_ids"]) == (arn, [group])
    assert (plan["software"]["engine"], plan["owner"], plan["extra_tags"]) == ("slurm", "me", {"k": "a=b"})


def test_preemptable_node_type_of_older_toil(toilctl):
    words = ("--nodeType", "t2.micro", "--preemptableNodeType", "t2.micro:0.1", "-w", "1,2")
    plan = toilctl.json("launch-cluster", "c", *words, "-z", "us-west-2a", "--keyPairName", "k", "--dry-run")["data"]
    assert (plan["node_types"], plan["worker_counts"]) == (["t2.micro", "t2.micro:0.1"], [1, 2])


def test_dry_run_makes_nothing(toilctl, playbooks, account):
    assert toilctl(*LAUNCH, "--dry-run").exit_code == 0
    assert playbooks.runs == []
    assert len(account.client("ec2").describe_security_groups()["SecurityGroups"]) == 1


def test_same_command_again_converges(toilctl, cluster):
    before = cluster.live()
    result = toilctl(*LAUNCH)
    assert result.exit_code == 0, result.stderr
    assert "Completing c" in result.stderr
    assert cluster.live() == before


@pytest.mark.parametrize(
    ("changed", "told", "hint"),
    [
        (("-w", "3"), "workers is t2.micro=2, not t2.micro=3", "toilctl scale-cluster -z us-west-2a c -w 3"),
        (("--leader-node-type", "t2.small"), "leader-node-type is t2.micro, not t2.small", "another name"),
        (("--node-storage", "60"), "node-storage-gb is 50, not 60", "another name"),
        (
            ("-z", "us-west-2b"),
            "zones is us-west-2a, not us-west-2b",
            "another name, or destroy that cluster first: toilctl destroy-cluster -z us-west-2a c",
        ),
        (("--engine", "slurm"), "engine is mesos, not slurm", "another name"),
    ],
)
def test_name_in_use_with_other_settings_is_refused(toilctl, cluster, changed, told, hint):
    result = toilctl(*LAUNCH, *changed)
    assert result.exit_code == 5
    assert told in result.stderr
    assert hint in result.stderr
    assert cluster.runs == []


def test_cluster_that_got_no_node_may_be_launched_otherwise(toilctl, cluster):
    everything = cluster.ec2.describe_instances()["Reservations"]
    cluster.ec2.terminate_instances(InstanceIds=[one["InstanceId"] for r in everything for one in r["Instances"]])
    result = toilctl(*LAUNCH, "--zone", "us-west-2a,us-west-2b", "--leader-node-type", "t2.small")
    assert "other settings" not in result.stderr
    assert len(cluster.runs) == 1


def test_image_that_moved_on_since_the_first_launch_is_no_other_setting(toilctl, cluster, monkeypatch):
    monkeypatch.setattr(
        "toilctl.verbs.checks.zones_and_images._default_ami", lambda _: pytest.fail("The cluster has an image.")
    )
    monkeypatch.setenv("TOIL_OWNER_TAG", "somebody-else")
    assert toilctl(*LAUNCH).exit_code == 0
    assert cluster.settings()[tags.OWNER] == "k"


def test_cluster_that_is_being_destroyed_is_not_launched(toilctl, cluster):
    group = cluster._groups("c")
    cluster.ec2.create_tags(Resources=group, Tags=tags.to_list({tags.STATE: tags.DESTROYING}))
    for words in (LAUNCH, ("scale-cluster", "c", "-w", "3")):
        result = toilctl(*words)
        assert (result.exit_code, "is being destroyed" in result.stderr) == (5, True)
    assert cluster.runs == []


def test_partial_fill_shows_what_there_is_and_a_second_run_completes_it(toilctl, playbooks):
    playbooks.given = 1
    result = toilctl(*LAUNCH)
    assert result.exit_code == 6
    assert "works in part: 1 worker nodes could not be launched: InsufficientInstanceCapacity" in result.stderr
    assert "Try another zone.\nThe same command tries again for what is missing;" in result.stderr
    assert playbooks.live()[0] in result.stdout
    playbooks.given = 5
    assert toilctl(*LAUNCH).exit_code == 0
    assert len(playbooks.live()) == 2


def test_worker_that_never_boots_is_named_and_the_rest_works(toilctl, playbooks, monkeypatch):
    real = playbooks.members

    def members(cluster: Any, key: Any) -> dict[str, Any]:
        playbooks.not_joining = {cluster.workers[0].instance_id}
        return real(cluster, key)

    monkeypatch.setattr("toilctl.verbs.clusters.nodes.members", members)
    playbooks.failures = (runner.Failure("i-x", "Wait until first boot has finished", "timed out", unreachable=True),)
    result = toilctl(*LAUNCH)
    assert result.exit_code == 6
    assert f"{next(iter(playbooks.not_joining))} did not join the engine" in result.stderr
    assert "missing" in result.stdout
    assert "'toilctl scale-cluster -z us-west-2a c -w 1' followed by -w 2 replaces it" in result.stderr


@pytest.fixture
def launch_without_leader(toilctl, playbooks, monkeypatch):
    """Launch a cluster whose leader Ansible cannot reach, for what it says."""

    def unreachable(*_: object) -> None:
        raise ConnectError("No answer.")

    def launch(said: str) -> Any:
        def run(*words: Any, **more: Any) -> runner.PlaybookResult:
            result = playbooks.run(*words, **more)
            silent = runner.Failure(playbooks.live("leader")[0], "Wait", said, unreachable=True)
            return runner.PlaybookResult(False, (silent,), result.data, result.log)

        monkeypatch.setattr("toilctl.system.playbooks.run", run)
        monkeypatch.setattr("toilctl.verbs.clusters.nodes.members", unreachable)
        return toilctl(*LAUNCH)

    return launch


def test_leader_that_never_answers_is_named(launch_without_leader, playbooks):
    result = launch_without_leader("Failed to connect to the host via ssh: connect to host h port 22: timed out")
    assert result.exit_code == 13
    assert f"The leader {playbooks.live('leader')[0]} does not answer over ssh." in result.stderr
    assert "'toilctl destroy-cluster -z us-west-2a c' clears the way" in result.stderr


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("over ssh: admin@h: Permission denied (publickey).", "does not accept the key "),
        ("over ssh: @@@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @@@ IT IS", "The host key of i-"),
        ("over ssh: Too many authentication failures", "Give the private key of key pair 'k' with --ssh-key FILE"),
    ],
)
def test_leader_that_lets_nobody_in_is_not_called_silent(launch_without_leader, said, told):
    result = launch_without_leader(said)
    assert (result.exit_code, told in result.stderr) == (13, True)
    assert "does not answer" not in result.stderr


def test_partial_result_is_one_json_document(toilctl, playbooks):
    playbooks.given = 1
    error = toilctl.json(*LAUNCH)["error"]
    assert error["code"] == "partial"
    assert len(error["facts"]["result"]["nodes"]) == 2


def test_failure_that_a_module_named_keeps_its_code(toilctl, playbooks):
    error = {"code": "capacity", "message": "EC2 has no t2.micro.", "next_step": "Try another zone."}
    playbooks.failures = (runner.Failure("localhost", "Have 1 leader", "x", unreachable=False, error=error),)
    result = toilctl(*LAUNCH)
    assert (result.exit_code, "EC2 has no t2.micro." in result.stderr) == (7, True)


def test_ctrl_c_says_how_to_go_on_and_how_to_clean_up(toilctl, monkeypatch):
    def interrupted(*_: object, resume: str, **__: object) -> None:
        raise Interrupted("Stopped.", resume)

    monkeypatch.setattr("toilctl.system.playbooks.run", interrupted)
    result = toilctl(*LAUNCH)
    assert result.exit_code == 130
    assert "The same command goes on from here" in result.stderr
    assert "toilctl destroy-cluster -z us-west-2a c" in result.stderr
