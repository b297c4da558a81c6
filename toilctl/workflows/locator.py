"""Where a job store is, as Toil writes it: ``aws:us-west-2:my-store``, ``google:PROJECT:NAME``, ``file:PATH``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from toilctl.values.errors import UsageError

_REGION: Final = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d")
_ZONE: Final = re.compile(rf"(?P<region>{_REGION.pattern})[a-z]")
_STORE: Final = re.compile(r"[a-z0-9][a-z0-9-]+[a-z0-9]")
_LONGEST_STORE: Final = 56
"""Toil's: it adds ``--toil`` for the bucket's name."""
_FORM: Final = "Write aws:REGION:NAME, such as aws:us-west-2:my-store."


class LocatorKind(StrEnum):
    """Toil's kinds of job stores."""

    AWS = "aws"
    GOOGLE = "google"
    FILE = "file"


@dataclass(frozen=True)
class Locator:
    """A job store's place. ``Locator.parse(str(one)) == one``; a plain path is the same as ``file:`` and that path."""

    kind: LocatorKind
    name: str
    """The store's own name, or the path."""
    place: str = ""
    """AWS's region, or Google's project, which may be missing."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a locator by Toil's rules. Which regions there are is left to the Toil that runs the workflow.

        :raises UsageError: for what Toil takes no job store to be, such as ``aws:my-store`` or a URL.
        """
        scheme, colon, rest = text.partition(":")
        if text and (text[0] in "/." or not colon):
            return cls(LocatorKind.FILE, text)
        if scheme == LocatorKind.AWS:
            return cls._of_aws(text, rest)
        if scheme == LocatorKind.GOOGLE:
            project, between, name = rest.rpartition(":")
            return cls(LocatorKind.GOOGLE, _named(name if project or not between else "", text), project)
        if scheme == LocatorKind.FILE:
            return cls(LocatorKind.FILE, _named(rest, text))
        raise UsageError(f"{text!r} is not a job store.", _hint(scheme, rest), job_store=text)

    @classmethod
    def _of_aws(cls, text: str, rest: str) -> Self:
        region, colon, name = rest.partition(":")
        if not colon:
            raise UsageError(f"The job store {text!r} has no region.", _FORM, job_store=text)
        if zone := _ZONE.fullmatch(region):
            step = f"Write aws:{zone['region']}:{name}."
            raise UsageError(f"{region} in the job store {text!r} is a zone, not a region.", step, job_store=text)
        if not _REGION.fullmatch(region):
            raise UsageError(f"{region!r} in the job store {text!r} is not a region.", _FORM, job_store=text)
        _named(name, text)
        if not _STORE.fullmatch(name) or "--" in name or len(name) > _LONGEST_STORE:
            raise UsageError(
                f"{name!r} cannot be the name of a job store on AWS.",
                f"Use 3 to {_LONGEST_STORE} lower-case letters, digits and single hyphens between them.",
                job_store=text,
            )  # fmt: skip
        return cls(LocatorKind.AWS, name, region)

    def __str__(self) -> str:
        return ":".join(part for part in (self.kind, self.place, self.name) if part)

    @property
    def region(self) -> str | None:
        """The region of a store on AWS."""
        return self.place if self.kind is LocatorKind.AWS else None

    @property
    def is_file(self) -> bool:
        """Whether it is a directory, which only a shared file system shows to all nodes."""
        return self.kind is LocatorKind.FILE

    @property
    def path(self) -> str | None:
        """The directory of a file store; a relative one is below the directory where the workflow starts."""
        return self.name if self.is_file else None


def store_name(name: str, suffix: str = "") -> str:
    """Return a name that a job store on AWS may have, made of any other, with a suffix that such a name may have."""
    end = re.sub(r"[^a-z0-9]+", "-", suffix.lower()).strip("-")[: _LONGEST_STORE // 2].strip("-")
    start = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[: _LONGEST_STORE - len(end) - 1].strip("-")
    found = "-".join(filter(None, (start, end)))
    return found if _STORE.fullmatch(found) else "workflow"


def _named(name: str, text: str) -> str:
    if not name:
        raise UsageError(f"The job store {text!r} has no name.", f"{_FORM[:-1]}, or file:PATH.", job_store=text)
    return name


def _hint(scheme: str, rest: str) -> str:
    """Return how Toil spells what somebody may have meant."""
    bucket = rest.strip("/").partition("/")[0] or "my-store"
    if scheme == "s3":
        return f"Toil keeps job stores in buckets that it makes itself: write aws:REGION:{bucket}, without s3://."
    if scheme == "gs":
        return f"Toil keeps job stores in buckets that it makes itself: write google:PROJECT:{bucket}, without gs://."
    if scheme == "azure":
        return f"Toil has no job stores on Azure any more. {_FORM}"
    return f"{_FORM[:-1]}, or file:PATH for a directory."
