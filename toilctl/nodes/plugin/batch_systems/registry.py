"""Toil's registry of batch systems, in which a built-in one gives way to a subclass under the same key."""

from __future__ import annotations

from collections.abc import Callable


def replace_batch_system(key: str, factory: Callable[[], type]) -> None:
    """Let ``--batchSystem KEY`` mean what the factory returns.

    :raises ImportError: when this Toil takes no factories.
    """
    from toil.batchSystems import registry
    from toil.batchSystems.registry import add_batch_system_factory

    add_batch_system_factory(key, factory)
    # Up to 8.2, Toil lists a key that is given again twice, and then cannot make its options.
    keys = getattr(registry, "_registry_keys", [])
    if keys.count(key) > 1:
        keys.remove(key)
