"""A real sshd on this machine, whose ``sudo docker exec`` is a stand-in."""

import contextlib
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")
NEEDED = pytest.mark.skipif(not SSHD or not shutil.which("rsync"), reason="needs sshd and rsync: apt-get install")

DOCKER = """#!/bin/bash
# docker exec -i [-t] [-e V=X] NAME WORD... | docker inspect -f FORMAT NAME
verb=$1; shift
if [ "$verb" = inspect ]; then [ -e "{home}/$3" ] && echo true; exit; fi
while [ "${{1#-}}" != "$1" ]; do
  [ "$1" = -e ] && {{ export "$2"; shift; }}; [ "$1" = -t ] && terminal=yes; shift
done
[ -e "{home}/$1" ] || {{ echo "Error: No such container: $1" >&2; exit 1; }}
shift; cd "{home}/root" || exit
# As the real one, it gives each command a session, and does not end it with whoever asked.
[ "$terminal" ] && exec "$@"
setsid "$@" | ( trap '' PIPE; cat 2>/dev/null; cat >/dev/null )
exit "${{PIPESTATUS[0]}}"
"""
PATIENCE_S = 120
SUDO = '#!/bin/bash\n[ "$1" = -n ] && shift\nexec "$@"\n'


@dataclass
class Host:
    """A directory that plays host and container."""

    home: Path
    port: int
    config: Path
    process: subprocess.Popen

    @property
    def root(self) -> Path:
        return self.home / "root"

    def start(self) -> None:
        self.process = subprocess.Popen([SSHD, "-D", "-e", "-f", self.config], stderr=subprocess.DEVNULL)
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        raise AssertionError("sshd does not answer")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()

    def change_key(self) -> None:
        self.stop()
        for file in self.home.glob("host_key*"):
            file.unlink()
        keygen(self.home / "host_key")
        self.start()


def keygen(path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)


def executable(path, text):
    path.write_text(text)
    path.chmod(0o755)
