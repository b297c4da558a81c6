"""The appliance: which container image a cluster's nodes run, by which of Toil's rules, and what it has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from typing import Final, Self

from toilctl.values.cluster import Engine
from toilctl.values.errors import UsageError

ENGINES_LABEL: Final = "toilctl.engines"
"""The image label that lists an appliance's engines, comma-separated; ``toilctl appliance build`` sets it."""
TOIL_REGISTRY: Final = "quay.io/ucsc_cgl"
TOIL_NAME: Final = "toil"
DOCKER_HUB: Final = "docker.io"
DOCKER_ARCHITECTURES: Final = {"x86_64": "amd64", "arm64": "arm64"}
"""EC2's names of processor architectures, and Docker's."""

_TOIL_TAG: Final = re.compile(
    r"(?P<version>\d+\.\d+\.\d+[a-z0-9.]*)(?:-(?P<commit>[0-9a-f]{3,40}(?:-dirty)?))?(?:-(?P<python>py3\.\d+))?"
)

_PART: Final = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_REFERENCE: Final = re.compile(
    rf"(?:(?P<registry>localhost(?::\d+)?|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?::\d+)?|[A-Za-z0-9-]+:\d+)/)?"
    rf"(?P<repository>{_PART}(?:/{_PART})*)(?::(?P<tag>\w[\w.-]{{0,127}}))?(?:@(?P<digest>sha256:[0-9a-f]{{64}}))?"
)


@dataclass(frozen=True)
class ImageReference:
    """A container image's name, complete: what Docker leaves out is filled in."""

    registry: str
    repository: str
    tag: str = "latest"
    digest: str | None = None

    @classmethod
    def parse(cls, image: str) -> Self:
        """Read an image's name as Docker does.

        :raises UsageError: when it is not one, such as a URL.
        """
        found = _REFERENCE.fullmatch(image)
        if found is None:
            hint = "Leave out http(s)://." if "://" in image else "Write REGISTRY/REPOSITORY:TAG."
            raise UsageError(f"{image!r} is not a container image's name.", hint, appliance_image=image)
        registry, repository = found["registry"] or DOCKER_HUB, found["repository"]
        if registry == DOCKER_HUB and "/" not in repository:
            repository = f"library/{repository}"
        return cls(registry, repository, found["tag"] or "latest", found["digest"])

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}" + (f"@{self.digest}" if self.digest else f":{self.tag}")


@dataclass(frozen=True)
class ToilTag:
    """The tag of an image that Toil's developers publish, such as ``9.6.0-6793fc7f…-py3.11``.

    Toil's name for it is ``toil.version.dockerTag``. Which of its forms a release is published under has changed.
    """

    version: str
    commit: str | None = None
    python: str | None = None
    """Such as ``py3.11``."""

    @classmethod
    def parse(cls, tag: str) -> Self | None:
        """Read a tag in any of its forms; None for one of somebody's own."""
        found = _TOIL_TAG.fullmatch(tag)
        return cls(**found.groupdict()) if found else None

    def __str__(self) -> str:
        return "-".join(part for part in (self.version, self.commit, self.python) if part)

    @property
    def forms(self) -> tuple[str, ...]:
        """All forms of the same release that can be told from this one, the most exact first."""
        return tuple(dict.fromkeys(map(str, (self, ToilTag(self.version, None, self.python), ToilTag(self.version)))))

    def is_form_of(self, other: ToilTag) -> bool:
        """Tell whether this tag may be that of another one's release, as far as the other one says."""
        return all(theirs in (None, ours) for ours, theirs in zip(astuple(self), astuple(other), strict=True))


@dataclass(frozen=True)
class Appliance:
    """The image that was chosen."""

    image: str
    rule: str
    """What chose it, in words that follow "by"."""


@dataclass(frozen=True)
class ImageFacts:
    """What an image has, as far as somebody could tell."""

    architectures: frozenset[str]
    """In Docker's names."""
    engines: frozenset[Engine] | None
    """None when nothing tells: an image of somebody's own, without our label."""
    digest: str | None = field(default=None, compare=False)
    """Of what its name stood for when the registry was asked."""


def choose(named: str | None, environment: Mapping[str, str], pinned: str, toil_tag: str | None = None) -> Appliance:
    """Choose the image as Toil does.

    ``named`` is the one asked for, ``toil_tag`` the tag of a Toil installed beside toilctl, ``pinned`` the last resort.

    :raises UsageError: when the outcome is not an image's name.
    """
    chosen = _chosen(named, environment, pinned, toil_tag)
    ImageReference.parse(chosen.image)
    return chosen


def engines_of(labels: Mapping[str, str], image: ImageReference, architecture: str) -> frozenset[Engine] | None:
    """Return an image's engines on an architecture (in Docker's name): by our label, else by what Toil publishes."""
    if ENGINES_LABEL in labels:
        listed = {name.strip() for name in labels[ENGINES_LABEL].split(",")}
        return frozenset(engine for engine in Engine if engine in listed)
    if f"{image.registry}/{image.repository}" == f"{TOIL_REGISTRY}/{TOIL_NAME}":
        return frozenset({Engine.MESOS} if architecture == "amd64" else ())
    return None


def _chosen(named: str | None, environment: Mapping[str, str], pinned: str, toil_tag: str | None) -> Appliance:
    if named:
        return Appliance(named, "--appliance")
    if environment.get("TOIL_APPLIANCE_SELF"):
        return Appliance(environment["TOIL_APPLIANCE_SELF"], "TOIL_APPLIANCE_SELF")
    registry, name = environment.get("TOIL_DOCKER_REGISTRY"), environment.get("TOIL_DOCKER_NAME")
    tag = toil_tag or ImageReference.parse(pinned).tag
    whose = "the Toil installed beside toilctl" if toil_tag else "the pinned version of Toil"
    if registry or name:
        variables = " and ".join(
            variable for variable in ("TOIL_DOCKER_REGISTRY", "TOIL_DOCKER_NAME") if environment.get(variable)
        )
        return Appliance(
            f"{registry or TOIL_REGISTRY}/{name or TOIL_NAME}:{tag}", f"{variables}, with the tag of {whose}"
        )
    if toil_tag:
        return Appliance(f"{TOIL_REGISTRY}/{TOIL_NAME}:{toil_tag}", f"the tag of {whose}")
    return Appliance(pinned, "the pinned default")
