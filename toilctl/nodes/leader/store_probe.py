"""Looks for a job store with the Toil of a run: ``PYTHON -m toilctl_leader.store_probe``, JSON in and out.

The request is ``{"job_store": …}``, the answer ``{"exists": …, "broken": why, "region": the bucket's, if it is another
one, "users": [{"pid", "name"}]}``, or what a refusal has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .job_stores import store
from .job_stores import users as store_users
from .refused import answer

if TYPE_CHECKING:
    from .job_stores.store import Found

BUCKET, FORMER_BUCKET = "--toil", "--files"
"""How Toil calls a job store's bucket behind its name, and how it did before it kept everything in one."""
AWS = "aws"


def look(locator: str) -> dict[str, Any]:
    """Tell what is there under a locator.

    :raises RefusedError: when it cannot be looked for.
    """
    region = elsewhere(locator)
    if region:
        return {"exists": True, "broken": "", "region": region, "users": []}
    found = store.find(locator)
    return {"exists": found.exists, "broken": found.broken, "region": None, "users": _users(found)}


def elsewhere(locator: str) -> str | None:
    """Return the region of a job store's bucket when it is another than the locator says; None without a bucket."""
    kind, _, rest = locator.partition(":")
    region, _, name = rest.partition(":")
    if kind != AWS or not name:
        return None
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
        from toil.jobStores.aws import jobStore as of_toil
    except ImportError:
        # Toil says it better; so it does below.
        return None
    suffix = BUCKET if hasattr(of_toil, "parse_jobstore_identifier") else FORMER_BUCKET
    try:
        answer = boto3.client("s3", region_name=region).head_bucket(Bucket=name + suffix)
    except ClientError as error:
        answer = error.response
    except (BotoCoreError, ValueError):
        return None
    # S3 tells it also those who may not look into the bucket.
    found: str | None = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("x-amz-bucket-region")
    is_there = answer["ResponseMetadata"].get("HTTPStatusCode") != 404
    return found if is_there and found != region else None


def _users(found: Found) -> list[dict[str, Any]]:
    """Return the programs here that name the job store, and its leader if it lives."""
    naming = store_users.naming(found.locator)
    users = {one["pid"]: one["name"] for one in store_users.programs(naming)}
    leader = store_users.leader_of(found, naming) if found.store else None
    if leader and leader.alive:
        users.setdefault(leader.pid, leader.name)
    return [{"pid": pid, "name": name} for pid, name in users.items()]


def main() -> None:
    """Answer one request."""
    answer(lambda request: look(request["job_store"]))


if __name__ == "__main__":
    main()
