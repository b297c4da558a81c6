"""What every account finds on AWS and moto lacks: Debian's images and their parameters, and service-linked roles.

Debian's account and parameter names: https://wiki.debian.org/Cloud/AmazonEC2Image. Each region has its own image ids,
here made from the region's name. Amazon's images are left out: no host could be made of them.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from toilctl.local.aws.base.patches import Patches

if TYPE_CHECKING:
    from moto.iam.models import IAMBackend

KINDS: Final = ("prepared", "plain")
DEBIAN_ACCOUNT: Final = "136693071363"
SSM_PARAMETER: Final = "/aws/service/debian/release/12/latest/amd64"
ROOT_DEVICE: Final = "/dev/xvda"
ROOT_GB: Final = 8
SERVICE_LINKED_ROLES: Final = {"spot.amazonaws.com": "AWSServiceRoleForEC2Spot"}
_RELEASE: Final = "20260914-2236"


def image_id(region: str, kind: str) -> str:
    """Return the id of one of our images in a region."""
    return "ami-" + hashlib.sha256(f"{region}/{kind}".encode()).hexdigest()[:17]


def image_kind(ami_id: str, region: str) -> str:
    """Return what an image is, ``plain`` or ``prepared``."""
    return next((kind for kind in KINDS if image_id(region, kind) == ami_id), KINDS[0])


def install(patches: Patches, chosen: str) -> None:
    """Make moto's new regions begin with our images, and the Debian parameter name the ``chosen`` kind."""
    from moto.ec2.models.amis import Ami, AmiBackend
    from moto.ssm.models import Parameter, ParameterDict

    class DebianAmi(Ami):
        @property
        def block_device_mappings(self) -> list[dict[str, Any]]:
            ebs = {"SnapshotId": self.ebs_snapshot.id, "VolumeSize": ROOT_GB, "VolumeType": "gp3"}
            return [{"DeviceName": ROOT_DEVICE, "Ebs": {**ebs, "DeleteOnTermination": True, "Encrypted": False}}]

    def load_images(backend: Any) -> None:
        for kind in KINDS:
            ami_id = image_id(backend.region_name, kind)
            backend.amis[ami_id] = _debian(DebianAmi, backend, ami_id, kind)

    def load_parameters(parameters: Any, key: str) -> None:
        load_defaults(parameters, key)
        if str(key or "").startswith("/aws/service/debian") and not dict.__contains__(parameters, SSM_PARAMETER):
            value = image_id(parameters.region_name, chosen)
            parameters[SSM_PARAMETER] = [_parameter(Parameter, parameters.account_id, value)]

    patches.replace(AmiBackend, "_load_amis", load_images)
    load_defaults = patches.replace(ParameterDict, "_check_loading_status", load_parameters)


def service_linked_role(iam: IAMBackend, service: str) -> bool:
    """Tell whether the account has a service's role."""
    return any(role.name == SERVICE_LINKED_ROLES[service] for role in iam.roles.values())


def make_service_linked_roles(iam: IAMBackend) -> None:
    """Give the account the roles that one in use has."""
    for service in SERVICE_LINKED_ROLES:
        if not service_linked_role(iam, service):
            iam.create_service_linked_role(service, "", "")


def remove_service_linked_role(iam: IAMBackend, service: str) -> None:
    """Take a service's role away, as in an account that never used it."""
    for role in list(iam.roles.values()):
        if role.name == SERVICE_LINKED_ROLES.get(service):
            iam.roles.pop(role.id)


def _debian(ami_class: Any, backend: Any, ami_id: str, kind: str) -> Any:
    suffix = "" if kind == "plain" else f"-{kind}"
    return ami_class(
        backend, ami_id, name=f"debian-12-amd64-{_RELEASE}{suffix}", description=f"Debian 12 ({_RELEASE})",
        owner_id=DEBIAN_ACCOUNT, public=True, virtualization_type="hvm", architecture="x86_64", hypervisor="xen",
        image_location=f"amazon/debian-12-amd64-{_RELEASE}{suffix}", owner_alias="amazon", boot_mode="uefi-preferred",
        root_device_type="ebs", root_device_name=ROOT_DEVICE, region_name=f"{backend.region_name}a",
    )  # fmt: skip


def _parameter(parameter_class: Any, account_id: str, value: str) -> Any:
    from moto.core.utils import utcnow

    return parameter_class(
        account_id=account_id, name=SSM_PARAMETER, value=value, parameter_type="String", description=None,
        allowed_pattern=None, keyid=None, last_modified_date=utcnow(), version=1, data_type="aws:ec2:image",
    )  # fmt: skip
