#!/usr/bin/python
"""Ansible module: the IAM roles and instance profiles of a cluster's nodes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: iam_node_profiles
short_description: IAM roles and instance profiles of a cluster's nodes
description:
  - Each profile has one role of the same name with one inline policy.
  - Only what has exactly the name and the cluster's tag is changed or deleted.
  - What IAM does not show yet, or still holds, is waited for.
options:
  region: {type: str, required: true, description: 'The AWS region, for its partition.'}
  cluster: {type: str, required: true, description: The cluster's name.}
  state: {type: str, choices: [present, absent], default: present, description: Whether they are to be.}
  trust: {type: json, description: Who may act in the roles.}
  must_see:
    type: bool
    default: true
    description: Whether V(absent) fails where one may not look for them; else they are taken for what does not exist.
  tags: {type: dict, default: {}, description: Tags of roles and profiles.}
  profiles:
    type: list
    elements: dict
    required: true
    description: The profiles.
    suboptions:
      name: {type: str, required: true, description: The name of role and profile.}
      role: {type: str, required: true, description: 'leader or worker, for the tag.'}
      policy: {type: json, description: What it may do.}
"""

RETURN = r"""
names: {type: list, returned: always, description: The names that this call made or changed or deleted.}
"""

import json

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.toilctl_aws import (
    DENIED,
    AwsError,
    connect,
    error_code,
    is_not_found,
    poll,
    run,
    to_dict,
    to_list,
    when_seen,
)

CLUSTER = "toilctl:cluster"
POLICY = "toilctl"
# How long what was taken away may be in the way of a deletion.
RELEASE_TIMEOUT_S = 30


def present(iam, options):
    """Make roles, policies and profiles; return the names of those that changed."""
    changed = []
    for profile in options["profiles"]:
        name = profile["name"]
        tags = {**options["tags"], CLUSTER: options["cluster"], "toilctl:role": profile["role"]}
        steps = (
            ensure_role(iam, name, options["trust"], tags),
            ensure_policy(iam, name, json.loads(profile["policy"])),
            ensure_profile(iam, name, tags),
        )
        changed += [name] if any(steps) else []
    return {"changed": bool(changed), "names": changed}


def absent(iam, options):
    """Delete profiles and roles that carry the cluster's tag."""
    deleted = []
    for profile in options["profiles"]:
        steps = (
            delete_profile(iam, profile["name"], options),
            delete_role(iam, profile["name"], options),
        )
        deleted += [profile["name"]] if any(steps) else []
    return {"changed": bool(deleted), "names": deleted}


def ensure_role(iam, name, trust, tags):
    """Make the role, its tags in the creating call; return whether something changed."""
    role = find(iam.get_role, "Role", RoleName=name)
    if role is None:
        made = create(iam.create_role, RoleName=name, AssumeRolePolicyDocument=trust, Tags=to_list(tags))
        if made:
            return True
        role = when_seen(iam.get_role, RoleName=name)["Role"]
    check_ours("IAM role", name, role, tags[CLUSTER])
    existing = to_dict(role.get("Tags"))
    differing = [tag for tag in to_list(tags) if existing.get(tag["Key"]) != tag["Value"]]
    if differing:
        when_seen(iam.tag_role, RoleName=name, Tags=differing)
    return bool(differing)


def ensure_policy(iam, name, policy):
    """Give the role exactly this policy; return whether it had another."""
    existing = find(iam.get_role_policy, "PolicyDocument", RoleName=name, PolicyName=POLICY)
    if existing == policy:
        return False
    when_seen(iam.put_role_policy, RoleName=name, PolicyName=POLICY, PolicyDocument=json.dumps(policy))
    return True


def ensure_profile(iam, name, tags):
    """Make the profile with its role; return whether something changed."""
    profile = find(iam.get_instance_profile, "InstanceProfile", InstanceProfileName=name)
    changed = profile is None
    if profile is None:
        create(iam.create_instance_profile, InstanceProfileName=name, Tags=to_list(tags))
        profile = when_seen(iam.get_instance_profile, InstanceProfileName=name)["InstanceProfile"]
    check_ours("instance profile", name, profile, tags[CLUSTER])
    if not profile["Roles"]:
        # Another run may add it meanwhile; IAM calls a second role a broken limit.
        create(iam.add_role_to_instance_profile, "LimitExceeded", InstanceProfileName=name, RoleName=name)
        changed = True
    return changed


def delete_profile(iam, name, options):
    """Delete the profile if it is the cluster's."""
    found = find(iam.get_instance_profile, "InstanceProfile", options["must_see"], InstanceProfileName=name)
    if found is None or to_dict(found.get("Tags")).get(CLUSTER) != options["cluster"]:
        return False
    for role in found["Roles"]:
        delete(iam.remove_role_from_instance_profile, InstanceProfileName=name, RoleName=role["RoleName"])
    delete(iam.delete_instance_profile, InstanceProfileName=name)
    return True


def delete_role(iam, name, options):
    """Delete the role if it is the cluster's, with policies that somebody added."""
    found = find(iam.get_role, "Role", options["must_see"], RoleName=name)
    if found is None or to_dict(found.get("Tags")).get(CLUSTER) != options["cluster"]:
        return False
    for policy in find(iam.list_role_policies, "PolicyNames", RoleName=name) or []:
        delete(iam.delete_role_policy, RoleName=name, PolicyName=policy)
    for policy in find(iam.list_attached_role_policies, "AttachedPolicies", RoleName=name) or []:
        delete(iam.detach_role_policy, RoleName=name, PolicyArn=policy["PolicyArn"])
    delete(iam.delete_role, RoleName=name)
    return True


def find(call, key, must_see=True, **names):
    """Return what a call gets; None when it does not exist, or may not be looked at and need not be seen."""
    from botocore.exceptions import ClientError

    try:
        return call(**names)[key]
    except ClientError as error:
        if is_not_found(error) or (error_code(error) in DENIED and not must_see):
            return None
        raise


def delete(call, **names):
    """Delete; what was taken away from it may still be in the way, and what is gone is as good."""
    from botocore.exceptions import ClientError

    for _ in poll(RELEASE_TIMEOUT_S, delay_s=1):
        try:
            return call(**names)
        except ClientError as error:
            if is_not_found(error):
                return None
            if error_code(error) != "DeleteConflict":
                raise
            held = error
    raise held


def create(call, *codes, **what):
    """Create; return False when somebody else just did, which ``codes`` say, too."""
    from botocore.exceptions import ClientError

    try:
        when_seen(call, **what)
    except ClientError as error:
        if error_code(error) not in ("EntityAlreadyExists", *codes):
            raise
        return False
    return True


def check_ours(kind, name, resource, cluster):
    """Refuse to change what has the name but not the tag."""
    if to_dict(resource.get("Tags")).get(CLUSTER) != cluster:
        raise AwsError(
            "conflict",
            f"There is {kind} {name} that is not cluster {cluster}'s.",
            "Delete it, or choose another cluster name.",
        )


def main():
    """Run the module."""
    states = {"present": present, "absent": absent}
    profile = {
        "name": {"type": "str", "required": True},
        "role": {"type": "str", "required": True},
        "policy": {"type": "json"},
    }
    module = AnsibleModule(
        {
            "region": {"type": "str", "required": True},
            "cluster": {"type": "str", "required": True},
            "state": {"type": "str", "choices": list(states), "default": "present"},
            "must_see": {"type": "bool", "default": True},
            "trust": {"type": "json"},
            "tags": {"type": "dict", "default": {}},
            "profiles": {"type": "list", "elements": "dict", "required": True, "options": profile},
        }
    )
    options = module.params
    run(module, lambda: states[options["state"]](connect("iam", options["region"]), options))


if __name__ == "__main__":
    main()
