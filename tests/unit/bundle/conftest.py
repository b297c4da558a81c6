"""An archive of the toilctl under test, made once."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from toilctl import bundle


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/toilctl"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> bundle.Bundle:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        return bundle.make()


@pytest.fixture
def kept(made: bundle.Bundle, cache: Path) -> bundle.Bundle:
    """The archive in the test's own cache, as an earlier command left it there."""
    path = cache / "bundles" / made.path.name
    path.parent.mkdir(parents=True)
    shutil.copy2(made.path, path)
    return replace(made, path=path)
