"""One cluster from launch to destruction: a user's session of five lines, in order, and what happens around them."""

from __future__ import annotations

import os
import pwd
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pexpect
import pytest

from tests.e2e.world import KEY_PAIR, REGION, SOON_S, TIMEOUT_S, ZONE, World, wait_for

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
CLUSTER = "my-cluster"
LAUNCH = ("launch-cluster", CLUSTER, "--nodeType", "t2.micro", "-z", ZONE, "--keyPairName", KEY_PAIR, "-w", "3")
JOBCOMP_LOG = "/var/log/slurm/jobcomp.log"
GATE = "/tmp/gate"
"""The file on a worker whose coming ends the job that is held there."""
WORKFLOW_S = 600


@dataclass
class Story:
    """The cluster and what was there before it."""

    world: World
    before: dict[str, set[str]]
    said: str
    sorted_file: str = ""

    def workers(self) -> set[str]:
        return self.world.workers(CLUSTER)

    def on_leader(self, *words: str) -> str:
        return self.world.on_leader(CLUSTER, *words)

    def sbatch(self, worker: str, script: str) -> str:
        return self.on_leader("sbatch", "--parsable", "-o", "/dev/null", "-w", worker, "--wrap", script).strip()

    def hold(self, *workers: str) -> list[str]:
        """Return a job on each worker that runs, and goes on until it is released."""
        until = f"while [ ! -e {GATE} ]; do sleep 1; done"
        jobs = [self.sbatch(worker, until) for worker in workers]
        wait_for(lambda: self.running() >= set(jobs), SOON_S, f"{jobs} running")
        return jobs

    def release(self, *workers: str) -> None:
        for worker in workers:
            self.world.toilctl("ssh-cluster", "--node", worker, CLUSTER, "touch", GATE)

    def running(self) -> set[str]:
        return set(self.on_leader("squeue", "-h", "-t", "R", "-o", "%i").split())

    def wait_for_end(self, *jobs: str) -> list[tuple[str, str]]:
        """Wait until jobs have ended, and return state and node of each."""
        wait_for(lambda: self.ended().keys() >= set(jobs), SOON_S, f"the end of {jobs}")
        ended = self.ended()
        return [ended[job] for job in jobs]

    def draining(self) -> set[str]:
        """Return the workers that get no more jobs."""
        states = map(str.split, self.on_leader("sinfo", "-h", "-N", "-o", "%N %T").splitlines())
        return {worker for worker, state in states if "drain" in state}

    def ended(self) -> dict[str, tuple[str, str]]:
        """Return state and node of every job that has ended."""
        log = self.on_leader("cat", JOBCOMP_LOG)
        found = re.findall(r"^JobId=(\d+) .*?JobState=(\w+) .*?NodeList=(\S+) ", log, re.MULTILINE)
        return {job: (state, node) for job, state, node in found}


@pytest.fixture(scope="module")
def story(world: World) -> Iterator[Story]:
    before = world.everything()
    yield Story(world, before, world.toilctl(*LAUNCH).stdout)
    world.toilctl("destroy-cluster", CLUSTER, check=False)


def test_launch_prints_addresses_and_the_next_commands(story: Story) -> None:
    for instance in story.world.instances(CLUSTER):
        assert instance["PublicIpAddress"] in story.said
    for verb in ("rsync-cluster", "ssh-cluster", "destroy-cluster"):
        assert f"toilctl {verb}" in story.said


def test_every_instance_is_a_host_and_every_worker_is_in_the_engine(story: Story) -> None:
    described = story.world.data("describe-cluster", CLUSTER)["nodes"]
    assert [node["role"] for node in described].count("leader") == 1
    assert len(described) == 4
    assert {node["engine_state"] for node in described if node["role"] == "worker"} == {"joined"}
    assert {node["instance_id"] for node in described} <= story.world.hosts()


def test_same_launch_again_launches_nothing(story: Story) -> None:
    before = {one["InstanceId"] for one in story.world.instances(CLUSTER)}
    story.world.toilctl(*LAUNCH)
    assert {one["InstanceId"] for one in story.world.instances(CLUSTER)} == before


def test_name_in_use_with_other_settings_is_refused(story: Story) -> None:
    words = ["t2.small" if word == "t2.micro" else word for word in LAUNCH]
    assert story.world.toilctl(*words, check=False).returncode == 5
    assert len(story.world.instances(CLUSTER)) == 4


def test_clusters_are_listed_from_their_tags(story: Story) -> None:
    (listed,) = story.world.data("list-clusters")["clusters"]
    assert (listed["name"], listed["region"], listed["state"]) == (CLUSTER, REGION, "running")
    assert set(listed["workers"]) == story.workers()


def test_rsync_uploads(story: Story) -> None:
    story.world.toilctl("rsync-cluster", "-z", ZONE, CLUSTER, "sort.py", ":/tmp", cwd=ROOT / "demo")
    assert story.on_leader("cat", "/tmp/sort.py") == (ROOT / "demo/sort.py").read_text()


def test_rsync_goes_both_ways(story: Story, tmp_path: Path) -> None:
    sent, back = tmp_path / "sent dir", tmp_path / "back"
    (sent / "deep").mkdir(parents=True)
    (sent / "deep/a file").write_bytes(os.urandom(100_000))
    (sent / "b").write_text("b\n")
    story.world.toilctl("rsync-cluster", CLUSTER, "-avP", f"{sent}/", ":/tmp/sent dir")
    story.world.toilctl("rsync-cluster", CLUSTER, "-a", ":/tmp/sent dir/", back)
    assert {path.relative_to(back): path.read_bytes() for path in back.rglob("*") if path.is_file()} == {
        path.relative_to(sent): path.read_bytes() for path in sent.rglob("*") if path.is_file()
    }


def test_rsync_passes_its_exit_code_on(story: Story, tmp_path: Path) -> None:
    assert story.world.toilctl("rsync-cluster", CLUSTER, ":/tmp/missing", tmp_path, check=False).returncode == 23


def test_ssh_runs_a_command_in_the_leaders_container(story: Story) -> None:
    assert story.world.toilctl("ssh-cluster", CLUSTER, "hostname").stdout.strip() == f"{CLUSTER}-leader"


def test_ssh_passes_words_input_and_exit_code_on(story: Story) -> None:
    world = story.world
    assert world.on_leader(CLUSTER, "printf", "%s|", "a b", "$HOME", "'") == "a b|$HOME|'|"
    assert world.on_leader(CLUSTER, "cat", input="through\n") == "through\n"
    assert world.toilctl("ssh-cluster", CLUSTER, "sh", "-c", "exit 7", check=False).returncode == 7


def test_ssh_reaches_a_worker(story: Story) -> None:
    worker = min(story.workers())
    said = story.world.toilctl("ssh-cluster", "--node", worker, CLUSTER, "hostname").stdout
    assert said.strip() == worker


def test_jobs_credentials_are_the_instance_profiles(story: Story) -> None:
    script = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
    leader = story.on_leader("python", "-c", script)
    worker = story.world.toilctl("ssh-cluster", "--node", min(story.workers()), CLUSTER, "python", "-c", script).stdout
    assert f":assumed-role/toilctl-{CLUSTER}-{REGION}-leader/" in leader
    assert f":assumed-role/toilctl-{CLUSTER}-{REGION}-worker/" in worker


def test_worker_may_not_terminate_instances(story: Story) -> None:
    worker = min(story.workers())
    script = f"import boto3; boto3.client('ec2', '{REGION}').terminate_instances(InstanceIds=['{worker}'])"
    run = story.world.toilctl("ssh-cluster", "--node", worker, CLUSTER, "python", "-c", script, check=False)
    assert run.returncode == 1
    assert "UnauthorizedOperation" in run.stderr
    assert worker in story.workers()


def test_workflow_started_in_a_shell_runs_on_several_workers(story: Story) -> None:
    shell = pexpect.spawn(
        "toilctl", ["ssh-cluster", CLUSTER], env=story.world.env, encoding="utf-8", timeout=SOON_S, logfile=sys.stdout
    )
    shell.expect(r"[#$] $")
    shell.sendline("tty && cd /tmp")
    shell.expect("/dev/pts/")
    shell.sendline("python /tmp/sort.py aws:us-west-2:sort-jobstore --logLevel INFO")
    shell.expect(r"Sorted file: (\S+)", timeout=WORKFLOW_S)
    story.sorted_file = shell.match[1]
    shell.sendline("exit 3")
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 3
    ended = story.ended().values()
    assert {state for state, _ in ended} == {"COMPLETED"}
    assert len({node for _, node in ended} & story.workers()) >= 2


def test_command_ends_with_whoever_reads_what_it_says(story: Story) -> None:
    said = story.world.run("bash", "-c", f"timeout 300 toilctl ssh-cluster {CLUSTER} yes | head -2").stdout
    assert said == "y\ny\n"
    assert story.world.on_leader(CLUSTER, "pgrep", "-c", "yes", check=False).strip() == "0"


def test_result_is_the_input_sorted(story: Story, tmp_path: Path) -> None:
    story.world.toilctl("rsync-cluster", CLUSTER, f":{story.sorted_file}", ":/tmp/unsorted.txt", tmp_path)
    unsorted = (tmp_path / "unsorted.txt").read_bytes().splitlines()
    assert len(unsorted) >= 100_000
    assert (tmp_path / "sorted.txt").read_bytes().splitlines() == sorted(unsorted)


def test_playbooks_without_toilctl_change_nothing_the_second_time(story: Story) -> None:
    script = f"""
        eval "$(toilctl local env)"
        export TOILCTL_CLUSTER={CLUSTER} TOILCTL_REGION={REGION}
        cd "$(toilctl ansible-dir)"
        ansible-playbook -i inventory playbooks/configure.yml --private-key ~/.ssh/{KEY_PAIR}
    """
    recap = story.world.run("bash", "-euc", script).stdout.partition("PLAY RECAP")[2]
    assert set(re.findall(r"changed=(\d+)", recap)) == {"0"}, recap
    assert len(re.findall(r"^i-\S+ +: ok=", recap, re.MULTILINE)) == 4


def test_ssh_configuration_of_the_user_is_untouched(story: Story) -> None:
    theirs = Path(pwd.getpwuid(os.getuid()).pw_dir) / ".ssh/known_hosts"
    assert {path.name for path in story.world.key.parent.iterdir()} == {KEY_PAIR, f"{KEY_PAIR}.pub"}
    ours = story.world.home / f"state/toilctl/clusters/{REGION}/{CLUSTER}/known_hosts"
    for one in story.world.instances(CLUSTER):
        assert story.world.run("ssh-keygen", "-F", one["InstanceId"], "-f", theirs, check=False).returncode != 0
        story.world.run("ssh-keygen", "-F", one["InstanceId"], "-f", ours)  # names may be hashed


def test_new_worker_takes_jobs_and_running_ones_go_on(story: Story) -> None:
    before = story.workers()
    busy = min(before)
    (job,) = story.hold(busy)
    story.world.toilctl("scale-cluster", CLUSTER, "-w", "4")
    assert job in story.running()
    (new,) = story.workers() - before
    second = story.sbatch(new, "true")
    story.release(busy)
    assert story.wait_for_end(job, second) == [("COMPLETED", busy), ("COMPLETED", new)]
    story.world.toilctl("ssh-cluster", "--node", busy, CLUSTER, "rm", GATE)


def test_shrinking_lets_running_jobs_end(story: Story) -> None:
    busy = sorted(story.workers())[:2]
    jobs = story.hold(*busy)
    scaling = story.world.start("scale-cluster", CLUSTER, "-w", "1")
    wait_for(lambda: story.draining() & set(busy), SOON_S, "the drain of a worker that is busy")
    assert story.running() == set(jobs)
    story.release(*busy)
    said, _ = scaling.communicate(timeout=TIMEOUT_S)
    assert scaling.returncode == 0, said
    (left,) = story.workers()
    assert left in busy
    assert story.wait_for_end(*jobs) == [("COMPLETED", worker) for worker in busy]
    there = {one["InstanceId"] for one in story.world.instances(CLUSTER)}
    wait_for(lambda: story.world.hosts() == there, SOON_S, "the hosts' end")
    assert story.on_leader("sinfo", "-h", "-N", "-o", "%N").split() == [left]


def test_engine_works_after_a_reboot_of_the_leader(story: Story) -> None:
    story.world.reboot_leader(CLUSTER)
    story.on_leader("sbatch", "--wait", "-o", "/dev/null", "--wrap", "true")


def test_destruction_leaves_nothing(story: Story) -> None:
    story.world.toilctl("destroy-cluster", CLUSTER)
    assert story.world.everything() == story.before
    assert story.world.toilctl("describe-cluster", CLUSTER, check=False).returncode == 4


def test_destroying_what_is_gone_is_no_error(story: Story) -> None:
    assert "nothing to destroy" in story.world.toilctl("destroy-cluster", CLUSTER).stdout
