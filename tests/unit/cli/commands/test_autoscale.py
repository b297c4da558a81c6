"""autoscale: settings and last decisions shown, settings changed, paused and resumed."""

from __future__ import annotations

import pytest

from tests.unit.cli.stand_in import LAUNCH, NOW_S, report, wait_report
from toilctl.system import playbooks as runner
from toilctl.values import tags
from toilctl.values.errors import ConnectError

pytestmark = pytest.mark.usefixtures("playbooks")


@pytest.fixture
def leader(monkeypatch):
    """What the leader would answer: its clock, the last report, the journal."""
    answers = {"text": f"{NOW_S}\n\n"}
    monkeypatch.setattr("toilctl.system.ssh.capture", lambda *_, **__: answers["text"])
    return answers


def test_settings_and_last_decisions(toilctl, autoscaled, leader):
    leader["text"] = wait_report(age_s=5, journal=3)
    result = toilctl("autoscale", "c")
    assert result.exit_code == 0, result.stderr
    assert "Cluster c in us-west-2 is autoscaled\n" in result.stdout
    assert "0 to 20 c4.8xlarge:0.6 and 0 to 2 r3.8xlarge" in result.stdout
    assert "idle timeout              60 s" in result.stdout
    assert result.stdout.count("launch 1 r3.8xlarge (demand)") == 3
    assert "Last tick 5 s ago: 1 job running, 12 waiting, 1 worker, $2.66 per hour." in result.stdout
    assert autoscaled.runs == []


def test_quiet_ticks_are_not_listed(toilctl, autoscaled, leader):
    leader["text"] = f"{NOW_S}\n{report()}\n{report(actions=[])}\n"
    data = toilctl.json("autoscale", "c")["data"]
    assert (data["decisions"], data["last"]["tick"]) == ([], 412)


def test_problem_that_lasts_is_listed_once_and_what_was_not_seen_is_not_zero(toilctl, autoscaled, leader):
    blind = {"problem": "Slurm does not answer.", "actions": [], "running_jobs": 0, "waiting_jobs": 0}
    ticks = [report(**blind, jobs_known=False)] * 3
    ticks += [report(**blind | {"problem": "EC2 does not answer."}, jobs_known=False, nodes_known=False)]
    leader["text"] = "\n".join([str(NOW_S), ticks[-1], *ticks])
    shown = toilctl("autoscale", "c").stdout
    lines = [" ".join(line.split()[1:]) for line in shown.splitlines()]
    assert lines.count("? ? 1 Slurm does not answer.") == 1
    assert lines.count("? ? ? EC2 does not answer.") == 1
    assert ": jobs and workers are not known." in shown


def test_leader_that_cannot_be_reached_leaves_the_settings(toilctl, autoscaled, monkeypatch):
    def silent(*_: object, **__: object) -> None:
        raise ConnectError("No answer.", "Try again.")

    monkeypatch.setattr("toilctl.system.ssh.capture", silent)
    result = toilctl("autoscale", "c")
    assert result.exit_code == 0
    assert "idle timeout              60 s" in result.stdout
    assert "The last decisions are not known: No answer. Try again." in result.stdout


def test_changed_limits_are_in_the_tags_and_with_the_leader(toilctl, autoscaled):
    result = toilctl("autoscale", "c", "--maxNodes", "30,4", "--target-time", "900", "--default-preemptible")
    assert result.exit_code == 0, result.stderr
    settings = autoscaled.settings()
    assert settings[tags.LIMITS] == "c4.8xlarge:0.6=0..30,r3.8xlarge=0..4"
    assert "target_time_s=900 " in settings[tags.AUTOSCALER]
    assert "idle_timeout_s=60" in settings[tags.AUTOSCALER]
    assert settings[tags.DEFAULT_PREEMPTIBLE] == "yes"
    assert autoscaled.names == ["autoscale.yml"]
    assert "workers       0 to 20 c4.8xlarge:0.6 and 0 to 2 r3.8xlarge → 0 to 30" in result.stdout
    assert "target time   1800 s → 900 s" in result.stdout
    assert "in at most 30 s" in result.stdout


def test_tags_are_written_before_the_leader_is_told(toilctl, autoscaled, monkeypatch):
    def seen(*_: object, **__: object) -> None:
        assert autoscaled.settings()[tags.LIMITS] == "c4.8xlarge:0.6=1..20,r3.8xlarge=1..2"
        raise ConnectError("The leader does not answer.")

    monkeypatch.setattr("toilctl.system.playbooks.run", seen)
    assert toilctl("autoscale", "c", "--min-nodes", "1").exit_code == 13


def test_playbook_that_fails_is_an_error(toilctl, autoscaled):
    autoscaled.failures = (runner.Failure("i-1", "Write the settings", "disk full", unreachable=False),)
    result = toilctl("autoscale", "c", "--min-nodes", "1")
    assert (result.exit_code, "disk full" in result.stderr) == (11, True)


def test_node_types_are_replaced_with_their_limits(toilctl, autoscaled):
    result = toilctl("autoscale", "c", "--node-types", "r3.8xlarge,t2.small:0.01", "--max-nodes", "2,5",
                     "--node-storage", "50,60")  # fmt: skip
    assert result.exit_code == 0, result.stderr
    settings = autoscaled.settings()
    assert settings[tags.LIMITS] == "r3.8xlarge=0..2,t2.small:0.01=0..5"
    assert settings[tags.WORKERS] == "r3.8xlarge=0,t2.small:0.01=0"
    assert settings[tags.NODE_STORAGE] == "r3.8xlarge=50,t2.small:0.01=60"
    assert "storage       50 GB for r3.8xlarge and 60 GB for t2.small:0.01\n" in result.stdout
    assert toilctl("autoscale", "c", "--node-types", "t2.small:0.01").exit_code == 0
    assert autoscaled.settings()[tags.NODE_STORAGE] == "t2.small:0.01=60"


def test_node_type_without_a_maximum_is_asked_for(toilctl, autoscaled):
    result = toilctl("autoscale", "c", "--node-types", "r3.8xlarge,t2.small")
    assert result.exit_code == 2
    assert "How many nodes of t2.small there may be was not said." in result.stderr


def test_pause_and_resume(toilctl, autoscaled):
    paused = toilctl("autoscale", "c", "pause")
    assert (paused.exit_code, autoscaled.settings()[tags.PAUSED]) == (0, "yes"), paused.stderr
    assert "It only watches; 'toilctl autoscale c resume' lets it act." in paused.stdout
    assert toilctl("autoscale", "c", "resume").exit_code == 0
    assert autoscaled.settings()[tags.PAUSED] == "no"
    assert autoscaled.names == ["autoscale.yml", "autoscale.yml"]


def test_settings_that_it_has_are_not_called_changed(toilctl, autoscaled):
    assert toilctl("autoscale", "c", "--max-nodes", "3").exit_code == 0
    again = toilctl("autoscale", "c", "--max-nodes", "3")
    assert again.stdout.startswith("c had these settings already; its leader was told them again.\n")
    assert autoscaled.names == ["autoscale.yml", "autoscale.yml"]
    planned = toilctl("autoscale", "c", "--max-nodes", "3", "--dry-run")
    assert planned.stdout == "Nothing would change for c: it has these settings.\n"


def test_other_word_than_pause_or_resume(toilctl, autoscaled):
    result = toilctl("autoscale", "c", "stop")
    assert (result.exit_code, "'stop' is neither pause nor resume" in result.stderr) == (2, True)


def test_dry_run_changes_nothing(toilctl, autoscaled):
    before = autoscaled.settings()
    result = toilctl("autoscale", "c", "--max-nodes", "1", "--dry-run")
    assert result.stdout.startswith("Would change c.\n  workers")
    assert (autoscaled.settings(), autoscaled.runs) == (before, [])


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--min-nodes", "3"), 2, "The minimum of r3.8xlarge is 3, above its maximum of 2."),
        (("--max-nodes", "1,2,3"), 2, "There are 2 node types (c4.8xlarge:0.6, r3.8xlarge), and --max-nodes has 3"),
        (("--max-nodes", "0"), 2, "All of --max-nodes are 0"),
        (("--max-nodes", "1024,1"), 2, "--max-nodes add up to 1025 workers, and Slurm here has room for 1024."),
        (("--node-types", "t2.mirco", "--max-nodes", "1"), 2, "EC2 has no instance type 't2.mirco'"),
        (("--node-storage", "4"), 2, "--node-storage 4 is smaller than the machine image"),
        (("--node-storage", "50,50,50"), 2, "There are 2 node types, and --node-storage has 3 sizes."),
        (("--node-types", "r3.8xlarge", "--max-nodes", "3,4"), 2, "There is 1 node type (r3.8xlarge), and --max-nodes"),
        (("--target-time", "0"), 2, "'0' is below 1. Write a number of seconds, at least 1, such as 1800."),
    ],
)
def test_settings_that_cannot_work_change_nothing(toilctl, autoscaled, words, code, told):
    before = autoscaled.settings()
    result = toilctl("autoscale", "c", *words)
    assert (result.exit_code, told in result.stderr) == (code, True), result.stderr
    assert (autoscaled.settings(), autoscaled.runs) == (before, [])


def test_minimum_above_the_quota(toilctl, autoscaled, monkeypatch):
    monkeypatch.setattr("toilctl.system.quotas.vcpus", lambda *_, **__: 40.0)
    result = toilctl("autoscale", "c", "--min-nodes", "0,2")
    assert (result.exit_code, "the account's quota in us-west-2 is 40" in result.stderr) == (7, True)


def test_cluster_that_is_not_autoscaled_becomes_so(toilctl, playbooks):
    assert toilctl(*LAUNCH, "--engine", "slurm").exit_code == 0
    playbooks.runs.clear()
    shown = toilctl("autoscale", "c")
    assert (shown.exit_code, "Cluster 'c' is not autoscaled" in shown.stdout) == (0, True)
    result = toilctl("autoscale", "c", "--max-nodes", "3")
    assert result.exit_code == 0, result.stderr
    assert "its workers follow the demand from now on" in result.stdout
    assert playbooks.settings()[tags.LIMITS] == "t2.micro=0..3"
    assert playbooks.names == ["autoscale.yml"]


@pytest.mark.parametrize("words", [("pause",), ("--idle-timeout", "5")])
def test_cluster_without_limits_cannot_be_paused_or_tuned(toilctl, cluster, words):
    result = toilctl("autoscale", "c", *words)
    assert (result.exit_code, "is not autoscaled" in result.stderr) == (5, True)


def test_mesos_cluster_that_was_launched_without_limits_becomes_autoscaled(toilctl, cluster):
    assert cluster.settings("c")[tags.ENGINE] == "mesos"
    assert toilctl("autoscale", "c", "--max-nodes", "3").exit_code == 0
    assert cluster.settings("c")[tags.LIMITS] == "t2.micro=0..3"


def test_cluster_that_is_being_destroyed_is_left_alone(toilctl, autoscaled):
    autoscaled.tag("c", {tags.STATE: tags.DESTROYING})
    assert toilctl("autoscale", "c", "--max-nodes", "3").exit_code == 5
