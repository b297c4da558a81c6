#!/usr/bin/python
"""Ansible module: the key that EC2 encrypts disks with when none is named."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_disk_key
short_description: The key that EC2 encrypts disks with when none is named
description:
  - AWS's own key, C(alias/aws/ebs), asks nobody for a permission; one of the account's own asks whoever launches.
options:
  region: {type: str, required: true, description: The AWS region.}
  partition: {type: str, required: true, description: 'What ARNs there begin with, such as aws.'}
  spot: {type: bool, default: false, description: 'Whether spot instances will have such disks: their role asks, too.'}
"""

RETURN = r"""
keys: {type: list, returned: always, description: 'The ARN of the account''s own key, or nothing.'}
"""

import re

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.toilctl_aws import DENIED, connect, error_code, run

AWS_OWN = "alias/aws/ebs"
KEY = re.compile(r"arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+")
SPOT_OPERATIONS = (
    "Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "CreateGrant", "DescribeKey",
    "ReEncryptFrom", "ReEncryptTo",
)  # fmt: skip


def own_keys(ec2, options, warn):
    """Return the account's own default key for disks, in a list; nothing where it is AWS's."""
    from botocore.exceptions import ClientError

    try:
        key = ec2.get_ebs_default_kms_key_id()["KmsKeyId"]
    except ClientError as error:
        if error_code(error) not in DENIED:
            raise
        warn(
            "Which key disks are encrypted with could not be seen (ec2:GetEbsDefaultKmsKeyId). If it is one of your "
            "own, the leader may not use it to launch workers."
        )
        return []
    if key.endswith(AWS_OWN):
        return []
    if key.startswith("arn:"):
        return [key]
    # An alias stands for a key that only KMS could name.
    name = "*" if key.startswith("alias/") else key
    return [f"arn:{options['partition']}:kms:{options['region']}:*:key/{name}"]


def warn_of_spot(key, options, warn):
    """Say what spot instances need besides: their role has to be granted the key, or they end as they begin."""
    named = key if KEY.fullmatch(key) else f"arn:{options['partition']}:kms:{options['region']}:ACCOUNT:key/KEY"
    warn(
        "Disks are encrypted with a key of the account's own. Spot instances end as they begin (Client.InternalError) "
        f"unless their role is granted it, once: {spot_grant(named)}"
    )


def spot_grant(key):
    """Return the command that grants a key to the role for spot instances."""
    _, partition, _, region, account, _ = key.split(":", 5)
    role = f"arn:{partition}:iam::{account}:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot"
    operations = " ".join(SPOT_OPERATIONS)
    return f"aws kms create-grant --region {region} --key-id {key} --grantee-principal {role} --operations {operations}"


def main():
    """Run the module."""
    text = {"type": "str", "required": True}
    spot = {"type": "bool", "default": False}
    module = AnsibleModule({"region": text, "partition": text, "spot": spot}, supports_check_mode=True)
    options = module.params

    def work():
        keys = own_keys(connect("ec2", options["region"]), options, module.warn)
        for key in keys if options["spot"] else ():
            warn_of_spot(key, options, module.warn)
        return {"changed": False, "keys": keys}

    run(module, work)


if __name__ == "__main__":
    main()
