"""What the actions of EC2 need of the account that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from moto.iam.models import IAMBackend

    from toilctl.local.aws.base.clock import Clock
    from toilctl.local.aws.base.faults import Faults
    from toilctl.local.aws.ec2.instance_states import Lifetimes
    from toilctl.local.aws.ec2.interruptions import Interruptions
    from toilctl.local.aws.ec2.offerings import Stock
    from toilctl.local.aws.iam.permissions import ExistingResources, Permission
    from toilctl.local.aws.requests.call import Call


class Rehearsed(Protocol):
    """A rehearsed account; ``toilctl.local.aws.cloud.Cloud`` is the one that there is."""

    account_id: str
    cidr: str
    public_cidr: str
    default_vpc: bool
    clock: Clock
    faults: Faults
    lifetimes: Lifetimes
    interruptions: Interruptions
    stock: Stock
    console: Callable[[str], str]

    @property
    def iam(self) -> IAMBackend:
        """The account's IAM."""
        ...

    def resources(self, region: str) -> ExistingResources:
        """Return what exists in a region."""
        ...

    def authorise(self, call: Call, permissions: Iterable[Permission]) -> None:
        """Raise Refusal for the first permission that the signer of a call has not."""
        ...
