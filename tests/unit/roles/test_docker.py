"""Docker's configuration on a node, with stand-ins for what runs it: what a site has stays, and what fails goes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import ROOT

SCRIPT = ROOT / "roles/docker/files/configure.py"
NVIDIA = {"runtimes": {"nvidia": {"path": "nvidia-container-runtime"}}}
OURS: dict[str, Any] = {"live-restore": True, "log-driver": "json-file", "log-opts": {"max-size": "50m"}}
# "bad" among the options is what this Docker does not run with.
SYSTEMCTL = """#!/bin/sh
cd {root}
echo "$1" >> asked
case $1 in
  is-active) test -e running ;;
  is-enabled) test -e enabled ;;
  enable) touch enabled ;;
  restart) rm -f running; grep -qs bad etc/docker/daemon.json && exit 1; touch running ;;
esac
"""
JOURNALCTL = "#!/bin/sh\necho 'failed to start daemon: bad is not to be'; echo docker.service: Failed.\n"
DOCKERD = """#!/bin/sh
[ "$1" = --help ] && echo "{help}" && exit
grep -q bad "$3" && echo "unable to configure the Docker daemon: bad" >&2 && exit 1
exit 0
"""


@dataclass(frozen=True)
class Node:
    """A root directory, and what runs there."""

    root: Path
    old: bool = True

    def __post_init__(self) -> None:
        for name, text in (("systemctl", SYSTEMCTL), ("journalctl", JOURNALCTL), ("dockerd", DOCKERD)):
            program = self.root / name
            program.write_text(text.format(root=self.root, help="" if self.old else "--validate"))
            program.chmod(0o755)
        for name in ("running", "enabled"):
            (self.root / name).touch()

    @property
    def file(self) -> Path:
        return self.root / "etc/docker/daemon.json"

    def has(self, settings: Any) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(settings if isinstance(settings, str) else json.dumps(settings))

    def configure(self, *layers: Any, waits: bool = False, check: bool = False) -> tuple[dict[str, bool], str]:
        """Return what was done and what was said of a failure."""
        asked = {"engine": str(self.root / "dockerd"), "layers": list(layers), "waits": waits, "check": check}
        done = subprocess.run(
            [sys.executable, SCRIPT], input=json.dumps(asked), capture_output=True, text=True, check=False,
            env={"PATH": f"{self.root}:{os.defpath}", "TOILCTL_ROOT": str(self.root)},
        )  # fmt: skip
        return (json.loads(done.stdout) if done.returncode == 0 else {}), done.stderr.strip()

    def settings(self) -> Any:
        return json.loads(self.file.read_text())

    def asked(self) -> list[str]:
        asked = self.root / "asked"
        said = asked.read_text().split() if asked.exists() else []
        asked.unlink(missing_ok=True)
        return said


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_engine_is_configured_once(node: Node) -> None:
    assert node.configure(OURS)[0] == {"changed": True, "waits": False}
    assert node.settings() == OURS
    assert "restart" in node.asked()
    assert node.configure(OURS)[0] == {"changed": False, "waits": False}
    assert "restart" not in node.asked()


def test_what_a_site_has_stays_and_its_file_is_kept(node: Node) -> None:
    had = {**NVIDIA, "log-opts": {"tag": "x"}, "insecure-registries": ["theirs:5000"]}
    node.has(had)
    ours = {**OURS, "insecure-registries": ["ours:5000"]}
    node.configure(ours)
    together = {
        **ours,
        **NVIDIA,
        "log-opts": {"tag": "x", "max-size": "50m"},
        "insecure-registries": ["theirs:5000", "ours:5000"],
    }
    assert node.settings() == together
    assert json.loads((node.file.parent / "daemon.json.before-toilctl").read_text()) == had
    assert node.configure(ours)[0]["changed"] is False
    # What is not asked for any more goes, and nothing else does.
    node.configure({"live-restore": True})
    assert node.settings() == {**had, "live-restore": True}


def test_options_add_to_the_roles_own_and_null_removes(node: Node) -> None:
    node.configure(OURS, {"debug": True, "log-opts": {"max-file": "9"}, "live-restore": None})
    assert node.settings() == {
        "debug": True, "log-driver": "json-file", "log-opts": {"max-size": "50m", "max-file": "9"}
    }  # fmt: skip


def test_another_log_driver_does_not_get_the_options_of_the_former(node: Node) -> None:
    node.configure(OURS, {"log-driver": "journald"})
    assert node.settings() == {"live-restore": True, "log-driver": "journald"}


@pytest.mark.parametrize("had", [None, NVIDIA])
@pytest.mark.parametrize("old", [True, False])
def test_options_that_docker_does_not_run_with_are_taken_back_each_time(tmp_path: Path, old: bool, had: Any) -> None:
    node = Node(tmp_path, old=old)
    if had:
        node.has(had)
    for _ in range(2):
        done, said = node.configure(OURS, {"bad": True})
        assert done == {}
        assert "bad" in said
        assert len(said.splitlines()) == 1
        assert (node.root / "running").exists()
        assert (node.settings() if node.file.exists() else None) == had
    assert ("restart" in node.asked()) is old


@pytest.mark.parametrize("state", ["running", "enabled"])
def test_engine_that_is_stopped_or_disabled_is_started_and_enabled(node: Node, state: str) -> None:
    node.configure(OURS)
    (node.root / state).unlink()
    assert node.configure(OURS, waits=True)[0] == {"changed": True, "waits": False}
    assert (node.root / "running").exists()
    assert (node.root / "enabled").exists()
    assert node.configure(OURS)[0]["changed"] is False


def test_engine_in_use_keeps_its_configuration_and_the_change_waits(node: Node) -> None:
    node.configure(OURS)
    node.asked()
    assert node.configure(OURS, {"debug": True}, waits=True)[0] == {"changed": False, "waits": True}
    assert node.settings() == OURS
    assert "restart" not in node.asked()
    assert node.configure(OURS, waits=True)[0] == {"changed": False, "waits": False}


def test_check_tells_what_would_change_and_changes_nothing(node: Node) -> None:
    assert node.configure(OURS, check=True)[0] == {"changed": True, "waits": False}
    assert not node.file.exists()
    assert "restart" not in node.asked()


@pytest.mark.parametrize("had", ["{", "[]"])
def test_file_that_is_no_configuration_is_left_alone_and_named(node: Node, had: str) -> None:
    node.has(had)
    done, said = node.configure(OURS)
    assert done == {}
    assert "daemon.json" in said
    assert "mend or remove it" in said
    assert node.file.read_text() == had
