#!/usr/bin/python
"""Ansible module: the launch template of a cluster's role and node type."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_node_template
short_description: A launch template with the given content
description:
  - Finds or creates the template, and adds a version when its content is another one.
  - A tag of the template has the number of the version to use and the digest of its content. To read a version itself
    takes a permission that shows the user data of others' templates.
options:
  name: {type: str, required: true, description: The template's name.}
  region: {type: str, required: true, description: The AWS region.}
  data: {type: dict, required: true, description: 'LaunchTemplateData, in the words of the EC2 API.'}
  tags: {type: dict, default: {}, description: 'Tags of the template; one of another cluster is refused.'}
"""

RETURN = r"""
id: {type: str, returned: always, description: The template's id.}
version: {type: str, returned: always, description: The number of the version with this content.}
attempt: {type: str, returned: always, description: 'The tag in which M(ec2_fleet) keeps its attempts, else empty.'}
"""

import hashlib
import json

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.toilctl_aws import AwsError, connect, error_code, run, to_dict, to_list, when_seen

OWN_TAG = "toilctl:cluster"
ATTEMPT_TAG = "toilctl:attempt"
CONTENT_TAG = "toilctl:content"


def ensure(ec2, name, data, tags):
    """Return id and version of the template with this content."""
    digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
    template = find(ec2, name) or create(ec2, name, data, tags, digest)
    held = to_dict(template.get("Tags"))
    if held.get(OWN_TAG) != tags.get(OWN_TAG):
        raise AwsError(
            "conflict",
            f"Launch template {name} exists and is not this cluster's.",
            "Delete it, or choose another name.",
        )
    template_id = template["LaunchTemplateId"]
    number, _, content = held.get(CONTENT_TAG, "").partition(" ")
    changed = template.get("created", False)
    if content != digest or not number.isdecimal():
        number = add_version(ec2, template_id, number or template["LatestVersionNumber"], data, digest)
        changed = True
    return {"changed": changed, "id": template_id, "version": number, "attempt": held.get(ATTEMPT_TAG, "")}


def add_version(ec2, template_id, replaced, data, digest):
    """Add a version in place of that with the number ``replaced``, and tag the template; return the new one's number.

    Whoever makes the same change at once, or again after a crash in between, gets the same version.
    """
    made = when_seen(
        ec2.create_launch_template_version,
        LaunchTemplateId=template_id,
        LaunchTemplateData=data,
        ClientToken=hashlib.sha256(f"{template_id} {digest} {replaced}".encode()).hexdigest(),
    )
    number = str(made["LaunchTemplateVersion"]["VersionNumber"])
    when_seen(ec2.create_tags, Resources=[template_id], Tags=to_list({CONTENT_TAG: f"{number} {digest}"}))
    return number


def find(ec2, name):
    """Return the template of that name, or None."""
    found = ec2.describe_launch_templates(Filters=[{"Name": "launch-template-name", "Values": [name]}])
    return next(iter(found["LaunchTemplates"]), None)


def create(ec2, name, data, tags, digest):
    """Create the template; whoever comes second takes what the first made."""
    from botocore.exceptions import ClientError

    tags = {"Name": name, **tags, CONTENT_TAG: f"1 {digest}"}
    try:
        created = ec2.create_launch_template(
            LaunchTemplateName=name,
            LaunchTemplateData=data,
            TagSpecifications=[{"ResourceType": "launch-template", "Tags": to_list(tags)}],
        )["LaunchTemplate"]
    except ClientError as error:
        if error_code(error) != "InvalidLaunchTemplateName.AlreadyExistsException":
            raise
        return when_seen(ec2.describe_launch_templates, LaunchTemplateNames=[name])["LaunchTemplates"][0]
    return {**created, "Tags": to_list(tags), "created": True}


def main():
    """Run the module."""
    module = AnsibleModule(
        {
            "name": {"type": "str", "required": True},
            "region": {"type": "str", "required": True},
            "data": {"type": "dict", "required": True},
            "tags": {"type": "dict", "default": {}},
        }
    )
    options = module.params
    run(module, lambda: ensure(connect("ec2", options["region"]), options["name"], options["data"], options["tags"]))


if __name__ == "__main__":
    main()
