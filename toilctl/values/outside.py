"""What others wrote, taken as data: documents and packed files within bounds, and text that a terminal only shows.

Jobs, leaders, EC2's tags and files that somebody copied are outside. Code on nodes has rules of its own, since it has
the standard library alone.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any, Final, NoReturn

MOST_CHARACTERS: Final = 64 * 1024**2
"""Of one document; the report of a thousand nodes has less than one in a hundred of it."""
MOST_DEPTH: Final = 50
"""How deep lists and objects may stand in each other; what toilctl writes has less than ten."""
MOST_UNPACKED: Final = 128 * 1024**2
"""Bytes of a file, unpacked; a leader's journals have 50 MB together."""
MOST_LINES: Final = 2_000_000
"""Of a file; the trace of a run has three for each job."""
MOST_SHOWN: Final = 500
"""Characters of a sentence of somebody else's inside one of ours."""
_OF_LOGS: Final = re.compile(r"(\x1b\[[0-9;]{0,32}m|[\n\r\t]+)")
"""ECMA-48, Select Graphic Rendition: it changes how what follows looks, and nothing else."""
_PIECE: Final = 64 * 1024
_MAGIC: Final = b"\x1f\x8b"
"""How every file of gzip's begins."""


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def document(text: str | bytes, most: int = MOST_CHARACTERS, otherwise: Callable[[str], Any] = _no_number) -> Any:
    """Read a JSON document.

    :param otherwise: reads what is no number and Python writes among them: NaN, and infinities.
    :raises ValueError: when it is none, too long, too deep, or has numbers that JSON does not have.
    """
    if len(text) > most:
        raise ValueError(f"it has more than {most} characters")
    try:
        found = json.loads(text, parse_constant=otherwise)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    _check_depth(found)
    return found


def unpacked(content: bytes, most: int = MOST_UNPACKED) -> Iterator[bytes]:
    """Yield what gzip packed, or the content as it is, in pieces; of what is cut off or damaged, what comes before.

    :raises ValueError: when there is more than ``most`` bytes of it.
    """
    is_packed = content.startswith(_MAGIC)
    opened = gzip.GzipFile(fileobj=BytesIO(content)) if is_packed else BytesIO(content)
    size = 0
    while piece := _piece(opened):
        size += len(piece)
        if size > most:
            raise ValueError(f"it has more than {most // 1024**2} MiB")
        yield piece


def lines(content: bytes, most: int = MOST_UNPACKED, most_lines: int = MOST_LINES) -> Iterator[str]:
    """Yield a file's lines, packed by gzip or not: only a line feed ends one, whatever else a name in it has.

    :raises ValueError: as ``unpacked``, and when there are more than ``most_lines``.
    """
    count, begun = 0, bytearray()
    for piece in unpacked(content, most):
        ended, line_feed, last = piece.rpartition(b"\n")
        if line_feed:
            for line in ended.split(b"\n"):
                count += 1
                if count > most_lines:
                    raise ValueError(f"it has more than {most_lines} lines")
                yield _line(begun + line)
                begun.clear()
        begun += last
    if begun:
        yield _line(begun)


def plain(text: str) -> str:
    """Return text as a terminal may have it: what would steer it, or turn the order of a line, is written out.

    Line feeds stay: see ``one_line`` for what is to be part of a line.
    """
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(one if one == "\n" or one.isprintable() else _written_out(one) for one in text)


def one_line(text: str) -> str:
    """Return text as ``plain`` does, with line feeds written out, too: a name cannot look like a line of ours."""
    return text if text.isprintable() else "".join(one if one.isprintable() else _written_out(one) for one in text)


def coloured(text: str) -> str:
    """Return a log as ``plain`` does, but with its colours, tabulators and carriage returns."""
    # What was split at stands at the odd places.
    return "".join(one if at % 2 else one_line(one) for at, one in enumerate(_OF_LOGS.split(text)))


def brief(text: str, most: int = MOST_SHOWN) -> str:
    """Return somebody else's sentence for one of ours: in one line, and not endless."""
    return one_line(cut(" ".join(text[: 2 * most].split()), most))


def cut(text: str, most: int = MOST_SHOWN) -> str:
    """Return a text of at most so many characters, which tells where it was longer."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _written_out(one: str) -> str:
    # Tabulators and the blanks of other alphabets are blanks: only what they do to columns is not wanted.
    if one == "\t" or (one.isspace() and ord(one) > 0xFF and one not in "\u2028\u2029") or one == "\xa0":
        return " "
    return one.encode("ascii", "backslashreplace").decode() if ord(one) > 0x7F else repr(one)[1:-1]


_TOO_DEEP: Final = f"it has lists and objects more than {MOST_DEPTH} deep"


def _check_depth(found: Any) -> None:
    level = [found]
    for _ in range(MOST_DEPTH):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise ValueError(_TOO_DEEP)


def _piece(opened: gzip.GzipFile | BytesIO) -> bytes:
    try:
        return opened.read1(_PIECE)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return b""


def _line(content: bytearray) -> str:
    return content.decode(errors="replace").removesuffix("\r")
