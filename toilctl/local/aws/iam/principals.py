"""Who signed a request: the account's root, an IAM user, or a role's session."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Self

from toilctl.local.aws.requests.call import Call
from toilctl.local.aws.requests.refusals import expired, unknown_key

if TYPE_CHECKING:
    from moto.iam.models import IAMBackend, Role, User
    from moto.sts.models import AssumedRole, STSBackend

Document = Mapping[str, Any]

_BASE32: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


@dataclass(frozen=True)
class AccessKey:
    """An access key: what names it, and what signs with it."""

    id: str
    secret: str = field(repr=False)

    @classmethod
    def make(cls) -> Self:
        """Make one that nobody can guess, with as many characters as AWS's have: 20 and 40."""
        return cls("AKIA" + "".join(secrets.choice(_BASE32) for _ in range(16)), secrets.token_urlsafe(30))


@dataclass(frozen=True)
class Principal:
    """A caller and the policies that speak for it."""

    arn: str
    secret: str = field(repr=False)
    """With what it signs."""
    documents: tuple[Document, ...] = ()
    root: bool = False

    @property
    def name(self) -> str:
        """The user's name, or that of a session's role."""
        kind, *names = self.arn.rpartition(":")[2].split("/")
        return names[0] if kind == "assumed-role" else (names or [kind])[-1]


def identify(call: Call, root: AccessKey, iam: IAMBackend, sts: STSBackend, now: datetime) -> Principal:
    """Find the owner of the access key that a call names; whether it is signed with it, ``signatures`` tells.

    :param root: the account's own key; all is allowed to it.
    :raises Refusal: when nobody has that key, its session token is another, or it has expired.
    """
    if call.access_key_id == root.id:
        return Principal(f"arn:aws:iam::{iam.account_id}:root", root.secret, root=True)
    session = sts.get_assumed_role_from_access_key(call.access_key_id)
    if session is not None:
        return _session(call, iam, session, now)
    user = iam.get_user_from_access_key_id(call.access_key_id)
    if user is None or call.session_token:
        raise unknown_key(call.protocol)
    key = next(key for key in user.access_keys if key.access_key_id == call.access_key_id)
    if key.status != "Active":
        raise unknown_key(call.protocol)
    return Principal(user.arn, key.secret_access_key, tuple(_user_documents(iam, user)))


def _session(call: Call, iam: IAMBackend, session: AssumedRole, now: datetime) -> Principal:
    if call.session_token != session.session_token:
        raise unknown_key(call.protocol)
    if session.expiration < now:
        raise expired(call.protocol)
    role = next((role for role in list(iam.roles.values()) if role.arn == session.role_arn), None)
    # A session outlives its role, and can do nothing then.
    documents = tuple(_own_documents(role)) if role is not None else ()
    return Principal(session.arn, session.secret_access_key, documents)


def _user_documents(iam: IAMBackend, user: User) -> Iterator[Document]:
    yield from _own_documents(user)
    for group in iam.get_groups_for_user(user.name):
        yield from _own_documents(group)


def _own_documents(owner: User | Role | Any) -> Iterator[Document]:
    for text in owner.policies.values():
        yield json.loads(text)
    for policy in owner.managed_policies.values():
        yield from (json.loads(version.document) for version in policy.versions if version.is_default)
