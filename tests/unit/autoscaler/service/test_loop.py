"""What a tick sees, decides, tells and keeps, and what it makes of trouble."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.autoscaler.builders import tuning
from tests.unit.autoscaler.service.stage import JOB, SPOT_USD, busy
from toilctl.autoscaler.model.playbook_events import LaunchRefusal
from toilctl.autoscaler.model.workflow_limits import Wish
from toilctl.autoscaler.service import loop
from toilctl.values.errors import EngineError
from toilctl.values.jobs import Demand, Job, Shape


def test_quiet_tick_at_a_thousand_nodes_is_one_listing_and_no_playbook(stage):
    ids = stage.launch(1)
    busy(stage, ids)
    stage.tick()
    busy(stage, ids + stage.launch(999))
    before = stage.aws.calls
    report = stage.tick()
    made = {name: count - before.get(name, 0) for name, count in stage.aws.calls.items() if count != before.get(name)}
    assert made == {"ec2:DescribeInstances": 1}
    assert (stage.done, report.actions, report.problem) == ([], (), "")
    assert (report.node_counts, report.phases, report.running_jobs) == ({"c5.large:0.05": 1000}, {"busy": 1000}, 1000)


def test_report_says_what_waits_what_is_done_and_what_it_costs(stage):
    busy(stage, stage.launch(2))
    stage.jobs += (JOB,) * 40
    report = stage.tick()
    assert (report.tick, report.cluster, report.waiting_jobs, report.running_jobs) == (1, "my", 40, 2)
    assert [action.action for action in report.actions] == ["launch"]
    assert (report.usd_per_hour, report.usd) == (pytest.approx(2 * SPOT_USD), 0)
    assert {node.verdict for node in report.nodes} == {"kept"}
    assert stage.tick(1800).usd == pytest.approx(SPOT_USD)
    lines = [json.loads(line) for line in (stage.directory / "journal.jsonl").read_text().splitlines()]
    assert [line["tick"] for line in lines] == [1, 2]


def test_idle_node_goes_and_its_end_is_in_the_next_report(stage):
    stage.launch(1)
    stage.tick()
    assert next(action.text() for action in stage.tick(301).actions).startswith("scale-in i-")
    report = stage.tick()
    assert [(result.action, result.ok) for result in report.results] == [("scale-in", True)]
    assert (stage.done, report.node_counts) == (["drain 1"], {})


def test_refused_launch_sets_the_offering_aside_and_is_told(stage):
    stage.jobs = (JOB,)
    stage.refusals = (LaunchRefusal("InsufficientInstanceCapacity", "none left", "c5.large", "us-west-2a"),)
    stage.failure = "1 of 1 nodes could not be launched."
    stage.tick()
    report = stage.tick()
    assert [aside.what for aside in report.set_aside] == ["c5.large in us-west-2a, spot"]
    assert [result.message for result in report.results] == [
        "c5.large:0.05: InsufficientInstanceCapacity in us-west-2a: none left",
        "1 of 1 nodes could not be launched.",
    ]
    assert report.results[0].codes == ("InsufficientInstanceCapacity",)
    assert stage.done == ["launch 1"], "nothing is asked for that was just refused"
    stage.tick(181)
    assert stage.done == ["launch 1"] * 2


def test_three_nodes_that_never_join_back_their_type_off(stage):
    stage.jobs = (JOB,) * 6
    stage.launch(3, joined=False)
    stage.tick()
    # EC2's launch times are real ones, and a busy machine is slow.
    stage.tick(1000)
    report = stage.tick(1)
    assert stage.done[-4:] == ["console", "console", "console", "end 3"]
    assert [aside.what for aside in report.set_aside] == ["c5.large:0.05"]
    assert "3 nodes in a row did not join" in report.set_aside[0].why
    assert not any(action.action == "launch" for action in report.actions)


def test_engine_that_does_not_answer_takes_no_node_away(stage):
    stage.launch(2)
    stage.tick()
    stage.problem = EngineError("Slurm does not answer.")
    report = stage.tick(3600)
    assert (stage.done, report.problem) == ([], "Slurm does not answer.")


def test_empty_list_of_the_engine_takes_no_node_away_also_after_a_restart(stage):
    stage.launch(2)
    stage.tick()
    stage.running.clear()
    stage.begin()
    report = stage.tick(400)
    assert (stage.done, report.phases) == ([], {"returning": 2})
    report = stage.tick(400)
    assert (stage.done, report.phases) == ([], {"missing": 2})


def test_jobs_that_can_never_run_are_told_to_workflows(stage, tmp_path, monkeypatch):
    monkeypatch.setenv("TOILCTL_DEMAND_DIR", str(tmp_path))
    stage.jobs = (Job("1", "sort", Shape(8, 100, 100, False)),)
    (job,) = stage.tick().infeasible
    (told,) = json.loads((tmp_path / "never-run.json").read_text())["jobs"]
    assert (told["cores"], told["why"]) == (8, job.next_step)
    stage.jobs = ()
    stage.tick()
    assert [*tmp_path.glob("never-run*")] == []


def test_workflow_may_ask_for_other_nodes_while_it_runs(stage):
    stage.settings(engine="mesos")
    stage.jobs = (Job("1", "sort", Shape(8, 100, 100, False)),)
    assert "sort" in stage.tick().infeasible[0].names
    stage.asked = (Wish("sort.py", ("c5.4xlarge=0..2",)),)
    report = stage.tick()
    assert stage.done == ["launch 1"]
    assert any("sort.py asks for c5.4xlarge=0..2, which counts while it runs" in note for note in report.notes)


def test_cluster_without_limits_grows_for_a_workflow_and_shrinks_to_what_it_was(stage):
    stage.settings(engine="mesos", limits=[])
    stage.launch(2, intent="")
    assert (stage.tick(5000).actions, stage.done) == ((), [])
    stage.asked = (Wish("sort.py", ("c5.large:0.05=1..2",)),)
    stage.jobs = tuple(Job(str(number), "sort", Shape(2, 100, 100, True)) for number in range(9))
    stage.tick()
    assert stage.done == ["launch 2"]
    stage.launch(2)
    stage.asked, stage.jobs = (), ()
    stage.tick()
    assert stage.done == ["launch 2"]
    stage.tick(5000)
    assert stage.done == ["launch 2", "drain 2"]
    report = stage.tick(5000)
    assert (stage.done, len(report.nodes)) == (["launch 2", "drain 2"], 2)


def test_workflow_that_is_started_again_finds_its_workers(stage):
    stage.settings(engine="mesos", limits=[])
    asked = stage.asked = (Wish("sort.py", ("c5.large:0.05=0..2",)),)
    stage.jobs = tuple(Job(str(number), "sort", Shape(2, 100, 100, True)) for number in range(2))
    stage.tick()
    busy(stage, stage.launch(2))
    stage.tick()
    # It crashes, and what it published with it; minutes later it goes on.
    stage.asked, stage.jobs = (), ()
    report = stage.tick()
    assert any(note.startswith("sort.py has ended") for note in report.notes)
    stage.running = dict.fromkeys(stage.running, ())
    stage.tick(200)
    stage.asked = asked
    stage.jobs = tuple(Job(str(number), "sort", Shape(2, 100, 100, True)) for number in range(2))
    report = stage.tick()
    assert (stage.done, report.node_counts) == (["launch 2"], {"c5.large:0.05": 2})


def test_workers_of_a_workflow_go_when_it_does_not_come_back(stage):
    stage.settings(engine="mesos", limits=[], tuning=str(tuning(idle_timeout_s=60)))
    stage.asked = (Wish("sort.py", ("c5.large:0.05=2..2",)),)
    stage.launch(2)
    stage.tick()
    stage.asked = ()
    stage.tick()
    assert stage.done == []
    assert stage.tick(31).notes == ()
    assert stage.done == ["drain 2"]


def test_cluster_without_limits_is_left_alone_where_workflows_cannot_ask(stage):
    stage.settings(limits=[])
    assert "leaves it alone" in stage.tick().notes[0]


def test_workflow_that_asks_for_nonsense_is_named(stage):
    stage.settings(engine="mesos")
    stage.asked = (Wish("sort.py", ("what?=0..2",)),)
    assert any("sort.py asks for nodes that cannot be" in note for note in stage.tick().notes)


def test_interval_is_that_of_a_workflow_while_it_runs_where_the_cluster_has_no_limits(stage):
    stage.settings(engine="mesos", limits=[], tuning=str(tuning(scale_interval_s=60)))
    stage.asked = (Wish("sort.py", ("c5.large:0.05=0..2",), "scale_interval_s=7"),)
    stage.tick()
    assert stage.autoscaler.interval_s == 7
    stage.asked = ()
    stage.tick(5000)
    assert stage.autoscaler.interval_s == 60


def test_broken_settings_keep_the_last_good_ones(stage):
    stage.tick()
    (stage.directory / "cluster.yml").write_text("limits: [")
    report = stage.tick()
    assert "last good settings" in report.problem
    assert report.cluster == "my"
    assert report.desired == {"c5.large:0.05": 0}


def test_no_settings_at_the_start_touch_nothing(stage):
    (stage.directory / "cluster.yml").unlink()
    before = stage.aws.calls
    report = stage.tick()
    assert "Nothing is done" in report.problem
    assert stage.aws.calls == before
    stage.settings()
    assert stage.tick().problem == ""


def test_cluster_without_limits_is_left_alone(stage):
    stage.launch(1)
    stage.settings(limits=[])
    assert "no limits" in stage.tick(3600).notes[0]
    assert stage.done == []


def test_aws_that_refuses_is_told_and_the_next_tick_goes_on(stage):
    stage.tick()
    stage.aws.faults.set("throttle", action="ec2:DescribeInstances", count=1000)
    with pytest.MonkeyPatch.context() as quick:
        quick.setattr(time, "sleep", lambda _: None)
        report = stage.tick()
    assert "slowing down DescribeInstances" in report.problem
    assert [error.action for error in report.errors] == ["tick"]
    stage.aws.faults.clear()
    assert stage.tick().problem == ""
    assert json.loads((stage.directory / "last.json").read_text())["tick"] == 3


def test_mistake_of_ours_is_told_and_the_next_tick_goes_on(stage, monkeypatch, capsys):
    with monkeypatch.context() as broken:
        broken.setattr(loop, "decide", lambda *_: 1 / 0)
        assert "ZeroDivisionError" in stage.tick().problem
    assert "Traceback" in capsys.readouterr().err
    assert stage.tick().problem == ""


def test_cluster_that_is_being_destroyed_is_left_alone_from_the_first_refusal_on(stage):
    stage.jobs, stage.failure = (JOB,), "Cluster my is being destroyed."
    stage.tick()
    stage.tag("toilctl:state", "destroying")
    assert "being destroyed" in stage.tick().problem
    assert "being destroyed" in stage.tick(600).problem
    assert stage.done == ["launch 1"]


def test_launch_that_was_cut_short_before_the_start_is_waited_for(stage):
    stage.begin_launch(stage.now + timedelta(seconds=1))
    stage.jobs = (JOB,)
    assert "cut short" in stage.tick(2).problem
    assert 1 <= stage.autoscaler.interval_s <= 15
    assert [action.action for action in stage.tick(15).actions] == ["launch"]


def test_paused_cluster_is_watched_only(stage):
    stage.settings(paused=True)
    stage.jobs = (JOB,)
    report = stage.tick()
    assert (report.paused, report.actions, report.waiting_jobs) == (True, (), 1)


def test_interruption_is_in_the_report_once_and_the_next_decision_due_before_its_end(stage):
    busy(stage, stage.launch(1))
    stage.settings(tuning=str(tuning(scale_interval_s=600)))
    stage.tick()
    (known,) = stage.running
    stage.aws.cloud.set_fault("interrupt", instance_id=known)
    stage.now += timedelta(seconds=5)
    assert stage.autoscaler.news()
    report = stage.tick(0)
    assert [(one.instance_id, one.kind, bool(one.takes_at)) for one in report.interruptions] == [
        (known, "terminate", True)
    ]
    assert [action.action for action in report.actions] == ["drain", "launch"]
    assert 1 <= stage.autoscaler.interval_s <= 91
    assert [(one.instance_type, one.interruptions) for one in report.spot_records] == [("c5.large", 1)]
    assert (stage.tick(30).interruptions, stage.autoscaler.news()) == ((), False)


def test_record_of_spot_nodes_and_costs_go_on_after_a_start(stage):
    busy(stage, stage.launch(1))
    stage.tick()
    stage.tick(3600)
    stage.begin()
    stage.tick(1800)
    report = stage.tick(10)
    (record,), (cost,) = report.spot_records, report.costs
    assert record.node_hours == pytest.approx(1.0 + 10 / 3600, abs=0.01)
    assert (cost.role, cost.node_type, cost.market) == ("worker", "c5.large:0.05", "spot")
    assert cost.usd == pytest.approx(1.5 * SPOT_USD, rel=0.02)
    assert cost.node_hours == pytest.approx(1.5, rel=0.02)


def test_spent_budget_stops_launches_and_is_in_the_report(stage):
    stage.launch(1)
    stage.settings(tuning=str(tuning(budget_usd=0.02, max_usd_per_hour=0.5, idle_timeout_s=9999)))
    stage.tick()
    assert stage.tick(3600).budget.spent_usd == pytest.approx(SPOT_USD)
    stage.jobs = (JOB,) * 9
    report = stage.tick()
    assert report.actions == ()
    assert [one.reason for one in report.waiting] == ["budget"]
    assert (report.budget.budget_usd, report.budget.max_usd_per_hour) == (0.02, 0.5)
    stage.settings(tuning=str(tuning(idle_timeout_s=9999)))
    report = stage.tick()
    assert (report.budget, [action.action for action in report.actions]) == (None, ["launch"])


def test_what_cannot_be_read_is_told_and_the_tick_goes_on(stage):
    stage.jobs = (JOB,)
    told = "Slurm tells of 1 job what cannot be read; the others count."
    stage.demand = lambda: Demand(stage.jobs, problems=(told,))
    stray = "/var/lib/toilctl/demand/x.jsonl: it cannot be read: it is no regular file."
    stage.autoscaler._reach = replace(stage.autoscaler._reach, unread=lambda: (stray,))
    report = stage.tick()
    assert (report.problem, [one.action for one in report.actions]) == ("", ["launch"])
    assert report.notes[-1] == stray
    assert told in report.notes


@pytest.mark.parametrize("name", ["a\nb", "\u2028\x85\0\x1b[31m", "?" * 500])
def test_job_may_be_called_anything_and_its_line_is_one_for_everybody(stage, name):
    stage.jobs = (replace(JOB, name=name),)
    assert stage.tick().problem == ""
    line = stage.out.getvalue()
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert json.loads(line)["waiting"][0]["names"] == [name]
