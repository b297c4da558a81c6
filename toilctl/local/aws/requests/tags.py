"""Tags that EC2 and IAM refuse, and moto takes: "Tag restrictions" of both, and the patterns of IAM's type Tag."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from toilctl.local.aws.requests.call import Call
from toilctl.local.aws.requests.refusals import Protocol, Refusal

_TAG: Final = re.compile(r"((?:.*\.)?Tags?)(?:\.member)?\.(\d+)\.Key")
_TAKES_TAGS: Final = re.compile(r"(?:Create|Run|Tag|Request|Import)\w+")
_MOST: Final = 50
"""Moto counts EC2's, and those of roles."""
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
        for what, text, most in (("key", key, 128), ("value", value, 256)):
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
    if strict and len(seen) > _MOST:
        message = f"1 validation error detected: Value at 'tags' failed to satisfy constraint: at most {_MOST}"
        raise Refusal("ValidationError", message)


def _tags(call: Call) -> Iterator[tuple[str, str, str]]:
    """Yield where each tag stands, its key and its value."""
    for name, key in call.params.items():
        if match := _TAG.fullmatch(name):
            yield match[1], str(key), str(call.params.get(f"{name.removesuffix('Key')}Value", ""))


def _iam_takes(one: str) -> bool:
    return one in _PUNCTUATION or unicodedata.category(one)[0] in "LNZ"


def _invalid(strict: bool, message: str) -> Refusal:
    return Refusal("InvalidInput" if strict else "InvalidParameterValue", message)
