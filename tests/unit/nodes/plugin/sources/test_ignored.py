"""Git's lists, held against git itself."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.checkout import ROOT

sys.path.insert(0, str(ROOT / "roles/appliance/files"))
from toilctl_plugin.sources.ignored import Ignored

PATHS = ("a.py", "b.txt", "data/a.py", "data/c/b.txt", "x/data/a.py", "x/y/z.py", "x y", "#x", "!x", "a[1].py",
         "ab.py")  # fmt: skip
PATTERNS = (
    "*.txt", "data", "data/", "/data", "data/*", "x/**", "**/data", "**/y", "x/**/z.py", "!a.py", "!data/c/", "*",
    "!*.py", "a?.py", "[ab].py", "[!a].py", "a[[]1].py", "\\#x", "\\!x", "#a.py", "x\\ y", "x y  ", "y/z.py", "/x/y",
    "", "/", "**", "a**.py", "z-[z-a]", "[", "a\\",
)  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("git"):
        pytest.skip("there is no git to compare with")
    root = tmp_path_factory.mktemp("tree")
    for path in PATHS:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root


def by_git(root: Path) -> set[str]:
    listed = subprocess.run(
        ["git", "-c", "core.excludesFile=/dev/null", "ls-files", "-z", "--others",
         "--exclude-per-directory=.gitignore"],
        cwd=root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(listed.stdout.split("\0")) & set(PATHS)


def by_us(root: Path) -> set[str]:
    found, pending = set(), [("", Ignored())]
    while pending:
        relative, above = pending.pop()
        ignored = above.below(root / relative, relative)
        for entry in (root / relative).iterdir():
            path = f"{relative}/{entry.name}" if relative else entry.name
            if entry.name == ".git" or ignored.has(path, is_directory=entry.is_dir()):
                continue
            if entry.is_dir():
                pending.append((path, ignored))
            else:
                found.add(path)
    return found & set(PATHS)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_pattern_means_what_it_means_to_git(tree: Path, pattern: str) -> None:
    (tree / ".gitignore").write_text(f"{pattern}\n")
    (tree / "x/.gitignore").write_text("")
    assert by_us(tree) == by_git(tree)


@given(st.lists(st.sampled_from(PATTERNS), max_size=5), st.lists(st.sampled_from(PATTERNS), max_size=3))
def test_several_lists_mean_what_they_mean_to_git(tree: Path, outer: list[str], inner: list[str]) -> None:
    (tree / ".gitignore").write_text("\n".join(outer))
    (tree / "x/.gitignore").write_text("\n".join(inner))
    assert by_us(tree) == by_git(tree)
