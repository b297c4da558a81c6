"""What roles install with apt, where one of a node's sources is gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.checkout import ROOT

APT = "ansible.builtin.apt"
FILES = sorted(path for path in (ROOT / "roles").glob("*/tasks/*.yml") if APT in path.read_text())


def packages(tasks: list[dict[str, Any]], saved: list[dict[str, Any]] | None = None) -> Iterator[tuple[Any, Any]]:
    """Find each use of apt outside of rescues, and the tasks that come to its rescue."""
    for task in tasks:
        if APT in task:
            yield task[APT], saved or []
        yield from packages(task.get("block", []), task.get("rescue", []))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_packages_are_installed_from_the_lists_that_could_be_had_when_the_update_fails(path):
    (found,) = packages(yaml.safe_load(path.read_text()))
    asked, rescue = found
    assert asked["update_cache"] is True
    assert [one[APT] for one in rescue] == [{**asked, "update_cache": False}]


def test_each_role_that_installs_packages_is_looked_at():
    assert {path.parts[-3] for path in FILES} == {"autoscaler", "docker", "shared_storage", "storage"}
