"""Which image a cluster gets: by tag at the first launch, by digest from then on."""

from __future__ import annotations

import pytest

from toilctl.system import image_registry
from toilctl.values.cluster import Engine
from toilctl.verbs.provisioner import Provisioner
from toilctl.verbs.settings import software
from toilctl.verbs.settings.software import Software, SoftwareWish

NAME = "registry.example:5000/me/x:1"
FIRST, SECOND = (f"{NAME}@sha256:{digit * 64}" for digit in "12")
HAD = Software(Engine.SLURM, FIRST, "the first launch")


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry in which the tag has moved on."""
    monkeypatch.delenv("TOIL_APPLIANCE_SELF", raising=False)
    monkeypatch.setattr(image_registry, "check", lambda image, *_: image if "@" in image else f"{image}@{SECOND[-71:]}")


def chosen(named: str | None, had: Software | None = HAD) -> str:
    return software.choose(SoftwareWish(Engine.SLURM, named, had), "x86_64", Provisioner()).appliance_image


def test_new_cluster_gets_the_digest_of_its_tag() -> None:
    assert chosen(NAME, None) == SECOND


@pytest.mark.parametrize("named", [None, NAME, FIRST])
def test_cluster_keeps_its_digest_though_the_tag_has_moved_on(named: str | None) -> None:
    assert chosen(named) == FIRST


@pytest.mark.parametrize("named", ["registry.example:5000/me/x:2", SECOND])
def test_another_image_is_another_image(named: str) -> None:
    assert chosen(named) != FIRST
