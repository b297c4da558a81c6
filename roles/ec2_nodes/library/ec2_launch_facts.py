#!/usr/bin/python
"""Ansible module: what a launch needs to know of a cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_launch_facts
short_description: What a launch needs to know of a cluster, its image and its subnets
description: Reads the cluster's settings from the tags of its security group, so that any machine can add nodes.
options:
  cluster: {type: str, required: true, description: The cluster's name.}
  region: {type: str, required: true, description: The AWS region.}
  ami_ssm_parameter: {type: str, default: '', description: The SSM parameter that names the image when no tag does.}
  with_image: {type: bool, default: true, description: Whether the image matters; only a launch needs it.}
"""

RETURN = r"""
group: {type: dict, returned: always, description: 'The security group: id, vpc_id, generation and tags.'}
image: {type: dict, returned: with an image, description: 'The image: id, root_device_name, root_gb, architecture.'}
subnets: {type: list, returned: always, description: 'One subnet per zone: id, zone and cidr.'}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.toilctl_aws import (
    AwsError,
    connect,
    error_code,
    filters,
    find_group,
    is_not_found,
    run,
    to_dict,
)


def gather(ec2, ssm, options):
    """Return group, image and subnets; the number of calls is the same for every cluster."""
    group = describe_group(ec2, options)
    tags = group["tags"]
    found = {"changed": False, "group": group, "subnets": choose_subnets(ec2, group["vpc_id"], tags)}
    if options["with_image"]:
        image_id = tags.get("toilctl:ami") or read_parameter(ssm, options["ami_ssm_parameter"])
        found["image"] = describe_image(ec2, image_id)
    return found


def describe_group(ec2, options):
    """Return the cluster's security group; that of a cluster which is being destroyed is refused."""
    group = find_group(ec2, options["cluster"])
    if group is None:
        raise AwsError(
            "not-found",
            f"There is no cluster {options['cluster']} in {options['region']}.",
            "See `toilctl list-clusters`.",
        )
    tags = to_dict(group["Tags"])
    if tags.get("toilctl:state") == "destroying":
        name = options["cluster"]
        raise AwsError(
            "conflict", f"Cluster {name} is being destroyed.", f"Finish that first: toilctl destroy-cluster {name}."
        )
    return {
        "id": group["GroupId"],
        "vpc_id": group["VpcId"],
        "generation": tags["toilctl:generation"],
        "tags": tags,
    }


def read_parameter(ssm, name):
    """Return the image id that an SSM public parameter holds."""
    from botocore.exceptions import ClientError

    try:
        return ssm.get_parameter(Name=name)["Parameter"]["Value"]
    except ClientError as error:
        if not is_not_found(error):
            raise
        raise AwsError(
            "not-found", f"The SSM parameter {name} does not exist in this region.", "Name an image with --ami."
        ) from error


def describe_image(ec2, image_id):
    """Return what the launch template needs of an image."""
    from botocore.exceptions import ClientError

    try:
        found = ec2.describe_images(ImageIds=[image_id])["Images"]
    except ClientError as error:
        if not error_code(error).startswith("InvalidAMIID"):
            raise
        found = []
    if not found:
        raise AwsError("not-found", f"There is no image {image_id} in this region.", "Name another one with --ami.")
    image = found[0]
    root = image["RootDeviceName"]
    sizes = [
        mapping["Ebs"].get("VolumeSize", 0)
        for mapping in image["BlockDeviceMappings"]
        if mapping["DeviceName"] == root and "Ebs" in mapping
    ]
    return {
        "id": image_id,
        "root_device_name": root,
        "root_gb": max(sizes, default=0),
        "architecture": image["Architecture"],
    }


def choose_subnets(ec2, vpc_id, tags):
    """Return the named subnet, else each zone's default one: a fleet takes one subnet per zone."""
    named, zones = tags.get("toilctl:vpc-subnet"), [zone for zone in tags.get("toilctl:zones", "").split(",") if zone]
    if named:
        wanted = filters(subnet_id=named)
    elif zones:
        wanted = filters(vpc_id=vpc_id, availability_zone=zones, default_for_az="true")
    else:
        raise AwsError("usage", "Neither a zone nor a subnet is given.", "Name a zone with -z.")
    found = {subnet["AvailabilityZone"]: subnet for subnet in ec2.describe_subnets(Filters=wanted)["Subnets"]}
    lacking = [named] if named and not found else [zone for zone in zones if not named and zone not in found]
    if lacking:
        raise AwsError(
            "not-found",
            f"VPC {vpc_id} has no {'subnet' if named else 'default subnet in'} {', '.join(lacking)}.",
            "Name a subnet with --vpc-subnet, or other zones.",
        )
    return [
        {"zone": zone, "id": subnet["SubnetId"], "cidr": subnet["CidrBlock"]} for zone, subnet in sorted(found.items())
    ]


def main():
    """Run the module."""
    module = AnsibleModule(
        {
            "cluster": {"type": "str", "required": True},
            "region": {"type": "str", "required": True},
            "ami_ssm_parameter": {"type": "str", "default": ""},
            "with_image": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    options = module.params
    region = options["region"]
    run(module, lambda: gather(connect("ec2", region), connect("ssm", region), options))


if __name__ == "__main__":
    main()
