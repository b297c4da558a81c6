"""Who signed a request: the account's root, an IAM user, or a role's session."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from toilctl.local.aws.requests.call import Call
from toilctl.local.aws.requests.refusals import expired, unknown_key

if TYPE_CHECKING:
    from moto.iam.models import IAMBackend, Role, User
    from moto.sts.models import AssumedRole, STSBackend

ROOT_ACCESS_KEY_ID: Final = "AKIATOILCTLREHEARSAL"
"""The key that the rehearsal cloud hands out; all is allowed to it. Twenty characters, as a real one has."""
ROOT_SECRET_ACCESS_KEY: Final = "rehearsal-only-no-secret-no-access-at-all"  # noqa: S105 - opens nothing but this cloud

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Principal:
    """A caller and the policies that speak for it."""

    arn: str
    documents: tuple[Document, ...] = ()
    root: bool = False

    @property
    def name(self) -> str:
        """The user's name, or that of a session's role."""
        kind, *names = self.arn.rpartition(":")[2].split("/")
        return names[0] if kind == "assumed-role" else (names or [kind])[-1]


def identify(call: Call, iam: IAMBackend, sts: STSBackend, now: datetime) -> Principal:
    """Find the owner of the access key that signed a call.

    :raises Refusal: when nobody has that key, its session token is another, or it has expired.
    """
    if call.access_key_id == ROOT_ACCESS_KEY_ID:
        return Principal(f"arn:aws:iam::{iam.account_id}:root", root=True)
    session = sts.get_assumed_role_from_access_key(call.access_key_id)
    if session is not None:
        return _session(call, iam, session, now)
    user = iam.get_user_from_access_key_id(call.access_key_id)
    if user is None or call.session_token:
        raise unknown_key(call.protocol)
    return Principal(user.arn, tuple(_user_documents(iam, user)))


def _session(call: Call, iam: IAMBackend, session: AssumedRole, now: datetime) -> Principal:
    if call.session_token != session.session_token:
        raise unknown_key(call.protocol)
    if session.expiration < now:
        raise expired(call.protocol)
    role = next((role for role in iam.roles.values() if role.arn == session.role_arn), None)
    # A session outlives its role, and can do nothing then.
    return Principal(session.arn, tuple(_own_documents(role)) if role is not None else ())


def _user_documents(iam: IAMBackend, user: User) -> Iterator[Document]:
    yield from _own_documents(user)
    for group in iam.get_groups_for_user(user.name):
        yield from _own_documents(group)


def _own_documents(owner: User | Role | Any) -> Iterator[Document]:
    for text in owner.policies.values():
        yield json.loads(text)
    for policy in owner.managed_policies.values():
        yield from (json.loads(version.document) for version in policy.versions if version.is_default)
