"""Whether AWS takes the tags of the user's own, before anything is made that gets them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

from toilctl.values import tags
from toilctl.values.errors import UsageError

MOST: Final = tags.MAX_COUNT - tags.MOST_OF_OURS
_PUNCTUATION: Final = frozenset("_.:/=+-@")
_IAM_ALLOWS: Final = "Letters, digits, spaces and _ . : / = + - @ can be in a tag of the IAM roles that a cluster gets."


def distinct(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return tags by their keys.

    :raises UsageError: when a key is there twice; IAM takes no two that differ in the case of their letters alone.
    """
    found: dict[str, str] = {}
    for key, value in pairs:
        if key.casefold() in map(str.casefold, found):
            raise UsageError(f"The tag {_shown(key)} is there twice.", "Give it once, with one value.", key=key)
        found[key] = value
    return found


def check(own: Mapping[str, str], owner: str | None, *, of_roles: bool) -> None:
    """Make sure that AWS takes the tags.

    :param of_roles: whether IAM roles get them, too: IAM is stricter than EC2.
    :raises UsageError: naming the first that it does not take.
    """
    if len(own) > MOST:
        raise UsageError(
            f"There are {len(own)} tags, and a cluster has room for {MOST}.",
            f"EC2 allows {tags.MAX_COUNT} for one thing, and toilctl keeps {tags.MOST_OF_OURS} of them for its own.",
            tags=len(own), most=MOST,
        )  # fmt: skip
    for key, value in own.items():
        reserved = key.lower().startswith(tags.RESERVED_PREFIXES) or key in tags.RESERVED_KEYS
        if reserved or (of_roles and key.casefold() == tags.OWNER.casefold()):
            hint = "Use --owner for it." if key.casefold() == tags.OWNER.casefold() else "Choose another key."
            raise UsageError(f"The tag {_shown(key)} is toilctl's, Toil's or AWS's own.", hint, key=key)
        if len(key) > tags.MAX_KEY_LENGTH:
            raise UsageError(
                f"The tag {_shown(key)} is too long.",
                f"EC2 allows {tags.MAX_KEY_LENGTH} characters for keys and {tags.MAX_VALUE_LENGTH} for values.",
            )
        _check_characters(f"The key of the tag {_shown(key)}", key, of_roles=of_roles)
        _check_value(f"The value of the tag {_shown(key)}", value, of_roles=of_roles)
    if owner is not None:
        _check_value("--owner", owner, of_roles=of_roles)


def tidy(name: str) -> str:
    """Return a user's name on this machine as a tag's value that AWS takes."""
    return "".join(one if _iam_takes(one) else "-" for one in name)[: tags.MAX_VALUE_LENGTH]


def _check_value(what: str, value: str, *, of_roles: bool) -> None:
    if len(value) > tags.MAX_VALUE_LENGTH:
        raise UsageError(f"{what} is too long.", f"EC2 allows {tags.MAX_VALUE_LENGTH} characters for values.")
    _check_characters(what, value, of_roles=of_roles)


def _check_characters(what: str, text: str, *, of_roles: bool) -> None:
    takes = _iam_takes if of_roles else _ec2_takes
    refused = next((one for one in text if not takes(one)), None)
    if refused is not None:
        hint = _IAM_ALLOWS if of_roles else "Leave out control characters, such as line breaks."
        raise UsageError(f"{what} has the character {refused!r}.", hint, character=refused)


def _iam_takes(one: str) -> bool:
    """Tell whether a character is in IAM's pattern of tags: letters, separators, numbers and some punctuation."""
    return one in _PUNCTUATION or unicodedata.category(one)[0] in "LN" or unicodedata.category(one) == "Zs"


def _ec2_takes(one: str) -> bool:
    return unicodedata.category(one) not in ("Cc", "Cs", "Zl", "Zp")


def _shown(key: str) -> str:
    return repr(key if len(key) <= 40 else f"{key[:40]}…")
