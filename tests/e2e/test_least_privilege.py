"""People with exactly the policies that toilctl prints: one launches, uses and destroys a cluster, one only uses it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.e2e.world import KEY_PAIR, REGION, SOON_S, ZONE, Finished, World, wait_for

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
CLUSTER, PREFIX = "lab-1", "lab-"
LAUNCH = (
    "launch-cluster", CLUSTER, "-z", f"{ZONE},{REGION}b", "--key-pair-name", KEY_PAIR,
    "--leader-node-type", "t2.micro", "--node-types", "t2.micro,t2.small:0.5", "--min-nodes", "1,1", "--max-nodes",
    "2,2", "-w", "1,1", "--s3-write", "lab-results/sorted",
)  # fmt: skip


@dataclass
class Person:
    """Somebody with one policy, at the machine of the world's user: his own keys are in his state directory."""

    world: World
    state: Path

    def toilctl(self, *words: str | Path, check: bool = True, **more: object) -> Finished:
        return self.world.run("toilctl", *words, check=check, env={"XDG_STATE_HOME": str(self.state)}, **more)


def person(world: World, name: str, state: Path) -> Person:
    """Make a user with the policy that toilctl prints."""
    iam = world.client("iam")
    document = world.toilctl("policy", name, "--cluster-prefix", PREFIX, "--region", REGION).stdout
    arn = iam.create_policy(PolicyName=f"toilctl-{name}", PolicyDocument=document)["Policy"]["Arn"]
    iam.create_user(UserName=name)
    iam.attach_user_policy(UserName=name, PolicyArn=arn)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    own = replace(world.state, access_key_id=key["AccessKeyId"], secret_access_key=key["SecretAccessKey"])
    (state / "toilctl/local").mkdir(parents=True)
    (state / "toilctl/local/state.json").write_text(own.to_json())
    return Person(world, state)


def groups(world: World) -> set[str]:
    """Return the security groups there are."""
    return {one["GroupName"] for one in world.client("ec2").describe_security_groups()["SecurityGroups"]}


@pytest.fixture(scope="module")
def launcher(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """Who launched the cluster."""
    one = person(world, "launch", tmp_path_factory.mktemp("launcher"))
    one.toilctl(*LAUNCH)
    yield one
    world.toilctl("destroy-cluster", CLUSTER, check=False)


@pytest.fixture(scope="module")
def guest(world: World, launcher: Person, tmp_path_factory: pytest.TempPathFactory) -> Person:
    """Who may only connect."""
    return person(world, "connect", tmp_path_factory.mktemp("guest"))


def test_launcher_gets_leader_and_workers_in_several_zones_and_markets(launcher: Person) -> None:
    described = json.loads(launcher.toilctl("describe-cluster", CLUSTER, "--output", "json").stdout)["data"]["nodes"]
    assert sorted(node["role"] for node in described) == ["leader", "worker", "worker"]
    assert {node["engine_state"] for node in described if node["role"] == "worker"} == {"joined"}
    spot = [one for one in launcher.world.instances(CLUSTER) if one.get("InstanceLifecycle") == "spot"]
    assert len(spot) == 1


def test_launcher_changes_limits_and_the_autoscaler_follows(launcher: Person) -> None:
    before = launcher.world.workers(CLUSTER)
    launcher.toilctl("scale-cluster", CLUSTER, "--node-type", "t2.micro", "-w", "2")
    wait_for(lambda: len(launcher.world.workers(CLUSTER)) == len(before) + 1, SOON_S, "one worker more")


def test_guest_lists_connects_and_sends_files(guest: Person) -> None:
    listed = json.loads(guest.toilctl("list-clusters", "--region", REGION, "--output", "json").stdout)
    assert [one["name"] for one in listed["data"]["clusters"]] == [CLUSTER]
    assert guest.toilctl("ssh-cluster", CLUSTER, "hostname").stdout.strip() == f"{CLUSTER}-leader"
    guest.toilctl("rsync-cluster", CLUSTER, ROOT / "demo/sort.py", ":/tmp")
    guest.toilctl("explain", CLUSTER)


def test_guest_deploys_and_runs_a_workflow(guest: Person, tmp_path: Path) -> None:
    (tmp_path / "sort.py").write_text((ROOT / "demo/sort.py").read_text())
    guest.toilctl("deploy", CLUSTER, tmp_path / "sort.py")
    options = ("--pieces", "2", "--lines", "1000", "--clean", "never")
    guest.toilctl("run", "--wait", CLUSTER, "--", "python", "sort.py", "aws:us-west-2:lab-sort", *options)
    assert "lab-sort" in guest.toilctl("status", "aws:us-west-2:lab-sort", "--cluster", CLUSTER).stdout
    guest.toilctl("clean", "--yes", "--cluster", CLUSTER, "aws:us-west-2:lab-sort")


@pytest.mark.parametrize(
    "words",
    [
        ("launch-cluster", "lab-2", *LAUNCH[2:]),
        ("autoscale", CLUSTER, "--idle-timeout", "100"),
        ("destroy-cluster", CLUSTER),
    ],
)
def test_guest_is_refused_the_rest_with_a_sentence(guest: Person, words: tuple[str, ...]) -> None:
    before = groups(guest.world)
    refused = guest.toilctl(*words, check=False)
    assert refused.returncode != 0
    assert "may not do ec2:" in " ".join(refused.stderr.split())
    assert "Traceback" not in refused.stderr
    assert groups(guest.world) == before


def test_launcher_is_refused_other_names(launcher: Person) -> None:
    other = launcher.toilctl("launch-cluster", "other", *LAUNCH[2:], check=False)
    assert "may not do ec2:CreateSecurityGroup" in " ".join(other.stderr.split())


def test_jobs_write_where_they_may_and_nowhere_else(launcher: Person) -> None:
    s3 = launcher.world.client("s3")
    s3.create_bucket(Bucket="lab-results", CreateBucketConfiguration={"LocationConstraint": REGION})
    script = "import boto3, sys; boto3.client('s3').put_object(Bucket='lab-results', Key=sys.argv[1], Body=b'x')"
    worker = min(launcher.world.workers(CLUSTER))
    there = ("ssh-cluster", "--node", worker, CLUSTER, "python", "-c", script)
    launcher.toilctl(*there, "sorted/out.txt")
    refused = launcher.toilctl(*there, "elsewhere", check=False)
    assert refused.returncode == 1
    assert 's3:PutObject on resource: "arn:aws:s3:::lab-results/elsewhere"' in refused.stderr
    s3.delete_object(Bucket="lab-results", Key="sorted/out.txt")
    s3.delete_bucket(Bucket="lab-results")


def test_launcher_leaves_nothing(launcher: Person) -> None:
    launcher.toilctl("destroy-cluster", CLUSTER)
    left = {kind: names for kind, names in launcher.world.everything().items() if any("lab-1" in one for one in names)}
    assert left == {}
    assert launcher.world.instances(CLUSTER) == []
