"""How much one IAM role can have beside its policies, which moto does not count; those are ``document_sizes``."""

from __future__ import annotations

import re
from typing import Any

from toilctl.local.aws.base.patches import Patches
from toilctl.local.aws.requests.refusals import Refusal
from toilctl.values.aws_limits import TRUST_POLICY_CHARACTERS
from toilctl.values.tags import MAX_COUNT


def install(patches: Patches) -> None:
    """Refuse trust policies and tags that are one too many, or too long, for their role."""
    from moto.iam.models import IAMBackend

    def create_role(backend: Any, role_name: str, assume_role_policy_document: str, *args: Any, **more: Any) -> Any:
        if _length(assume_role_policy_document) > TRUST_POLICY_CHARACTERS:
            raise _exceeded(f"Cannot exceed quota for ACLSizePerRole: {TRUST_POLICY_CHARACTERS}")
        return original_create(backend, role_name, assume_role_policy_document, *args, **more)

    def tag_role(backend: Any, role_name: str, tags: list[dict[str, str]]) -> None:
        if len({tag["Key"] for tag in [*(backend.get_role(role_name).tags or []), *tags]}) > MAX_COUNT:
            raise _exceeded(f"Cannot exceed quota for TagsPerRole: {MAX_COUNT}")
        original_tag(backend, role_name, tags)

    original_create = patches.replace(IAMBackend, "create_role", create_role)
    original_tag = patches.replace(IAMBackend, "tag_role", tag_role)


def _length(document: str) -> int:
    """Return a policy's length as IAM counts it: without white space."""
    return len(re.sub(r"\s", "", document))


def _exceeded(text: str) -> Refusal:
    return Refusal("LimitExceeded", text, 409)
