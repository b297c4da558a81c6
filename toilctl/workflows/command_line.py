"""What people type after ``toilctl run NAME --``: a workflow's command line, of any year of Toil's documents.

It is taken apart as Toil's own parser does it. What that leaves open to one who does not know the workflow:

- The job store is the value of ``--jobStore``; else the first word that is a locator and not the value of an option
  of Toil's. Right behind an option of the workflow's own, ``aws:`` and ``google:`` still count, since nothing else
  looks like them, but ``file:`` does not: that is how inputs are written. Neither is a URL such as ``file:///data/a``.
  Toil's CWL and WDL runners take a job store from ``--jobStore`` alone.
- ``--restart`` goes right behind the program's words. Where a plain word follows these, it may be a command of the
  program's own, as in ``toil-vg index``: then it goes before the first option of Toil's, or before the job store.
- A shell's line is never changed: quoting it again could change what it does.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Final, Self

from toilctl.nodes.plugin.autoscaling import scaler_options
from toilctl.values.errors import UsageError
from toilctl.values.scaling_policy import Limits
from toilctl.workflows import arguments, toil_options
from toilctl.workflows.arguments import Argument
from toilctl.workflows.locator import Locator, LocatorKind
from toilctl.workflows.node_options import NodeOptions
from toilctl.workflows.spellings import PROGRAMS, SPELLINGS, Rewritten, modernized

_RUNNERS: Final = frozenset({"toil-cwl-runner", "toil-wdl-runner", "toil.cwl.cwltoil", "toil.wdl.wdltoil"})
_SCHEMES: Final = ("aws:", "google:", "azure:", "file:")
"""``azure:`` is what Toil had before its fourth release; here it gets a sentence of its own."""
_NO_COMMAND: Final = "Write it behind two hyphens: toilctl run NAME -- python sort.py aws:us-west-2:my-store."
_PROVISIONERS: Final = ("aws", "gce")
"""Toil's; other programs in a shell's line have a ``-p``, too."""
RESTART: Final = "--restart"


@dataclass(frozen=True)
class WorkflowCommand:
    """A command that starts a workflow, and what toilctl has to know of it."""

    words: tuple[str, ...]
    """As it is to be started, without a shell."""
    rewritten: tuple[Rewritten, ...] = ()
    """Older spellings that today's Toil would refuse or misread, which ``words`` have in today's form."""
    job_store: Locator | None = None
    """None when the command does not tell: a plain path looks like any other word."""
    limits: Limits = field(default_factory=Limits)
    """What it asks of the autoscaler, with ``--provisioner``; the words keep these options."""
    restart: bool = False
    sse_key: str | None = None
    """The file with the key that encrypts the job store, on the leader."""

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        """Read a command; a single word with spaces in it is a line for a shell.

        :raises UsageError: for no command, a job store that cannot be one, and a bad node type, bid or number.
        """
        if not any(word.strip() for word in words):
            raise UsageError("There is no command to run.", _NO_COMMAND)
        given = ("bash", "-c", words[0]) if len(words) == 1 and len(words[0].split()) > 1 else tuple(words)
        line = arguments.shell_line(given)
        if line is not None:
            return cls._of(given, arguments.split(line), 0, ())
        given, named = _startable(given)
        length = arguments.program_length(given)
        if length > len(given):
            raise UsageError("There is no program in the command.", _NO_COMMAND)
        behind, respelled = _respelled(given[length:], PurePosixPath(given[length - 1]).name)
        given = (*given[:length], *behind)
        return cls._of(given, given, length, named + respelled)

    @classmethod
    def _of(cls, words: tuple[str, ...], read: tuple[str, ...], length: int, rewritten: tuple[Rewritten, ...]) -> Self:
        """Make one of its words, and of those to be read, whose first so many start the program."""
        found = arguments.scan(read[length:])
        programs = read[:length] or read
        return cls(
            words,
            rewritten,
            _job_store(found, is_runner=any(PurePosixPath(word).name in _RUNNERS for word in programs)),
            NodeOptions.of(found).limits() if _asks(found) else Limits(),
            any(one.option == RESTART for one in found),
            arguments.last(found, "--sseKey"),
        )

    def with_restart(self) -> Self:
        """Return the same command with ``--restart``.

        :raises UsageError: when it is a shell's line without one.
        """
        if self.restart:
            return self
        self._refuse_shell(f"Type the line again with {RESTART} behind its program")
        at = self._place_of_restart()
        return replace(self, words=(*self.words[:at], RESTART, *self.words[at:]), restart=True)

    def _refuse_shell(self, step: str) -> None:
        if arguments.shell_line(self.words) is not None:
            raise UsageError(
                "toilctl does not change what a shell is to run.",
                f"{step}, or give the command as words of their own: toilctl run NAME -- python sort.py …",
            )

    def _place_of_restart(self) -> int:
        length = arguments.program_length(self.words)
        found = arguments.scan(self.words[length:])
        if not found or found[0].option or self._is_job_store(found[0]):
            return length
        at = safe = length
        for one in found:
            safe = safe if one.unsure else at
            if one.option in toil_options.KNOWN or one.words == ("--",) or self._is_job_store(one):
                return safe
            at += len(one.words)
        return length

    def _is_job_store(self, argument: Argument) -> bool:
        return self.job_store is not None and not argument.option and argument.words == (str(self.job_store),)


def _startable(words: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[Rewritten, ...]]:
    """Make a command one that starts without a shell, with a program that today's Toil has."""
    changes = []
    variable = arguments.variable_in(words[0])
    if variable:
        changes.append(Rewritten(f"{variable}=…", f"env {variable}=…", "no shell is there that would set it"))
        words = ("env", *words)
    at = arguments.prefix_length(words)
    program = PurePosixPath(*words[at : at + 1])
    if program.name in PROGRAMS:
        name, why = PROGRAMS[program.name]
        changes.append(Rewritten(words[at], str(program.with_name(name)), why))
        words = (*words[:at], str(program.with_name(name)), *words[at + 1 :])
    return words, tuple(changes)


def _respelled(words: tuple[str, ...], program: str) -> tuple[tuple[str, ...], tuple[Rewritten, ...]]:
    """Write the words behind a program as today's Toil takes them. What is left out may bring two words together."""
    words, renamed = _renamed(words)
    words, merged = _merged(words)
    words, changes = modernized(words, program)
    if not renamed + merged + changes:
        return words, ()
    words, more = _respelled(words, program)
    return words, renamed + merged + changes + more


def _renamed(words: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[Rewritten, ...]]:
    """Write hyphens in names of the scaler's options as Toil has them, where these are meant: with a provisioner."""
    if not _asks(arguments.scan(words)):
        return words, ()
    new, changes = scaler_options.modern(words, toil_options.KNOWN | {one.option for one in SPELLINGS})
    return tuple(new), tuple(Rewritten(shlex.join(one.before), shlex.join(one.after), one.why) for one in changes)


def _asks(found: Sequence[Argument]) -> bool:
    """Tell whether a command asks the scaler for nodes."""
    return bool(arguments.last(found, "--provisioner")) or arguments.last(found, "-p") in _PROVISIONERS


def _merged(words: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[Rewritten, ...]]:
    """Bring the options of node types together, where today's Toil does not take them as they are."""
    found = arguments.scan(words)
    asked = NodeOptions.of(found)
    if not asked.outdated:
        return words, ()
    change = asked.modern()
    new = tuple(shlex.split(change.after))
    first = asked.arguments[0]
    kept = [new if one is first else () if one in asked.arguments else one.words for one in found]
    return tuple(word for part in kept for word in part), (change,)


def _job_store(found: Sequence[Argument], *, is_runner: bool) -> Locator | None:
    named = [one.value for one in found if one.option in toil_options.JOB_STORE]
    if named:
        return Locator.parse(named[-1]) if named[-1] else None
    for one in found if not is_runner else ():
        if one.option or not one.words[0].startswith(_SCHEMES):
            continue
        locator = _located(one)
        if locator:
            return locator
    return None


def _located(argument: Argument) -> Locator | None:
    """Return the job store that a word by itself names.

    :raises UsageError: when it cannot be one, unless it may be the value of an option.
    """
    (word,) = argument.words
    if word.startswith("file://"):
        return None
    try:
        locator = Locator.parse(word)
    except UsageError:
        if argument.unsure:
            return None
        raise
    return None if argument.unsure and locator.kind is LocatorKind.FILE else locator
