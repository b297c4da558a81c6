"""The Mesos batch system as the plugin extends it: Toil's own code, and a stand-in for pymesos' driver below it."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from addict import Dict

from toilctl.engines.published import Published

FRAMEWORK = "0ce729e7-0000"


class Driver:
    """Registers at once, and notes what it is told."""

    def __init__(self, scheduler: Any, *_: Any, **__: Any) -> None:
        self.scheduler, self.launched, self.declined = scheduler, [], []

    def start(self) -> None:
        self.scheduler.registered(self, Dict(value=FRAMEWORK), None)

    def launchTasks(self, offer_id: Any, tasks: list[Any]) -> None:
        self.launched += tasks

    def declineOffer(self, offer_id: Any) -> None:
        self.declined.append(offer_id)

    def killTask(self, task_id: Any) -> None:
        self.scheduler.statusUpdate(self, Dict(task_id=task_id, state="TASK_KILLED", message="", reason="", source=""))

    def stop(self) -> None: ...
    def join(self) -> None: ...


@pytest.fixture
def pymesos(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pymesos that needs no master; Toil's modules on top of it are imported anew, also afterwards."""
    fake: Any = ModuleType("pymesos")
    fake.MesosSchedulerDriver, fake.Scheduler = Driver, type("Scheduler", (), {})
    fake.encode_data, fake.decode_data = (lambda data: data), (lambda data: data)
    monkeypatch.setitem(sys.modules, "pymesos", fake)
    monkeypatch.delitem(sys.modules, "toil.batchSystems.mesos.batchSystem", raising=False)


@pytest.fixture
def batch_system(
    plugin: ModuleType, pymesos: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Any]]:
    """Make the batch system that ``--batchSystem mesos`` means."""
    from toil.batchSystems.registry import get_batch_system
    from toil.common import Config

    made: list[Any] = []

    def make() -> Any:
        config = Config()
        config.mesos_endpoint, config.workDir, config.mesos_name = "127.0.0.1:5050", str(tmp_path), "toil"
        config.mesos_role = config.mesos_framework_id = None
        config.workflowID, config.cleanWorkDir, config.coordination_dir = "w", "always", None
        monkeypatch.setattr("toil.batchSystems.mesos.batchSystem.resolveEntryPoint", lambda name: name)
        made.append(get_batch_system("mesos")(config, 100, 2**40, 2**50))
        return made[-1]

    yield make
    for one in made:
        one.shutdown()
    # Toil's own class again, on whatever pymesos there is.
    sys.modules.pop("toil.batchSystems.mesos.batchSystem", None)


def job(name: str = "sort", **changes: Any) -> Any:
    from toil.job import JobDescription

    local, unit = changes.pop("local", False), changes.pop("unitName", "")
    needed = {"cores": 1, "memory": 2**28, "disk": 2**30, "preemptible": False, "accelerators": [], "walltime": 0}
    description = JobDescription(needed | changes, name, unit, local=local)
    description.jobStoreID = f"kind-{name}/instance-1"
    return description


def offer(address: str = "127.0.0.5") -> Any:
    resources = [{"name": "cpus", "scalar": {"value": 1.0}}, {"name": "mem", "scalar": {"value": 1000.0}},
                 {"name": "disk", "scalar": {"value": 9000.0}}]  # fmt: skip
    return Dict(id={"value": "o"}, hostname=address, agent_id={"value": "S1"}, attributes=[], resources=resources)


def jobs(directory: Path) -> dict[str, tuple[str, str | None]]:
    return {key: (one.name, one.node) for w in Published(directory).workflows() for key, one in w.jobs.items()}


def test_toil_finds_the_plugin_under_the_usual_flag(batch_system: Callable[[], Any]) -> None:
    from toil.batchSystems.mesos.batchSystem import MesosBatchSystem

    made = batch_system()
    assert isinstance(made, MesosBatchSystem)
    assert type(made) is not MesosBatchSystem
    assert made.supportsAutoDeployment()


def test_jobs_are_published_from_issue_to_end(batch_system: Callable[[], Any], demand_dir: Path) -> None:
    made = batch_system()
    (workflow,) = Published(demand_dir).workflows()
    assert workflow.framework == FRAMEWORK
    first = made.issueBatchJob("command", job("first"), {})
    second = made.issueBatchJob("command", job("second"), job_environment={"A": "1"})
    made.publication.flush()
    assert jobs(demand_dir) == {str(first): ("first", None), str(second): ("second", None)}
    made.resourceOffers(made.driver, [offer()])
    assert made.getUpdatedBatchJob(0) is None
    made.publication.flush()
    started = jobs(demand_dir)
    assert sorted(node or "" for _, node in started.values()) == ["", "127.0.0.5"]
    (running,) = (key for key, (_, node) in started.items() if node)
    labels = {"labels": [{"key": "wallTime", "value": "3.5"}]}
    made.statusUpdate(made.driver, Dict(task_id={"value": running}, state="TASK_FINISHED", labels=labels))
    assert made.getUpdatedBatchJob(1).jobID == int(running)
    made.publication.flush()
    published = Published(demand_dir)
    assert running not in published.workflows()[0].jobs
    assert list(published.run_times_s().values()) == [3.5]


def test_shards_of_a_tool_are_published_by_their_tool(batch_system: Callable[[], Any], demand_dir: Path) -> None:
    made = batch_system()
    for unit in ("align.17.bwa", "align.3.bwa"):
        made.issueBatchJob("command", job("CWLJob", unitName=unit), {})
    made.publication.flush()
    assert {name for name, _ in jobs(demand_dir).values()} == {"align.*.bwa"}


def test_workflow_outlives_what_a_restarted_master_tells_of_ended_tasks(batch_system: Callable[[], Any]) -> None:
    """It has forgotten the labels, among them the wall time without which Toil ended the workflow."""
    made = batch_system()
    job_id = made.issueBatchJob("command", job(), {})
    made.resourceOffers(made.driver, [offer()])
    made.statusUpdate(made.driver, Dict(task_id={"value": str(job_id)}, state="TASK_FINISHED"))
    update = made.getUpdatedBatchJob(1)
    assert (update.jobID, update.exitStatus) == (job_id, 0)
    assert 0 <= update.wallTime < 60
    made.statusUpdate(made.driver, Dict(task_id={"value": "99"}, state="TASK_FINISHED"))
    assert made.getUpdatedBatchJob(1).jobID == 99


@pytest.mark.parametrize("again", ["TASK_FINISHED", "TASK_LOST", "TASK_KILLED"])
def test_end_that_mesos_tells_twice_is_toils_once(
    batch_system: Callable[[], Any], caplog: pytest.LogCaptureFixture, again: str
) -> None:
    """A master tells of an end until its framework has acknowledged it; Toil knew no such job the second time."""
    made = batch_system()
    job_id = made.issueBatchJob("command", job(), {})
    made.resourceOffers(made.driver, [offer()])
    labels = {"labels": [{"key": "wallTime", "value": "13.2"}]}
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        for state in ("TASK_RUNNING", "TASK_FINISHED", again):
            made.statusUpdate(made.driver, Dict(task_id={"value": str(job_id)}, state=state, labels=labels))
    assert (made.getUpdatedBatchJob(1).jobID, made.getUpdatedBatchJob(0)) == (job_id, None)
    assert caplog.messages == []


def test_killed_job_is_no_demand_any_more(batch_system: Callable[[], Any], demand_dir: Path) -> None:
    made = batch_system()
    killed, kept = made.issueBatchJob("c", job("killed"), {}), made.issueBatchJob("c", job("kept"), {})
    made.resourceOffers(made.driver, [offer()])
    running = made.getRunningBatchJobIDs()
    (victim,) = running
    made.killBatchJobs([victim])
    made.publication.flush()
    assert set(jobs(demand_dir)) == {str(one) for one in (killed, kept) if one != victim}


def test_job_for_the_leader_is_no_demand(batch_system: Callable[[], Any], demand_dir: Path) -> None:
    made = batch_system()
    made.issueBatchJob("true", job("local", local=True), {})
    remote = made.issueBatchJob("true", job("remote"), {})
    made.publication.flush()
    assert jobs(demand_dir) == {str(remote): ("remote", None)}


def test_sources_travel_on_mesos_too(batch_system: Callable[[], Any]) -> None:
    from toil.resource import ModuleDescriptor

    before = ModuleDescriptor.saveAsResourceTo
    batch_system()
    assert ModuleDescriptor.saveAsResourceTo is not before


def test_unknown_toil_keeps_its_own_batch_system_with_one_warning(
    plugin: ModuleType, pymesos: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from toil.batchSystems.registry import get_batch_system

    class Later:
        """A Mesos batch system of another Toil, which has none of what the plugin overrides."""

    toils = importlib.import_module("toil.batchSystems.mesos.batchSystem")
    monkeypatch.setattr(toils, "MesosBatchSystem", Later)
    with caplog.at_level(logging.WARNING):
        assert get_batch_system("mesos") is Later
        assert get_batch_system("mesos") is Later
    warnings = [record for record in caplog.records if "unknown to toilctl's plugin" in record.message]
    assert [record.name.partition(".")[0] for record in warnings] == ["toil"]


def test_without_pymesos_the_plugin_is_as_unavailable_as_toils_own(
    plugin: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    from toil.batchSystems.registry import get_batch_system

    monkeypatch.setitem(sys.modules, "pymesos", None)
    monkeypatch.delitem(sys.modules, "toil.batchSystems.mesos.batchSystem", raising=False)
    with pytest.raises(ImportError):
        get_batch_system("mesos")


def test_toil_that_keeps_a_list_of_keys_lists_each_once(plugin: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Toil did up to 8.2; a key that came twice broke its options, and with them every workflow."""
    from toil.batchSystems import registry
    from toilctl_plugin.batch_systems.registry import replace_batch_system

    keys = ["single_machine", "slurm"]
    monkeypatch.setattr(registry, "_registry_keys", keys, raising=False)
    monkeypatch.setattr(registry, "add_batch_system_factory", lambda key, _: keys.append(key))
    replace_batch_system("slurm", SimpleNamespace)
    assert sorted(keys) == ["single_machine", "slurm"]
