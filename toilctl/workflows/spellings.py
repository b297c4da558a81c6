"""Older spellings that today's Toil refuses or misreads, and how it has them now: one table, with the reason each."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from toilctl.nodes.plugin.autoscaling import scaler_options
from toilctl.workflows import toil_options

_SWITCH: Final = "since Toil 6 it takes yes or no, and would take the next word for it"
_ANY_WORD: Final = "since Toil 6 it takes a value, and any word, even False, counts as yes"
_NAMES: Final = "Toil 5 renamed it"
_CACHE: Final = "Toil 3.3 took it away, with the cache that it was for"
_PARASOL: Final = "Toil 6 took Parasol away"
_LEADER: Final = "the leader's own Mesos master is the default, and a leader without Mesos does not know the option"
_WDL: Final = "Toil 6 took it away, with the WDL runner that it was for"
_CWL_RUNNER: Final = "toil-cwl-runner"
_WDL_RUNNER: Final = "toil-wdl-runner"


@dataclass(frozen=True)
class Spelling:
    """How something was written, how it is now, and why the older form does not work.

    Behind the option ``was`` may have a value, behind ``=`` or as the next word: ``VALUE`` is any, ``YES`` and ``NO``
    one that means so, and others are themselves, with ``|`` between them. ``WORD`` is a next word that is neither an
    option nor yes or no; it stays as it is. Nothing is a flag, with no yes or no behind it.
    """

    was: str
    now: str
    """Nothing: it is left out."""
    why: str
    only: str = ""
    """The program that has had it; nothing: any workflow."""

    @property
    def option(self) -> str:
        """The option that it is about."""
        return self.was.partition(" ")[0]

    def fit(self, word: str, following: str | None) -> int:
        """Return how many words are written in the older form: none, this one, or the following one, too."""
        _, behind, value = word.partition("=")
        operand = value if behind else following
        match self.was.partition(" ")[2]:
            case "":
                fits, words = not behind and toil_options.truth(following) is None, 1
            case "WORD":
                fits, words = not behind and _is_plain(following) and toil_options.truth(following) is None, 1
            case "VALUE":
                fits, words = bool(behind) or _is_plain(following), 2
            case "YES" | "NO" as wanted:
                fits, words = toil_options.truth(operand) is (wanted == "YES"), 2
            case exact:
                fits, words = operand in exact.split("|"), 2
        return (1 if behind else words) if fits else 0

    def rewrite(self, words: Sequence[str]) -> tuple[str, ...]:
        """Return today's form of words that fit."""
        value = words[0].partition("=")[2] if len(words) == 1 else words[1]
        new = [value if word == "VALUE" else word for word in self.now.split()]
        return ("=".join(new),) if "=" in words[0] and len(new) == 2 else tuple(new)


SPELLINGS: Final = (
    # Once flags, now with a value.
    Spelling("--assumeZeroOverhead", "--assumeZeroOverhead True", _SWITCH),
    Spelling("--disableChaining", "--disableChaining True", _SWITCH),
    Spelling("--disableJobStoreChecksumVerification", "--disableJobStoreChecksumVerification True", _SWITCH),
    Spelling("--doubleMem", "--doubleMem True", _SWITCH),
    Spelling("--enableUnlimitedPreemptableRetries", "--enableUnlimitedPreemptableRetries True", _SWITCH),
    Spelling("--enableUnlimitedPreemptibleRetries", "--enableUnlimitedPreemptibleRetries True", _SWITCH),
    Spelling("--forceDockerAppliance", "--forceDockerAppliance True", _SWITCH),
    Spelling("--metrics", "--metrics True", _SWITCH),
    Spelling("--realTimeLogging", "--realTimeLogging True", _SWITCH),
    Spelling("--writeLogsFromAllJobs", "--writeLogsFromAllJobs True", _SWITCH),
    Spelling("--defaultPreemptable WORD", "--defaultPreemptable True", "since Toil 5.3 it would take the next word"),
    Spelling("--defaultPreemptible WORD", "--defaultPreemptible True", "it would take the next word for yes or no"),
    Spelling("--disableAutoDeployment", "--disableAutoDeployment True", _ANY_WORD),
    Spelling("--disableAutoDeployment NO", "", _ANY_WORD),
    # Once with a value, now flags.
    Spelling("--disableCaching YES", "--disableCaching", "since Toil 5.6 it takes no value"),
    Spelling("--disableCaching NO", "--caching True", "since Toil 5.6 it takes no value"),
    Spelling("--disableProgress YES", "--disableProgress", "since Toil 6.1 it takes no value"),
    Spelling("--disableProgress NO", "", "since Toil 6.1 it takes no value"),
    # Renamed.
    Spelling("--debug-worker", "--debugWorker", "Toil 3.14 renamed it"),
    Spelling("--maxPreemptableServiceJobs VALUE", "--maxPreemptibleServiceJobs VALUE", "Toil 5.9 renamed it"),
    Spelling("--nodeType VALUE", "--nodeTypes VALUE", "Toil 3.11 renamed it"),
    Spelling("--retry VALUE", "--retryCount VALUE", "since Toil 9.3 other options begin so, too"),
    Spelling("--outdir VALUE", "--outputDirectory VALUE", "Toil 6 renamed it", only=_WDL_RUNNER),
    Spelling("--output_directory VALUE", "--outputDirectory VALUE", "Toil renamed it", only=_WDL_RUNNER),
    # Values that were renamed.
    Spelling("--batchSystem HTCondor", "--batchSystem htcondor", _NAMES),
    Spelling("--batchSystem LSF", "--batchSystem lsf", _NAMES),
    Spelling("--batchSystem Mesos", "--batchSystem mesos", _NAMES),
    Spelling("--batchSystem Slurm", "--batchSystem slurm", _NAMES),
    Spelling("--batchSystem Torque", "--batchSystem torque", _NAMES),
    Spelling("--batchSystem gridEngine|gridengine", "--batchSystem grid_engine", _NAMES),
    Spelling("--batchSystem singleMachine", "--batchSystem single_machine", _NAMES),
    Spelling("--logLevel OFF|Off|off", "--logLevel CRITICAL", "Toil 5.2 took that level away"),
    Spelling("--logLevel WARN|Warn|warn", "--logLevel WARNING", "Toil 5.2 took that level away"),
    Spelling("--provisioner cgcloud", "--provisioner aws", "Toil 3.11 took CGCloud away"),
    # Gone.
    *(Spelling(f"{one.name} VALUE", "", one.why) for one in scaler_options.OPTIONS if one.gone),
    Spelling("--conformance-test", "", "Toil 3.10 took it away", only=_CWL_RUNNER),
    Spelling("--cseKey VALUE", "", "Toil 3.22 took it away: it was for job stores on Azure"),
    Spelling("--defaultCache VALUE", "", _CACHE),
    Spelling("--dev_mode", "", _WDL, only=_WDL_RUNNER),
    Spelling("--dev_mode YES", "", _WDL, only=_WDL_RUNNER),
    Spelling("--dev_mode NO", "", _WDL, only=_WDL_RUNNER),
    Spelling("--disableSharedCache", "", _CACHE),
    Spelling("--docker_user VALUE", "", _WDL, only=_WDL_RUNNER),
    Spelling("--dont_delete_compiled", "", _WDL, only=_WDL_RUNNER),
    Spelling("--gen_parse_files", "", _WDL, only=_WDL_RUNNER),
    Spelling("--masterIP VALUE", "", _LEADER),
    Spelling("--mesosEndpoint VALUE", "", _LEADER),
    Spelling("--mesosMaster VALUE", "", _LEADER),
    Spelling("--parasolCommand VALUE", "", _PARASOL),
    Spelling("--parasolMaxBatches VALUE", "", _PARASOL),
    Spelling("--readGlobalFileMutableByDefault", "", "Toil 3.13 took it away"),
)  # fmt: skip
PROGRAMS: Final = {
    "cwltoil": (_CWL_RUNNER, "Toil 4 renamed it"),
    "toil-wdl-runner-old": (_WDL_RUNNER, "Toil 6 took it away"),
}
"""Programs that were renamed: today's name, and why."""

_BY_OPTION: Final = {
    option: [one for one in SPELLINGS if one.option == option] for option in {one.option for one in SPELLINGS}
}


class Rewritten(NamedTuple):
    """A change to a command: words as they were, as they are now (nothing: left out), and the reason."""

    before: str
    after: str
    why: str


def modernized(words: Sequence[str], program: str) -> tuple[tuple[str, ...], tuple[Rewritten, ...]]:
    """Write the words behind a program as today's Toil takes them, and tell what changed. ``--`` ends its options."""
    end = words.index("--") if "--" in words else len(words)
    new: list[str] = []
    changes: list[Rewritten] = []
    # From the end, so that an option finds those words behind it that stay.
    for word in reversed(words[:end]):
        found = _find(word, new[0] if new else None, program)
        if found is None:
            new.insert(0, word)
            continue
        spelling, count = found
        old = [word, *new[: count - 1]]
        instead = spelling.rewrite(old)
        changes.insert(0, Rewritten(shlex.join(old), shlex.join(instead), spelling.why))
        new[: count - 1] = instead
    return (*new, *words[end:]), tuple(changes)


def _find(word: str, following: str | None, program: str) -> tuple[Spelling, int] | None:
    known = (one for one in _BY_OPTION.get(toil_options.name_of(word), ()) if one.only in ("", program))
    return next(((one, count) for one in known if (count := one.fit(word, following))), None)


def _is_plain(word: str | None) -> bool:
    return word is not None and not toil_options.name_of(word)
