"""appliance build --mesos-from, and what the rehearsal cloud makes of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from toilctl.local import state
from toilctl.local.hosts import docker_engine
from toilctl.local.images import images, mesos_kept, mesos_source
from toilctl.local.images.mesos_kept import KeptMesos
from toilctl.local.process import up_and_down
from toilctl.local.state import LocalState
from toilctl.values.cluster import Engine
from toilctl.values.errors import UsageError
from toilctl.verbs.provisioner import Provisioner, ProvisionerName
from toilctl.verbs.settings import software
from toilctl.verbs.settings.software import SoftwareWish

MESOS = KeptMesos("/opt/mesos", "0123456789ab", Path("/nowhere"))
WITH_MESOS = images.Tags.of(images.TOIL_VERSION, MESOS).appliance


@pytest.fixture
def built(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """An engine in which every image is there; what was collected, and which names were given."""
    calls: list[tuple[str, ...]] = []

    def collect(named: str, _: Any) -> KeptMesos:
        calls.append(("collect", named))
        return MESOS

    image = SimpleNamespace(
        id="sha256:1", tags=["x:1"], attrs={"Size": 5 * 10**8}, tag=lambda name: calls.append(("tag", name))
    )
    client = SimpleNamespace(images=SimpleNamespace(get=lambda _: image))
    monkeypatch.setattr(docker_engine, "ensure", lambda _: client)
    monkeypatch.setattr(images.Builder, "_all_there", lambda *_: True)
    monkeypatch.setattr(mesos_source, "collect", collect)
    return calls


def test_appliance_has_the_mesos_that_was_named(toilctl: Any, built: list[tuple[str, ...]]) -> None:
    answer = toilctl("appliance", "build", "--mesos-from", "/opt/mesos", "--output", "text")
    assert answer.exit_code == 0
    lines = dict(line.split(maxsplit=1) for line in answer.stdout.splitlines())
    assert lines == {"image": WITH_MESOS, "engines": "slurm, mesos", "Toil": "9.6.0", "size": "500 MB"}
    assert built == [("collect", "/opt/mesos")]


def test_environment_does_the_same(toilctl: Any, built: list[tuple[str, ...]], monkeypatch: Any) -> None:
    monkeypatch.setenv("TOILCTL_MESOS_PREFIX", "me/mesos:1")
    answer = toilctl.json("appliance", "build", "--tag", "me/toil")
    assert (answer["data"]["image"], answer["data"]["engines"]) == ("me/toil:9.6.0", ["slurm", "mesos"])
    assert built == [("collect", "me/mesos:1"), ("tag", "me/toil:9.6.0")]


def test_appliance_has_no_mesos_unless_one_is_named(toilctl: Any, built: list[tuple[str, ...]]) -> None:
    assert toilctl.json("appliance", "build")["data"]["engines"] == ["slurm"]
    assert built == []


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("/nowhere", "There is no directory /nowhere."),
        ("Some Thing", "'Some Thing' is not a container image's name."),
        (".", "There is no Mesos in"),
    ],
)
def test_bad_source_is_one_sentence_and_the_next_step(
    toilctl: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = toilctl("appliance", "build", "--mesos-from", source)
    assert answer.exit_code == 2
    error, next_step = answer.stderr.splitlines()[-2:]
    assert error.startswith(f"Error: {says}")
    assert next_step.endswith(".")


def running(appliance: str, *engines: str) -> LocalState:
    return LocalState(
        cloud_id="0", endpoint="http://172.31.255.254:4566", pid=1, region="us-west-2", access_key_id="k",
        secret_access_key="s", cidr="", public_cidr="", appliance_image=appliance, engines=engines, ami={},
        image="prepared", registry="registry:5000", hosts=True,
    )  # fmt: skip


@pytest.mark.parametrize(("appliance", "told"), [("registry/old:1", True), (WITH_MESOS, False)])
def test_cloud_that_runs_with_another_appliance_is_told_of(
    toilctl: Any, built: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, appliance: str, told: bool
) -> None:
    monkeypatch.setattr(state, "find", lambda: running(appliance, "slurm"))
    answer = toilctl("appliance", "build", "--mesos-from", "/opt/mesos", "--output", "text")
    assert ("toilctl local down, then up" in answer.stdout) == told


def test_up_says_when_the_cloud_that_runs_lacks_the_mesos_that_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(state, "find", lambda: running("registry/old:1", "slurm"))
    assert up_and_down.up(None, said.append).engines == ("slurm",)
    assert said == []
    monkeypatch.setenv("TOILCTL_MESOS_PREFIX", "/opt/mesos")
    assert up_and_down.up(None, said.append).already
    assert "toilctl local down, then up" in " ".join(said)


def test_down_leaves_the_mesos_for_the_next_cloud(home: Path) -> None:
    mesos_kept.directory().mkdir(parents=True)
    scratch = mesos_kept.directory() / "scratch"
    scratch.mkdir()
    mesos = mesos_kept.keep(scratch, "/opt/mesos")
    up_and_down.up(None, lambda _: None, with_hosts=False)
    up_and_down.down(lambda _: None)
    assert mesos_kept.kept() == mesos


def rehearsal(*engines: str) -> Provisioner:
    return Provisioner(ProvisionerName.LOCAL, {}, "registry/appliance:1", engines)


def test_engine_is_mesos_as_on_aws_when_the_rehearsal_clouds_appliance_has_it() -> None:
    chosen = software.choose(SoftwareWish(), "x86_64", rehearsal("slurm", "mesos"))
    assert (chosen.engine, chosen.note) == (Engine.MESOS, "")
    assert software.choose(SoftwareWish(Engine.SLURM), "x86_64", rehearsal("slurm", "mesos")).engine is Engine.SLURM
    assert software.choose(SoftwareWish(), "x86_64", rehearsal("slurm")).engine is Engine.SLURM


def test_mesos_that_is_not_there_is_refused_with_the_way_to_get_it() -> None:
    with pytest.raises(UsageError, match="has no Mesos; it has slurm") as caught:
        software.choose(SoftwareWish(Engine.MESOS), "x86_64", rehearsal("slurm"))
    assert "toilctl appliance build --mesos-from IMAGE_OR_DIRECTORY" in caught.value.next_step
