"""Finding a Docker engine, and saying what is wrong with one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from toilctl.local.hosts import docker_engine
from toilctl.values.errors import HostError


def test_another_machines_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://elsewhere")
    with pytest.raises(HostError, match="another machine") as caught:
        docker_engine.connect()
    assert "DOCKER_HOST" in caught.value.next_step


@pytest.mark.parametrize(
    "info", [{"SecurityOptions": ["name=seccomp", "name=rootless"]}, {"OperatingSystem": "Docker Desktop"}]
)
def test_engine_whose_containers_cannot_be_reached_is_refused(info: dict[str, object]) -> None:
    with pytest.raises(HostError, match="out of this machine's reach"):
        docker_engine._require_reachable(info)


def test_missing_engine_without_root_is_one_line_of_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    monkeypatch.setattr(docker_engine, "SOCKET", tmp_path / "docker.sock")
    monkeypatch.setattr(docker_engine.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(docker_engine.shutil, "which", lambda _: None)
    with pytest.raises(HostError, match="No Docker engine answers") as caught:
        docker_engine.ensure(print)
    assert "\n" not in caught.value.next_step
    assert "Install" in caught.value.next_step


def test_engine_that_does_not_let_us_in_says_how_to_be_let_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docker.sock").touch()
    monkeypatch.setattr(docker_engine, "SOCKET", tmp_path / "docker.sock")
    monkeypatch.setattr(docker_engine.os, "access", lambda *_: False)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    with pytest.raises(HostError) as caught:
        docker_engine.ensure(print)
    assert "usermod -aG docker" in caught.value.next_step


def test_engine_is_installed_and_started_when_root_may(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    answers = iter([HostError("No Docker engine answers."), "client"])

    def connect() -> object:
        answer = next(answers)
        if isinstance(answer, HostError):
            raise answer
        return answer

    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(docker_engine, "connect", connect)
    monkeypatch.setattr(docker_engine, "_permission_denied", lambda: False)
    monkeypatch.setattr(docker_engine.os, "geteuid", lambda: 0)
    monkeypatch.setattr(docker_engine.shutil, "which", lambda name: None if name == "dockerd" else "/usr/bin/" + name)
    monkeypatch.setattr(docker_engine, "install_packages", lambda names: done.append("install " + names[0]))
    monkeypatch.setattr(docker_engine, "_start", lambda: done.append("start"))
    assert docker_engine.ensure(lambda _: None) == "client"
    assert done == ["install docker.io", "start"]


def test_pid_file_of_a_killed_engine_is_removed_with_its_socket(tmp_path: Path) -> None:
    stale, reused = tmp_path / "docker.pid", tmp_path / "containerd.pid"
    stale.write_text("999999999")
    # The pid is another program's by now.
    reused.write_text(str(os.getpid()))
    reused.with_suffix(".sock").touch()
    docker_engine.remove_stale_pid_files({stale: "dockerd", reused: "containerd"})
    assert list(tmp_path.iterdir()) == []


def test_pid_file_of_a_running_engine_stays(tmp_path: Path) -> None:
    own = tmp_path / "docker.pid"
    own.write_text(f"{os.getpid()}\n")
    docker_engine.remove_stale_pid_files({own: Path("/proc/self/comm").read_text().strip()})
    assert own.exists()


def test_failed_installation_shows_apts_last_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "apt-get"
    fake.write_text("#!/bin/sh\necho working >&2; echo 'E: Unable to locate package' >&2; exit 100\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(HostError, match="Unable to locate package"):
        docker_engine.install_packages(["docker.io"])


def test_installation_waits_for_another_apt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "apt-get"
    fake.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/lines\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    docker_engine.install_packages(["docker.io"])
    lines = (tmp_path / "lines").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["-oDPkg::Lock::Timeout=300"] * 2
