"""Which modules and packages beside a script it needs, from its text alone: nothing is run or imported.

Only the first names count (``a`` of ``import a.b``), wherever an import stands, since jobs import in their functions. A
package comes whole.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from toilctl.values.errors import UsageError
from toilctl.workflows import trees

_IMPORTING: Final = frozenset({"__import__", "import_module", "importlib.import_module"})


def needed(root: Path, entry: Path, include: Collection[str] = ()) -> trees.Tree:
    """Return the files of a script or package and of all that it imports from ``root``.

    :param include: as ``trees.look``, of packages.
    :raises UsageError: when the script, or a module beside it, cannot be read as Python.
    """
    found, left_out = set[str](), set[str]()
    waiting, seen = [entry], {entry}
    while waiting:
        tree = _tree(root, waiting.pop(), include)
        found |= {*tree.files}
        left_out |= {*tree.left_out}
        for name in _imported(root, {*tree.files}):
            beside = _beside(root, name)
            if beside is None or beside in seen:
                continue
            seen.add(beside)
            if trees.is_secret(root, beside) and beside.name not in include:
                left_out.add(beside.name)
            else:
                waiting.append(beside)
    return trees.Tree(tuple(sorted(found)), tuple(sorted(left_out)))


def check_script(script: Path) -> None:
    """Make sure that a script can be one: it is Python, and does not import relatively.

    :raises UsageError: when it cannot.
    """
    for node in ast.walk(_read(script)):
        if isinstance(node, ast.ImportFrom) and node.level:
            raise UsageError(
                f"{script}, line {node.lineno}, imports relatively, as only a module of a package can.",
                f"Deploy the directory that has the package, {script.resolve().parent.parent}, and run it with "
                "python -m.",
                path=script, line=node.lineno,
            )  # fmt: skip


def _tree(root: Path, entry: Path, include: Collection[str]) -> trees.Tree:
    name = entry.relative_to(root).as_posix()
    if entry.is_file():
        return trees.Tree((name,))
    within = [one.removeprefix("./").removeprefix(f"{name}/") for one in include]
    found = trees.look(entry, within)
    return trees.Tree(*(tuple(f"{name}/{one}" for one in names) for names in (found.files, found.left_out)))


def _imported(root: Path, names: set[str]) -> Iterator[str]:
    for name in sorted(names):
        if not name.endswith(".py"):
            continue
        try:
            yield from _first_names(_read(root / name))
        except UsageError:
            # A package may have files that are never imported; what lies beside the script is.
            if "/" not in name:
                raise


def _read(path: Path) -> ast.Module:
    try:
        return trees.parsed(path)
    except SyntaxError as error:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise UsageError(
            f"{path}, line {error.lineno or 1}, is not Python {version}: {error.msg}.",
            "Correct it; if it is of a newer Python, run toilctl with that one.",
            path=path, line=error.lineno,
        ) from None  # fmt: skip


def _first_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in _IMPORTING and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value.partition(".")[0]


def _beside(root: Path, name: str) -> Path | None:
    """Return what Python would import by a name from a directory: a package, a module, or a directory of modules."""
    directory, module = root / name, root / f"{name}.py"
    # Python tells Bio from bio, also where the file system, as that of macOS, does not.
    names = {entry.name for entry in root.iterdir()} & {directory.name, module.name}
    if directory.name not in names and module.name not in names:
        return None
    if (directory / "__init__.py").is_file():
        return directory
    if module.is_file():
        return module
    return directory if trees.is_package(directory) else None
