#!/usr/bin/python
"""Ansible module: service-linked roles."""

from __future__ import annotations

DOCUMENTATION = r"""
module: iam_service_linked_roles
short_description: The service-linked roles of the account
description: Makes the roles that AWS services act with, once per account; says how to make one where that is forbidden.
options:
  services: {type: list, elements: str, required: true, description: 'Services, such as spot.amazonaws.com.'}
  look:
    type: bool
    default: true
    description:
      - Whether to look first. Else each is made with one call, IAM says whether it was there, and who may not make it
        learns of a missing one when EC2 needs it.
  region: {type: str, required: true, description: 'The AWS region, for its partition.'}
"""

RETURN = r"""
created: {type: list, returned: always, description: The services whose role was made.}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.toilctl_aws import DENIED, AwsError, connect, error_code, run


def ensure_all(iam, services, warn, look=True):
    """Make the roles; one that certainly does not exist and may not be made is an error, any doubt a warning.

    Without a look there is always doubt, and no warning.
    """
    created = []
    for service in services:
        changed, known = ensure(iam, service, exists(iam, service) if look else None)
        created += [service] if changed else []
        command = f"Ask an administrator to run: aws iam create-service-linked-role --aws-service-name {service}"
        if known is False:
            message = (
                f"The account has no service-linked role for {service}, and these credentials may not do "
                "iam:CreateServiceLinkedRole."
            )
            raise AwsError("credentials", message, command, service=service)
        if known is None and look:
            warn(f"Whether the service-linked role for {service} exists could not be seen. {command}")
    return {"changed": bool(created), "created": created}


def ensure(iam, service, known):
    """Make the role unless it is known to exist; return (changed, exists), exists being None when IAM tells neither."""
    from botocore.exceptions import ClientError

    if known:
        return False, True
    try:
        iam.create_service_linked_role(AWSServiceName=service)
    except ClientError as error:
        # IAM's way to say that it exists.
        if error_code(error) == "InvalidInput" and "taken" in str(error):
            return False, True
        if error_code(error) in DENIED:
            return False, known
        raise
    return True, True


def exists(iam, service):
    """Return whether the role exists, or None where one may not ask."""
    from botocore.exceptions import ClientError

    try:
        return bool(iam.list_roles(PathPrefix=f"/aws-service-role/{service}/")["Roles"])
    except ClientError as error:
        if error_code(error) in DENIED:
            return None
        raise


def main():
    """Run the module."""
    module = AnsibleModule(
        {
            "region": {"type": "str", "required": True},
            "services": {"type": "list", "elements": "str", "required": True},
            "look": {"type": "bool", "default": True},
        }
    )
    options = module.params
    iam = connect("iam", options["region"])
    run(module, lambda: ensure_all(iam, options["services"], module.warn, options["look"]))


if __name__ == "__main__":
    main()
