"""Keys of the account's own for disks: which one is the default, and who may use it.

"Encrypt Amazon EBS volumes" and, of spot instances, "EC2 Spot Instance requests" in the EC2 user guide.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from toilctl.local.aws.base.account import SERVICE_LINKED_ROLES
from toilctl.local.aws.ec2.instance_states import BY_DISK_KEY, Lifetimes
from toilctl.values.policies import SPOT_DISK_KEY_OPERATIONS

if TYPE_CHECKING:
    from moto.ec2.models.instances import Instance

AWS_OWN: Final = "alias/aws/ebs"
_SPOT_ROLE: Final = SERVICE_LINKED_ROLES["spot.amazonaws.com"]


def default(backend: Any) -> str:
    """Return the account's own key that ModifyEbsDefaultKmsKeyId chose, else the alias of AWS's.

    :param backend: a region's EC2 in moto.
    """
    kms = _kms(backend)
    # moto makes AWS's key when the first disk needs it.
    own = kms.get_key_id_from_alias(AWS_OWN) if kms.alias_exists(AWS_OWN) else ""
    chosen = backend.default_kms_key_id
    return AWS_OWN if not chosen or (own and chosen.endswith(own)) else str(chosen)


def end_refused(backend: Any, lifetimes: Lifetimes, instances: Iterable[Instance]) -> None:
    """End spot instances whose encrypted disks have a key that their role may not use; EC2 launches them first."""
    key = default(backend)
    if key == AWS_OWN or _is_granted(backend, key):
        return
    for instance in instances:
        volumes = (backend.volumes[one.volume_id] for one in instance.block_device_mapping.values())
        if instance.lifecycle == "spot" and any(volume.encrypted for volume in volumes):
            lifetimes.terminate(instance, BY_DISK_KEY)


def _is_granted(backend: Any, key: str) -> bool:
    found = _kms(backend).keys.get(key.rpartition("/")[2])
    grants = found.grants.values() if found else ()
    return any(
        one.grantee_principal.endswith(f"/{_SPOT_ROLE}") and {*SPOT_DISK_KEY_OPERATIONS} <= {*one.operations}
        for one in grants
    )


def _kms(backend: Any) -> Any:
    from moto.kms.models import kms_backends

    return kms_backends[backend.account_id][backend.region_name]
