"""The EC2 tags that toilctl sets, and those that nobody else may."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator

from docs.generate.markdown import code, page, plain, table
from toilctl.values import tags


def text() -> str:
    """Return the page."""
    resources, settings = _constants()
    forbidden = ", ".join(map(code, sorted(tags.RESERVED_KEYS)))
    return page(
        "Tags",
        "EC2's tags are a cluster's only memory outside the engine: no local file knows anything that they do not. "
        "They are set in the call that makes a resource.",
        "## On each resource",
        table(("tag", "means"), resources),
        "## On the security group: the cluster's settings",
        table(("tag", "means"), settings),
        "## Tags of your own",
        f"`--tag KEY=VALUE` adds one to everything that is made. A key may not be {forbidden}, nor begin with "
        f"{' or '.join(map(code, tags.RESERVED_PREFIXES))}. A value has at most {tags.MAX_VALUE_LENGTH} characters.",
    )


def _constants() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    body = ast.parse(inspect.getsource(tags)).body
    found: tuple[list[tuple[str, str]], list[tuple[str, str]]] = ([], [])
    of_settings = False
    for name, meaning in _documented(body):
        of_settings = of_settings or name == "STATE"
        value = getattr(tags, name)
        if isinstance(value, str) and (value.startswith("toilctl:") or name in ("NAME", "OWNER")):
            if not meaning:
                raise SystemExit(f"toilctl/values/tags.py does not say what {name} means.")
            found[of_settings].append((code(value), plain(meaning)))
    return found


def _documented(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for one, after in zip(body, [*body[1:], ast.Pass()], strict=True):
        if isinstance(one, ast.AnnAssign):
            documented = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            yield ast.unparse(one.target), str(after.value.value) if documented else ""  # type: ignore[attr-defined]
