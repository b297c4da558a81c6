"""Which files of a directory are a workflow's: not what version control, builds, caches and virtualenvs leave there."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LEFT_OUT: Final = frozenset(
    """
    .git .hg .svn .bzr __pycache__ .mypy_cache .ruff_cache .pytest_cache .hypothesis .tox .nox .eggs .cache .venv
    .ipynb_checkpoints .idea .vscode node_modules .DS_Store
    """.split()  # noqa: SIM905 - words read best as words
)
_ENDINGS: Final = (".pyc", ".pyo", ".egg-info", ".swp", "~")
_BUILT: Final = ("build", "dist")
"""What building leaves in a project's directory; below it, they are names like others."""
_OF_ENVIRONMENTS: Final = ("pyvenv.cfg", "conda-meta")


def files(root: Path) -> tuple[str, ...]:
    """Return a directory's files, relative to it, in order; what a link leads to counts as lying there.

    Links that lead nowhere, sockets and the like are passed over.

    :raises OSError: when a directory cannot be read.
    """
    return tuple(path.relative_to(root).as_posix() for path in _walk(root, root, (root.resolve(),)))


def digest(path: Path) -> str:
    """Return what tells a file's content, and whether it is executable, as the leader's ``deployment_files`` does.

    :raises OSError: when it cannot be read.
    """
    with path.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    return found + ("+x" if path.stat().st_mode & 0o100 else "")


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


def _walk(root: Path, directory: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    for entry in sorted(directory.iterdir()):
        if _is_left_out(root, entry):
            continue
        if entry.is_dir():
            real = entry.resolve()
            # A link to a directory above would go round and round.
            if real not in above:
                yield from _walk(root, entry, (*above, real))
        elif entry.is_file():
            yield entry


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
