"""A job store as somebody finds it who is no part of its workflow: there or not, whole or broken. It is only read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from toilctl_plugin.locators import canonical

from ..refused import RefusedError

if TYPE_CHECKING:
    from toil.jobStores.abstractJobStore import AbstractJobStore

DIRECTORIES = {"jobs", "stats", "files-flat", "files", "job-files", "shared"}
OF_MACOS = {".DS_Store"}
"""What Finder leaves in any directory that somebody looked at."""
"""All that a job store in a directory has."""
_CREDENTIALS = (
    "credential", "profile", "token", "accessdenied", "forbidden", "unauthorized", "401", "403", "invalidoperation",
)  # fmt: skip
"""What is said by those who let nobody in."""


@dataclass(frozen=True)
class Found:
    """What a locator means."""

    locator: str
    """With its kind, and with an absolute path."""
    store: AbstractJobStore | None = None
    """None when there is none, or it cannot be read."""
    broken: str = ""
    """Why something that is there cannot be read as a job store."""

    @property
    def exists(self) -> bool:
        """Whether anything is there."""
        return self.store is not None or bool(self.broken)

    @property
    def is_foreign(self) -> bool:
        """Whether what is there was certainly not made by Toil. Buckets are Toil's by their names alone."""
        kind, _, path = self.locator.partition(":")
        if not self.broken or kind != "file":
            return False
        try:
            return not {entry.name for entry in Path(path).iterdir()} <= DIRECTORIES | OF_MACOS
        except OSError:
            return True

    def readable(self) -> AbstractJobStore:
        """Return the job store.

        :raises RefusedError: when there is none, or it is broken.
        """
        if self.store is not None:
            return self.store
        if not self.broken:
            raise RefusedError(
                "not-found", f"There is no job store {self.locator}.",
                "A workflow that succeeds deletes its own, unless it was started with --clean never.",
                job_store=self.locator,
            )  # fmt: skip
        raise RefusedError(
            "conflict", f"{self.locator} cannot be read as a job store: {self.broken}.",
            "It may be half deleted, of another version of Toil, or something else altogether.", job_store=self.locator,
        )  # fmt: skip


def find(text: str) -> Found:
    """Look for a job store.

    :raises RefusedError: when it cannot be looked for: a part of Toil, credentials or the connection is missing.
    """
    locator, store = _unopened(text)
    from toil.jobStores.abstractJobStore import NoSuchFileException, NoSuchJobStoreException

    try:
        store.resume()
    except NoSuchJobStoreException:
        return Found(locator)
    except NoSuchFileException:
        return Found(locator, broken="it has no configuration")
    except Exception as error:
        _raise_if_unreachable(locator, error)
        return Found(locator, broken=_said(error))
    return Found(locator, store)


def _unopened(text: str) -> tuple[str, AbstractJobStore]:
    kind, package = text.partition(":")[0], "toil"
    try:
        from toil.common import Toil

        package, locator = f"toil[{kind}]", canonical(text)
        return locator, Toil.getJobStore(locator)
    except ImportError as error:
        raise RefusedError(
            "host", f"The Toil here cannot open {text}: {error}.",
            f"Install what is missing: pip install '{package}'.", job_store=text,
        ) from error  # fmt: skip
    except (ValueError, RuntimeError) as error:
        raise RefusedError(
            "usage", f"Toil takes {text} for no job store: {_said(error)}.",
            "Write aws:REGION:NAME, google:PROJECT:NAME, or file:PATH for a directory.", job_store=text,
        ) from error  # fmt: skip
    except Exception as error:
        _raise_if_unreachable(text, error)
        raise


def _raise_if_unreachable(locator: str, error: Exception) -> None:
    """Tell a store that cannot be reached from one that is broken: then a cloud's own library speaks."""
    if type(error).__module__.partition(".")[0] not in ("botocore", "boto3", "google", "requests", "urllib3"):
        return
    said = _said(error)
    if any(word in said.lower() for word in _CREDENTIALS):
        raise RefusedError(
            "credentials", f"The credentials where Toil is do not open {locator}: {said}.",
            "Look at them, and at what they allow.", job_store=locator,
        ) from error  # fmt: skip
    raise RefusedError("error", f"{locator} cannot be reached: {said}.", "Try again.", job_store=locator) from error


def _said(error: Exception) -> str:
    first = str(error).strip().partition("\n")[0].rstrip(".")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
