"""The terminal of a run: tmux where it is installed, else screen, as in Toil's own appliance, else none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .. import places

SOCKET_VARIABLE = "TOILCTL_TMUX_SOCKET"
"""Names the tmux server; the user's own otherwise, so that ``tmux attach`` finds runs, too."""
TMUX, SCREEN = "tmux", "screen"
SIZE = ("200", "50")
TIMEOUT_S = 20.0


def session_of(run: str) -> str:
    """Return how a run's session is called; tmux has dots for something else."""
    return f"toilctl-{run.replace('.', '_')}"


def start(run: str, directory: Path) -> str | None:
    """Start a run's supervisor in a terminal of its own, detached from this one; return the terminal's program.

    :param directory: where it starts.
    """
    session, command = session_of(run), _supervisor(run)
    for program, words in (
        (TMUX, (*_tmux(), "new-session", "-d", "-s", session, "-x", SIZE[0], "-y", SIZE[1], "-c", str(directory))),
        (SCREEN, (SCREEN, "-d", "-m", "-S", session)),
    ):
        if shutil.which(program) and _ends_well((*words, *command), directory):
            return program
    # Then nobody can attach; the log is followed as well.
    subprocess.Popen(
        command, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    return None


def end(run: str) -> None:
    """Remove what is left of a session, such as one that a user's settings keep when its program has ended."""
    if shutil.which(TMUX):
        _ends_well((*_tmux(), "kill-session", "-t", f"={session_of(run)}"), Path("/"))


def to_attach(run: str, terminal: str | None) -> list[str] | None:
    """Return the command that shows a run's terminal in this one; None when it has none."""
    if terminal == TMUX:
        return [*_tmux(), "-u", "attach-session", "-t", f"={session_of(run)}"]
    if terminal == SCREEN:
        return [SCREEN, "-U", "-x", _screen_of(session_of(run))]
    return None


def _supervisor(run: str) -> list[str]:
    """Return the supervisor's command, which depends on nobody's environment: a server's is from its first user."""
    told = {
        name: value for name in (places.VARIABLE, "TOILCTL_CLUSTER_FILE", "TOILCTL_DEMAND_DIR")
        if (value := os.environ.get(name))
    }  # fmt: skip
    told["PYTHONPATH"] = str(Path(__file__).parents[2])
    assignments = [f"{name}={value}" for name, value in told.items()]
    return ["env", *assignments, sys.executable, "-m", "toilctl_leader.supervise", run]


def _screen_of(session: str) -> str:
    """Return what screen calls a session with its process; by the name alone, it also finds longer names."""
    listed = subprocess.run([SCREEN, "-ls"], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    return next((word for word in listed.stdout.split() if word.partition(".")[2] == session), session)


def _tmux() -> list[str]:
    socket = os.environ.get(SOCKET_VARIABLE)
    return [TMUX, "-L", socket] if socket else [TMUX]


def _ends_well(words: tuple[str, ...], directory: Path) -> bool:
    environment = {name: value for name, value in os.environ.items() if name not in ("TMUX", "STY")}
    try:
        done = subprocess.run(
            words, cwd=directory, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
