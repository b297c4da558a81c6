"""Why something was not done, as toilctl tells its user."""

from __future__ import annotations

from typing import Any


class RefusedError(Exception):
    """One of ``toilctl.errors``, by its code; ``next_step`` is a sentence."""

    def __init__(self, code: str, message: str, next_step: str, **facts: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.next_step = next_step
        self.facts = facts

    def document(self) -> dict[str, Any]:
        """Return what ``toilctl.verbs.leader`` reads."""
        return {"code": self.code, "message": self.message, "next_step": self.next_step, "facts": self.facts}
