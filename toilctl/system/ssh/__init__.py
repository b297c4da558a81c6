"""How this machine reaches a node: OpenSSH's options, commands that keep their words, and failures that say why.

The user's own ssh config is read, since it may name the only way out (a jump host, a hardware key's agent), and it is
never written. What keeps a connection safe and predictable is given on the command line, where it wins over the config.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Final

import toilctl
from toilctl.system import leaders, paths
from toilctl.system.ssh import bounded, errors, options, terminal
from toilctl.values import tags
from toilctl.values.cluster import Cluster, Node, Role
from toilctl.values.errors import ConnectError, HostError, NotFoundError, ToilctlError, UsageError

CONTAINERS: Final = {Role.LEADER: "toil_leader", Role.WORKER: "toil_worker"}
DEFAULT_LOGIN_USER: Final = "admin"
TIMEOUT_S: Final = 60
SSH_FAILED: Final = 255
"""ssh's own failure, unless the remote command ended so: ssh's messages tell."""
_NO_CONTAINER: Final = 213
"""What the remote side ends with when the container is not there; confirmed by asking again, as a command may, too."""

# A terminal type that the container does not know would stop tmux and screen; the C locale would spoil their borders.
_TETHER: Final = Path(toilctl.__file__).parent / "nodes/tether.py"
_EXEC: Final = 'exec "$@"'
_TERMINAL: Final = 'infocmp >/dev/null 2>&1 || export TERM=xterm-256color; export LANG="${LANG:-C.UTF-8}"; exec "$@"'


@dataclass(frozen=True)
class SshTarget:
    """A node to connect to, and the file that names the key to ssh; without one, ssh's defaults and agent serve."""

    cluster: Cluster
    node: Node
    key: Path | None = None

    @property
    def user(self) -> str:
        """Who logs in."""
        return self.cluster.settings.get(tags.LOGIN_USER, DEFAULT_LOGIN_USER)

    @property
    def address(self) -> str:
        """Where the node is.

        :raises NotFoundError: when it has no address (yet).
        """
        private = os.environ.get("TOILCTL_CONNECT_ADDRESS") == "private"
        address = self.node.private_address if private else self.node.connect_address
        if not address:
            raise NotFoundError(
                f"{self.node.role.capitalize()} {self.node.instance_id} is {self.node.state} and has no address.",
                f"'toilctl describe-cluster {self.cluster.name}' shows when it is running.",
                instance_id=self.node.instance_id,
            )
        return address

    @property
    def login(self) -> str:
        """``user@address``, for people.

        :raises NotFoundError: as ``address``.
        """
        return f"{self.user}@{self.address}"

    @property
    def words(self) -> tuple[str, ...]:
        """The node as the last of ssh's words before a command: no value of a tag is ever an option.

        :raises NotFoundError: as ``address``.
        """
        return ("-l", self.user, "--", self.address)

    @property
    def container(self) -> str:
        """The appliance's container on this node."""
        return CONTAINERS[self.node.role]


def arguments(target: SshTarget, *, forwards: bool = False, agent: bool = False) -> tuple[str, ...]:
    """Return ssh's options for a target, as arguments."""
    return options.arguments(target.cluster, target.node, target.key, forwards=forwards, agent=agent)


def in_container(container: str, words: Sequence[str], *, tty: bool = False, tethered: bool = False) -> str:
    """Return the host's shell command that runs ``words`` in a container, with exactly these arguments.

    No login shell: that would reset PATH, which the image sets. A shell all the same, for the exit code of a command
    that is not there: Docker's own differs between its versions.

    :param tethered: whether the command ends with the connection, also without a terminal; requests of programs are
        short, and better done than half done.
    """
    argv = ["bash", "-c", _TERMINAL if tty else _EXEC, "bash", *words]
    flags = '-i -t -e TERM="$TERM"' if tty else "-i"
    started = f"sudo -n docker exec {flags} {container} {shlex.join(argv)}"
    if tethered and not tty:
        started = shlex.join(("/usr/bin/python3", "-c", _TETHER.read_text(), container, *words))
    is_there = f"[ \"$(sudo -n docker inspect -f '{{{{.State.Running}}}}' {container} 2>/dev/null)\" = true ]"
    # Docker ends with 1 both when the container is missing and when the command in it does.
    return f"{started}; code=$?; [ $code -ne 1 ] || {is_there} || exit {_NO_CONTAINER}; exit $code"


def run(  # noqa: PLR0913 - where, what, and how
    target: SshTarget, command: str, *,
    tty: bool = False, forwards: Sequence[str] = (), agent: bool = False, cleaned: bool = False,
) -> int:  # fmt: skip
    """Run a command of the node's shell (an empty one is a login shell) on this terminal and return its exit code.

    :param agent: whether the node may use the keys of this machine's ssh agent.
    :param cleaned: whether what comes may not steer this terminal: of a program's output, not of a session.
    :raises ConnectError: when the node cannot be reached, or the container that the command needs is not there.
    """
    flags = ["-t" if tty else "-T", *(word for forward in forwards for word in ("-L", forward))]
    with_options = arguments(target, forwards=bool(forwards), agent=agent)
    with own_messages(target) as log:
        argv = ["ssh", "-E", str(log), *with_options, *flags, *target.words, *filter(None, [command])]
        code = terminal.run(argv, cleaned=cleaned)
        if code == SSH_FAILED:
            raise_if_failed(target, log)
    if code == _NO_CONTAINER:
        check_container(target)
    return code


def capture(target: SshTarget, command: str, timeout_s: float = TIMEOUT_S, text: str = "") -> str:
    """Run a command of the node's shell without a terminal, give it ``text`` to read, and return what it prints.

    :raises ConnectError: as ``run``, and for an answer that is too long to be one.
    :raises subprocess.CalledProcessError: when the command fails.
    :raises subprocess.TimeoutExpired: when it takes longer than ``timeout_s``.
    """
    with own_messages(target) as log:
        argv = ["ssh", "-E", str(log), "-o", "BatchMode=yes", *arguments(target), "-T", *target.words, command]
        try:
            result = bounded.run(argv, text, timeout_s)
        except bounded.TooMuchError:
            raise ConnectError(
                f"{target.node.role.capitalize()} {target.node.instance_id} answers without end.",
                f"Look there: toilctl ssh-cluster --host {target.cluster.name}", instance_id=target.node.instance_id,
            ) from None  # fmt: skip
        if result.returncode == SSH_FAILED:
            raise_if_failed(target, log)
    if result.returncode == _NO_CONTAINER:
        check_container(target)
    if result.returncode:
        raise subprocess.CalledProcessError(result.returncode, command, result.stdout, result.stderr)
    return result.stdout


@contextmanager
def streaming(target: SshTarget, command: str) -> Iterator[tuple[subprocess.Popen[bytes], BufferedReader]]:
    """Run a command of the node's shell without a terminal; give its process, and what it prints as it comes.

    :raises ConnectError: on leaving, as ``run``.
    """
    with own_messages(target) as log:
        argv = ["ssh", "-E", str(log), *arguments(target), "-T", *target.words, command]
        pipe = subprocess.PIPE
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)
        assert isinstance(process.stdout, BufferedReader)  # noqa: S101 - for mypy; it was asked for
        said = bounded.shown(process.stderr)
        try:
            yield process, process.stdout
        except BaseException:
            process.terminate()
            raise
        finally:
            process.stdout.close()
            process.wait()
            said.join(bounded.LAST_WORDS_S)
        if process.returncode == SSH_FAILED:
            raise_if_failed(target, log)
    if process.returncode == _NO_CONTAINER:
        check_container(target)


def in_leader(cluster: Cluster, key: Path | None = None) -> Callable[[Sequence[str]], str]:
    """Return a function that runs words in the leader's container and returns what they print.

    :raises NotFoundError: when the cluster has no leader.
    """
    target = leader_of(cluster, key)
    return lambda words: capture(target, in_container(target.container, words))


def leader_of(cluster: Cluster, key: Path | None = None) -> SshTarget:
    """Return the leader of a cluster as a target.

    :raises NotFoundError: when there is none.
    :raises ConnectError: when it is stopped.
    """
    return SshTarget(cluster, leaders.require(cluster), key)


def check_container(target: SshTarget) -> None:
    """Make sure that the node's container runs.

    :raises ConnectError: when it does not.
    """
    try:
        capture(target, f"sudo -n docker inspect -f '{{{{.State.Running}}}}' {target.container} | grep -q true")
    except subprocess.SubprocessError:
        node, name = target.node, target.cluster.name
        raise ConnectError(
            f"The container {target.container} does not run on {node.role} {node.instance_id}.",
            f"The launch may not be over, or have failed: type it again. 'toilctl ssh-cluster --host {name}' gives a "
            "shell on the host, where 'sudo docker ps -a' shows what there is.",
            instance_id=node.instance_id, container=target.container, reason="container",
        ) from None  # fmt: skip


def raise_if_failed(target: SshTarget, log: Path) -> None:
    """Raise what ssh's messages tell of, if anything.

    :raises ToilctlError: when the connection failed.
    """
    failure = explain(target, log.read_text(errors="replace"))
    if failure:
        raise failure


def explain(target: SshTarget, said: str) -> ToilctlError | None:
    """Return the error that ssh's messages tell of; None when they tell of none."""
    attempt = errors.SshAttempt(
        target.cluster.name, target.node.instance_id, target.login, options.known_hosts(target.cluster),
        target.cluster.settings.get(tags.KEY_PAIR_NAME, ""), target.key,
    )  # fmt: skip
    return errors.explain(said, attempt)


@contextmanager
def own_messages(target: SshTarget) -> Iterator[Path]:
    """Make ready what ssh needs, and give it a file for its own messages, apart from the remote command's."""
    require_program("ssh", "openssh-client")
    if target.key and not target.key.is_file():
        raise UsageError(f"There is no private key {target.key}.", "Name the key pair's private key with --ssh-key.")
    paths.made(options.known_hosts(target.cluster).parent)
    with ExitStack() as temporary:
        with paths.writing(Path(os.environ.get("TMPDIR", "/tmp"))):  # noqa: S108 - for a sentence
            directory = temporary.enter_context(tempfile.TemporaryDirectory(prefix="toilctl-ssh-"))
            log = Path(directory) / "log"
            log.touch()
        yield log


def require_program(program: str, package: str) -> None:
    """Make sure that a program is installed.

    :raises HostError: when it is not on PATH.
    """
    if shutil.which(program) is None:
        formula = package.removesuffix("-client")
        raise HostError(
            f"{program} is not installed on this machine.",
            f"Install it: apt-get install {package} on Debian or Ubuntu, brew install {formula} on macOS.",
            program=program,
        )
