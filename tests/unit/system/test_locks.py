from __future__ import annotations

from pathlib import Path

import pytest

from toilctl.system import locks


def test_lock_is_one_holders_at_a_time_and_its_file_stays(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    with locks.locked(file, wait=False), pytest.raises(locks.Held), locks.locked(file, wait=False):
        pass
    with locks.locked(file, wait=True):
        assert file.exists()
    assert file.stat().st_mode & 0o077 == 0


def test_place_that_cannot_be_written_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to("/proc/version/x")
    with pytest.raises(OSError), locks.locked(tmp_path / "lock", wait=True):  # noqa: PT011 - its words are the system's
        pass


def test_failure_under_the_lock_releases_it(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locks.locked(tmp_path / "lock", wait=False):
        raise KeyError
    with locks.locked(tmp_path / "lock", wait=False):
        pass
