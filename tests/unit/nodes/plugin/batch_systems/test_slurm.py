"""The Toil plugin: what it makes of the Slurm batch system, and what it leaves alone."""

from __future__ import annotations

import logging
import shlex
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


def prepared(plugin: ModuleType, monkeypatch: pytest.MonkeyPatch, user_script: Any, environment: Any) -> Any:
    """Return the command and environment that Toil's own prepareSubmission is given, and the sbatch line."""
    from toil.batchSystems.slurm import SlurmBatchSystem

    seen: dict[str, Any] = {}

    def prepare(
        self: Any,
        cpu: int,
        memory: int,
        walltime: int,
        jobID: int,
        command: str,
        jobName: str,
        job_environment: dict[str, str] | None = None,
        gpus: int | None = None,
    ) -> list[str]:
        seen.update(command=command, environment=job_environment)
        return ["sbatch", "-J", jobName]

    monkeypatch.setattr(SlurmBatchSystem.GridEngineThread, "prepareSubmission", prepare)
    batch_system = plugin.slurm_batch_system()
    boss = SimpleNamespace(user_script=user_script, slurm_ids={})
    boss.packed = lambda command: batch_system.packed(boss, command)
    thread = object.__new__(batch_system.GridEngineThread)
    thread.boss = boss
    line = thread.prepareSubmission(1, 2**28, 0, 7, "_toil_worker sort", "sort", environment, None)
    return SimpleNamespace(line=line, **seen)


def test_toil_finds_the_plugin_under_the_usual_flag(plugin: ModuleType) -> None:
    from toil.batchSystems.registry import get_batch_system
    from toil.batchSystems.slurm import SlurmBatchSystem

    found = get_batch_system("slurm")
    assert found is not SlurmBatchSystem
    assert issubclass(found, SlurmBatchSystem)
    assert found.supportsAutoDeployment()


def test_job_of_a_user_script_finds_it_unpacked(plugin: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    from toil.resource import DirectoryResource

    script = DirectoryResource("it's", "hash", "http://store/sort", "content")
    # Toil writes exec before it.
    shell, option, command = shlex.split(prepared(plugin, monkeypatch, script, {}).command)
    assert (shell, option) == ("sh", "-c")
    assert command.endswith(" && exec _toil_worker sort")
    assert f"JTRES_hash={shlex.quote(script.pickle())}" in command


def test_job_without_a_user_script_runs_as_it_is(plugin: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert prepared(plugin, monkeypatch, None, {}).command == "_toil_worker sort"


def test_job_that_is_not_preemptible_stays_off_spot_nodes(plugin: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert prepared(plugin, monkeypatch, None, {"A": "1"}).line[:2] == ["sbatch", "--constraint=nonpreemptible"]


def issued(plugin: ModuleType, monkeypatch: pytest.MonkeyPatch, description: Any) -> Any:
    """Issue a job as Toil's leader does, and return what becomes of it; see ``prepared``."""
    from toil.batchSystems.slurm import SlurmBatchSystem

    environments: list[dict[str, str]] = []

    def issue(self: Any, command: str, job_desc: Any, job_environment: dict[str, str]) -> int:
        environments.append(job_environment)
        return 7

    monkeypatch.setattr(SlurmBatchSystem, "issueBatchJob", issue)
    batch_system = plugin.slurm_batch_system()
    issuing = object.__new__(batch_system)
    issuing.publication = SimpleNamespace(queued=lambda *_: None)
    assert issuing.issueBatchJob("_toil_worker sort", description, {"A": "1"}) == 7
    return prepared(plugin, monkeypatch, None, environments[0])


def description(kind: str = "JobDescription", name: str = "sort", unitName: str = "", **requirements: Any) -> Any:
    from toil import job

    needed = {"cores": 1, "memory": "1Gi", "disk": 0, "preemptible": True} | requirements
    return getattr(job, kind)(needed, name, unitName=unitName)


def test_preemptible_job_may_run_anywhere(plugin: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    submission = issued(plugin, monkeypatch, description())
    assert submission.line == ["sbatch", "-J", "sort"]
    assert submission.environment == {"A": "1"}


def test_job_is_called_by_what_run_times_are_learned_by(plugin: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    shard = description(name="CWLJob", unitName="align.17.bwa")
    assert issued(plugin, monkeypatch, shard).line == ["sbatch", "-J", "align.17.bwa"]
    one_of_many = description(name="align", unitName="of the sample ANNA")
    assert issued(plugin, monkeypatch, one_of_many).line == ["sbatch", "-J", "align"]


def test_languages_are_known_by_the_same_names_on_the_leader_and_in_the_autoscaler(plugin: ModuleType) -> None:
    from toilctl_plugin import job_names

    from toilctl.values.job_names import RUNNERS

    assert job_names.RUNNERS == RUNNERS


def test_job_that_may_not_be_interrupted_says_so(plugin: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    submission = issued(plugin, monkeypatch, description(preemptible=False))
    assert submission.line == ["sbatch", "--constraint=nonpreemptible", "-J", "sort"]


def test_jobs_disk_is_asked_for_in_whole_mebibytes(plugin: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    submission = issued(plugin, monkeypatch, description(disk=3 * 2**20 + 1))
    assert submission.line == ["sbatch", "--tmp=4M", "-J", "sort"]


def test_service_is_marked_for_the_autoscaler(plugin: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    from toilctl.engines.slurm_jobs import SERVICE

    submission = issued(plugin, monkeypatch, description("ServiceJobDescription"))
    assert submission.line == ["sbatch", f"--comment={SERVICE}", "-J", "sort"]


def test_toil_without_services_as_they_are_now_keeps_its_own_batch_system(
    plugin: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from toil import job
    from toil.batchSystems.slurm import SlurmBatchSystem

    monkeypatch.delattr(job, "ServiceJobDescription")
    with caplog.at_level(logging.WARNING):
        assert plugin.slurm_batch_system() is SlurmBatchSystem
    assert "ServiceJobDescription" in caplog.text


def test_unknown_toil_keeps_its_own_batch_system_with_one_warning(
    plugin: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from toil.batchSystems import slurm

    class Later:
        """A Slurm batch system of another Toil, which has none of what the plugin overrides."""

    monkeypatch.setattr(slurm, "SlurmBatchSystem", Later)
    with caplog.at_level(logging.WARNING):
        assert plugin.slurm_batch_system() is Later
        assert plugin.slurm_batch_system() is Later
    assert len([record for record in caplog.records if "unknown to toilctl's plugin" in record.message]) == 1
