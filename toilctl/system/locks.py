"""Locks between processes of one machine; the system releases them however a process ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Held(Exception):
    """Another process holds the lock."""


@contextmanager
def locked(file: Path, *, wait: bool) -> Iterator[None]:
    """Hold a file's lock; the file stays.

    :param wait: whether to wait for another process that holds it.
    :raises Held: when another process holds it and there is no waiting.
    :raises OSError: when the file cannot be written, or its file system has no locks.
    """
    import filelock

    # A soft lock would outlive a process that is killed.
    lock = filelock.FileLock(file, mode=0o600, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire(blocking=wait)
    except filelock.Timeout:
        raise Held(str(file)) from None
    try:
        yield
    finally:
        lock.release()
