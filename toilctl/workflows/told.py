"""Parts of a leader's answers, each of the kind and size that it has to be: what it says is data, never a command.

Every function raises ``ValueError`` for what does not fit.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from types import NoneType
from typing import Any, Final, TypeVar, get_args, get_type_hints

from toilctl.values.outside import brief

T = TypeVar("T")

MOST_ITEMS: Final = 100_000
"""Of a list or an object in an answer."""
MOST_LETTERS: Final = 128 * 1024
"""Of one text; Linux takes no longer argument (MAX_ARG_STRLEN in linux/binfmts.h)."""
MOST: Final = 10**15
"""No number of an answer is larger."""
_SHOWN: Final = 100
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
"""Of runs and deployments, as the leader has it, too: they are typed in commands."""
_PATH: Final = re.compile(r"(/[A-Za-z0-9_.+@-]+)+")


def text(value: Any) -> str:
    """Return a text."""
    if not isinstance(value, str) or len(value) > MOST_LETTERS:
        raise ValueError(f"{_shown(value)} is no text of at most {MOST_LETTERS} characters")
    return value


def name(value: Any) -> str:
    """Return the name of a run or deployment."""
    if not NAME.fullmatch(text(value)):
        raise ValueError(f"{_shown(value)} is no name of a run or deployment")
    return str(value)


def path(value: Any) -> str:
    """Return an absolute path on the leader, with nothing in it that a shell or rsync would take for more."""
    if not _PATH.fullmatch(text(value)) or ".." in value.split("/"):
        raise ValueError(f"{_shown(value)} is no path")
    return str(value)


def texts(value: Any) -> tuple[str, ...]:
    """Return a list of texts."""
    return tuple(map(text, items(value)))


def items(value: Any) -> list[Any]:
    """Return a list."""
    if not isinstance(value, list | tuple) or len(value) > MOST_ITEMS:
        raise ValueError(f"{_shown(value)} is no list of at most {MOST_ITEMS}")
    return list(value)


def mapping(value: Any) -> Mapping[str, Any]:
    """Return an object."""
    if not isinstance(value, Mapping) or len(value) > MOST_ITEMS:
        raise ValueError(f"{_shown(value)} is no object of at most {MOST_ITEMS}")
    return value


def number(value: Any) -> float:
    """Return a number that is not negative."""
    # Nor is it NaN.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST:
        raise ValueError(f"{_shown(value)} is no number that there can be")
    return value


def count(value: Any) -> int:
    """Return a whole number that is not negative."""
    if isinstance(value, float):
        raise ValueError(f"{_shown(value)} is no whole number")  # noqa: TRY004 - it is a matter of what was said
    return int(number(value))


def exit_code(value: Any) -> int | None:
    """Return a process' exit code; None is none yet. Python has that of a signal below 0."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not -255 <= value <= 255:
        raise ValueError(f"{_shown(value)} is no exit code")
    return value


def moment(value: Any) -> str:
    """Return a time in ISO 8601."""
    when(value)
    return str(value)


def when(value: Any) -> datetime:
    """Return a time in ISO 8601 as one; without an offset it is UTC."""
    try:
        found = datetime.fromisoformat(text(value))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from None


def program(value: Any) -> str:
    """Return how a program is run, such as ``python -m a.b``, as a shell takes it for these words and no more."""
    return shlex.join(shlex.split(text(value)))


def record(kind: type[T], value: Any, *, only: Collection[str] = ()) -> dict[str, Any]:
    """Return the fields of a dataclass that an object has: texts, numbers, booleans, and None where the class has it.

    :param only: their names; none is all.
    :raises KeyError: when one is missing for which the class has no default.
    """
    said, kinds = mapping(value), get_type_hints(kind)
    defaults = {one.name for one in fields(kind) if one.default is not MISSING}  # type: ignore[arg-type]
    names = [name for name in only or kinds if name in said or name not in defaults]
    return {name: _field(said[name], kinds[name]) for name in names}


def _field(value: Any, kind: Any) -> Any:
    kinds = get_args(kind) or (kind,)
    if value is None and NoneType in kinds:
        return None
    if bool in kinds:
        if isinstance(value, bool):
            return value
        raise ValueError(f"{_shown(value)} is neither true nor false")
    return text(value) if str in kinds else count(value)


def _shown(value: Any) -> str:
    # The text of a large number is slow, and of a very large one refused.
    return type(value).__name__ if isinstance(value, int) else brief(repr(value)[:_SHOWN], _SHOWN)
