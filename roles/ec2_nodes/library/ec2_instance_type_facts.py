#!/usr/bin/python
"""Ansible module: what EC2 says of instance types."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_instance_type_facts
short_description: Size, architecture and instance store of instance types
description: As DescribeInstanceTypes gives them, with the names of toilctl.values.capacity.InstanceType.
options:
  region: {type: str, required: true, description: The AWS region.}
  instance_types: {type: list, elements: str, required: true, description: The instance types to describe.}
"""

RETURN = r"""
instance_types:
  type: dict
  returned: always
  description: >-
    Name to name, vcpus, memory_mib, instance_store_gb, instance_store_disks, instance_store_mapped (whether the disks
    appear only when the launch maps them), architecture, obstacle (why it cannot be a node, else empty).
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.toilctl_aws import AwsError, connect, error_code, run

NAMES_PER_CALL = 100


def describe(ec2, names):
    """Return the facts by name; a name that EC2 does not know is an error."""
    from botocore.exceptions import ClientError

    found = {}
    paginator = ec2.get_paginator("describe_instance_types")
    names = sorted(set(names))
    try:
        for start in range(0, len(names), NAMES_PER_CALL):
            for page in paginator.paginate(InstanceTypes=names[start : start + NAMES_PER_CALL]):
                found |= {offer["InstanceType"]: facts(offer) for offer in page["InstanceTypes"]}
    except ClientError as error:
        if error_code(error) != "InvalidInstanceType":
            raise
        raise AwsError("usage", str(error), "See `aws ec2 describe-instance-types`.", instance_types=names) from error
    unknown = [name for name in names if name not in found]
    if unknown:
        raise AwsError(
            "usage",
            f"EC2 has no instance type {', '.join(unknown)} in this region.",
            "See `aws ec2 describe-instance-types`.",
            instance_types=unknown,
        )
    return found


def facts(offer):
    """Return one type's facts in our units."""
    store = offer.get("InstanceStorageInfo", {})
    architectures = offer.get("ProcessorInfo", {}).get("SupportedArchitectures", [])
    return {
        "name": offer["InstanceType"],
        "vcpus": offer["VCpuInfo"]["DefaultVCpus"],
        "memory_mib": offer["MemoryInfo"]["SizeInMiB"],
        "instance_store_gb": store.get("TotalSizeInGB", 0),
        "instance_store_disks": sum(disk["Count"] for disk in store.get("Disks", [])),
        "instance_store_mapped": store.get("NvmeSupport", "unsupported") == "unsupported",
        # i386 is in the list of old types, too.
        "architecture": "arm64" if "arm64" in architectures else "x86_64",
        "obstacle": obstacle(offer),
    }


def obstacle(offer):
    """Return why a type cannot be a node, as toilctl.values.machine_images has it; empty for one that can."""
    if "hvm" not in offer.get("SupportedVirtualizationTypes", ["hvm"]):
        return "it does not run hvm images"
    if offer.get("EbsInfo", {}).get("EncryptionSupport") == "unsupported":
        return "its root volume cannot be encrypted, and toilctl encrypts it"
    if offer.get("BareMetal"):
        return "a bare-metal host takes longer to boot than nodes are waited for"
    return ""


def main():
    """Run the module."""
    module = AnsibleModule(
        {
            "region": {"type": "str", "required": True},
            "instance_types": {"type": "list", "elements": "str", "required": True},
        },
        supports_check_mode=True,
    )
    options = module.params

    def work():
        ec2 = connect("ec2", options["region"])
        return {"changed": False, "instance_types": describe(ec2, options["instance_types"])}

    run(module, work)


if __name__ == "__main__":
    main()
