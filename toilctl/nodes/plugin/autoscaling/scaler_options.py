"""Toil's options of its scaler, of every release since 3.5, and what becomes of each: the one table.

The plugin reads them so in the leader's shell, ``toilctl run`` before that, and a page of the reference shows them.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

NODE_TYPES, MIN, MAX = "--nodeTypes", "--minNodes", "--maxNodes"
SPOT_TYPE, SPOT_MIN, SPOT_MAX = "--preemptableNodeType", "--minPreemptableNodes", "--maxPreemptableNodes"
STORAGE, OVERRIDES = "--nodeStorage", "--nodeStorageOverrides"
DEFAULT_MIN, DEFAULT_MAX = 0, 10
"""Toil's own numbers of nodes."""

_WHILE = "The cluster's own value counts where the cluster has limits of its own; a line says so."
_WITH_TYPES = f"today's {NODE_TYPES}, {MIN} and {MAX}"
MERGED = "since Toil 3.11 a bid in the list of node types makes them preemptible"
_SCALER = "Toil 3.16 took it away, and its scaler is not started here"
_NO_OPTIONS = "Toil 5.2 took it away; it never had an effect on AWS"


@dataclass(frozen=True)
class ScalerOption:
    """An option, with all names that releases gave it."""

    names: tuple[str, ...]
    """The one of today first."""
    releases: str
    becomes: str = ""
    """What it is here; nothing: it is left out."""
    why: str = ""
    """Why it is left out or written otherwise, or what is to be known of it."""
    setting: str = ""
    """The autoscaler's setting that it is."""
    dest: str = ""
    """The name in Toil's configuration of one that is left out, which is made None."""

    @property
    def name(self) -> str:
        """Today's name."""
        return self.names[0]

    @property
    def gone(self) -> bool:
        """Whether today's Toil does not know it, and nothing takes its place."""
        return not self.becomes and not self.dest


OPTIONS = (
    ScalerOption(("--provisioner", "-p"), "3.3 on", "the autoscaler's word to follow what the others ask for",
                 "Toil's own scaler is not started: it would launch and end nodes beside the autoscaler."),
    ScalerOption((NODE_TYPES, "--nodeType"), "3.11 on; as --nodeType to 3.10", "node types of the autoscaler",
                 "They count while the workflow runs."),
    ScalerOption((MIN,), "3.3 on", "the least of each node type", "Of two limits of a node type the larger counts."),
    ScalerOption((MAX,), "3.3 on", "the most of each node type", "Of two limits of a node type the larger counts."),
    ScalerOption((SPOT_TYPE,), "3.3 to 3.10", _WITH_TYPES, MERGED),
    ScalerOption((SPOT_MIN,), "3.3 to 3.10", _WITH_TYPES, MERGED),
    ScalerOption((SPOT_MAX,), "3.3 to 3.10", _WITH_TYPES, MERGED),
    ScalerOption(("--targetTime",), "3.16 on", "--target-time", _WHILE, "target_time_s"),
    ScalerOption(("--betaInertia",), "3.3 on", "--beta-inertia", _WHILE, "beta_inertia"),
    ScalerOption(("--scaleInterval",), "3.3 on", "--scale-interval", _WHILE, "scale_interval_s"),
    ScalerOption(("--preemptibleCompensation", "--preemptableCompensation"), "3.5 on", "--preemptible-compensation",
                 _WHILE, "preemptible_compensation"),
    ScalerOption((STORAGE,), "3.9 on", "root volumes of the workflow's node types",
                 "Of two sizes of a node type the larger counts."),
    ScalerOption((OVERRIDES,), "4.2 on", "root volumes of the node types that have these instance types",
                 "Of two sizes of a node type the larger counts."),
    ScalerOption(("--defaultPreemptible", "--defaultPreemptable"), "3.3 on", "Toil's own: it makes jobs preemptible"),
    ScalerOption(("--metrics",), "3.13 on", "", "the autoscaler has metrics of its own", dest="metrics"),
    ScalerOption(("--clusterStats",), "3.3 on", "", "toilctl timeline shows what the cluster did", dest="clusterStats"),
    ScalerOption(("--assumeZeroOverhead",), "5.8 on", "", "what a node gives to jobs is measured",
                 dest="assume_zero_overhead"),
    ScalerOption(("--alphaPacking",), "3.3 to 3.15", "", _SCALER),
    ScalerOption(("--nodeOptions",), "3.3 to 5.1", "", _NO_OPTIONS),
    ScalerOption(("--preemptableNodeOptions",), "3.3 to 3.10", "", _NO_OPTIONS),
)  # fmt: skip
"""All of them; each spelling with hyphens, and with ``preemptible`` for ``preemptable``, is read, too."""
_TOGETHER = frozenset({NODE_TYPES, MIN, MAX, SPOT_TYPE, SPOT_MIN, SPOT_MAX})
_OLDER = frozenset({SPOT_TYPE, SPOT_MIN, SPOT_MAX})


class Change(NamedTuple):
    """Words as they were, as they are now (nothing: left out), and the reason."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    why: str


def find(word: str) -> ScalerOption | None:
    """Return the option that a word is, in whatever spelling, with or without a value behind ``=``."""
    name = word.partition("=")[0]
    return _BY_FORM.get(form(name)) if name.startswith("--") else None


def form(name: str) -> str:
    """Return what is the same in all spellings of an option."""
    return name.replace("-", "").replace("_", "").lower().replace("preemptable", "preemptible")


_BY_FORM = {form(name): one for one in OPTIONS for name in one.names if name.startswith("--")}


def modern(words: Sequence[str], known: Container[str]) -> tuple[list[str], list[Change]]:
    """Write what a parser does not know as it knows it, and tell what changed. ``--`` ends the options.

    :param known: the options of the parser.
    """
    end = words.index("--") if "--" in words else len(words)
    new: list[str] = []
    changes: list[Change] = []
    at = 0
    while at < end:
        option, name = find(words[at]), words[at].partition("=")[0]
        if option is None or name in known:
            new.append(words[at])
            at += 1
            continue
        taken = _with_value(words[at:end])
        after, why = _instead(option, taken, known)
        if after != taken:
            changes.append(Change(taken, after, why))
        new += after
        at += len(taken)
    merged, more = _merged(new, known)
    return [*merged, *words[end:]], changes + more


def _with_value(words: Sequence[str]) -> tuple[str, ...]:
    has_value = "=" not in words[0] and len(words) > 1 and not words[1].startswith("--")
    return tuple(words[: 2 if has_value else 1])


def _instead(option: ScalerOption, words: tuple[str, ...], known: Container[str]) -> tuple[tuple[str, ...], str]:
    if option.gone:
        return (), option.why
    name = option.name if option.name in _OLDER else next((one for one in option.names if one in known), "")
    if not name:
        return words, ""
    first = "=".join([name, *words[0].split("=", 1)[1:]])
    return (first, *words[1:]), "that is how Toil has it"


def _merged(words: Sequence[str], known: Container[str]) -> tuple[list[str], list[Change]]:
    """Bring the older options of spot nodes, which a parser does not know, together with the others."""
    at, found, rest = 0, [], []
    while at < len(words):
        option = find(words[at])
        taken = _with_value(words[at:]) if option and option.name in _TOGETHER else (words[at],)
        value = taken[0].partition("=")[2] if len(taken) == 1 else taken[1]
        if option and option.name in _TOGETHER and value:
            found.append((option.name, value, taken))
        else:
            rest.append(taken)
        at += len(taken)
    if not any(name in _OLDER and name not in known for name, _, _ in found):
        return list(words), []
    try:
        instead = together([(name, value) for name, value, _ in found])
    except ValueError:
        # Toil says better than this what is wrong with them.
        return list(words), []
    before = tuple(word for _, _, taken in found for word in taken)
    return [*instead, *(word for taken in rest for word in taken)], [Change(before, instead, MERGED)]


def together(given: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Return today's options of node types and their numbers, of these and the older ones of spot nodes.

    :param given: the options by today's or their older names, with their values, in order.
    :raises ValueError: for what is no number.
    """
    lists = [value for name, value in given if name == NODE_TYPES]
    types = [part for text in (*lists, *_values(given, SPOT_TYPE)) for part in text.split(",")]
    spot = [":" in one for one in types]
    words = [NODE_TYPES, ",".join(types)] if types else []
    for name, of_spot, missing in ((MIN, SPOT_MIN, DEFAULT_MIN), (MAX, SPOT_MAX, DEFAULT_MAX)):
        # Of an option that was repeated the last one counts, unless the node types were repeated with it.
        texts = _values(given, name)[0 if len(lists) > 1 else -1 :]
        own = [int(part) for text in texts for part in text.split(",")]
        older = _values(given, of_spot)
        if types and (texts or (older and any(spot))):
            numbers = filled(spot, own, int(older[-1]) if older else None, missing)
            words += [name, ",".join(map(str, numbers))]
    return tuple(words)


def filled(spot: Iterable[bool], own: Sequence[int], of_spot: int | None, missing: int) -> list[int]:
    """Return a number for each node type, as Toil fills its lists up: with the first value.

    :param spot: whether each node type has a bid.
    :param of_spot: the number of all types with a bid, if an older option gives it; the others share the list then.
    """
    numbers, at = [], 0
    for has_bid in spot:
        if has_bid and of_spot is not None:
            numbers.append(of_spot)
            continue
        numbers.append(own[at] if at < len(own) else own[0] if own else missing)
        at += 1
    return numbers


def _values(given: Iterable[tuple[str, str]], name: str) -> list[str]:
    return [value for one, value in given if one == name]
