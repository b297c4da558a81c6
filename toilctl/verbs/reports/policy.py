"""policy: what people need to be allowed in AWS, as a document for IAM."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from toilctl.system import aws
from toilctl.values import policies
from toilctl.values.cluster import MAX_NAME_LENGTH
from toilctl.values.errors import UsageError

_PREFIX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")


def launch(prefix: str | None, region: str | None) -> Mapping[str, Any]:
    """Return the policy of who launches.

    :param prefix: how the clusters' names begin; None allows all.
    :param region: None allows all regions.
    :raises UsageError: when no cluster's name can begin like that, or there is no such region.
    """
    return policies.launch(*_narrowed(prefix, region))


def connect(prefix: str | None, region: str | None) -> Mapping[str, Any]:
    """Return the policy of who only connects; as of ``launch``."""
    return policies.connect(*_narrowed(prefix, region))


def _narrowed(prefix: str | None, region: str | None) -> tuple[str, str, str]:
    if prefix is not None and (len(prefix) > MAX_NAME_LENGTH or not _PREFIX.fullmatch(prefix)):
        raise UsageError(f"No cluster's name begins with {prefix!r}.", "Use letters, digits and hyphens.")
    return prefix or "", region or "*", aws.partition(region or aws.configured_region() or "us-east-1")
