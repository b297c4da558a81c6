import os
import shutil
import socket
from dataclasses import replace
from getpass import getuser
from pathlib import Path

import pytest

from tests.unit.verbs.connect.real_host import DOCKER, SUDO, Host, executable, keygen
from toilctl.values import tags


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    home = tmp_path_factory.mktemp("host")
    (home / "bin").mkdir()
    (home / "root").mkdir()
    executable(home / "bin/docker", DOCKER.format(home=home))
    executable(home / "bin/sudo", SUDO)
    keygen(home / "host_key")
    keygen(home / "id")
    keygen(home / "other")
    shutil.copy(home / "id.pub", home / "authorized_keys")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = home / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nListenAddress 127.0.0.2\n"
        f"HostKey {home}/host_key\nAuthorizedKeysFile {home}/authorized_keys\n"
        f"StrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\nSetEnv PATH={home}/bin:{os.environ['PATH']}\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    host = Host(home, port, config, None)
    host.start()
    yield host
    host.stop()


@pytest.fixture
def here(host, cluster, monkeypatch, tmp_path):
    """A cluster whose leader is the host; ssh finds its port, as nothing here listens on 22.

    ``ssh_config`` in the test's directory is what ~/.ssh/config is elsewhere.
    """
    (tmp_path / "bin").mkdir()
    (tmp_path / "ssh_config").touch()
    real = f"{shutil.which('ssh')} -p {host.port} -F {tmp_path}/ssh_config"
    executable(tmp_path / "bin/ssh", f'#!/bin/sh\nexec {real} "$@"\n')
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (host.home / "toil_leader").touch()
    shutil.rmtree(host.root)
    host.root.mkdir()
    leader = replace(cluster.leader, public_address="127.0.0.1")
    return replace(cluster, settings=cluster.settings | {tags.LOGIN_USER: getuser()}, nodes=(leader,))
