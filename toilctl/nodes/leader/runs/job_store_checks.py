"""Whether a run may use a job store: nobody else does, it is there or not as it should be, and workers can see it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toilctl_plugin import locators
from toilctl_plugin.processes import CONFIG
from toilctl_plugin.publication import run as told_run

from .. import places
from ..job_stores import users as store_users
from ..records import attempts, files, progress
from ..records.files import RunFiles
from ..refused import RefusedError

PROBE = ("-m", "toilctl_leader.store_probe")
CONFIGS = (CONFIG, f"files/{CONFIG}")
"""What a job store in a directory has, and had until Toil 8."""
PATIENCE_S = 60.0
NO_TOIL = "No module named 'toil'"


@dataclass(frozen=True)
class Wanted:
    """A job store that a run is to use."""

    locator: str
    """As it was typed."""
    cwd: Path
    restart: bool
    workers_possible: bool = False
    shared: tuple[str, ...] = ()
    """Directories that all nodes see."""

    @property
    def canonical(self) -> str:
        """The locator that means the same from everywhere."""
        return locators.canonical(self.locator, str(self.cwd))

    @property
    def directory(self) -> str | None:
        """The path of a job store that is a directory."""
        return locators.directory(self.locator, str(self.cwd))


def check_seen(wanted: Wanted) -> None:
    """Refuse a directory that the workers cannot see.

    :raises RefusedError: when it is one.
    """
    path = wanted.directory
    if path is None or not wanted.workers_possible or locators.is_below(path, wanted.shared):
        return
    raise RefusedError(
        "usage", f"The cluster's workers cannot see the job store {wanted.locator}: it is a directory of the leader.",
        f"Give one {locators.seen_by_all(wanted.shared)}.", job_store=wanted.locator,
    )  # fmt: skip


def check_unused(wanted: Wanted, run: str | None) -> None:
    """Refuse a job store that another run uses now.

    :param run: the name of the one that is to use it.
    :raises RefusedError: naming that run.
    """
    used_by = user_of(wanted.canonical, run)
    if used_by is None:
        return
    cluster = places.cluster()
    raise RefusedError(
        "conflict", f"Run {used_by!r} uses the job store {wanted.locator} now.",
        f"Look at it: toilctl attach {cluster} {used_by}; or end it: toilctl stop {cluster} {used_by}",
        run=used_by, job_store=wanted.locator,
    )  # fmt: skip


def user_of(locator: str, besides: str | None = None) -> str | None:
    """Return the name of a run that goes on and uses a job store, by its canonical locator."""
    for run in files.all_runs():
        if run.name != besides and _key(locator) in map(_key, stores_of(run)):
            attempt = attempts.last(run)
            if attempts.ending(run, attempt).goes_on:
                return run.name
    return None


def stores_of(run: RunFiles) -> list[str]:
    """Return the canonical locators of a run's job stores: those of its workflows, and the one of its command."""
    attempt = attempts.last(run)
    asked = [locators.canonical(attempt.job_store, attempt.cwd)] if attempt.job_store else []
    return list(dict.fromkeys([*progress.job_stores(run), *asked]))


def check_there(wanted: Wanted, pythons: Iterable[str], environment: Mapping[str, str], step: str = "") -> None:
    """Refuse a job store that exists when it must not, or the other way round; or is used by a program here.

    :param pythons: interpreters that may have the run's Toil, the best first.
    :param step: what to do about one that is missing.
    :raises RefusedError: when it is so, or Toil cannot tell.
    """
    found = _found(wanted, pythons, environment)
    if found["region"]:
        raise _in_another_region(wanted, found["region"])
    if found["users"]:
        raise _in_use(wanted, **found["users"][0])
    if found["exists"] and not wanted.restart:
        raise _exists(wanted)
    if not found["exists"] and wanted.restart:
        raise RefusedError(
            "not-found", f"There is no job store {wanted.locator} to go on with.",
            step or "Leave --restart out to begin anew.", job_store=wanted.locator,
        )  # fmt: skip
    if found["exists"] and found["broken"]:
        raise RefusedError(
            "conflict", f"The job store {wanted.locator} cannot be gone on with: {found['broken']}.",
            f"Delete it, and begin anew without --restart: {_clean(wanted)}", job_store=wanted.locator,
        )  # fmt: skip


def _found(wanted: Wanted, pythons: Iterable[str], environment: Mapping[str, str]) -> dict[str, Any]:
    path = wanted.directory
    if path is None:
        return _probed(wanted, pythons, environment)
    users = store_users.programs(store_users.naming(wanted.canonical))
    broken = "" if any(Path(path, one).is_file() for one in CONFIGS) else "it has no configuration"
    return {"exists": Path(path).exists(), "broken": broken, "region": None, "users": users}


def _probed(wanted: Wanted, pythons: Iterable[str], environment: Mapping[str, str]) -> dict[str, Any]:
    """Let Toil look, in a process of its own: it may be another Toil, and hang.

    :raises RefusedError: when it cannot tell.
    """
    refused = RefusedError("not-found", "There is no Toil on the leader that could look.", "", job_store=wanted.locator)
    for python in dict.fromkeys((*pythons, sys.executable)):
        document = _answer(wanted, python, environment)
        if "answer" in document:
            answer: dict[str, Any] = document["answer"]
            return answer
        refused = RefusedError(**{**document["refused"], **document["refused"].pop("facts", {})})
        if NO_TOIL not in refused.message:
            break
    raise refused


def _answer(wanted: Wanted, python: str, environment: Mapping[str, str]) -> dict[str, Any]:
    # The probe is no workflow of a run; and this package must be found in whatever virtualenv it is.
    chosen = {name: value for name, value in environment.items() if name != told_run.RUN}
    chosen["PYTHONPATH"] = f"{Path(__file__).parents[2]}:{chosen.get('PYTHONPATH', '')}"
    try:
        done = subprocess.run(
            [python, *PROBE], input=json.dumps({"job_store": wanted.locator}), cwd=wanted.cwd, env=chosen,
            capture_output=True, text=True, timeout=PATIENCE_S, check=True,
        )  # fmt: skip
        document: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return _cannot_tell(wanted, f"it has not answered within {PATIENCE_S:g} s")
    except subprocess.CalledProcessError as error:
        return _cannot_tell(wanted, (error.stderr.strip().splitlines() or ["it failed"])[-1])
    except (OSError, ValueError) as error:
        return _cannot_tell(wanted, str(error))
    return document


def _cannot_tell(wanted: Wanted, why: str) -> dict[str, Any]:
    return {"refused": {
        "code": "error", "message": f"Toil cannot tell whether the job store {wanted.locator} exists: {why}.",
        "next_step": f"Look at it on the leader: toilctl ssh-cluster {places.cluster()}",
        "facts": {"job_store": wanted.locator},
    }}  # fmt: skip


def _in_another_region(wanted: Wanted, region: str) -> RefusedError:
    name = wanted.locator.rpartition(":")[2]
    return RefusedError(
        "conflict", f"The bucket of the job store {wanted.locator} is in {region}.",
        f"Write aws:{region}:{name}, or choose another name.", job_store=wanted.locator, region=region,
    )  # fmt: skip


def _in_use(wanted: Wanted, pid: int, name: str) -> RefusedError:
    return RefusedError(
        "conflict", f"{name or 'A program'} (process {pid} on the leader) uses the job store {wanted.locator} now.",
        f"Wait for its end, or end it there with Ctrl-C: toilctl ssh-cluster {places.cluster()}",
        pid=pid, job_store=wanted.locator,
    )  # fmt: skip


def _exists(wanted: Wanted) -> RefusedError:
    return RefusedError(
        "conflict", f"Job store {wanted.locator} exists already.",
        f"Go on with it by --restart, or delete it: {_clean(wanted)}", job_store=wanted.locator,
    )  # fmt: skip


def _clean(wanted: Wanted) -> str:
    return f"toilctl clean --cluster {places.cluster()} {wanted.locator}"


def _key(locator: str) -> str:
    """Return what two locators of the same job store have in common: a bucket's name is one in all regions."""
    kind, _, rest = locator.partition(":")
    return f"{kind}:{rest.rpartition(':')[2]}" if kind == "aws" else locator
