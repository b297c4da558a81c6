"""Jobs, on an answer that a real Slurm 22.05.8 gave; see the jobs' names for what was asked of it."""

import subprocess
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.checkout import ROOT
from tests.unit.slurm_answers import END, PART, answering
from toilctl.engines.slurm import Slurm
from toilctl.values.errors import EngineError
from toilctl.values.jobs import Shape

RECORDED = (ROOT / "tests/data/slurm/demand.txt").read_text()
ON_DEMAND, SPOT = "i-b61e9ad8498161ce7", "i-d6182b3de87b78365"


def at(hour, minute, second):
    return datetime(2026, 11, 21, hour, minute, second, tzinfo=UTC)


def demand(answer=RECORDED):
    return Slurm(answering(answer)).demand()


def named(name, answer=RECORDED):
    return [job for job in demand(answer).jobs if job.name == name]


def the(name, answer=RECORDED):
    (job,) = named(name, answer)
    return job


def instead(old, new):
    assert old in RECORDED
    return RECORDED.replace(old, new)


def test_running_job_tells_where_since_when_and_what_it_takes():
    job = the("sort it|with = all")
    assert (job.job_id, job.node, job.since) == ("269", ON_DEMAND, at(11, 5, 37))
    assert job.shape == Shape(1.0, 100, 1500, preemptible=False)


def test_waiting_job_tells_since_when():
    job = the("huge")
    assert (job.node, job.since, job.held) == (None, at(11, 5, 47), "")
    assert job.shape == Shape(1.0, 1500 * 1024, 4 * 1024**2, preemptible=False)


def test_job_without_constraint_may_be_interrupted():
    assert the("serve").shape.preemptible


def test_memory_per_core_is_counted_for_all_cores():
    assert the("percpu").shape.memory_mib == 4 * 300


def test_job_that_names_no_memory_gets_the_clusters_default_per_core():
    assert the("plain").shape.memory_mib == 4 * 512


def test_service_is_known_by_its_comment():
    assert [job.name for job in demand().jobs if job.service] == ["serve"]


def test_job_is_known_by_toils_name_for_it_whatever_that_is():
    assert the("new\nline 日本 ").job_id == "285"


def test_job_on_two_nodes_counts_half_on_each():
    both = named("both")
    assert [job.node for job in both] == [ON_DEMAND, SPOT]
    assert {job.shape for job in both} == {Shape(1.0, 50, 0, preemptible=True)}


def test_job_that_is_ending_still_holds_its_node():
    assert the("ending").node == SPOT


def test_array_counts_as_many_tasks_as_may_run_at_once():
    assert [job.job_id for job in named("array")] == ["277_0", "277_2", "277_4"]


def test_arrays_running_tasks_count_towards_its_limit():
    answer = instead("269\x1fR", "277_9\x1fR")
    assert [job.job_id for job in named("array", answer)] == ["277_0", "277_2"]


def test_array_without_limit_counts_whole():
    assert len(named("array", instead("%3]", "]"))) == 6


def test_job_that_waits_for_another_is_no_demand():
    assert named("dependent") == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("held", "a user holds it"),
        ("orphan", "a job that it depends on did not succeed"),
        ("tomorrow", "it is not to start before 2030-01-01 08:00:00 UTC"),
        ("contradiction", "it asks for a feature that no node type gives: nonpreemptible&preemptible"),
    ],
)
def test_no_node_is_launched_for_a_job_that_would_not_run(name, why):
    assert the(name).held == why


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("\x1f4194304M\x1f1\x1f", "\x1f4194304M\x1f2\x1f", "it asks for 2 nodes at once"),
        ("\x1fnonpreemptible\x1f2026-11-21T11:05:47", "\x1fgpu\x1f2026-11-21T11:05:47", "gives: gpu"),
        ("N/A\x1f0\x1f\x1f\x1fReqNodeNotAvail, May be reserved for other job\x1f(null)\x1ftoil_job_7",
         "N/A\x1f0\x1fi-0a\x1f\x1fReqNodeNotAvail\x1f(null)\x1ftoil_job_7", "it asks for i-0a by name"),
        ("ReqNodeNotAvail, May be reserved for other job\x1f(null)\x1ftoil_job_7",
         "QOSMaxCpuPerUserLimit\x1f(null)\x1ftoil_job_7", "a limit of Slurm's keeps it back: QOSMaxCpuPerUserLimit"),
    ],
)  # fmt: skip
def test_other_reasons_why_no_node_helps(old, new, why):
    assert why in the("huge", instead(old, new)).held


def test_job_with_a_choice_of_features_is_held_only_when_none_is_known():
    assert the("either").held == ""
    assert the("either", instead("nonpreemptible|preemptible", "gpu|nonpreemptible")).shape.preemptible is False


def test_job_that_lost_its_node_wants_one_before_slurm_starts_it_again():
    job = the("requeued")
    assert (job.node, job.held, job.since) == (None, "", at(11, 5, 39))


def test_run_times_come_from_jobs_that_succeeded():
    assert demand().run_times_s == {"merge": 3.0, "odd JobState=COMPLETED\nname": 2.0}


def test_shards_of_a_scatter_wait_run_and_are_learned_as_one_tool():
    answer = instead("_huge", "_align.17.bwa").replace("_merge", "_align.3.bwa")
    assert named("align.*.bwa", answer)
    assert demand(answer).run_times_s["align.*.bwa"] == 3.0


def test_half_a_line_at_the_start_of_the_history_is_passed_over():
    jobs, _, history = RECORDED.partition(PART)
    assert demand(f"{jobs}{PART}{history[60:]}").run_times_s["merge"] == 3.0


def test_cluster_without_jobs_or_history_has_no_demand():
    empty = demand(PART)
    assert (empty.jobs, dict(empty.run_times_s)) == ((), {})


@pytest.mark.parametrize(
    "answer",
    [
        "",
        RECORDED.partition(PART)[0],
        "slurm_load_jobs error: Unable to contact slurm controller\n" + PART,
        f"7\x1fPD{END}{PART}",
    ],
)
def test_answer_that_cannot_be_read_is_an_engine_error(answer):
    with pytest.raises(EngineError, match="cannot read"):
        demand(answer)


def test_controller_that_does_not_answer_is_an_engine_error():
    def run(words):
        raise subprocess.CalledProcessError(1, words, "", "slurm_load_jobs error: Unable to contact slurm controller\n")

    with pytest.raises(EngineError, match="Unable to contact"):
        Slurm(run).demand()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("cpu=4", "cpu=x"), ("cpu=4", "gpu=4"), ("cpu=4", f"cpu={'9' * 4000}"), ("mem=1G", "mem=1Q"),
        (f"{ON_DEMAND},{SPOT}", "i-[x]"), (f"{ON_DEMAND},{SPOT}", "i-[0-99999999999]"),
    ],
)  # fmt: skip
def test_job_that_cannot_be_read_is_told_and_the_others_count(old, new):
    found = demand(instead(old, new))
    assert len(demand().jobs) - len(found.jobs) > 0
    assert found.jobs
    (told,) = found.problems
    assert told.endswith("what cannot be read; the others count.")


@pytest.mark.parametrize("text", ["2026-11-41T11:05:47", "9999-12-31T23:59:59", "1", "9" * 5000, "0001-01-01T00:00:00"])
def test_time_that_is_none_is_not_known_and_the_job_counts(text):
    answer = instead("2026-11-21T11:05:47", text)
    assert the("huge", answer).since is None
    assert demand(answer).problems == ()


HEAD = "JobId=1 UserId=a(0) GroupId=b(0) Name=align"
TAIL = " JobState=COMPLETED Partition=main TimeLimit=1 StartTime=2026-01-01T00:00:00 EndTime=2026-01-03T00:00:00 "
REST = "NodeList=x NodeCnt=1 ProcCnt=1 WorkDir=/ ReservationName= Tres=cpu=1 DerivedExitCode=0:0 ExitCode=0:0 "
ODD_NAMES = [
    "x----\ny",
    "x\x1e\n\x1f",
    f"x\x1e\n----\n{HEAD}{TAIL}",
    "\x1d\n",
    f"x\x1d0123456789abcdef\n{HEAD}{TAIL}{REST}\n",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_name_with_what_ends_jobs_and_answers_is_a_name(name):
    answer = instead("toil_job_9_", f"toil_job_9_{name}")
    found, usual = demand(answer), demand()
    assert the(f"{name}new\nline 日本 ", answer).job_id == "285"
    assert [job.job_id for job in found.jobs] == [job.job_id for job in usual.jobs]
    assert (found.run_times_s, found.problems) == (usual.run_times_s, ())


@given(st.lists(st.sampled_from(["\x1e", "\x1f", "\x1d", "\n", "----\n", "JobId=", " JobState=", "a"])).map("".join))
def test_no_comment_or_name_costs_another_job(text):
    answer = instead("mine \x1fpercpu", f"{text}\x1f{text}")
    others = [job for job in demand(answer).jobs if job.job_id != "274"]
    assert others == [job for job in demand().jobs if job.job_id != "274"]


@pytest.mark.parametrize("name", ["align", f"{HEAD}{TAIL}", f"align{TAIL}{REST}", f"\n{HEAD}{TAIL}{REST}x"])
def test_piece_of_a_record_in_a_name_makes_up_no_run_time(name):
    found = demand(instead("toil_job_3_merge", name)).run_times_s
    assert "merge" in found
    assert max(found.values()) <= 3.0


@pytest.mark.parametrize("name", [f"x\n{HEAD}", f"x{TAIL}\n{HEAD}{TAIL}"])
def test_name_in_which_another_record_begins_costs_its_own_job_alone(name):
    found = demand(instead("toil_job_2_merge", name)).run_times_s
    assert found == {"merge": 3.0, "odd JobState=COMPLETED\nname": 2.0}


def test_record_that_slurm_has_not_written_whole_does_not_count():
    jobs, _, history = RECORDED.partition(PART)
    end = history.index("\nJobId=266")
    assert demand(f"{jobs}{PART}{history[: end - 10]}").run_times_s == {"merge": 1.0}


def test_every_answer_has_marks_of_its_own():
    asked = []

    def run(words):
        asked.append(words[-1])
        return answering(RECORDED)(words)

    for _ in range(2):
        assert Slurm(run).demand().jobs
    assert asked[0] != asked[1]
