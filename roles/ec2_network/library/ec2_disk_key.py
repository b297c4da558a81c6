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
"""

RETURN = r"""
keys: {type: list, returned: always, description: 'The ARN of the account''s own key, or nothing.'}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.toilctl_aws import DENIED, connect, error_code, run

AWS_OWN = "alias/aws/ebs"


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


def main():
    """Run the module."""
    text = {"type": "str", "required": True}
    module = AnsibleModule({"region": text, "partition": text}, supports_check_mode=True)
    options = module.params

    def work():
        return {"changed": False, "keys": own_keys(connect("ec2", options["region"]), options, module.warn)}

    run(module, work)


if __name__ == "__main__":
    main()
