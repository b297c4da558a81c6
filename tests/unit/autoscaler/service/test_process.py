"""The process: when it ticks, how it ends, and that there is one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.autoscaler.builders import tuning
from tests.unit.autoscaler.service.stage import Stage
from toilctl.autoscaler.service import loop
from toilctl.autoscaler.service.loop import Signals


@contextlib.contextmanager
def running(stage: Stage) -> Any:
    """Run the loop in a thread; the result is its signals."""
    signals = Signals(threading.Event(), threading.Event())
    thread = threading.Thread(target=loop.run, args=(stage.autoscaler, stage.file, signals))
    thread.start()
    try:
        yield signals
    finally:
        signals.stop.set()
        thread.join(60)
        assert not thread.is_alive()


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def ticks(stage: Stage) -> int:
    return len(stage.out.getvalue().splitlines())


def test_first_tick_comes_at_once_and_others_when_the_settings_change_or_a_person_asks(stage, monkeypatch):
    monkeypatch.setattr(loop, "_LOOK_S", 0.05)
    with running(stage) as signals:
        until(lambda: ticks(stage) == 1)
        time.sleep(0.3)
        assert ticks(stage) == 1
        stage.settings(paused=True)
        os.utime(stage.directory / "cluster.yml", (1, 1))
        until(lambda: ticks(stage) >= 2)
        before = ticks(stage)
        signals.hurry.set()
        until(lambda: ticks(stage) > before)


def autoscaler(stage: Stage, *words: str) -> subprocess.Popen[str]:
    words = ("--settings", str(stage.directory / "cluster.yml"), "--state-dir", str(stage.directory), *words)
    return subprocess.Popen(
        [sys.executable, "-m", "toilctl.autoscaler.service.loop", *words], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_process_ticks_refuses_a_second_one_and_ends_quickly_when_told(stage):
    with autoscaler(stage) as first:
        assert first.stdout is not None
        report = json.loads(first.stdout.readline())
        assert report["tick"] == 1
        assert "docker" in report["problem"] or "does not answer" in report["problem"]
        with autoscaler(stage, "once") as second:
            out, err = second.communicate(timeout=180)
        assert (second.returncode, out) == (5, "")
        assert len(err.splitlines()) == 1
        assert "Another autoscaler works" in err
        began = time.monotonic()
        first.send_signal(signal.SIGTERM)
        assert first.wait(180) == 0
        # It does not wait for playbooks where there are none.
        assert time.monotonic() - began < loop._STOP_S


def test_process_that_was_killed_is_followed_by_another(stage):
    with autoscaler(stage) as first:
        assert first.stdout is not None
        first.stdout.readline()
        first.kill()
        first.wait()
    with autoscaler(stage, "once") as second:
        out, _ = second.communicate(timeout=180)
    assert second.returncode == 0
    reports = [json.loads(line) for line in out.splitlines()]
    assert [report["tick"] for report in reports] == [2, 3]
    assert "just started" in reports[0]["problem"]
    assert "just started" not in reports[1]["problem"]


def test_process_that_is_started_by_hand_has_the_services_environment(stage, monkeypatch):
    file = stage.directory / "autoscaler.env"
    file.write_text("# Ansible managed\nTOILCTL_SELF=i-1\nAWS_ENDPOINT_URL=http://127.0.0.1:1?a=b\n")
    monkeypatch.delenv("TOILCTL_SELF", raising=False)
    with autoscaler(stage, "once", "--environment", str(file)) as by_hand:
        out, _ = by_hand.communicate(timeout=180)
    assert "http://127.0.0.1:1/?a=b" in json.loads(out.splitlines()[-1])["problem"]
    monkeypatch.setenv("TOILCTL_SELF", "i-1")
    with autoscaler(stage, "once", "--environment", str(file)) as service:
        out, _ = service.communicate(timeout=180)
    assert "127.0.0.1:1" not in json.loads(out.splitlines()[-1])["problem"]


def test_help_names_the_commands(stage):
    with autoscaler(stage, "--help") as process:
        out, _ = process.communicate(timeout=180)
    assert process.returncode == 0
    assert "once" in out
    assert "--state-dir" in out


def test_notice_begins_a_tick_at_once(stage):
    stage.launch(1)
    stage.settings(tuning=str(tuning(scale_interval_s=3600)))
    with running(stage):
        until(lambda: stage.autoscaler.memory.spot_ids)
        stage.aws.cloud.set_fault("interrupt")
        stage.now += timedelta(seconds=5)
        until(lambda: any('"interruptions":[{' in line for line in stage.out.getvalue().splitlines()))


def test_loop_tells_systemd_that_it_is_alive_and_one_that_hangs_does_not(stage, monkeypatch, tmp_path):
    monkeypatch.setattr(loop, "_LOOK_S", 0.05)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    hangs, goes_on = threading.Event(), threading.Event()
    tick = stage.autoscaler.tick

    def slow() -> None:
        tick()
        if hangs.is_set():
            hangs.clear()
            goes_on.wait(60)

    monkeypatch.setattr(stage.autoscaler, "tick", slow)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told, running(stage) as signals:
        told.bind(str(tmp_path / "notify"))
        told.settimeout(60)
        for _ in range(5):
            assert told.recv(100) == b"WATCHDOG=1"
        hangs.set()
        signals.hurry.set()
        until(lambda: not hangs.is_set())
        told.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            # What was said before.
            while told.recv(100):
                pass
        with pytest.raises(TimeoutError):
            told.recv(100)
        goes_on.set()
        told.settimeout(60)
        assert told.recv(100) == b"WATCHDOG=1"
