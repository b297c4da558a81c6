"""Who pays, and the user's own tags: as options have them, else as the environment has them for Toil."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Final

from toilctl.values import tags
from toilctl.values.errors import UsageError

OWNER_VARIABLE: Final = "TOIL_OWNER_TAG"
TAGS_VARIABLE: Final = "TOIL_AWS_TAGS"
_FORM: Final = """Write it as {"project": "genomes"}, or leave it out."""


def merged(given: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that were given and those of the environment; of two with one key the given one counts.

    :raises UsageError: when the environment's are no JSON object of texts.
    """
    return {key: value for key, value in _of_environment().items() if key != tags.OWNER} | dict(given)


def owner(key_pair_name: str) -> str:
    """Return who pays where no option says it: as Toil has it, the environment's word, else the key pair's name.

    :raises UsageError: as ``merged``.
    """
    return _of_environment().get(tags.OWNER) or os.environ.get(OWNER_VARIABLE) or key_pair_name


def _of_environment() -> dict[str, str]:
    text = os.environ.get(TAGS_VARIABLE, "")
    if not text.strip():
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise UsageError(f"{TAGS_VARIABLE} is not JSON.", _FORM) from None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise UsageError(f"{TAGS_VARIABLE} is not a JSON object of texts.", _FORM)
    return found
