"""Replacing parts of moto for as long as a cloud runs, so that each cloud starts from the same moto."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from functools import partial
from typing import Any


class Patches:
    """Replacements that can be undone, in the reverse order."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], object]] = []

    def replace(self, owner: Any, name: str, value: Any) -> Any:
        """Set an attribute of a class or module; return what it was."""
        before = vars(owner)[name]
        self._undo.append(lambda: setattr(owner, name, before))
        setattr(owner, name, value)
        return before

    def add(self, owner: Any, name: str, value: Any) -> None:
        """Set an attribute that a class or module lacks."""
        self._undo.append(lambda: delattr(owner, name))
        setattr(owner, name, value)

    def update(self, mapping: MutableMapping[str, Any], **items: Any) -> None:
        """Add items to a module's table."""
        for key, value in items.items():
            known = key in mapping
            self._undo.append(partial(mapping.__setitem__, key, mapping[key]) if known else partial(mapping.pop, key))
            mapping[key] = value

    def undo(self) -> bool:
        """Put everything back; return whether there was anything to put back."""
        any_left = bool(self._undo)
        while self._undo:
            self._undo.pop()()
        return any_left
