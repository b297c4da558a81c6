"""Exit codes: the classes of errors."""

from __future__ import annotations

from docs.generate.markdown import page, plain, table
from toilctl.values.errors import ToilctlError


def text() -> str:
    """Return the page."""
    classes = sorted(ToilctlError.__subclasses__(), key=lambda one: one.exit_code)
    rows = [
        ("0", "", "It is done, or there is nothing to do."),
        (str(ToilctlError.exit_code), f"`{ToilctlError.code}`", "Something unforeseen went wrong."),
        *((str(one.exit_code), f"`{one.code}`", plain(one.__doc__ or "")) for one in classes),
    ]
    return page(
        "Exit codes",
        table(("code", "name", "means"), rows),
        "`ssh-cluster`, `rsync-cluster`, `run --wait` and the commands for job stores pass on the exit code of what "
        "they ran.",
        "An error for people is a sentence and the next step, on stderr. With `--output json` it is a document with "
        "`code` (the name above), `message`, `next_step` and `facts`: [](json.md).",
    )
