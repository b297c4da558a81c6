"""What pip is asked to install: a requirement, or a file of them, checked for what cannot reach a leader.

A file becomes lines that stand alone: those that it refers to (``-r``, ``-c``) are read, comments are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement

from toilctl.values.errors import NotFoundError, UsageError

_COMMENT: Final = re.compile(r"(^|\s)#.*$")
_FLAGS: Final = frozenset({"--no-index", "--pre", "--prefer-binary", "--require-hashes"})
_VALUED: Final = frozenset(
    {"-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--no-binary", "--only-binary", "--trusted-host"}
)
_PER_REQUIREMENT: Final = re.compile(r"\s+--[a-z]")
_FORM: Final = "Write one a line, such as tabulate>=0.9."
_ENDINGS: Final = (".whl", ".tar.gz", ".zip")
_VERSION_CONTROL: Final = re.compile(r"(git|hg|svn|bzr)\+\w+://")


@dataclass(frozen=True)
class Requirements:
    """Lines as pip reads them, and constraints for them."""

    lines: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()


def read(path: Path) -> Requirements:
    """Read a file of requirements, and those that it refers to.

    :raises NotFoundError: when one of them is not there.
    :raises UsageError: when a line cannot be installed on a leader, or there is none.
    """
    found = list(_lines(path, "", ()))
    lines = tuple(line for is_constraint, line in found if not is_constraint)
    if not any(not line.startswith("-") for line in lines):
        raise UsageError(f"{path} has no requirement in it.", _FORM, path=path)
    return Requirements(lines, tuple(line for is_constraint, line in found if is_constraint))


def check(text: str, where: str = "") -> Requirement | None:
    """Read a requirement; None for a bare URL, whose name nobody knows.

    :raises UsageError: when it is none, is a path of this machine, or has credentials.
    """
    bare = _PER_REQUIREMENT.split(text)[0].strip()
    if _is_path(bare):
        _refuse_path(bare, where)
    try:
        requirement = Requirement(bare)
    except InvalidRequirement as error:
        if _VERSION_CONTROL.match(bare) or bare.startswith(("http://", "https://")):
            _check_url(bare, where)
            return None
        reason = str(error).splitlines()[0]
        raise UsageError(f"{where}{bare!r} is not a requirement: {reason}.", _FORM) from None
    if requirement.url:
        _check_url(requirement.url, where)
    return requirement


def _lines(path: Path, kind: str, above: tuple[Path, ...]) -> Iterator[tuple[bool, str]]:
    """Give each line of a file, and whether it is a constraint."""
    if path.resolve() in above:
        return
    for number, line in _joined(_text(path, above)):
        where = f"{path}, line {number}: "
        if not line.startswith("-"):
            check(line, where)
            yield kind == "-c", line
            continue
        name, value = _option(line, where)
        if name in ("-r", "-c"):
            inner = "-c" if "-c" in (name, kind) else ""
            yield from _lines(_beside(path, value, where), inner, (*above, path.resolve()))
        else:
            yield False, line


def _text(path: Path, above: tuple[Path, ...]) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        by = f", which {above[-1]} refers to" if above else ""
        raise NotFoundError(f"There is no file {path}{by}.", "Name the file of requirements.", path=path) from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not a text in UTF-8.", "Save it as one.", path=path) from None


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Give the lines that say something, with their numbers; one that ends with a backslash goes on in the next."""
    begun, since = "", 0
    for number, raw in enumerate(text.splitlines(), start=1):
        since = since if begun else number
        if raw.endswith("\\") and not raw.lstrip().startswith("#"):
            begun += raw[:-1]
            continue
        line, begun = _COMMENT.sub("", begun + raw).strip(), ""
        if line:
            yield since, line


def _option(line: str, where: str) -> tuple[str, str]:
    """Return an option's name, in pip's short form for files, and its value.

    :raises UsageError: when it cannot mean anything on a leader.
    """
    name, value = _split(line)
    name = {"--requirement": "-r", "--constraint": "-c", "--editable": "-e"}.get(name, name)
    if name == "-e":
        raise UsageError(
            f"{where}{line!r} would be installed editable, which Toil cannot send to workers.",
            f"Deploy that project itself: toilctl deploy NAME {value or 'PATH'}", requirement=line,
        )  # fmt: skip
    if name not in _FLAGS | _VALUED | {"-r", "-c"}:
        raise UsageError(f"{where}{name} cannot be used on a leader.", "Leave the line out.", option=name)
    if name in ("-f", "--find-links") and not urlsplit(value).scheme.startswith("http"):
        raise UsageError(
            f"{where}{value} is a path of this machine.", f"Give it as --wheelhouse {value} and leave the line out."
        )
    if "://" in value:
        _check_url(value, where)
    return name, value


def _split(line: str) -> tuple[str, str]:
    if not line.startswith("--"):
        return line[:2], line[2:].strip()
    name, *value = re.split(r"[=\s]+", line, maxsplit=1)
    return name, value[0].strip("\"'") if value else ""


def _beside(path: Path, value: str, where: str) -> Path:
    if "://" in value:
        raise UsageError(f"{where}{value} is no file of this machine.", "Download it, and name the copy.")
    return path.parent / value


def _is_path(text: str) -> bool:
    is_archive = text.endswith(_ENDINGS) and ":" not in text
    return is_archive or text.startswith((".", "/", "~", "file:"))


def _check_url(url: str, where: str) -> None:
    parts = urlsplit(url)
    if parts.scheme.endswith("file") or not parts.scheme:
        _refuse_path(url, where)
    # The user of ssh is no secret; what stands there for https may be a token.
    if parts.password or (parts.username and not parts.scheme.endswith("ssh")):
        shown = url.replace(parts.netloc, f"…@{parts.hostname}")
        raise UsageError(
            f"{where}{shown} has credentials in it, which would be kept on the leader.",
            "Make a wheel of it here (pip wheel --wheel-dir DIR URL), and give that with --wheelhouse DIR.",
        )


def _refuse_path(text: str, where: str) -> NoReturn:
    raise UsageError(
        f"{where}{text!r} is a path of this machine, which the leader does not have.",
        "Deploy that project itself, or put a wheel of it into a directory for --wheelhouse and name it here.",
        requirement=text,
    )
