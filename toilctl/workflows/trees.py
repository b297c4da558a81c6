"""Which files of a directory are a workflow's: not what version control, builds, caches and virtualenvs leave there.

Nor secrets, and what git is told to ignore: these are named, and sent only when somebody asks for them by name.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path
from typing import Final

from toilctl.nodes.plugin.sources.ignored import Ignored
from toilctl.nodes.plugin.sources.selection import KEYS

LEFT_OUT: Final = frozenset(
    """
    .git .hg .svn .bzr __pycache__ .mypy_cache .ruff_cache .pytest_cache .hypothesis .tox .nox .eggs .cache .venv
    .ipynb_checkpoints .idea .vscode node_modules .DS_Store
    """.split()  # noqa: SIM905 - words read best as words
)
_ENDINGS: Final = (".pyc", ".pyo", ".egg-info", ".swp", "~")
_BUILT: Final = ("build", "dist")
"""What building leaves in a project's directory; below it, they are names like others."""
SECRETS: Final = (
    ".env", ".env.*", ".envrc", ".aws", ".boto", ".s3cfg", ".rclone.conf", ".ssh", ".gnupg", ".netrc", "_netrc",
    ".pgpass", ".pypirc", ".npmrc", ".git-credentials", ".docker", ".kube", ".azure", ".vault-token", *KEYS,
)  # fmt: skip
"""Names of what programs keep credentials in."""
_NOT_SECRET: Final = (".py", ".pub", ".example", ".sample", ".template")
_OF_ENVIRONMENTS: Final = ("pyvenv.cfg", "conda-meta")


@dataclass(frozen=True)
class Tree:
    """What of a directory is sent; paths are relative to it, in order."""

    files: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    """Secrets, and what git ignores; a directory ends with a slash."""


def look(root: Path, include: Collection[str] = ()) -> Tree:
    """Return a directory's files; what a link leads to counts as lying there.

    Links that lead nowhere, sockets and the like are passed over.

    :param include: what is sent whatever its name: files, and directories with all that is in them.
    :raises OSError: when a directory cannot be read.
    """
    looked = _Look(root, frozenset(one.removeprefix("./").rstrip("/") for one in include))
    found = looked.walk(root, (root.resolve(),), _ignored_above(root))
    files = tuple(path.relative_to(root).as_posix() for path in found)
    return Tree(files, tuple(looked.left_out))


def digest(path: Path) -> str:
    """Return what tells a file's content, and whether it is executable, as the leader's ``deployment_files`` does.

    :raises OSError: when it cannot be read.
    """
    with path.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    return found + ("+x" if path.stat().st_mode & 0o100 else "")


def is_secret(root: Path, entry: Path) -> bool:
    """Tell whether a file or directory below a root has a secret's name, or is a link to what has one."""
    if not entry.is_symlink():
        return _is_secret(entry.name)
    # Whoever wrote a repository may have linked to the secrets of whoever deploys it, under any name.
    real, root = entry.resolve(), root.resolve()
    within = real.relative_to(root) if real.is_relative_to(root) else real
    return any(map(_is_secret, (entry.name, *within.parts)))


def is_package(directory: Path) -> bool:
    """Tell whether Python would import a directory."""
    return directory.is_dir() and directory.name.isidentifier() and any(_modules(directory))


def runnable(root: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return how the modules among a directory's files that are programs are run there, such as ``python -m a.b``."""
    return tuple(filter(None, (_run(root, name) for name in names if name.endswith(".py"))))


def parsed(path: Path) -> ast.Module:
    """Return a module's syntax tree.

    :raises SyntaxError: when this machine's Python cannot read it.
    """
    try:
        return ast.parse(path.read_bytes(), str(path))
    except ValueError as error:
        raise SyntaxError(str(error)) from error


class _Look:
    """A look through a directory."""

    def __init__(self, root: Path, include: Collection[str]) -> None:
        self._root, self._include = root, include
        self.left_out: list[str] = []

    def walk(
        self, directory: Path, above: tuple[Path, ...], ignored: _Lists, *, only_wanted: bool = False
    ) -> Iterator[Path]:
        ignored = ignored.below(directory)
        for entry in sorted(directory.iterdir()):
            is_directory = entry.is_dir()
            if not (is_directory or entry.is_file()) or _is_left_out(self._root, entry):
                continue
            name = entry.relative_to(self._root).as_posix()
            wanted = any(name == one or name.startswith(f"{one}/") for one in self._include)
            stays = not wanted and (only_wanted or is_secret(self._root, entry) or ignored.has(entry, is_directory))
            # What is asked for may lie deeper.
            if stays and not any(one.startswith(f"{name}/") for one in self._include):
                self.left_out.append(f"{name}/" if is_directory else name)
            elif is_directory:
                real = entry.resolve()
                # A link to a directory above would go round and round.
                if real not in above:
                    yield from self.walk(entry, (*above, real), ignored, only_wanted=stays)
            else:
                yield entry


@dataclass(frozen=True)
class _Lists:
    """Git's lists that hold in a directory of a repository."""

    repository: Path
    ignored: Ignored

    def below(self, directory: Path) -> _Lists:
        relative = directory.relative_to(self.repository).as_posix()
        return _Lists(self.repository, self.ignored.below(directory, "" if relative == "." else relative))

    def has(self, entry: Path, is_directory: bool) -> bool:
        return self.ignored.has(entry.relative_to(self.repository).as_posix(), is_directory=is_directory)


def _ignored_above(root: Path) -> _Lists:
    """Return the lists of a repository's directories above one in it; elsewhere none."""
    repository = next((one for one in (root, *root.parents) if (one / ".git").exists()), root)
    found = _Lists(repository, Ignored())
    within = [one for one in reversed((root, *root.parents)) if one.is_relative_to(repository)]
    for directory, inner in pairwise(within):
        found = found.below(directory)
        # As below a home directory that has its settings in git, and ignores all else: these lists are not for it.
        if found.has(inner, is_directory=True):
            return _Lists(root, Ignored())
    return found


def _is_secret(name: str) -> bool:
    return any(fnmatch(name, one) for one in SECRETS) and not name.endswith(_NOT_SECRET)


def _is_left_out(root: Path, entry: Path) -> bool:
    if entry.name in LEFT_OUT or entry.name.endswith(_ENDINGS):
        return True
    if entry.parent == root and entry.name in _BUILT and entry.is_dir():
        return not (entry / "__init__.py").is_file()
    return any((entry / name).exists() for name in _OF_ENVIRONMENTS)


def _modules(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*.py") if not LEFT_OUT & set(path.relative_to(directory).parts))


def _run(root: Path, name: str) -> str | None:
    try:
        tree = parsed(root / name)
    except SyntaxError:
        return None
    if not any(map(_is_guard, tree.body)):
        return None
    *packages, module = name.removesuffix(".py").split("/")
    if not packages:
        return f"python {name}"
    dotted = ".".join(packages if module == "__main__" else [*packages, module])
    return f"python -m {dotted}" if all(part.isidentifier() for part in dotted.split(".")) else None


def _is_guard(statement: ast.stmt) -> bool:
    """Tell whether a statement is ``if __name__ == "__main__":``."""
    if not isinstance(statement, ast.If) or not isinstance(statement.test, ast.Compare):
        return False
    sides = [statement.test.left, *statement.test.comparators]
    names = {side.id for side in sides if isinstance(side, ast.Name)}
    texts = {side.value for side in sides if isinstance(side, ast.Constant)}
    return "__name__" in names and "__main__" in texts
