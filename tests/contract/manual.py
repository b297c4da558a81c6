"""The manual's pages, and what stands in them: the README, how to contribute, and docs."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.checkout import ROOT

README: Final = ROOT / "README.md"
PAGES: Final = (README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
TEXT: Final = "\n".join(path.read_text() for path in PAGES)
FENCE: Final = re.compile(r"^(`{3,})(\{?\w*\}?)[^\n]*\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
FENCED: Final = [(path, language, block) for path in PAGES for _, language, block in FENCE.findall(path.read_text())]


def words_of(block: str) -> Iterator[list[str]]:
    """Yield the command lines of a block for a shell, without variables before them."""
    for line in block.replace("\\\n", " ").splitlines():
        words = shlex.split(re.sub(r"^(\w+=\S+ )+", "", line.removeprefix("$ ")), comments=True)
        if words:
            yield words


def command_lines(program: str, *pages: Path) -> list[list[str]]:
    """Return the command lines of a program, in the order of the pages; each once."""
    found = [
        words
        for page, language, block in FENCED
        if language == "sh" and page in (pages or PAGES)
        for words in words_of(block)
        if words[0] == program
    ]
    return [words for at, words in enumerate(found) if words not in found[:at]]


def prose(path: Path) -> str:
    """Return a page without its blocks of code."""
    return FENCE.sub("", path.read_text())


def included(path: Path) -> list[Path]:
    """Return the files that a page takes in."""
    return [(path.parent / name).resolve() for name in re.findall(r"^```\{include\} (\S+)$", path.read_text(), re.M)]
