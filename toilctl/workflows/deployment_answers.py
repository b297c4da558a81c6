"""What a leader answers about a deployment, checked against what was planned: it chooses no file of this machine."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from toilctl.values.errors import ConflictError
from toilctl.values.outside import brief
from toilctl.workflows import told

_SHOWN: Final = 100


@dataclass(frozen=True)
class Prepared:
    """What of a deployment a leader lacks, and what it has."""

    toil: str
    python: str
    unchanged: bool
    """Whether all of it is there."""
    installs: bool
    """Whether pip has something to do."""
    incoming: str
    """The directory on the leader for what is sent."""
    files: tuple[str, ...]
    """Those of the planned ones that it lacks."""
    wheels: tuple[str, ...]
    before: Mapping[str, Any] | None
    """What was deployed by the name; None when nothing was."""

    @classmethod
    def of(cls, document: Any, files: Collection[str], wheels: Collection[str]) -> Self:
        """Read an answer.

        :param files: those that were planned.
        :raises ConflictError: when the leader asks for others.
        :raises ValueError: when it is no such answer; and ``KeyError``.
        """
        said = told.mapping(document)
        return cls(
            toil=told.text(said["toil"]),
            python=told.text(said["python"]),
            unchanged=bool(said["unchanged"]),
            installs=bool(said["installs"]),
            incoming=told.path(said["incoming"]),
            files=_planned(told.texts(said["lacking"]), files),
            wheels=_planned(told.texts(said["lacking_wheels"]), wheels),
            before=told.mapping(said["before"]) if said["before"] else None,
        )

    def replaced(self, given: str) -> str:
        """Return what had the deployment's name before, if that was something else.

        :param given: the path that is deployed now.
        """
        path = str((self.before or {}).get("path", given))
        try:
            same = Path(path).resolve().name == Path(given).resolve().name
        except (OSError, ValueError):  # A null character is in no path, whatever a leader says.
            same = False
        return "" if same else path


@dataclass(frozen=True)
class Installed:
    """What is on a leader now."""

    native: bool
    on_workers: bool
    packages: Mapping[str, str]
    """Versions by name."""
    toil: str
    python: str
    programs: tuple[str, ...]
    """How they are run: words that a shell takes as they are."""

    @classmethod
    def of(cls, document: Any) -> Self:
        """Read what is known of a deployment.

        :raises ValueError: when it is nothing of that kind; and ``KeyError``.
        """
        said = told.mapping(document)
        packages = told.mapping(said["packages"])
        return cls(
            native=bool(said["native"]),
            on_workers=bool(said["on_workers"]),
            packages={told.text(name): told.text(version) for name, version in packages.items()},
            toil=told.text(said["toil"]),
            python=told.text(said["python"]),
            programs=tuple(map(told.program, told.items(said["commands"]))),
        )


def _planned(asked: tuple[str, ...], planned: Collection[str]) -> tuple[str, ...]:
    known = frozenset(planned)
    strange = next((name for name in asked if name not in known), None)
    if strange is not None:
        raise ConflictError(
            f"The leader asks for '{brief(strange, _SHOWN)}', which is no part of this deployment.",
            "Nothing was sent. Do not trust this leader: look at what runs there, or destroy the cluster.",
            file=strange[:_SHOWN],
        )  # fmt: skip
    # Each once, whatever it says.
    return tuple(dict.fromkeys(asked))
