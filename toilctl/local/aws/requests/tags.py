"""Tags that EC2 and IAM refuse, and moto takes: "Tag restrictions" of both, and the patterns of IAM's type Tag."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import Final

from toilctl.local.aws.requests.call import Call
from toilctl.local.aws.requests.refusals import Protocol, Refusal
from toilctl.values.tags import MAX_COUNT, MAX_KEY_LENGTH, MAX_VALUE_LENGTH

_TAG: Final = re.compile(r"((?:.*\.)?Tags?)(?:\.member)?\.(\d+)\.Key")
_TAKES_TAGS: Final = re.compile(r"(?:Create|Run|Tag|Request|Import)\w+")
_OF_TEMPLATE: Final = "LaunchTemplateData."
"""Tags of what a launch template will make: EC2 counts them where it is used."""
_PUNCTUATION: Final = frozenset("_.:/=+-@")


def check(call: Call) -> None:
    """Refuse a call of EC2's or IAM's for the first of its tags that AWS would not take.

    :raises Refusal: naming it.
    """
    if call.service not in ("ec2", "iam") or not _TAKES_TAGS.fullmatch(call.action):
        return
    strict = call.protocol is Protocol.QUERY
    seen = set[tuple[str, str]]()
    for group, key, value in _tags(call):
        if key.lower().startswith("aws:"):
            raise _invalid(strict, "Tag keys starting with 'aws:' are reserved for internal use")
        for what, text, most in (("key", key, MAX_KEY_LENGTH), ("value", value, MAX_VALUE_LENGTH)):
            if len(text) > most:
                raise _invalid(strict, f"Tag {what} exceeds the maximum length of {most} characters")
            if strict and not all(map(_iam_takes, text)):
                message = f"1 validation error detected: Value at 'tags.1.member.{what}' failed to satisfy constraint"
                raise Refusal("ValidationError", message)
        # IAM's keys differ by more than the case of their letters.
        known = (group, key.casefold() if strict else key)
        if known in seen:
            raise _invalid(strict, f"Duplicate tag key '{key}' specified.")
        seen.add(known)
    counted = Counter(group for group, _ in seen if not group.startswith(_OF_TEMPLATE))
    if max(counted.values(), default=0) <= MAX_COUNT:
        return
    if strict:
        message = f"1 validation error detected: Value at 'tags' failed to satisfy constraint: at most {MAX_COUNT}"
        raise Refusal("ValidationError", message)
    raise too_many()


def too_many() -> Refusal:
    """Return EC2's refusal of one tag more than a resource can have."""
    return Refusal("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")


def _tags(call: Call) -> Iterator[tuple[str, str, str]]:
    """Yield where each tag stands, its key and its value."""
    for name, key in call.params.items():
        if match := _TAG.fullmatch(name):
            yield match[1], str(key), str(call.params.get(f"{name.removesuffix('Key')}Value", ""))


def _iam_takes(one: str) -> bool:
    return one in _PUNCTUATION or unicodedata.category(one)[0] in "LNZ"


def _invalid(strict: bool, message: str) -> Refusal:
    return Refusal("InvalidInput" if strict else "InvalidParameterValue", message)
