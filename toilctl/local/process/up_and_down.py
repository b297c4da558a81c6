"""The rehearsal cloud as a whole: up, down, and how it is."""

from __future__ import annotations

import operator
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from toilctl.local import state
from toilctl.local.hosts import containers, docker_engine, hosts
from toilctl.local.hosts.docker_engine import Progress
from toilctl.local.hosts.networks import make_networks
from toilctl.local.images import images, mesos_kept, mesos_source, registry
from toilctl.local.process import client, keys
from toilctl.local.state import LocalState
from toilctl.system import locks, paths
from toilctl.system.waiting import wait_until
from toilctl.values.errors import ConflictError, HostError

KINDS: Final = ("prepared", "plain")
REGISTRY: Final = images.APPLIANCE.partition("/")[0]
_END_TIMEOUT_S: Final = 10
_LOOK_S: Final = 0.05


@dataclass(frozen=True)
class Up:
    """A rehearsal cloud that runs."""

    cloud_id: str
    endpoint: str
    region: str
    image: str
    appliance_image: str
    engines: tuple[str, ...]
    hosts: bool
    already: bool
    """Whether it ran before."""
    key_pairs: tuple[str, ...] = ()
    """Those of the user's public keys, named as their files."""


@dataclass(frozen=True)
class Down:
    """What was taken away."""

    cloud_id: str
    stopped: bool
    """Whether its process ran."""
    removed: tuple[str, ...]
    """Containers, networks and volumes."""
    removed_images: tuple[str, ...] = ()


@dataclass(frozen=True)
class Instance:
    """An instance and its host."""

    instance_id: str
    state: str
    instance_type: str
    zone: str
    private_ip: str
    public_ip: str
    container: str
    container_state: str


@dataclass(frozen=True)
class LocalStatus:
    """A running rehearsal cloud and its instances."""

    cloud_id: str
    endpoint: str
    region: str
    pid: int
    image: str
    appliance_image: str
    engines: tuple[str, ...]
    hosts: bool
    cidr: str
    public_cidr: str
    nfs_volume: str
    """Docker's, in place of NFS and EFS; empty without hosts."""
    directory: str
    instances: tuple[Instance, ...]


def up(image: str | None, progress: Progress, *, with_hosts: bool = True) -> Up:
    """Start this state directory's cloud, after making what it needs; a running one is left as it is.

    :raises ConflictError: when it runs with another image, or with or without hosts otherwise than asked.
    :raises HostError: when this machine lacks something.
    """
    _require_packages()
    with _only_one():
        running = state.find()
        if running is not None:
            _tell_of_mesos(running, progress)
            return _already(running, image, with_hosts)
        _end_orphans()
        settings = _make_ready(image or KINDS[0], progress) if with_hosts else {"hosts": False}
        progress("Starting the cloud")
        return _up(client.start_background(settings), already=False)


def down(progress: Progress, *, with_images: bool = False) -> Down:
    """Remove everything that this state directory's cloud made, whether its process lives or not.

    :raises HostError: when its process does not end, or Docker does not answer while it may have containers.
    """
    with _only_one():
        hosts_used = _may_have_hosts()
        stopped = client.stop_background()
        stopped = _end_orphans() or stopped
        removed: list[str] = []
        removed_images: list[str] = []
        if hosts_used or with_images:
            engine = docker_engine.connect()
            progress("Removing hosts and networks")
            removed = hosts.remove_all(state.cloud_id())
            removed_images = images.remove_cached(engine) if with_images else []
        if with_images:
            mesos_kept.forget()
        shutil.rmtree(state.local_dir(), ignore_errors=True)
        return Down(state.cloud_id(), stopped, tuple(removed), tuple(removed_images))


def status() -> LocalStatus:
    """Describe the running cloud.

    :raises HostError: when none is running; says so when an ended one left containers.
    """
    running = state.find()
    if running is None:
        raise _not_running()
    there = hosts.list_all(running.cloud_id) if running.hosts else {}
    found = []
    for one in client.hosts():
        container = there.get(one["instance_id"])
        about = {key: str(one[key]) for key in ("instance_id", "state", "instance_type", "zone")}
        found.append(
            Instance(
                **about,
                private_ip=str(one["private_ip"]),
                public_ip=str(one["public_ip"]),
                container=container.name if container else "",
                container_state=container.state if container else "",
            )
        )
    known = {key: value for key, value in asdict(running).items() if key in LocalStatus.__dataclass_fields__}
    volume = containers.nfs_volume(running.cloud_id) if running.hosts else ""
    return LocalStatus(**known, nfs_volume=volume, directory=str(state.local_dir()), instances=tuple(found))


def environment() -> dict[str, str]:
    """Return the variables with which other programs use the running cloud.

    :raises HostError: when none is running.
    """
    running = state.load()
    return {
        **running.env,
        "TOIL_APPLIANCE_SELF": running.appliance_image,
        # What --provisioner local tells the playbooks as variables.
        "TOILCTL_INSECURE_REGISTRIES": running.registry,
        "TOILCTL_ENGINE_CAPACITY_FORCED": "true",
    }


def _already(running: LocalState, image: str | None, with_hosts: bool) -> Up:
    if image in (None, running.image) and with_hosts == running.hosts:
        return _up(running, already=True)
    has = f"{running.image} nodes" if running.hosts else "no hosts"
    raise ConflictError(
        f"The rehearsal cloud runs already, with {has}.",
        "End it first (toilctl local down), or set XDG_STATE_HOME for a second one.",
        image=running.image,
        hosts=running.hosts,
    )


def _up(running: LocalState, *, already: bool) -> Up:
    known = {key: value for key, value in asdict(running).items() if key in Up.__dataclass_fields__}
    return Up(**known, already=already, key_pairs=keys.bring_all())


def _make_ready(image: str, progress: Progress) -> dict[str, Any]:
    """Make images and networks, remove what an ended cloud left, and return the process's settings."""
    mesos = mesos_source.chosen(progress)
    engine = docker_engine.ensure(progress)
    made = images.Builder(engine, progress, mesos=mesos).for_hosts(image)
    cloud_id = state.cloud_id()
    hosts.remove_all(cloud_id)
    networks = make_networks(cloud_id)
    if made.registry:
        registry.run(engine, networks, made.registry)
    return {
        "hosts": True,
        "image": image,
        "images": {"plain": made.plain, "prepared": made.prepared or made.plain},
        "appliance_image": made.appliance,
        "engines": list(made.engines),
        "registry": REGISTRY,
    }


def _tell_of_mesos(running: LocalState, progress: Progress) -> None:
    """Say that a cloud that runs does not get the Mesos that the environment names."""
    if running.hosts and os.environ.get(mesos_source.VARIABLE) and "mesos" not in running.engines:
        progress("The appliance of the cloud that runs has no Mesos. To give it one: toilctl local down, then up")


def _require_packages() -> None:
    missing = [name for name in ("docker", "moto") if find_spec(name) is None]
    if missing:
        raise HostError(
            f"The rehearsal cloud needs Python packages that are not installed: {', '.join(missing)}.",
            "pip install 'toilctl[local]'",
        )


def _may_have_hosts() -> bool:
    """Tell whether Docker has to be asked: not for a cloud without hosts, on a machine that may have no engine."""
    running = state.find()
    if running is not None:
        return running.hosts
    try:
        return bool(hosts.left_of(state.cloud_id()))
    except HostError:
        return state.state_file().exists()


def _not_running() -> HostError:
    try:
        left = sorted(one.name for one in hosts.list_all(state.cloud_id()).values())
    except HostError:
        left = []
    if left:
        return HostError(
            f"The rehearsal cloud has ended and left {len(left)} host{'s' * (len(left) > 1)}.",
            "Remove them: toilctl local down",
            left=left,
        )
    return HostError("No rehearsal cloud is running.", "Start one: toilctl local up")


@contextmanager
def _only_one() -> Iterator[None]:
    """Let one ``up`` or ``down`` at a time work on this state directory."""
    paths.state_dir().mkdir(parents=True, exist_ok=True)
    with locks.locked(paths.state_dir() / "local.lock", wait=True):
        yield


def _end_orphans() -> bool:
    """End processes of this cloud that no state file names, such as one that was interrupted while it started."""
    pids = list(_processes(str(paths.state_dir())))
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    if wait_until(lambda: any(map(state.is_alive, pids)), operator.not_, _END_TIMEOUT_S, _LOOK_S):
        raise HostError(f"The rehearsal cloud's processes {pids} do not end.", f"kill -9 {' '.join(map(str, pids))}")
    return bool(pids)


def _processes(state_dir: str) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if "toilctl.local.process.server" in words and state_dir in words:
            yield int(path.parent.name)
