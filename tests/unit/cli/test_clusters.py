"""The cluster commands over EC2's answers, with playbooks that do in EC2 what the real ones do there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from toilctl import engines, runner, tags
from toilctl.errors import Interrupted
from toilctl.local.testing import TestCloud

LAUNCH = ("launch-cluster", "c", "--nodeType", "t2.micro", "-z", "us-west-2a", "--keyPairName", "k", "-w", "2")


@dataclass
class Playbooks:
    """Stands in for Ansible: launches, terminates and destroys in the account; nodes join at once."""

    ec2: Any
    runs: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    not_joining: set[str] = field(default_factory=set)
    given: int = 100
    """How many workers EC2 has left to give."""
    leaves: bool = False
    """Whether destroying leaves the security group behind."""
    failures: tuple[runner.Failure, ...] = ()
    busy: dict[str, int] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.runs]

    def run(
        self, playbook: str, target: runner.Target, variables: Mapping[str, Any], **_: Any
    ) -> runner.PlaybookResult:
        self.runs.append((playbook, dict(variables)))
        data = {
            "launch.yml": self._launch,
            "scale_out.yml": self._scale_out,
            "scale_in.yml": self._scale_in,
            "destroy.yml": self._destroy,
            "configure.yml": lambda *_: {},
        }[playbook](target.cluster, dict(variables))
        return runner.PlaybookResult(not self.failures and not data.get("shortfalls"), self.failures, data, Path("log"))

    def members(self, cluster: Any, _key: Any) -> dict[str, engines.EngineNode]:
        return {
            node.instance_id: engines.EngineNode(
                name=node.instance_id, instance_id=node.instance_id, private_address="", state="joined",
                running=tuple(map(str, range(self.busy.get(node.instance_id, 0)))), resources=None,
            )
            for node in cluster.workers
            if node.instance_id not in self.not_joining
        }  # fmt: skip

    def live(self, role: str = "worker", cluster: str = "c") -> list[str]:
        return [one["InstanceId"] for one in self._instances(cluster) if _tag(one, tags.ROLE) == role]

    def _launch(self, cluster: str, has: dict[str, Any]) -> dict[str, Any]:
        settings = {
            tags.CLUSTER: cluster, tags.GENERATION: "0123abcd", tags.OWNER: has["owner"],
            tags.LEADER_NODE_TYPE: has["leader_node_type"], tags.NODE_TYPES: ",".join(has["node_types"]),
            tags.WORKERS: ",".join(map(str, has["worker_counts"])), tags.ZONES: ",".join(has["zones"]),
            tags.KEY_PAIR_NAME: has["key_pair_name"], tags.ENGINE: has["engine"], tags.AMI: has["ami"],
            tags.APPLIANCE: has["appliance_image"], tags.LEADER_STORAGE: str(has["leader_storage_gb"]),
            tags.NODE_STORAGE: str(has["node_storage_gb"]), **has["extra_tags"],
        }  # fmt: skip
        if not self._groups(cluster):
            self.ec2.create_security_group(
                GroupName=f"toilctl-{cluster}",
                Description="x",
                TagSpecifications=[{"ResourceType": "security-group", "Tags": tags.to_list(settings)}],
            )
        self._start(cluster, "leader", has["leader_node_type"], 1 - len(self.live("leader", cluster)))
        missing = 0
        for kind, count in zip(has["node_types"], has["worker_counts"], strict=True):
            have = sum(
                _tag(one, tags.NODE_TYPE) == kind
                for one in self._instances(cluster)
                if _tag(one, tags.ROLE) == "worker"
            )
            missing += self._start(cluster, "worker", kind, count - have)
        return _shortfall(missing)

    def _scale_out(self, cluster: str, has: dict[str, Any]) -> dict[str, Any]:
        return _shortfall(
            sum(self._start(cluster, "worker", one["node_type"], one["count"]) for one in has["launches"])
        )

    def _scale_in(self, _cluster: str, has: dict[str, Any]) -> dict[str, Any]:
        idle = [one for one in has["instance_ids"] if has["force"] or not self.busy.get(one)]
        if idle:
            self.ec2.terminate_instances(InstanceIds=idle)
        return {"terminated": idle}

    def _destroy(self, cluster: str, _: dict[str, Any]) -> dict[str, Any]:
        ids = [one["InstanceId"] for one in self._instances(cluster)]
        if ids:
            self.ec2.terminate_instances(InstanceIds=ids)
        for group in [] if self.leaves else self._groups(cluster):
            self.ec2.delete_security_group(GroupId=group)
        return {}

    def _start(self, cluster: str, role: str, kind: str, count: int) -> int:
        granted = min(count, self.given)
        own = {tags.CLUSTER: cluster, tags.ROLE: role, tags.NODE_TYPE: kind}
        for _ in range(granted):
            self.ec2.run_instances(
                ImageId=self._image(), MinCount=1, MaxCount=1, InstanceType=kind.partition(":")[0],
                Placement={"AvailabilityZone": "us-west-2a"},
                TagSpecifications=[{"ResourceType": "instance", "Tags": tags.to_list(own)}],
            )  # fmt: skip
        self.given -= max(0, granted) if role == "worker" else 0
        return count - granted

    def _image(self) -> str:
        return str(self.ec2.describe_images(Owners=["self", "136693071363", "amazon"])["Images"][0]["ImageId"])

    def _groups(self, cluster: str) -> list[str]:
        wanted = [{"Name": f"tag:{tags.CLUSTER}", "Values": [cluster]}]
        return [group["GroupId"] for group in self.ec2.describe_security_groups(Filters=wanted)["SecurityGroups"]]

    def _instances(self, cluster: str) -> list[dict[str, Any]]:
        wanted = [
            {"Name": f"tag:{tags.CLUSTER}", "Values": [cluster]},
            {"Name": "instance-state-name", "Values": ["pending", "running"]},
        ]
        answer = self.ec2.describe_instances(Filters=wanted)
        return [one for reservation in answer["Reservations"] for one in reservation["Instances"]]


def _tag(instance: dict[str, Any], key: str) -> str | None:
    return tags.to_dict(instance["Tags"]).get(key)


def _shortfall(count: int) -> dict[str, Any]:
    if count <= 0:
        return {}
    message = f"{count} worker nodes could not be launched: InsufficientInstanceCapacity."
    return {"shortfalls": [{"code": "partial", "message": message, "next_step": "Try another zone."}]}


@pytest.fixture(autouse=True)
def playbooks(account: TestCloud, monkeypatch: pytest.MonkeyPatch) -> Playbooks:
    stand_in = Playbooks(account.client("ec2"))
    monkeypatch.setattr("toilctl.runner.run", stand_in.run)
    monkeypatch.setattr("toilctl.verbs.nodes.members", stand_in.members)
    monkeypatch.setattr("toilctl.verbs.nodes._JOIN_TIMEOUT_S", 0.0)
    monkeypatch.setattr("toilctl.verbs.destroy._PATIENCE_S", 0.0)
    return stand_in


@pytest.fixture
def cluster(toilctl: Callable[..., Any], playbooks: Playbooks) -> Playbooks:
    """A cluster c of a leader and two workers; only what comes afterwards counts as a run."""
    result = toilctl(*LAUNCH)
    assert result.exit_code == 0, result.stderr
    playbooks.runs.clear()
    return playbooks


# --- launch ---


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
    assert not {"boot_timeout_s", "vpc_subnet", "ssh_cidrs", "login_user"} & set(playbooks.runs[0][1])


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
    assert "at most $0.65 per hour" in result.stdout
    assert playbooks.runs == []


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
        (("-w", "3"), "workers is 2, not 3", "toilctl scale-cluster -z us-west-2a c -w 3"),
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
    monkeypatch.setattr("toilctl.verbs.places._default_ami", lambda _: pytest.fail("The cluster has an image."))
    monkeypatch.setitem(__import__("os").environ, "USER", "somebody-else")
    assert toilctl(*LAUNCH).exit_code == 0


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

    monkeypatch.setattr("toilctl.verbs.nodes.members", members)
    playbooks.failures = (runner.Failure("i-x", "Wait until first boot has finished", "timed out", unreachable=True),)
    result = toilctl(*LAUNCH)
    assert result.exit_code == 6
    assert f"{next(iter(playbooks.not_joining))} did not join the engine" in result.stderr
    assert "missing" in result.stdout
    assert "'toilctl scale-cluster -z us-west-2a c -w 1' followed by -w 2 replaces it" in result.stderr


def test_leader_that_never_answers_is_named(toilctl, playbooks, monkeypatch):
    from toilctl.errors import ConnectError

    def launch(*words: Any, **more: Any) -> runner.PlaybookResult:
        result = playbooks.run(*words, **more)
        silent = runner.Failure(playbooks.live("leader")[0], "Wait", "timed out", unreachable=True)
        return runner.PlaybookResult(False, (silent,), result.data, result.log)

    def unreachable(*_: object) -> None:
        raise ConnectError("No answer.")

    monkeypatch.setattr("toilctl.runner.run", launch)
    monkeypatch.setattr("toilctl.verbs.nodes.members", unreachable)
    result = toilctl(*LAUNCH)
    assert result.exit_code == 13
    assert f"The leader {playbooks.live('leader')[0]} does not answer over ssh." in result.stderr
    assert "'toilctl destroy-cluster -z us-west-2a c' clears the way" in result.stderr


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

    monkeypatch.setattr("toilctl.runner.run", interrupted)
    result = toilctl(*LAUNCH)
    assert result.exit_code == 130
    assert "The same command goes on from here" in result.stderr
    assert "toilctl destroy-cluster -z us-west-2a c" in result.stderr


# --- list, describe, find ---


def test_list_and_describe(toilctl, cluster):
    listed = toilctl.json("list-clusters")["data"]["clusters"]
    assert [(one["name"], one["region"], one["state"], len(one["workers"])) for one in listed] == [
        ("c", "us-west-2", "running", 2)
    ]
    described = toilctl.json("describe-cluster", "c", "-z", "us-west-2a")["data"]
    assert described["desired"] == {"t2.micro": 2}
    assert [node["engine_state"] for node in described["nodes"]] == [None, "joined", "joined"]


def test_engine_that_does_not_answer_is_a_note(toilctl, cluster, monkeypatch):
    from toilctl.errors import EngineError

    def silent(*_: object) -> None:
        raise EngineError("Slurm does not answer.")

    monkeypatch.setattr("toilctl.verbs.nodes.members", silent)
    result = toilctl("describe-cluster", "c")
    assert result.exit_code == 0
    assert "The engine could not be asked: Slurm does not answer." in result.stdout


@pytest.mark.parametrize("words", [("describe-cluster", "x"), ("scale-cluster", "x", "-w", "1")])
def test_cluster_that_does_not_exist(toilctl, words):
    result = toilctl(*words)
    assert result.exit_code == 4
    assert "There is no cluster 'x' in us-west-2." in result.stderr


def test_without_a_region_all_are_searched_and_two_matches_are_named(toilctl, cluster, account, monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setattr("toilctl.aws.enabled_regions", lambda _: ("eu-west-1", "us-east-1", "us-west-2"))
    assert toilctl.json("describe-cluster", "c")["data"]["region"] == "us-west-2"
    account.client("ec2", "eu-west-1").create_security_group(
        GroupName="toilctl-c",
        Description="x",
        TagSpecifications=[{"ResourceType": "security-group", "Tags": tags.to_list({tags.CLUSTER: "c"})}],
    )
    for verb in ("describe-cluster", "destroy-cluster"):
        result = toilctl(verb, "c")
        assert result.exit_code == 5
        assert "eu-west-1 and us-west-2" in result.stderr
    assert toilctl("describe-cluster", "c", "-z", "us-west-2b").exit_code == 0


# --- scale ---


def test_growing_launches_the_difference(toilctl, cluster):
    result = toilctl("scale-cluster", "c", "-w", "3")
    assert result.exit_code == 0, result.stderr
    assert cluster.names == ["scale_out.yml"]
    assert cluster.runs[0][1]["launches"] == [{"node_type": "t2.micro", "count": 1}]
    assert "c went from 2 workers (t2.micro) to 3 workers (t2.micro)." in result.stdout
    assert toilctl.json("describe-cluster", "c")["data"]["desired"] == {"t2.micro": 3}


def test_growing_in_part_tells_what_there_is_and_what_to_do(toilctl, cluster):
    cluster.given = 1
    result = toilctl("scale-cluster", "c", "-w", "5")
    assert result.exit_code == 6
    assert "c went from 2 workers (t2.micro) to 3 workers (t2.micro)." in result.stdout
    assert "Try another zone.\nThe same command tries again for the rest." in result.stderr
    cluster.given = 5
    assert toilctl("scale-cluster", "c", "-w", "5").exit_code == 0
    assert len(cluster.live()) == 5


def test_shrinking_takes_idle_workers_and_newest_first(toilctl, cluster):
    assert toilctl("scale-cluster", "c", "-w", "3").exit_code == 0
    cluster.runs.clear()
    workers = [line["instance_id"] for line in toilctl.json("describe-cluster", "c")["data"]["nodes"][1:]]
    cluster.busy = {workers[-1]: 1}
    result = toilctl("scale-cluster", "c", "-w", "1")
    assert result.exit_code == 0, result.stderr
    assert cluster.runs[0][1]["instance_ids"] == [workers[1], workers[0]]
    assert cluster.live() == [workers[-1]]


def test_busy_workers_are_not_killed_but_reported(toilctl, cluster):
    cluster.busy = dict.fromkeys(cluster.live(), 2)
    result = toilctl("scale-cluster", "c", "-w", "1")
    assert result.exit_code == 6
    assert "still run jobs" in result.stderr
    assert len(cluster.live()) == 2
    assert toilctl("scale-cluster", "c", "-w", "1", "--force").exit_code == 0
    assert len(cluster.live()) == 1


def test_nothing_to_do_is_success(toilctl, cluster):
    result = toilctl("scale-cluster", "c", "-w", "2")
    assert (result.exit_code, cluster.runs) == (0, [])
    assert result.stdout == "Nothing to do: c has 2 workers (t2.micro).\n"


def test_worker_that_is_not_in_the_engine_is_set_up_again(toilctl, cluster):
    cluster.not_joining = {cluster.live()[0]}
    result = toilctl("scale-cluster", "c", "-w", "2")
    assert cluster.names == ["configure.yml"]
    assert result.exit_code == 6


def test_node_type_that_is_new_to_the_cluster_is_added(toilctl, cluster):
    result = toilctl("scale-cluster", "c", "--nodeType", "t2.small:0.01", "-w", "1")
    assert result.exit_code == 0, result.stderr
    assert toilctl.json("describe-cluster", "c")["data"]["desired"] == {"t2.micro": 2, "t2.small:0.01": 1}
    assert toilctl("scale-cluster", "c", "-w", "1").exit_code == 2
    assert toilctl("scale-cluster", "c", "-w", "1,0").exit_code == 0


def test_same_scale_out_after_a_crash_has_the_same_intent(toilctl, cluster, monkeypatch):
    intents = []
    monkeypatch.setattr("toilctl.runner.run", lambda *_, intent="", **__: intents.append(intent) or 1 / 0)
    for _ in range(2):
        assert toilctl("scale-cluster", "c", "-w", "4").exit_code == 1
    assert toilctl("scale-cluster", "c", "-w", "5").exit_code == 1
    assert intents[0] == intents[1] != intents[2]


# --- destroy ---


def test_destroy_leaves_nothing_and_again_is_success(toilctl, cluster):
    assert toilctl("destroy-cluster", "c").stdout == "c in us-west-2 is destroyed; nothing of it is left.\n"
    assert toilctl("destroy-cluster", "c").stdout == "There is no cluster c in us-west-2: nothing to destroy.\n"
    assert cluster.names == ["destroy.yml"]


def test_destroy_leaves_a_cluster_whose_name_begins_alike_alone(toilctl, cluster):
    other = list(LAUNCH)
    other[1] = "c-2"
    assert toilctl(*other).exit_code == 0
    assert toilctl("destroy-cluster", "c").exit_code == 0
    assert len(cluster.live("worker", "c-2")) == 2


def test_what_is_left_is_listed_and_the_exit_code_says_so(toilctl, cluster):
    cluster.leaves = True
    result = toilctl("destroy-cluster", "c")
    assert result.exit_code == 10
    assert f"security group {cluster._groups('c')[0]}" in result.stderr


def test_launch_destroy_and_launch_again_under_one_name(toilctl, cluster):
    assert toilctl("destroy-cluster", "c").exit_code == 0
    assert toilctl(*LAUNCH).exit_code == 0
    assert len(cluster.live()) == 2


def test_leftovers_of_a_cluster_without_security_group_are_destroyed(toilctl, playbooks, account):
    account.client("iam").create_role(RoleName="toilctl-c-us-west-2-leader", AssumeRolePolicyDocument="{}")
    result = toilctl("destroy-cluster", "c")
    assert playbooks.names == ["destroy.yml"]
    assert (result.exit_code, "IAM role toilctl-c-us-west-2-leader" in result.stderr) == (10, True)
