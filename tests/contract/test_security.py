"""What the manual says of who can do what is shown by tests that are there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.checkout import ROOT

PAGES = [ROOT / "docs/explanation" / name for name in ("security.md", "secrets.md", "supply-chain.md")]
TEST = re.compile(r"`(tests/[\w/.]+\.py)::(\w+)`")
LINES = re.compile(r"^\| (?:can|cannot) \|.*\|$", re.MULTILINE)


@cache
def names_in(path: Path) -> frozenset[str]:
    if not path.is_file():
        return frozenset()
    functions = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef))
    return frozenset(one.name for one in functions)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_is_named_is_there(page: Path) -> None:
    named = TEST.findall(page.read_text())
    assert named
    assert [f"{path}::{name}" for path, name in named if name not in names_in(ROOT / path)] == []


def test_every_line_of_what_one_can_and_cannot_do_names_a_test() -> None:
    lines = LINES.findall(PAGES[0].read_text())
    assert lines
    assert [line for line in lines if not TEST.search(line)] == []


def test_containers_read_the_secrets_of_their_node() -> None:
    role = yaml.safe_load((ROOT / "roles/appliance/vars/main.yml").read_text())
    slurm = yaml.safe_load((ROOT / "roles/slurm/vars/main.yml").read_text())
    shared = yaml.safe_load((ROOT / "inventory/group_vars/all.yml").read_text())
    assert "/etc/toilctl:/etc/toilctl:ro" in role["appliance_base_volumes"]
    secrets = (shared["sse_key_path"], shared["custom_init_directory"], slurm["slurm_munge_key"])
    assert all(Path(one).is_relative_to("/etc/toilctl") for one in secrets)
