"""explain: what the leader's last report says, for people and for programs."""

from __future__ import annotations

import itertools
import json
import subprocess

import pytest

from tests.unit.cli.stand_in import AUTOSCALED, LAUNCH, NOW_S, report, wait_report
from toilctl.system import leaders
from toilctl.values import tags
from toilctl.values.errors import ConnectError

pytestmark = pytest.mark.usefixtures("playbooks")


@pytest.fixture
def leader(monkeypatch):
    """What the leader answers, by what is set as its text."""
    answers = {"text": f"{NOW_S}\n\n"}
    monkeypatch.setattr("toilctl.system.ssh.capture", lambda *_, **__: answers["text"])
    return answers


def test_why_jobs_wait_and_nodes_stay(toilctl, autoscaled, leader):
    leader["text"] = wait_report(age_s=12)
    shown = toilctl("explain", "c").stdout
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert lines[0] == (
        "c in us-west-2, 12 s ago (times are UTC): 1 job running, 12 waiting; 1 worker, $2.66 per hour."
    )
    following = dict(itertools.pairwise(lines))
    assert following["12 1 2.0 GiB 512 MiB yes sort, split workers are coming"] == "1 r3.8xlarge is booting."
    assert following["1 64 2.0 GiB 512 MiB no huge cores"] == "Allow a node type with 64 cores."
    assert "i-1 r3.8xlarge us-west-2a busy 1 kept it runs jobs" in lines
    assert "launch of 1 r3.8xlarge since 12:00 UTC" in lines
    assert any(line.startswith("c4.8xlarge in us-west-2a, spot ") for line in lines)
    assert any(line.endswith("InsufficientInstanceCapacity") for line in lines)


def test_programs_get_the_whole_report(toilctl, autoscaled, leader):
    leader["text"] = wait_report(age_s=12)
    data = toilctl.json("explain", "c")["data"]
    assert data["report"] == json.loads(report())
    assert (data["cluster"], data["region"], data["age_s"], data["stale"]) == ("c", "us-west-2", 12.0, False)


def test_sentences_name_the_cluster(toilctl, autoscaled, leader):
    leader["text"] = f"{NOW_S}\n{report(notes=['Raise it with toilctl autoscale NAME --max-nodes 3.'])}\n"
    assert "Raise it with toilctl autoscale c --max-nodes 3." in toilctl("explain", "c").stdout


def test_advice_is_told_in_what_to_type(toilctl, autoscaled, leader):
    job = json.loads(report())["waiting"][0] | {
        "next_step": "It runs when a node has room.",
        "advice": ["raise-maximum"],
    }
    leader["text"] = f"{NOW_S}\n{report(waiting=[job])}\n"
    told = "It runs when a node has room, or raise it with 'toilctl autoscale c --max-nodes …'."
    assert told in toilctl("explain", "c").stdout
    (waiting,) = toilctl.json("explain", "c")["data"]["report"]["waiting"]
    assert (waiting["next_step"], waiting["advice"]) == (told, ["raise-maximum"])


ON_DEMAND = {"advice": "add-on-demand", "node_type": "c4.8xlarge"}


def test_job_that_can_never_run_is_told_what_to_type(toilctl, autoscaled, leader):
    lack = {"node_type": "c4.8xlarge:0.6", "resource": "preemptible", "needed": 0, "given": 0}
    job = {**json.loads(report())["infeasible"][0], "next_step": "It fits none.", "advice": ["add-on-demand"]}
    leader["text"] = f"{NOW_S}\n{report(infeasible=[{**job, 'lacks': [lack], 'remedy': ON_DEMAND}])}\n"
    assert (
        "It fits none; add c4.8xlarge, on demand, with 'toilctl autoscale c --node-types "
        "c4.8xlarge:0.6,r3.8xlarge,c4.8xlarge --max-nodes 20,2,N', or run the workflow with --defaultPreemptible."
    ) in toilctl("explain", "c").stdout


@pytest.mark.parametrize("node_type", ["$(id)", "a/b:1:2", 5])
def test_report_with_what_is_no_node_type_counts_as_none(toilctl, autoscaled, leader, node_type):
    job = {**json.loads(report())["infeasible"][0], "remedy": ON_DEMAND | {"node_type": node_type}}
    leader["text"] = f"{NOW_S}\n{report(infeasible=[job])}\n"
    assert toilctl.json("explain", "c")["data"]["report"] is None


@pytest.mark.parametrize(("age_s", "stale"), [(90, False), (91, True)])
def test_old_report_is_called_out(toilctl, autoscaled, leader, age_s, stale):
    leader["text"] = wait_report(age_s=age_s)
    shown = toilctl("explain", "c").stdout
    assert ("This report is old: there should be one every 30 s." in shown) is stale
    look = "toilctl ssh-cluster --host c systemctl status toilctl-autoscaler"
    assert (look in shown) is stale


def test_problem_and_pause_come_first(toilctl, autoscaled, leader):
    leader["text"] = f"{NOW_S}\n{report(problem='Slurm does not answer.', paused=True)}\n"
    lines = toilctl("explain", "c").stdout.splitlines()
    assert lines[1].startswith("Paused: nothing is launched or ended until 'toilctl autoscale c resume'")
    assert lines[2] == "Problem: Slurm does not answer."


def test_jobs_and_workers_that_nobody_could_see_are_not_called_none(toilctl, autoscaled, leader):
    blind = {"waiting": [], "infeasible": [], "nodes": [], "running_jobs": 0, "waiting_jobs": 0, "node_counts": {}}
    leader["text"] = f"{NOW_S}\n{report(**blind, problem='It is not YAML.', jobs_known=False, nodes_known=False)}\n"
    shown = toilctl("explain", "c").stdout
    assert ": jobs and workers are not known.\nProblem: It is not YAML." in shown
    assert "No job waits" not in shown


def test_sentence_about_a_node_stands_for_its_reason(toilctl, autoscaled, leader):
    node = json.loads(report())["nodes"][0] | {"detail": "It runs 1 job."}
    leader["text"] = f"{NOW_S}\n{report(nodes=[node])}\n"
    shown = toilctl("explain", "c").stdout
    assert "kept     It runs 1 job." in shown
    assert "it runs jobs" not in shown


def test_nothing_to_explain_is_one_sentence(toilctl, autoscaled, leader):
    quiet = report(waiting=[], infeasible=[], nodes=[], errors=[], set_aside=[], under_way=[], notes=[])
    leader["text"] = f"{NOW_S}\n{quiet}\n"
    assert len(toilctl("explain", "c").stdout.splitlines()) == 2


def test_autoscaler_that_has_not_reported_yet(toilctl, autoscaled, leader):
    result = toilctl("explain", "c")
    assert result.exit_code == 0
    assert result.stdout.startswith("The autoscaler has not reported yet.")


def test_report_that_is_cut_off_counts_as_none(toilctl, autoscaled, leader):
    leader["text"] = f"{NOW_S}\n{report()[:100]}\n"
    assert toilctl.json("explain", "c")["data"]["report"] is None


def test_cluster_that_is_not_autoscaled(toilctl, playbooks, leader):
    assert toilctl(*LAUNCH).exit_code == 0
    result = toilctl("explain", "c")
    assert (result.exit_code, "Cluster 'c' is not autoscaled" in result.stdout) == (0, True)


def test_mesos_cluster_without_limits_tells_what_its_workflows_ask_for(toilctl, playbooks, leader):
    assert toilctl(*LAUNCH).exit_code == 0
    leader["text"] = wait_report(age_s=12)
    assert "huge" in toilctl("explain", "c").stdout


def test_slurm_cluster_without_limits_is_not_even_asked(toilctl, playbooks, monkeypatch):
    assert toilctl(*LAUNCH).exit_code == 0
    playbooks.tag("c", {tags.ENGINE: "slurm"})
    monkeypatch.setattr("toilctl.system.ssh.capture", None)
    assert "Cluster 'c' is not autoscaled" in toilctl("explain", "c").stdout


def test_leader_that_cannot_be_reached(toilctl, autoscaled, monkeypatch):
    def silent(*_: object, **__: object) -> None:
        raise ConnectError("No answer.")

    monkeypatch.setattr("toilctl.system.ssh.capture", silent)
    assert toilctl("explain", "c").exit_code == 13


@pytest.mark.parametrize(
    "command", ["explain", "runs", "scale-cluster -w 3,1", "autoscale --max-nodes 3", "launch-cluster"]
)
def test_stopped_leader_is_told_with_how_to_start_it(toilctl, autoscaled, monkeypatch, command):
    monkeypatch.delenv(leaders.REHEARSED, raising=False)
    monkeypatch.setattr("toilctl.system.ssh.capture", None)
    (line,) = toilctl.json("list-clusters")["data"]["clusters"]
    answer = autoscaled.ec2.describe_instances(Filters=[{"Name": "tag:toilctl:role", "Values": ["leader"]}])
    leader = answer["Reservations"][0]["Instances"][0]["InstanceId"]
    autoscaled.ec2.stop_instances(InstanceIds=[leader])
    words = AUTOSCALED if command == "launch-cluster" else (*command.split(), "c")
    error = toilctl.json(*words)["error"]
    assert error["message"] == f"Leader {leader} of cluster 'c' is stopped."
    assert error["next_step"] == f"Start it: aws ec2 start-instances --instance-ids {leader} --region us-west-2"
    (stopped,) = toilctl.json("list-clusters")["data"]["clusters"]
    assert (line["state"], stopped["state"]) == ("running", "leader stopped")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (subprocess.CalledProcessError(1, "sudo", "", "sudo: a password is required\n"), "a password is required"),
        (subprocess.TimeoutExpired("ssh", 60), "no answer in 60 s"),
    ],
)
def test_leader_that_does_not_show_its_report(toilctl, autoscaled, monkeypatch, error, told):
    def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("toilctl.system.ssh.capture", failing)
    result = toilctl("explain", "c")
    assert (result.exit_code, told in result.stderr) == (13, True), result.stderr


def test_cluster_that_does_not_exist(toilctl, playbooks):
    assert toilctl("explain", "x").exit_code == 4
