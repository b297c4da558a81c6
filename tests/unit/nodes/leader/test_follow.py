"""A run's log as it is followed over connections that may break."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.nodes.leader.here import Here

FOLLOW = "toilctl_leader.follow"


def printed(here: Here, *arguments: str) -> tuple[int, str]:
    """Return where the printed part begins, and that part."""
    first, _, rest = here.python(FOLLOW, *arguments).stdout.partition("\n")
    return int(first), rest


def ended(here: Here, text: str) -> None:
    here.start("printf", "%s", text, name="one")
    here.ended("one")


@pytest.mark.parametrize(
    ("options", "offset"),
    [
        ((), 0), (("--lines", "0"), 13), (("--lines", "1"), 8), (("-n", "2"), 4), (("-n", "3"), 0), (("-n", "9"), 0),
        (("--offset", "5"), 5), (("--offset", "99"), 13), (("--follow",), 0), (("-f", "--offset", "5"), 5),
    ],
)  # fmt: skip
def test_log_is_printed_from_where_it_was_asked_for(here: Here, options: tuple[str, ...], offset: int) -> None:
    text = "one\ntwo\nfour\n"
    ended(here, text)
    assert printed(here, "one", *options) == (offset, text[offset:])


def test_last_line_without_a_break_is_a_line(here: Here) -> None:
    ended(here, "one\ntwo")
    assert printed(here, "one", "-n", "1") == (4, "two")


def test_last_lines_of_a_long_log_are_found(tmp_path: Path) -> None:
    from toilctl_leader.follow import CHUNK, offset_of

    lines = [b"%d %s\n" % (number, b"x" * (number % 977)) for number in range(1000)]
    path = tmp_path / "log"
    path.write_bytes(b"".join(lines))
    assert path.stat().st_size > 3 * CHUNK
    with path.open("rb", buffering=0) as log:
        for count in (0, 1, 100, 500, 999, 1000, 2000):
            offset = offset_of(log, count, None)
            log.seek(offset)
            assert log.read(2**24) == b"".join(lines[len(lines) - min(count, len(lines)) :]), count


def test_following_ends_with_the_run_and_has_everything(here: Here) -> None:
    gate = here.home / "gate"
    here.start("bash", "-c", f"echo one; until [ -e {gate} ]; do sleep 0.05; done; seq 100000; exit 3", name="shell")
    following = here.begin(FOLLOW, "shell", "--follow")
    assert following.stdout
    assert following.stdout.readline() + following.stdout.readline() == b"0\none\n"
    gate.touch()
    rest = following.stdout.read()
    assert following.wait() == 0
    assert rest == subprocess.run(["seq", "100000"], capture_output=True, check=True).stdout


def test_following_goes_on_when_the_supervisor_is_killed(here: Here) -> None:
    gate = here.home / "gate"
    here.start("bash", "-c", f"echo one; until [ -e {gate} ]; do sleep 0.05; done; echo two", name="shell")
    following = here.begin(FOLLOW, "shell", "-f")
    assert following.stdout
    assert following.stdout.readline() + following.stdout.readline() == b"0\none\n"
    os.kill(here.facts("shell")["supervisor"], signal.SIGKILL)
    gate.touch()
    assert following.communicate()[0] == b"two\n"
    assert following.returncode == 0
    assert here.show("shell")["state"] == "lost"


def test_connections_that_break_miss_and_repeat_nothing(here: Here) -> None:
    here.start("bash", "-c", "for i in $(seq 300); do echo line $i; sleep 0.005; done", name="shell")
    received, offset = b"", 0
    for size in (1, 10, 100, 1000):
        broken = here.begin(FOLLOW, "shell", "--follow", "--offset", str(offset))
        assert broken.stdout
        assert int(broken.stdout.readline()) == offset
        received += broken.stdout.read(size)
        offset = len(received)
        broken.kill()
        broken.communicate()
    _, rest = printed(here, "shell", "--follow", "--offset", str(offset))
    assert received + rest.encode() == b"".join(b"line %d\n" % number for number in range(1, 301))


def test_reader_that_goes_away_is_no_error(here: Here) -> None:
    here.start("bash", "-c", "while true; do echo line; sleep 0.01; done", name="shell")
    command = f"{sys.executable} -m {FOLLOW} shell -f | head -n 3; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], env=here.environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("line\nline\n")


def test_unknown_run_is_named_on_stderr_and_nothing_is_printed(here: Here) -> None:
    ended(here, "")
    done = subprocess.run(
        [sys.executable, "-m", FOLLOW, "two"], env=here.environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (4, "")
    assert "There is no run 'two'." in done.stderr
    assert "There are: one." in done.stderr


def test_log_of_a_restarted_run_is_one(here: Here) -> None:
    here.start("bash", "-c", "echo first; exit 1", name="shell")
    here.ended("shell")
    offset = len(here.log("shell"))
    here.start("echo", "second", name="shell", restart=True)
    here.when("shell", lambda run: run["state"] == "succeeded", "its end")
    assert printed(here, "shell", "--offset", str(offset))[1].splitlines()[-1] == "second"
