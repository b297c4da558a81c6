"""How much one IAM role can have, which moto does not count."""

from __future__ import annotations

import re
from typing import Any

from toilctl.local.aws.base.patches import Patches
from toilctl.local.aws.requests.refusals import Refusal
from toilctl.values.aws_limits import ROLE_POLICY_CHARACTERS, TRUST_POLICY_CHARACTERS
from toilctl.values.tags import MAX_COUNT


def install(patches: Patches) -> None:
    """Refuse policies and tags that are one too many, or too long, for their role."""
    from moto.iam.models import IAMBackend

    def create_role(backend: Any, role_name: str, assume_role_policy_document: str, *args: Any, **more: Any) -> Any:
        if _length(assume_role_policy_document) > TRUST_POLICY_CHARACTERS:
            raise _exceeded(f"Cannot exceed quota for ACLSizePerRole: {TRUST_POLICY_CHARACTERS}")
        return original_create(backend, role_name, assume_role_policy_document, *args, **more)

    def put_role_policy(backend: Any, role_name: str, policy_name: str, policy_json: str) -> None:
        others = {name: text for name, text in backend.get_role(role_name).policies.items() if name != policy_name}
        if sum(map(_length, [*others.values(), policy_json])) > ROLE_POLICY_CHARACTERS:
            raise _exceeded(f"Maximum policy size of {ROLE_POLICY_CHARACTERS} bytes exceeded for role {role_name}")
        original_put(backend, role_name, policy_name, policy_json)

    def tag_role(backend: Any, role_name: str, tags: list[dict[str, str]]) -> None:
        if len({tag["Key"] for tag in [*(backend.get_role(role_name).tags or []), *tags]}) > MAX_COUNT:
            raise _exceeded(f"Cannot exceed quota for TagsPerRole: {MAX_COUNT}")
        original_tag(backend, role_name, tags)

    original_create = patches.replace(IAMBackend, "create_role", create_role)
    original_put = patches.replace(IAMBackend, "put_role_policy", put_role_policy)
    original_tag = patches.replace(IAMBackend, "tag_role", tag_role)


def _length(document: str) -> int:
    """Return a policy's length as IAM counts it: without white space."""
    return len(re.sub(r"\s", "", document))


def _exceeded(text: str) -> Refusal:
    return Refusal("LimitExceeded", text, 409)
