"""A rehearsal cloud of the tests' own, and the real program in a home of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.e2e.world import World

LONGEST_FIRST = ("workflows", "spot", "autoscaler", "cluster", "mesos", "auto_deployment", "mishaps", "hosts")
"""Modules by how long they take: of several processes, none is left alone with a long one at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the modules that take longest first; the tests of each stay in their order."""
    order = {f"test_{name}.py": place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)) if item.path.parent.name == "e2e" else -1)


def world_with(image: str, factory: pytest.TempPathFactory, **environment: str) -> Iterator[World]:
    """Run a world for the length of its tests; whatever they left goes with it."""
    world = World(factory.mktemp(f"{image}-home"))
    world.env |= environment
    try:
        world.up(image)
        yield world
    finally:
        world.toilctl("local", "down")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world whose machine image has Docker and the appliance, as a site's own image may."""
    yield from world_with("prepared", tmp_path_factory)


@pytest.fixture(scope="module")
def plain_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world whose machine image is Debian alone, and which pulls the appliance from a registry."""
    yield from world_with("plain", tmp_path_factory)


@pytest.fixture(scope="module")
def mesos_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world whose appliance has Mesos, too: from the prefix that TOILCTL_MESOS_PREFIX names."""
    yield from world_with("prepared", tmp_path_factory, TOILCTL_MESOS_PREFIX=os.environ["TOILCTL_MESOS_PREFIX"])
