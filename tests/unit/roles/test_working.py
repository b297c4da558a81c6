"""What works on a host, by a made-up /proc, and by this machine's own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.checkout import ROOT

SCRIPT = ROOT / "roles/appliance/files/working.py"
WRITING, READING = "pos:\t0\nflags:\t02100001\n", "pos:\t0\nflags:\t02100000\n"


def work(proc: Path | str) -> list[str]:
    done = subprocess.run([sys.executable, SCRIPT, str(proc)], capture_output=True, text=True, check=True)
    found: list[str] = json.loads(done.stdout)
    return found


@pytest.fixture
def process(tmp_path: Path) -> Callable[..., Path]:
    """Add a process to /proc."""
    (tmp_path / "uptime").touch()

    def add(name: str, *words: str, environ: str = "", opened: str = "", flags: str = READING) -> Path:
        pid = tmp_path / str(100 + len(list(tmp_path.iterdir())))
        for directory in ("fd", "fdinfo"):
            (pid / directory).mkdir(parents=True)
        (pid / "comm").write_text(f"{name}\n")
        (pid / "cmdline").write_text("".join(f"{word}\0" for word in words))
        (pid / "environ").write_text(environ)
        (pid / "exe").symlink_to(words[0] if words else "/nowhere")
        if opened:
            (pid / "fd/3").symlink_to(opened)
            (pid / "fdinfo/3").write_text(flags)
        return tmp_path

    return add


@pytest.mark.parametrize(
    ("name", "words", "works"),
    [
        ("slurmstepd", ["slurmstepd: [7.batch]"], ["a job of Slurm"]),
        ("slurmstepd", ["slurmstepd", "infinity"], []),
        ("slurmd", ["slurmd", "-D"], []),
        ("mesos-executor", ["mesos-executor"], ["a job of Mesos"]),
        ("mesos-agent", ["mesos-agent", "--ip=10.0.0.2"], []),
        ("python3", ["/usr/bin/python3", "/opt/toil/bin/_toil_mesos_executor"], ["a job of Toil"]),
        ("_toil_worker", ["/usr/bin/python3", "/opt/toil/bin/_toil_worker", "job", "store"], ["a job of Toil"]),
        ("bash", ["bash", "-c", "echo _toil_worker"], []),
        ("python3", ["/usr/bin/python3", "-m", "toilctl_plugin.watcher"], []),
    ],
)
def test_jobs_work_and_what_waits_for_them_does_not(
    process: Callable[..., Path], name: str, words: list[str], works: list[str]
) -> None:
    assert work(process(name, *words)) == works


def test_run_of_toilctls_works_whatever_it_is_and_a_terminal_that_it_left_does_not(
    process: Callable[..., Path],
) -> None:
    environ = "HOME=/root\0TOILCTL_RUN=/var/lib/toilctl/workflows/runs/quick-fox\0"
    process("tmux: server", "/usr/bin/tmux", environ=environ)
    assert work(process("bash", "/bin/bash")) == []
    assert work(process("sleep", "/bin/sleep", "9", environ=environ)) == ["run quick-fox"]


@pytest.mark.parametrize(("flags", "works"), [(WRITING, ["a workflow"]), (READING, [])])
def test_workflow_is_who_writes_its_demand_or_its_message_bus(
    process: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory, flags: str, works: list[str]
) -> None:
    bus = tmp_path_factory.mktemp("bus") / "bus.txt"
    bus.write_text("toil.bus.JobIssuedMessage\tx\n")
    python = "/usr/bin/python3.11"
    for opened in (str(bus), "/var/lib/toilctl/demand/x.jsonl"):
        proc = process("sort.py", python, "sort.py", opened=opened, flags=flags)
        assert work(proc) == works


def test_process_that_goes_away_meanwhile_does_not_matter(process: Callable[..., Path]) -> None:
    proc = process("python3", "/usr/bin/python3", opened="/var/lib/toilctl/demand/x.jsonl")
    for file in proc.glob("*/environ"):
        file.unlink()
    assert work(proc) == []


def test_this_machine_can_be_asked(tmp_path: Path) -> None:
    bus = tmp_path / "bus"
    bus.write_text("toil.bus.X\n")
    program = f"import sys; out = open({str(bus)!r}, 'a'); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        writer.stdout.readline()
        assert "a workflow" in work("/proc")
        assert writer.stdin
        writer.stdin.close()
