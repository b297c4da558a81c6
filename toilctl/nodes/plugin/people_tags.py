"""The cluster's owner and its user's tags, for what Toil makes in AWS on a leader, such as a job store's bucket."""

from __future__ import annotations

import base64
import json
import os
import re
from typing import Any

from . import cluster_settings

VARIABLE = "TOIL_AWS_TAGS"
_TAKEN_BY_S3 = re.compile(r"[\w .:/=+@-]*")
_MOST = 50


def install() -> None:
    """Let Toil find them where its own leaders have them, unless the user has said otherwise."""
    here = cluster_settings.find()
    if here is None or os.environ.get(VARIABLE):
        return
    found = _read(here.aws_tags)
    if found:
        os.environ[VARIABLE] = json.dumps(found)


def _read(text: str) -> dict[str, str]:
    """Return those that a bucket can have too; Toil ends a workflow with what it cannot read."""
    try:
        found: Any = json.loads(base64.b64decode(text) or b"{}")
    except ValueError:
        return {}
    pairs = found.items() if isinstance(found, dict) else ()
    taken = {key: value for key, value in pairs if isinstance(value, str) and _TAKEN_BY_S3.fullmatch(key + value)}
    return dict(list(taken.items())[:_MOST])
