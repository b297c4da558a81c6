"""The key by which Toil encrypts what it keeps in S3: a file of this machine, which all nodes get."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from toilctl.values.errors import UsageError

LENGTH: Final = 32
"""Bytes; what S3 takes."""
NOTE: Final = (
    "The leader had another SSE key, which this one has replaced: "
    "what was written with the former key can be read with that one only."
)

_KEY = re.compile(rb"[!-~]{%d}" % LENGTH)
_NEXT: Final = "Make one: openssl rand -base64 24 | tr -d '\\n' > sse.key"


def checked(file: Path) -> Path:
    """Return the path of a file that holds a key as Toil takes it.

    Toil reads it as text and counts its characters; its options do not count white space at the end, and its job store
    does. So it has to be printable ASCII, and nothing else.

    :raises UsageError: when it is none.
    """
    if not file.is_file():
        raise UsageError(f"There is no SSE key {file}.", "Name a file with --sse-key.", sse_key=file)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(
            f"The SSE key {file} cannot be read: {error.strerror}.", "Let this user read it.", sse_key=file
        ) from error
    if _KEY.fullmatch(content):
        return file
    if _KEY.fullmatch(content.rstrip()):
        wrong, following = "ends with a line break or space, which Toil counts", "Write it anew without."
    elif len(content) == LENGTH:
        wrong, following = "has bytes that are no printable ASCII characters", _NEXT
    else:
        wrong, following = f"has {len(content)} bytes, and a key has {LENGTH}", _NEXT
    raise UsageError(f"The SSE key {file} {wrong}.", following, sse_key=file)
