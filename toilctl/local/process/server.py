"""The rehearsal cloud's background process: ``python -m toilctl.local.process.server --state-dir DIRECTORY``.

It reads settings.json beside the state file (kinds of images, appliance, whether instances are real hosts), answers as
AWS on the hosts' gateway address, or on the loopback address without hosts, keeps hosts as the instances want them, and
ends on SIGTERM or SIGINT. The state file is there for as long as it answers. What it made in Docker stays: whoever
stops it for good removes that.
"""

from __future__ import annotations

import argparse
import errno
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Final

from toilctl.local import state
from toilctl.local.aws.base.account import KINDS, image_id
from toilctl.local.aws.cloud import Cloud
from toilctl.local.aws.instance_metadata import Imds
from toilctl.local.process.control_api import Controlled
from toilctl.local.process.wsgi_server import Serving
from toilctl.local.state import LocalState
from toilctl.system import locks

ADDRESS_IN_USE: Final = 98
"""Exit code when the port that was asked for is taken."""

ALREADY_RUNNING: Final = 97
"""Exit code when another process has this state directory's cloud."""

LOOK_EVERY_S: Final = 0.5
_REGISTRY: Final = "registry.toilctl.internal:5000"
_LOOPBACK: Final = "127.0.0.1"

_log = logging.getLogger("toilctl.local.process.server")


@dataclass(frozen=True)
class Settings:
    """What ``toilctl local up`` decided."""

    hosts: bool = False
    image: str = "prepared"
    images: Mapping[str, str] | None = None
    appliance_image: str = ""
    engines: Sequence[str] = ("slurm",)
    registry: str = _REGISTRY
    port: int = 0

    @classmethod
    def load(cls) -> Settings:
        """Read the settings file; without one there are no hosts."""
        try:
            document = json.loads((state.local_dir() / "settings.json").read_text())
        except FileNotFoundError:
            return cls()
        return cls(**{key: value for key, value in document.items() if key in cls.__dataclass_fields__})


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to end; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m toilctl.local.process.server", description=__doc__)
    parser.add_argument("--state-dir", type=Path, help="toilctl's state directory, if not the usual one")
    arguments = parser.parse_args(argv)
    if arguments.state_dir is not None:
        os.environ["XDG_STATE_HOME"] = str(arguments.state_dir.resolve().parent)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", stream=sys.stderr)
    state.local_dir().mkdir(parents=True, exist_ok=True)
    try:
        with locks.locked(state.local_dir() / "lock", wait=False):
            return _run(Settings.load())
    except locks.Held:
        _log.error("another process has the rehearsal cloud of %s", state.local_dir())
        return ALREADY_RUNNING
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        _log.error("the address is in use: %s", error)
        return ADDRESS_IN_USE


def _run(settings: Settings) -> int:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with ExitStack() as stack:
        cidrs: dict[str, Any] = {}
        address, networks = _LOOPBACK, None
        if settings.hosts:
            from toilctl.local.hosts.networks import make_networks

            networks = make_networks(state.cloud_id())
            address, cidrs = networks.gateway, {"cidr": networks.cidr, "public_cidr": networks.public_cidr}
        cloud = Cloud(image=settings.image, hosts=settings.hosts, **cidrs)
        stack.callback(cloud.close)
        peers = [IPv4Network(cidr) for cidr in cidrs.values()]
        api = Serving(Controlled(cloud), address, settings.port, peers)
        stack.callback(api.stop)
        imds = Serving(Imds(cloud), address, 0, peers)
        stack.callback(imds.stop)
        hosts = None
        if networks is not None:
            from toilctl.local.hosts.hosts import Hosts

            hosts = Hosts(state.cloud_id(), networks, f"{address}:{imds.port}", settings.images or {})
            stack.callback(hosts.close)
            cloud.console = hosts.console
        state.save(_state(settings, cloud, api, imds))
        stack.callback(state.remove)
        _log.info("answering at %s", api.url)
        while not ended.wait(LOOK_EVERY_S):
            _look(cloud, hosts)
    _log.info("ended")
    return 0


def _look(cloud: Cloud, hosts: Any) -> None:
    """Bring hosts and instances together once; what fails is tried again at the next look."""
    specs = cloud.host_specs()
    if hosts is None:
        return
    try:
        report = hosts.reconcile(specs)
    except Exception:
        _log.exception("the hosts could not be looked at")
        return
    cloud.powered_off(report.powered_off)
    # An end is over when the host is gone, a stop when it does not run.
    cloud.settle(report.at_rest)


def _state(settings: Settings, cloud: Cloud, api: Serving, imds: Serving) -> LocalState:
    return LocalState(
        cloud_id=state.cloud_id(),
        endpoint=api.url,
        pid=os.getpid(),
        region=state.REGION,
        access_key_id=cloud.root_key.id,
        secret_access_key=cloud.root_key.secret,
        cidr=cloud.cidr,
        public_cidr=cloud.public_cidr,
        appliance_image=settings.appliance_image,
        engines=tuple(settings.engines),
        ami={kind: image_id(state.REGION, kind) for kind in KINDS},
        image=settings.image,
        registry=settings.registry,
        hosts=settings.hosts,
        imds_port=imds.port,
    )


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
