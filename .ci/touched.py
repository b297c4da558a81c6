"""Print the tests of what differs from a commit: python .ci/touched.py [COMMIT].

Without one it is the last commit, or the one before where nothing has changed since. tests/unit has the same folders
as toilctl, so a module's tests are those of its folder; of roles, they are tests/unit/roles.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]


def touched(changed: Iterable[str]) -> list[str]:
    """Return the tests of changed files, as paths for pytest; a folder's stand for all in it."""
    found = sorted({test for name in changed for test in _tests(PurePosixPath(name))})
    return [one for one in found if not any(str(above) in found for above in PurePosixPath(one).parents)]


def _tests(path: PurePosixPath) -> Iterator[str]:
    first, *rest = path.parts
    if first == "toilctl":
        folder = PurePosixPath("tests/unit", *rest[:-1])
        yield str(next(one for one in (folder, *folder.parents) if (ROOT / one).is_dir()))
        if rest[0] == "verbs":
            # Most are tried by their commands.
            yield "tests/unit/cli/commands"
    elif first in ("roles", "playbooks", "inventory"):
        yield "tests/unit/roles"
        yield "tests/contract"
    elif path.name.startswith("test_") and path.suffix == ".py" and "e2e" not in path.parts and (ROOT / path).is_file():
        yield str(path)
    elif first == "tests" and "e2e" not in path.parts and len(rest) > 1 and (ROOT / path.parent).is_dir():
        yield str(path.parent)


def changed_since(commit: str) -> list[str]:
    """Return the files that differ from a commit, those that git does not know yet among them."""
    words = (["git", "diff", "--name-only", commit], ["git", "ls-files", "--others", "--exclude-standard"])
    return [name for one in words for name in subprocess.check_output(one, cwd=ROOT, text=True).splitlines()]


def main() -> None:
    """Print them, a line each."""
    commits = sys.argv[1:2] or ["HEAD", "HEAD~1"]
    changed = next(filter(None, map(changed_since, commits)), [])
    print(*touched(changed), sep="\n")


if __name__ == "__main__":
    main()
