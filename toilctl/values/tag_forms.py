"""What form each of a cluster's own tags has: whoever may tag resources chooses no command, option, path or address."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from toilctl.values import tags, worker_tags
from toilctl.values.appliance import ImageReference
from toilctl.values.cluster import ClusterName, Engine, Zone
from toilctl.values.errors import UsageError
from toilctl.values.node_types import NodeType
from toilctl.values.outside import brief
from toilctl.values.s3_places import S3Place
from toilctl.values.scaling_policy import Limits
from toilctl.values.shared_storage import Shared
from toilctl.values.tuning import SETTINGS
from toilctl.values.units import whole

_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@+=-]*")
"""No option, no path above another one, nothing that a shell takes for more."""
_USER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
"""Of useradd(8), with capital letters and dots, which some images have."""
_KEY_PAIR: Final = re.compile(r"[^\s/-]([^/]*[^\s/])?")
"""EC2 API reference, CreateKeyPair: up to 255 ASCII characters, which name a file in ~/.ssh here."""
_PUBLIC_KEY: Final = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/=]+( [^\n]*)?")
_IDS: Final = re.compile(r"[a-z]+-[A-Za-z0-9]+(,[a-z]+-[A-Za-z0-9]+)*")
_ATTEMPT: Final = re.compile(r"[0-9]+( [0-9]+ [0-9]+ [0-9a-f]+)?")
_CONTENT: Final = re.compile(r"[0-9]+ [0-9a-f]{64}")
_SHOWN: Final = 80


@dataclass(frozen=True)
class Checked:
    """A cluster's tags, told apart."""

    sound: Mapping[str, str]
    damage: Mapping[str, str] = field(default_factory=dict)
    """The others, by their keys."""


def check(settings: Mapping[str, str]) -> Checked:
    """Tell the tags that have their form from those that have not; those of users have any."""
    damage = {key: value for key, value in settings.items() if not _is_sound(key, value, settings)}
    return Checked({key: value for key, value in settings.items() if key not in damage}, damage)


def said(damage: Mapping[str, str]) -> str:
    """Say what is wrong, such as ``toilctl:engine cannot be 'x'``."""
    return "; ".join(f"{key} cannot be '{brief(value, _SHOWN)}'" for key, value in damage.items())


def _is_sound(key: str, value: str, settings: Mapping[str, str]) -> bool:
    if not key.startswith(_OURS) or (not value and key not in _NEVER_EMPTY):
        return True
    try:
        if key in _OF_ALL:
            return _OF_ALL[key](settings) is not None
        return bool(_FORMS.get(key, _WORD.fullmatch)(value))
    except (UsageError, ValueError):
        return False


def _zones(text: str) -> bool:
    return all(Zone.parse(zone) for zone in filter(None, text.split(",")))


def _tuning(text: str) -> bool:
    for word in text.split():
        name, _, value = word.partition("=")
        # A later release has settings that this one does not know.
        if name in SETTINGS:
            SETTINGS[name].read(value)
    return True


def _counts(settings: Mapping[str, str]) -> Mapping[NodeType, int] | None:
    words = settings[tags.WORKERS].split(",")
    # Numbers alone are an older release's, beside the node types in whose order they stand.
    known = all("=" in word or not word or whole(word) is not None for word in words)
    return worker_tags.counts(settings) if known else None


def _whole(text: str) -> bool:
    return whole(text) is not None


def _printable(form: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: text.isprintable() and form.fullmatch(text) is not None


_OURS: Final = tags.RESERVED_PREFIXES[0]
_NEVER_EMPTY: Final = frozenset({tags.CLUSTER, tags.ENGINE})
_FORMS: Final[Mapping[str, Callable[[str], Any]]] = {
    tags.CLUSTER: ClusterName.parse,
    tags.ENGINE: Engine,
    tags.APPLIANCE: ImageReference.parse,
    tags.ATTEMPT: _ATTEMPT.fullmatch,
    tags.CONTENT: _CONTENT.fullmatch,
    tags.NODE_TYPE: NodeType.parse,
    tags.LEADER_NODE_TYPE: NodeType.parse,
    tags.LIMITS: lambda text: Limits.parse(text) is not None,
    tags.AUTOSCALER: _tuning,
    tags.LEADER_PUBLIC_KEY: _printable(_PUBLIC_KEY),
    tags.ZONES: _zones,
    tags.KEY_PAIR_NAME: _printable(_KEY_PAIR),
    tags.LOGIN_USER: _USER.fullmatch,
    tags.STORAGE: _whole,
    tags.LEADER_STORAGE: _whole,
    tags.ORPHAN_TIMEOUT: _whole,
    tags.AMI: _IDS.fullmatch,
    tags.VPC_SUBNET: _IDS.fullmatch,
    tags.EXTRA_SECURITY_GROUPS: _IDS.fullmatch,
    tags.SHARED: Shared.parse,
    tags.S3_WRITE: lambda text: [S3Place.parse(place) for place in text.split(",")],
}
"""Each gives something true for a tag that is sound; those of ours that are not here are one plain word."""
_OF_ALL: Final[Mapping[str, Callable[[Mapping[str, str]], Any]]] = {
    tags.WORKERS: _counts,
    tags.NODE_TYPES: worker_tags.node_types,
    tags.NODE_STORAGE: worker_tags.NodeStorage.of,
}
"""Those of which one may be needed to read another."""
