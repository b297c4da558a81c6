"""Write the pages of the reference to docs/reference, and what roles' READMEs have from argument specs.

With a directory on the command line, write the pages there, and leave the READMEs alone.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from docs.generate import (
    commands,
    documents,
    environment,
    exit_codes,
    faults,
    metrics,
    permissions,
    roles,
    settings,
    tags,
    toil_options,
    variables,
)
from docs.generate.markdown import page

PAGES: Final = {
    "commands": commands.text,
    "settings": settings.text,
    "toil-options": toil_options.text,
    "environment": environment.text,
    "exit-codes": exit_codes.text,
    "json": documents.text,
    "metrics": metrics.text,
    "faults": faults.text,
    "variables": variables.text,
    "roles": roles.text,
    "tags": tags.text,
    "permissions": permissions.text,
}


def index(names: tuple[str, ...]) -> str:
    """Return the contents of the reference."""
    return page(
        "Reference",
        "These pages are made of the code by `make docs`. A test fails when they differ.",
        "\n".join(["```{toctree}", *names, "```"]),
    )


def main() -> None:
    """Write all that is made, and remove the pages that are none any more."""
    directory = Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parents[1] / "reference"
    directory.mkdir(parents=True, exist_ok=True)
    texts = {name: text() for name, text in PAGES.items()} | {"index": index(tuple(PAGES))}
    for name, text in texts.items():
        (directory / f"{name}.md").write_text(text)
    for path in directory.glob("*.md"):
        if path.stem not in texts:
            path.unlink()
    if not sys.argv[1:]:
        for path, text in roles.readmes().items():
            path.write_text(text)


if __name__ == "__main__":
    main()
