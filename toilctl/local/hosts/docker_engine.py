"""A Docker engine that answers: the one there, or one that is installed and started."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from toilctl.system import paths
from toilctl.system.waiting import wait_until
from toilctl.values.errors import HostError

if TYPE_CHECKING:
    from docker import DockerClient

Progress = Callable[[str], None]

SOCKET: Final = Path("/var/run/docker.sock")
START_TIMEOUT_S: Final = 60
_LOOK_S: Final = 0.2
API_TIMEOUT_S: Final = 600
"""Long: building, exporting and importing images are single calls."""

# Each names a process by its pid, and keeps a new engine from starting when that pid is another program's now.
_PID_FILES: Final = {
    Path("/var/run/docker.pid"): "dockerd",
    Path("/var/run/docker/containerd/containerd.pid"): "containerd",
}
_INSTALL_HINT: Final = "Install and start Docker (https://docs.docker.com/engine/install), then run this again."


def connect() -> DockerClient:
    """Return a client of the engine on this machine.

    :raises HostError: when none answers, or one whose containers this machine cannot reach.
    """
    try:
        import docker
        from docker.errors import DockerException
    except ImportError as error:
        raise HostError("The Python package docker is not installed.", "pip install 'toilctl[local]'") from error
    _require_local(os.environ.get("DOCKER_HOST", ""))
    try:
        client = docker.from_env(timeout=API_TIMEOUT_S)
        client.ping()
    except DockerException as error:
        raise _unanswered(str(error)) from error
    _require_reachable(client.info())
    return client


def ensure(progress: Progress) -> DockerClient:
    """Return a client of an engine, after installing and starting one if need be.

    :raises HostError: when no engine answers and this is not for us to change.
    """
    try:
        return connect()
    except HostError:
        if os.geteuid() != 0 or os.environ.get("DOCKER_HOST") or _permission_denied():
            raise
    if shutil.which("dockerd") is None:
        _install(progress)
    progress("Starting the Docker engine")
    _start()
    return connect()


def require_disk(client: DockerClient, needed_bytes: int, purpose: str) -> None:
    """Check the engine's file system before something large is made.

    :raises HostError: when it has less than ``needed_bytes`` free.
    """
    root = Path(client.info()["DockerRootDir"])
    if not root.is_dir():
        return
    free = shutil.disk_usage(root).free
    if free < needed_bytes:
        raise HostError(
            f"{purpose} needs {needed_bytes:,} bytes on the disk of {root}, where {free:,} are free.",
            f"Free {needed_bytes - free:,} bytes there (docker system df shows what Docker uses), then run this again.",
            needed_bytes=needed_bytes,
            free_bytes=free,
            directory=str(root),
        )


def _require_local(docker_host: str) -> None:
    if docker_host and not docker_host.startswith("unix://"):
        raise HostError(
            f"DOCKER_HOST={docker_host} is another machine's engine: hosts there have no addresses here.",
            "Unset DOCKER_HOST, or run toilctl there.",
            docker_host=docker_host,
        )


def _require_reachable(info: dict[str, Any]) -> None:
    rootless = any("rootless" in option for option in info.get("SecurityOptions") or [])
    desktop = info.get("OperatingSystem") == "Docker Desktop"
    if rootless or desktop:
        kind = "rootless" if rootless else "Docker Desktop"
        raise HostError(
            f"This Docker engine ({kind}) keeps its containers' addresses out of this machine's reach.",
            "Use an engine that runs as root on Linux: unset DOCKER_HOST, or docker context use default.",
        )


def _permission_denied() -> bool:
    return SOCKET.exists() and not os.access(SOCKET, os.R_OK | os.W_OK)


def _unanswered(reason: str) -> HostError:
    if _permission_denied():
        return HostError(
            f"The Docker engine does not let this user in ({SOCKET}).",
            "Run this as root, or: sudo usermod -aG docker $USER, then log in again.",
        )
    if shutil.which("dockerd") and not shutil.which("apt-get"):
        return HostError("No Docker engine answers.", "Start it: sudo systemctl start docker.", reason=reason)
    as_root = "" if os.geteuid() == 0 else " On Debian or Ubuntu, toilctl does it when run as root."
    return HostError("No Docker engine answers.", _INSTALL_HINT + as_root, reason=reason)


def _install(progress: Progress) -> None:
    if shutil.which("apt-get") is None:
        raise HostError("There is no Docker engine on this machine.", _INSTALL_HINT)
    progress("Installing a Docker engine (apt-get install docker.io)")
    install_packages(["docker.io", "iptables"])


def install_packages(names: list[str]) -> None:
    """Install Debian packages on this machine; for root only.

    :raises HostError: with apt's last words when it fails.
    """
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # Another apt may be at work, such as a new machine's own upgrade.
    apt = ["apt-get", "-oDPkg::Lock::Timeout=300"]
    install = [*apt, "install", "-qy", "--no-install-recommends", *names]
    for command in ([*apt, "update", "-q"], install):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            words = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise HostError(f"{' '.join(command)} failed: {' '.join(words)}", "Repair apt, then run this again.")


def _start() -> None:
    if Path("/run/systemd/system").is_dir():
        # The installation may have started it; a failed start shows below, when nothing answers.
        subprocess.run(["systemctl", "start", "docker"], capture_output=True, check=False)
        log = "journalctl -u docker"
    else:
        log = str(_start_detached())
    if not wait_until(_answers, bool, START_TIMEOUT_S, _LOOK_S):
        raise HostError("The Docker engine does not start.", f"See why: {log}", log=log)


def _start_detached() -> Path:
    """Start dockerd without an init system, in a session of its own so that it outlives this command."""
    remove_stale_pid_files(_PID_FILES)
    log = paths.state_dir() / "dockerd.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        subprocess.Popen(["dockerd"], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd="/")
    return log


def remove_stale_pid_files(pid_files: dict[Path, str]) -> None:
    """Remove what an engine that was killed left behind, unless the program that it names still runs."""
    for path, program in pid_files.items():
        try:
            name = Path(f"/proc/{int(path.read_text())}/comm").read_text().strip()
        except FileNotFoundError:
            name = ""
        except (ValueError, OSError):
            name = "?"
        if name != program:
            path.unlink(missing_ok=True)
            path.with_suffix(".sock").unlink(missing_ok=True)


def _answers() -> bool:
    try:
        connect().close()
    except HostError:
        return False
    return True
