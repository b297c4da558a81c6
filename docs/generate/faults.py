"""The faults of the rehearsal cloud."""

from __future__ import annotations

from collections.abc import Iterator

from docs.generate.markdown import code, page, plain, sentence, table
from toilctl.local.aws.base.faults import ANY, KINDS, FaultKind


def text() -> str:
    """Return the page."""
    rows = (
        (code(name), plain(sentence(kind.summary[0].upper() + kind.summary[1:])), ", ".join(_parameters(kind)))
        for name, kind in KINDS.items()
    )
    return page(
        "Faults of the rehearsal cloud",
        "`toilctl local fault NAME [KEY=VALUE]...` sets one, `toilctl local fault` lists those that are set, and "
        f"`toilctl local fault --clear` clears them. `{ANY}` stands for all. [](../how-to/rehearse.md) has examples.",
        table(("fault", "what happens", "parameters"), rows),
    )


def _parameters(kind: FaultKind) -> Iterator[str]:
    defaults = {**kind.where, **{name: default for name, (_, default) in kind.how.items()}}
    for name, default in defaults.items():
        shown = f"{name}={default:g}" if isinstance(default, float) else f"{name}={default}"
        yield code(name) if type(default) is object else code(shown)
