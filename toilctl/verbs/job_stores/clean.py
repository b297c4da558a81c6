"""clean: a job store is deleted, when nobody uses it and somebody wants it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from toilctl.system import progress
from toilctl.values.errors import ConflictError, UsageError
from toilctl.verbs.job_stores import job_stores
from toilctl.verbs.job_stores.toil import Toil
from toilctl.workflows.job_stores import Use
from toilctl.workflows.locator import Locator, LocatorKind


@dataclass(frozen=True)
class Deletion:
    """A job store that can be deleted."""

    job_store: str
    where: str
    """What is deleted, as a sentence says it."""
    use: Use
    doubt: str
    """A sentence, when nobody can tell that it is not in use; else empty."""


@dataclass(frozen=True)
class Cleaned:
    """What became of a deletion."""

    job_store: str
    existed: bool
    exit_code: int
    """Toil's."""


def plan(toil: Toil, store: Locator) -> Deletion | None:
    """Return what would be deleted; None when there is nothing.

    :raises ConflictError: when somebody uses it, or it is certainly no job store.
    """
    use = job_stores.look(toil, store)
    if not use.exists:
        return None
    if use.foreign:
        raise ConflictError(
            f"{use.job_store} is no job store: it has other files.", "Name the directory of a job store itself.",
            job_store=use.job_store,
        )  # fmt: skip
    if use.users:
        raise ConflictError(
            f"{use.job_store} is in use by {' and '.join(use.users)}.", _how_to_end(toil, use),
            job_store=use.job_store, users=use.users,
        )  # fmt: skip
    return Deletion(use.job_store, _where(toil, store, use), use, _doubt(toil, use))


def allow_unasked(deletion: Deletion, *, yes: bool, force: bool) -> None:
    """Make sure that something may be deleted without a question.

    :raises UsageError: when nobody said so.
    :raises ConflictError: when it may be in use, and that was not said to be no matter.
    """
    if not yes:
        raise UsageError(
            f"Nobody is here to confirm that {deletion.where}, the job store {deletion.job_store}, is to be deleted.",
            "Add --yes to delete it.", job_store=deletion.job_store,
        )  # fmt: skip
    if deletion.doubt and not force:
        elsewhere = "" if deletion.use.broken else "Ask where its workflow ran, with --cluster NAME, or "
        known = "add --force when you know that nobody uses it."
        raise ConflictError(
            f"{deletion.job_store} is not deleted without a question: {deletion.doubt}",
            f"{elsewhere}{known}" if elsewhere else known.capitalize(), job_store=deletion.job_store,
        )  # fmt: skip


def clean(toil: Toil, deletion: Deletion, words: Sequence[str]) -> Cleaned:
    """Delete a job store."""
    with progress.step(f"Delete {deletion.job_store}"):
        code = toil.run(("clean", deletion.job_store, *job_stores.quietly(words)))
    return Cleaned(deletion.job_store, existed=True, exit_code=code)


def _how_to_end(toil: Toil, use: Use) -> str:
    if use.runs_going_on and toil.cluster_name:
        return f"Stop it first: toilctl stop {toil.cluster_name} {use.runs_going_on[0]}"
    there = f" --cluster {toil.cluster_name}" if toil.cluster_name else ""
    return f"End it first: toilctl kill {use.job_store}{there}"


def _where(toil: Toil, store: Locator, use: Use) -> str:
    if store.kind is LocatorKind.FILE:
        return f"the directory {use.job_store.partition(':')[2]} {toil.place}"
    # Toil's names of its buckets.
    bucket = f"the bucket {store.name}--toil"
    return f"{bucket} in {store.region}" if store.region else bucket


def _doubt(toil: Toil, use: Use) -> str:
    """Return why nobody can tell that it may be deleted; empty when all is well."""
    if use.broken:
        return f"It cannot be read ({use.broken})."
    if use.leader and use.leader.alive is None:
        return f"Its leader does not run {toil.place}, and did not say that it ended."
    return ""
