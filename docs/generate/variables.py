"""The variables that playbooks and roles share, with the comments that stand at their defaults."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from docs.generate.markdown import code, page, plain, table
from toilctl.system import paths

_SECTION = re.compile(r"# --- (.*?) -+")
_ANOTHER = re.compile(r"\{\{ (\w+)(?: \| default\((?:''|\{\}|true|false)\))? \}\}")
"""A template that is another variable, or a constant where that is not set."""


def text() -> str:
    """Return the page."""
    root = paths.ansible_dir()
    return page(
        "Variables of playbooks and roles",
        "Set them with `-e` on `ansible-playbook`; toilctl sets them from its options. What is computed is made of "
        "others, of tags, or of the [environment](environment.md).",
        "## Playbooks",
        table(("playbook", "does"), _playbooks(root)),
        "## Shared variables",
        "[inventory/group_vars/all.yml](../../inventory/group_vars/all.yml) has them.",
        *_shared(root / "inventory/group_vars/all.yml"),
        "## Variables of one role",
        "They begin with its name, and stand where [the role](roles.md) is described.",
    )


def _playbooks(root: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(root.glob("playbooks/*.yml")):
        head = re.match(r"---\n((?:#.*\n)+)", path.read_text())
        yield code(path.name), plain(re.sub(r"^# ?", "", head[1], flags=re.MULTILINE) if head else "")


def _shared(path: Path) -> Iterator[str]:
    title, rows = "", []
    for section, name, about, value in _commented(path.read_text()):
        if section != title and rows:
            yield f"### {title}\n\n{table(('variable', 'means', 'default'), rows)}"
            rows = []
        title = section
        rows.append((code(name), about, shown(value)))
    yield f"### {title}\n\n{table(('variable', 'means', 'default'), rows)}"


def _commented(text: str) -> Iterator[tuple[str, str, str, Any]]:
    """Yield section, name, comment and value of each variable of a file."""
    values, title, about = yaml.safe_load(text), "", []
    for line in text.splitlines():
        if found := _SECTION.fullmatch(line):
            title, about = found[1][0].upper() + found[1][1:], []
        elif line.startswith("# "):
            about.append(line[2:])
        elif found := re.match(r"(\w+):", line):
            yield title, found[1], plain(" ".join(about)), values[found[1]]
            about = []
        elif not line:
            about = []


def shown(value: Any) -> str:
    """Return a default as a reader wants it."""
    if isinstance(value, str) and (found := _ANOTHER.fullmatch(value)):
        return f"as {code(found[1])}"
    if isinstance(value, str) and ("{{" in value or "{%" in value):
        return "computed"
    if isinstance(value, dict | list) and "{{" in str(value):
        return "computed"
    written = value if isinstance(value, str) else yaml.safe_dump(value, default_flow_style=True, width=10**6)
    written = str(written).removesuffix("\n...\n").strip()
    return code(written or '""')
