"""The JSON documents that ``--output json`` writes: the values that commands render, field by field."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import types
import typing
from collections.abc import Collection, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final

from docs.generate.markdown import code, page, plain, table
from toilctl.cli import commands
from toilctl.cli.base import render

_NAMES: Final = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null", Any: "anything"}


def text() -> str:
    """Return the page."""
    kinds: dict[str, list[Any]] = {}
    for path in sorted(Path(commands.__path__[0]).glob("*.py")):
        for kind, shown in _rendered(path.stem):
            if shown not in kinds.setdefault(kind, []):
                kinds[kind].append(shown)
    values: list[type] = []
    for shown in kinds.values():
        for one in shown:
            _type(one, values)
    # Only once all are known, names tell them apart.
    _sections(values)
    rows = [(code(kind), " or ".join(_type(one, values) for one in shown)) for kind, shown in sorted(kinds.items())]
    return page(
        "JSON documents",
        "With `--output json` a command writes one document to stdout, whatever happens; progress goes to stderr.",
        table(
            ("field", "type", "means"),
            [
                ("`toilctl`", "string", "The version that wrote it."),
                ("`schema`", "integer", f"The version of this form, now {render.SCHEMA}. It grows when a reader of the "
                 "older one would stumble."),
                ("`kind`", "string", "What `data` is, as the table below has it; `error` for an error."),
                ("`data`", "", "The result; not there in an error."),
                ("`error`", "object", "Only in an error: `code`, `message`, `next_step` and `facts`, an object with "
                 "the values that the message speaks of. [](exit-codes.md) has the codes."),
            ],
        ),
        "## Kinds",
        table(("kind", "`data`"), rows),
        "## Values",
        *_sections(values),
    )  # fmt: skip


def _rendered(module: str) -> Iterator[tuple[str, Any]]:
    """Yield kind and type of what a module of commands shows."""
    loaded = importlib.import_module(f"{commands.__name__}.{module}")
    tree = ast.parse(inspect.getsource(loaded))
    for function in (one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)):
        for call in (one for one in ast.walk(function) if isinstance(one, ast.Call)):
            if ast.unparse(call.func) in ("render.show", "_show") and isinstance(call.args[0], ast.Constant):
                kind, result, view = call.args
                yield str(kind.value), _shown(loaded, function, result, view)


def _shown(module: types.ModuleType, function: ast.FunctionDef, result: ast.expr, view: ast.expr) -> Any:
    if not isinstance(view, ast.Lambda):
        viewer = _follow(ast.unparse(view), vars(module))
        return next(iter(_hints(viewer).values()))
    # What no view shows was made by a call in the same function, of a verb that is imported there.
    (made,) = [
        one.value
        for one in ast.walk(function)
        if isinstance(one, ast.Assign)
        and isinstance(one.value, ast.Call)
        and ast.unparse(one.targets[0]) == ast.unparse(result)
    ]
    return _hints(_follow(ast.unparse(made.func), _imports(function)))["return"]


def _follow(name: str, known: Mapping[str, Any]) -> Any:
    first, *rest = name.split(".")
    found = known[first]
    for part in rest:
        found = getattr(found, part)
    return found


def _imports(tree: ast.AST) -> dict[str, Any]:
    """Return what the imports below a node bring, those for type checkers included."""
    found: dict[str, Any] = {}
    for one in ast.walk(tree):
        if isinstance(one, ast.ImportFrom) and one.module != "__future__":
            source = importlib.import_module(str(one.module))
            for name in one.names:
                whole = f"{one.module}.{name.name}"
                inner = hasattr(source, name.name)
                found[name.asname or name.name] = (
                    getattr(source, name.name) if inner else importlib.import_module(whole)
                )
    return found


def _hints(of: Any) -> dict[str, Any]:
    module = importlib.import_module(of.__module__)
    known = {**_imports(ast.parse(inspect.getsource(module))), **vars(module)}
    return typing.get_type_hints(of, globalns=known)


def _type(hint: Any, values: list[type]) -> str:
    """Say what JSON has for a type, and add the classes that need a section of their own."""
    if hint in _NAMES:
        return _NAMES[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_type(one, values) for one in arguments)
    if origin is not None and issubclass(origin, Mapping):
        return f"object (values: {_type(arguments[1], values)})"
    if origin is not None and issubclass(origin, Collection):
        return f"list of {_type(arguments[0], values)}"
    return _class(hint, values)


def _class(kind: Any, values: list[type]) -> str:
    if issubclass(kind, Enum):
        return " or ".join(code(one.value) for one in kind)
    if dataclasses.is_dataclass(kind) and "__str__" not in kind.__dict__:
        if kind not in values:
            values.append(kind)
        return _link(kind, values)
    if issubclass(kind, Mapping):
        return "object"
    return "list" if issubclass(kind, tuple) and not hasattr(kind, "parse") else _written(kind)


def _written(kind: type) -> str:
    return "list of string" if issubclass(kind, tuple) else "integer" if issubclass(kind, int) else "string"


def _link(kind: type, values: list[type]) -> str:
    name = _name(kind, values)
    return f"[{name}](#{name.lower().replace(' ', '-')})"


def _name(kind: type, values: list[type]) -> str:
    """Return what a class is called here; several verbs may have one of the same name."""
    alone = sum(one.__name__ == kind.__name__ for one in values) == 1
    return kind.__name__ if alone else f"{kind.__name__} of {kind.__module__.rpartition('.')[2]}"


def _sections(values: list[type]) -> list[str]:
    """Return the sections of all values, and add those that they are made of."""
    told = [_section(one, values) for one in values]
    return [section for _, section in sorted(zip((_name(one, values) for one in values), told, strict=True))]


def _section(kind: type, values: list[type]) -> str:
    hints, meanings = _hints(kind), _meanings(kind)
    rows = [
        (code(one.name), _type(hints[one.name], values), plain(meanings.get(one.name, "")))
        for one in dataclasses.fields(kind)
    ]
    head = f"### {_name(kind, values)}\n\n{plain(inspect.getdoc(kind) or '')}"
    return f"{head}\n\n{table(('field', 'type', 'means'), rows)}"


def _meanings(kind: type) -> dict[str, str]:
    """Return the docstrings below fields, of base classes, too."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__[:-1]):
        (tree,) = ast.parse(inspect.cleandoc(inspect.getsource(one))).body
        for before, after in zip(tree.body, tree.body[1:], strict=False):
            if isinstance(before, ast.AnnAssign) and isinstance(after, ast.Expr):
                found[ast.unparse(before.target)] = str(ast.literal_eval(after.value))
    return found
