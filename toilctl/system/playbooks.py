"""Runs playbooks through ansible-runner: progress and failures come from its events, never from printed text."""

from __future__ import annotations

import functools
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from toilctl.system import ansible_environment, ansible_release, credentials, own_directories, paths, progress
from toilctl.system.children import terminate_children
from toilctl.system.variables import as_data
from toilctl.values import errors
from toilctl.values.errors import CredentialsError, Interrupted, PartialError, PlaybookError

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_MAX_MESSAGE: Final = 400
_SAYS_NOTHING: Final = re.compile(r"(The command exited with a )?non-zero return code\.?")
"""What a failed command's own sentence is in ansible-core 2.19, and in 2.21."""
_UNLISTED: Final = re.compile(r"Failed to parse inventory with 'auto' plugin: (.+)")
"""Why EC2's nodes are not known; the error that follows says no more than that."""
_SAYS_WHAT_WAITS: Final = "Say what waits"
"""The task, of role appliance, that fails when all else has been done."""
_KEPT_LOGS: Final = 20
_FORKS: Final = threading.Lock()
"""In a process that has imported filelock, a thread that forks while another one does gets an error."""
_AGAIN: Final = "Type the same command again to go on from here."


@dataclass(frozen=True)
class Failure:
    """A task that failed on a host, or a host that could not be reached."""

    host: str
    task: str
    message: str
    unreachable: bool
    error: Mapping[str, Any] = field(default_factory=dict)
    """``toilctl_error`` of the task's result: code, message, next_step of an error that a module knows by name."""


@dataclass(frozen=True)
class PlaybookResult:
    """How a playbook ended; ``data`` is what it gave to ``set_stats``."""

    succeeded: bool
    failures: tuple[Failure, ...]
    data: Mapping[str, Any]
    log: Path
    reason: str = ""
    """Ansible's own error, when no task got that far."""


@dataclass(frozen=True)
class PlaybookTarget:
    """The cluster that a playbook works on."""

    region: str
    cluster: str


Watch = Callable[[Mapping[str, Any]], None]
"""Takes each event of a run, as ansible-runner gives it, while the playbook goes on."""


def run(  # noqa: PLR0913 - what to run, on what, and how one is told
    playbook: str,
    target: PlaybookTarget,
    variables: Mapping[str, Any],
    *,
    intent: str = "",
    resume: str = "",
    watch: Watch | None = None,
    stop: threading.Event | None = None,
) -> PlaybookResult:
    """Run a playbook on a cluster, with a progress line on stderr per play.

    ``intent`` narrows the inventory to the hosts of one scale-out; ``resume`` says after Ctrl-C how to go on. Who gives
    ``watch`` follows the events instead of the progress lines. Several threads may each run one; signals reach the main
    thread alone, so another one gives ``stop``, which ends all that this process runs.

    :raises HostError: when Ansible is not here, or of a release that is not supported; or nothing can be written here.
    :raises CredentialsError: when there are none of AWS's, or they expire before it is done.
    :raises Interrupted: after Ctrl-C, or once ``stop`` is set, when the playbook has stopped.
    """
    from ansible_runner.interface import init_runner

    ansible_release.require_supported()
    root = paths.ansible_dir()
    own = credentials.handed_over()
    events = _Events(_new_log(target, playbook), watch)
    with (
        own_directories.of_run(paths.made(paths.state_dir() / "runs")) as private,
        ansible_environment.directories() as directories,
        _stopped_by_signals(stop) as stopped,
        ExitStack() as forking,
    ):
        # What is None must not be there; the runner's own envvars can only be added to those of this process.
        said_of_run = ansible_environment.of_run(root, target.region, target.cluster, intent)
        environment = ansible_environment.changes(said_of_run | directories)
        runner = init_runner(
            private_data_dir=str(private),
            playbook=str(root / "playbooks" / playbook),
            inventory=str(root / "inventory"),
            extravars=as_data(variables),
            envvars={name: value or "" for name, value in environment.items()},
            settings={"pexpect_timeout": 1},
            event_handler=events.handle,
            cancel_callback=functools.partial(_cancelled, forking, stopped),
            status_handler=functools.partial(_about_to_fork, forking),
            quiet=True,
            verbosity=2 if progress.debugging() else None,
        )
        for name in (name for name, value in environment.items() if value is None and not runner.config.env[name]):
            del runner.config.env[name]
        credentials.change(runner.config.env, own)
        runner.run()
    events.close()
    if stopped.is_set():
        raise Interrupted("Stopped.", resume or _AGAIN, log=events.log)
    progress.debug(f"{playbook}: {runner.status}, rc {runner.rc}; log {events.log}")
    succeeded = runner.status == "successful"
    said = (events.reason, *(failure.message for failure in events.failures))
    if not succeeded and credentials.tell_expiry(" ".join(said)):
        text = "The AWS credentials expired before the playbook was done."
        raise CredentialsError(text, f"Renew them. {resume or _AGAIN}", log=events.log)
    return PlaybookResult(succeeded, events.failures, events.data, events.log, events.reason)


def raise_failure(result: PlaybookResult, then: str = "the same command goes on from here") -> None:
    """Raise what a failed playbook means: the error that a module named, else its first failed task.

    :param then: how it goes on, for failures that no module named.
    :raises ToilctlError: of the class whose code the module gave.
    :raises PartialError: when all that is lacking waits until nodes are idle; ``facts["waiting"]`` has it by node.
    :raises PlaybookError: for any other failure.
    """
    if result.succeeded:
        return
    if result.data.get("waiting") and {failure.task for failure in result.failures} == {_SAYS_WHAT_WAITS}:
        said, _, _ = result.failures[0].message.partition(" Run this again ")
        step = "Type the same command again when nothing runs there."
        raise PartialError(said, step, waiting=result.data["waiting"], log=result.log)
    named = next((failure.error for failure in result.failures if failure.error), None)
    if named:
        kind = errors.named(str(named.get("code")), PlaybookError)
        error = kind(str(named.get("message", "")), str(named.get("next_step", "")))
        facts = named.get("facts")
        error.facts = (dict(facts) if isinstance(facts, Mapping) else {}) | {"log": result.log}
        # It would be shown as what a command of ours has done; a module runs on a node, and may say anything.
        error.facts.pop("result", None)
        raise error
    resume = f"{result.log} has all of it; {then}."
    if not result.failures:
        raise PlaybookError(f"The playbook could not start: {result.reason}", resume, log=result.log)
    first, others = result.failures[0], len({failure.host for failure in result.failures}) - 1
    more = f", and {others} more" if others > 0 else ""
    doing = (
        f"{first.host}{more} could not be reached"
        if first.unreachable
        else f"{first.task!r} failed on {first.host}{more}"
    )
    raise PlaybookError(f"{doing}: {first.message}", resume, log=result.log, failures=result.failures)


class _Events:
    """Turns a run's events into progress lines, a log file, and failures."""

    def __init__(self, log_file: Path, watch: Watch | None = None) -> None:
        self.log, self._watch = log_file, watch
        self.data: Mapping[str, Any] = {}
        self._error, self._said_last = "", "no reason given"
        self._failures: dict[str, Failure] = {}
        self._play, self._since, self._unlisted = "", 0.0, False

    def handle(self, event: Mapping[str, Any]) -> bool:
        self._write(event)
        data = event.get("event_data") or {}
        match event.get("event"):
            case "playbook_on_play_start":
                self.close()
                self._play, self._since = str(data.get("name") or data.get("play") or ""), time.monotonic()
                self._show(self._play)
            case "playbook_on_task_start":
                self._show(f"{self._play}: {data.get('task', '')}" if self._play else str(data.get("task", "")))
            case "runner_on_failed" | "runner_on_unreachable" | "runner_item_on_failed" as kind:
                if not data.get("ignore_errors"):
                    self._fail(_failure(data, unreachable=kind == "runner_on_unreachable"))
            case "runner_on_ok" | "runner_on_skipped":
                # A host that goes on has put its failure right in a rescue block.
                self._failures.pop(str(data.get("host")), None)
            case "playbook_on_stats":
                self.data = data.get("artifact_data") or {}
        if self._watch:
            self._watch(event)
        return False

    @property
    def failures(self) -> tuple[Failure, ...]:
        return tuple(self._failures.values())

    @property
    def reason(self) -> str:
        return self._error or self._said_last

    def close(self) -> None:
        if self._since and not self._watch:
            progress.done(self._play, time.monotonic() - self._since)
        self._since = 0.0

    def _fail(self, failure: Failure) -> None:
        # A loop reports its failed item first, then itself with an empty phrase: the item tells more.
        known = self._failures.get(failure.host)
        if known is None or known.task != failure.task:
            self._failures[failure.host] = failure

    def _show(self, text: str) -> None:
        if not self._watch:
            progress.begin(text)

    def _write(self, event: Mapping[str, Any]) -> None:
        text = _ANSI.sub("", str(event.get("stdout") or ""))
        lines = text.strip().splitlines()
        if unlisted := _UNLISTED.search(text):
            self._error, self._unlisted = unlisted[1], True
        elif lines and not self._unlisted and lines[0].startswith(("[ERROR]", "ERROR!", "ERROR: ")):
            self._error = lines[0].partition(" ")[2]
        # What belongs to no event of a playbook, Ansible says for itself.
        if lines and event.get("event") == "verbose":
            self._said_last = lines[-1].strip()[:_MAX_MESSAGE]
        if text:
            with self.log.open("a", encoding="utf-8", errors="replace") as out:
                out.write(text.rstrip() + "\n")


def _failure(data: Mapping[str, Any], *, unreachable: bool) -> Failure:
    result = data.get("res") or {}
    # Of a failed command, what it said tells more than that it failed.
    said = [result.get(key) for key in ("msg", "stderr", "module_stderr", "stdout")]
    message = str(next((text for text in said if text and not _SAYS_NOTHING.fullmatch(str(text))), "no message"))
    named = result.get("toilctl_error")
    return Failure(
        host=str(data.get("host", "")),
        task=str(data.get("task", "")),
        message=" ".join(message.split())[:_MAX_MESSAGE],
        unreachable=unreachable,
        error=named if isinstance(named, Mapping) else {},
    )


def _about_to_fork(forking: ExitStack, status: Mapping[str, Any], runner_config: Any) -> None:
    """Remove what ansible-runner writes of the environment, which holds credentials; and let no other thread fork."""
    if status.get("status") == "running":
        (Path(runner_config.artifact_dir) / "command").unlink(missing_ok=True)
        forking.enter_context(_FORKS)


def _new_log(target: PlaybookTarget, playbook: str) -> Path:
    directory = paths.cluster_dir(target.region, target.cluster) / "logs"
    paths.made(directory)
    for old in sorted(directory.glob("*.log"))[: -_KEPT_LOGS + 1]:
        old.unlink(missing_ok=True)
    # Two threads may begin the same playbook in the same second.
    for number in range(1, 1000):
        file = directory / f"{time.strftime('%Y%m%d-%H%M%S')}-{number}-{Path(playbook).stem}.log"
        with paths.writing(file), suppress(FileExistsError):
            file.touch(mode=0o600, exist_ok=False)
            break
    return file


@contextmanager
def _stopped_by_signals(stop: threading.Event | None = None) -> Iterator[threading.Event]:
    """Give an event that Ctrl-C and SIGTERM set, so that the playbook's processes are stopped before this one."""
    stopped = stop or threading.Event()
    if stop or threading.current_thread() is not threading.main_thread():
        yield stopped
        return

    def end(*_: object) -> None:
        if not stopped.is_set():
            progress.note("Stopping the playbook …")
        stopped.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _cancelled(forking: ExitStack, stopped: threading.Event) -> bool:
    """Tell the runner whether to end; it asks as soon as it has forked, and every second from then on."""
    forking.close()
    return stopped.is_set() and terminate_children()
