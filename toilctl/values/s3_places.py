"""Places in S3 that jobs may write to, beside the buckets that Toil makes for job stores."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final, Self

from toilctl.values.errors import UsageError

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
"""S3 user guide, "General purpose bucket naming rules"."""
_PREFIX: Final = re.compile(r"[A-Za-z0-9!_.'()/=@:+-]+")
"""What a key may be made of and an EC2 tag holds, but for what means something to IAM: ``*``, ``?`` and ``$``."""


class S3Place(str):
    """``BUCKET``, or ``BUCKET/PREFIX``: the objects below it."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read it, also with ``s3://`` before it.

        :raises UsageError: when it is no bucket's name, or has a character that cannot be kept.
        """
        bucket, _, prefix = text.strip().removeprefix("s3://").partition("/")
        prefix = prefix.rstrip("/")
        if not _BUCKET.fullmatch(bucket) or ".." in bucket or (prefix and not _PREFIX.fullmatch(prefix)):
            raise UsageError(
                f"{text!r} is not a place in S3.", "Write BUCKET or BUCKET/PREFIX, such as my-results/sorted.", s3=text
            )
        return cls(f"{bucket}/{prefix}" if prefix else bucket)

    def objects(self, partition: str) -> str:
        """Return the ARN of all objects there."""
        return f"arn:{partition}:s3:::{self}/*"


def written(places: Iterable[str]) -> str:
    """Return places as a tag has them, each once."""
    return ",".join(sorted(set(places)))


def read(text: str) -> tuple[S3Place, ...]:
    """Read a tag; what is no place there is left out, for tags are anybody's."""
    return tuple(_places(text.split(",")))


def _places(texts: Iterable[str]) -> Iterator[S3Place]:
    for one in texts:
        with suppress(UsageError):
            yield S3Place.parse(one)
