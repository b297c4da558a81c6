"""The roles' own READMEs, one after the other; and what stands in them that argument specs and defaults say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from docs.generate.markdown import code, page, plain, sentence, table
from docs.generate.variables import shown
from toilctl.system import paths

_HEAD: Final = ("variable", "type", "means", "default")
_PART: Final = re.compile(
    r"(<!-- (?P<name>\w+): made by python -m docs\.generate -->\n).*?(<!-- end of (?P=name) -->)", re.DOTALL
)


def text() -> str:
    """Return the page."""
    return page(
        "Roles",
        "What each role does and expects, as its README has it. Variables are of a role alone, or "
        "[shared](variables.md#shared-variables).",
        *(f"```{{include}} ../../roles/{name}/README.md\n:heading-offset: 1\n```" for name in names()),
    )


def names() -> list[str]:
    """Return the roles, sorted."""
    return sorted(path.parent.name for path in _roles().glob("*/README.md"))


def readmes() -> dict[Path, str]:
    """Return each role's README as it should be: what stands between its marks made anew, all else as it is.

    :raises KeyError: when a README has a mark of which nothing is known.
    """
    paths_of = {name: _roles() / name / "README.md" for name in names()}
    return {path: _filled(path.read_text(), _parts(name)) for name, path in paths_of.items()}


def _roles() -> Path:
    return paths.ansible_dir() / "roles"


def _filled(readme: str, parts: Mapping[str, str]) -> str:
    return _PART.sub(lambda found: f"{found[1]}\n{parts[found['name']]}\n\n{found[3]}", readme)


def _parts(role: str) -> dict[str, str]:
    """Return what can stand in a role's README, by the name in its marks."""
    entries = _yaml(_roles() / role / "meta/argument_specs.yml")["argument_specs"]
    tasks = ((code(name), plain(sentence(entry["short_description"]))) for name, entry in entries.items())
    return {"tasks": table(("tasks", "do"), tasks), "variables": "\n\n".join(_variables(role, entries))}


def _variables(role: str, entries: Mapping[str, Any]) -> Iterator[str]:
    """Yield the role's own variables, and those that it shares."""
    group_vars = paths.ansible_dir() / "inventory/group_vars"
    shared = _yaml(group_vars / "all.yml") | _yaml(group_vars / "aws_ec2.yml")
    own = _yaml(_roles() / role / "defaults/main.yml")
    options = {name: option for entry in entries.values() for name, option in entry.get("options", {}).items()}
    tasks = {name: [one for one, entry in entries.items() if name in entry.get("options", {})] for name in options}

    def rows(which: Iterable[str], defaults: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
        for name in which:
            means = _means(options[name], [] if "main" in tasks[name] else tasks[name])
            yield code(name), _kind(options[name]), means, shown(defaults[name]) if name in defaults else ""

    if mine := [name for name in options if name not in shared]:
        yield table(_HEAD, rows(mine, own))
    if others := [name for name in options if name in shared]:
        yield "Shared, with defaults in [inventory/group_vars](../../inventory/group_vars/all.yml):"
        yield table(_HEAD, rows(others, shared))


def _means(option: Mapping[str, Any], tasks: list[str]) -> str:
    only = f" Only for {' and '.join(map(code, tasks))}." if tasks else ""
    return plain(sentence(str(option["description"]))) + only


def _kind(option: Mapping[str, Any]) -> str:
    one = f"list of {option['elements']}" if "elements" in option else str(option["type"])
    one += f" of {', '.join(map(code, option['options']))}" if "options" in option else ""
    one = " or ".join(map(code, option["choices"])) if "choices" in option else one
    return f"{one}, required" if option.get("required") else one


def _yaml(path: Path) -> dict[str, Any]:
    return (yaml.safe_load(path.read_text()) or {}) if path.is_file() else {}
