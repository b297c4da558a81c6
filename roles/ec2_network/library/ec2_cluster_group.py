#!/usr/bin/python
"""Ansible module: a cluster's security group."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_cluster_group
short_description: A cluster's security group, its first resource and its last
description:
  - Finds or creates C(toilctl-<cluster>). Its tags, with the cluster's generation minted once, are in the creating
    call; of two that create it at the same time, one does and both get the same generation.
  - Lets in port 22 from I(ssh_cidrs) and everything from the group itself.
options:
  cluster: {type: str, required: true, description: The cluster's name.}
  region: {type: str, required: true, description: The AWS region.}
  state:
    type: str
    choices: [present, opened, tagged, destroying, absent]
    default: present
    description:
      - V(opened) adds I(ssh_cidrs) to a group that exists, and changes nothing else; V(tagged) writes I(tags).
        V(destroying) marks a group that exists, so that no launch begins. V(absent) deletes it, and waits while
        interfaces linger.
  subnet_id: {type: str, default: '', description: 'The group is in its VPC; empty: in the default VPC.'}
  tags: {type: dict, default: {}, description: The tags of the group; the generation is added to them.}
  fixed_tags:
    type: list
    elements: str
    default: []
    description: Keys of I(tags) that the group of a cluster with nodes must have the same values of.
  ssh_cidrs: {type: list, elements: str, default: [], description: Who may reach port 22.}
  timeout_s: {type: float, default: 180, description: How long to wait for interfaces that still use the group.}
"""

RETURN = r"""
group_id: {type: str, returned: when the group exists, description: Its id.}
vpc_id: {type: str, returned: when the group exists, description: Its VPC.}
generation: {type: str, returned: when the group exists, description: 'The 8 hex digits minted when it was created.'}
tags: {type: dict, returned: when the group exists, description: All its tags.}
opened: {type: list, returned: for present and opened, description: Address ranges that were newly let in.}
"""

import secrets

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.toilctl_aws import (
    AwsError,
    connect,
    error_code,
    filters,
    find_group,
    group_name,
    is_not_found,
    poll,
    run,
    to_dict,
    to_list,
)
from ansible.module_utils.toilctl_ingress import authorize, cidrs_of, converge_rules, missing_rules, rules, ssh_rule

GENERATION = "toilctl:generation"
STATE = "toilctl:state"


def present(ec2, options):
    """Find or create the group, then let its tags and rules be as asked."""
    group = find_group(ec2, options["cluster"])
    created = group is None
    if group is None:
        group = create(ec2, options)
    tags = to_dict(group["Tags"])
    check_usable(ec2, options, tags)
    retagged = retag(ec2, group["GroupId"], tags, options["tags"])
    untagged = untag(ec2, group["GroupId"], tags, options)
    opened, closed = converge_rules(ec2, group["GroupId"], options["ssh_cidrs"])
    return {
        **facts(group, {**{key: tags[key] for key in tags if key not in untagged}, **retagged}),
        "opened": opened,
        "changed": bool(created or retagged or untagged or opened or closed),
    }


def opened(ec2, options):
    """Let more addresses in, and nothing else."""
    group = existing_group(ec2, options)
    missing = missing_rules(rules(ec2, group["GroupId"]), [ssh_rule(cidr) for cidr in options["ssh_cidrs"]])
    authorize(ec2, group["GroupId"], missing)
    return {**facts(group, to_dict(group["Tags"])), "opened": cidrs_of(missing), "changed": bool(missing)}


def tagged(ec2, options):
    """Write tags of a group that exists, and nothing else."""
    group = existing_group(ec2, options)
    retagged = retag(ec2, group["GroupId"], to_dict(group["Tags"]), options["tags"])
    return {**facts(group, {**to_dict(group["Tags"]), **retagged}), "changed": bool(retagged)}


def existing_group(ec2, options):
    """Return the group of a cluster that exists."""
    group = find_group(ec2, options["cluster"])
    if group is None:
        raise AwsError(
            "not-found",
            f"There is no cluster {options['cluster']} in {options['region']}.",
            "See `toilctl list-clusters`.",
        )
    return group


def destroying(ec2, options):
    """Mark the group, so that every launch refuses from now on."""
    group = find_group(ec2, options["cluster"])
    if group is None:
        return {"changed": False}
    changed = to_dict(group["Tags"]).get(STATE) != "destroying"
    if changed:
        ec2.create_tags(Resources=[group["GroupId"]], Tags=to_list({STATE: "destroying"}))
    return {**facts(group, to_dict(group["Tags"])), "changed": changed}


def absent(ec2, options):
    """Delete the group; interfaces of terminated instances hold it for a while."""
    from botocore.exceptions import ClientError

    group = find_group(ec2, options["cluster"])
    if group is None:
        return {"changed": False}
    held = None
    for _ in poll(options["timeout_s"]):
        try:
            ec2.delete_security_group(GroupId=group["GroupId"])
        except ClientError as error:
            if is_not_found(error):
                break
            if error_code(error) != "DependencyViolation":
                raise
            held = error
        else:
            break
    else:
        raise AwsError(
            "leftovers",
            f"Security group {group['GroupId']} is still in use: {held}",
            "See what uses it with `aws ec2 describe-network-interfaces --filters Name=group-id,Values="
            f"{group['GroupId']}`, then run the same command again.",
            left=[group["GroupId"]],
        )
    return {"changed": True}


def create(ec2, options):
    """Create the group with all its tags in the one call; whoever comes second takes what the first made."""
    from botocore.exceptions import ClientError

    vpc_id = find_vpc(ec2, options)
    tags = {**options["tags"], "toilctl:cluster": options["cluster"], GENERATION: secrets.token_hex(4)}
    name = group_name(options["cluster"])
    try:
        ec2.create_security_group(
            GroupName=name,
            Description=f"toilctl cluster {options['cluster']}",
            VpcId=vpc_id,
            TagSpecifications=[{"ResourceType": "security-group", "Tags": to_list({"Name": name, **tags})}],
        )
    except ClientError as error:
        if error_code(error) != "InvalidGroup.Duplicate":
            raise
    for _ in poll(timeout_s=20, delay_s=1):
        found = ec2.describe_security_groups(Filters=filters(group_name=name, vpc_id=vpc_id))["SecurityGroups"]
        if found:
            return check_own(found[0], options["cluster"])
    raise AwsError("error", f"EC2 does not show the new security group {name}.", "Run the same command again.")


def check_own(group, cluster):
    """Return a group that carries the cluster's tag."""
    if to_dict(group.get("Tags")).get("toilctl:cluster") != cluster:
        raise AwsError(
            "conflict",
            f"Security group {group['GroupId']} is called {group['GroupName']} and is not toilctl's.",
            "Choose another cluster name, or delete that group.",
        )
    return group


def find_vpc(ec2, options):
    """Return the VPC of the given subnet, else the default one."""
    if options["subnet_id"]:
        return ec2.describe_subnets(SubnetIds=[options["subnet_id"]])["Subnets"][0]["VpcId"]
    found = ec2.describe_vpcs(Filters=filters(is_default="true"))["Vpcs"]
    if not found:
        raise AwsError(
            "not-found", f"{options['region']} has no default VPC.", "Name a subnet of another VPC with --vpc-subnet."
        )
    return found[0]["VpcId"]


def check_usable(ec2, options, tags):
    """Refuse a group that is being destroyed, or that belongs to nodes with other settings."""
    name = options["cluster"]
    if tags.get(STATE) == "destroying":
        raise AwsError(
            "conflict", f"Cluster {name} is being destroyed.", f"Finish that first: toilctl destroy-cluster {name}."
        )
    other = {
        key: tags.get(key, "") for key in options["fixed_tags"] if tags.get(key, "") != options["tags"].get(key, "")
    }
    if other and has_nodes(ec2, name):
        has = ", ".join(f"{key} = {value!r}" for key, value in sorted(other.items()))
        raise AwsError(
            "conflict",
            f"Cluster {name} exists with other settings: {has}.",
            "Launch with the same settings, choose another name, or destroy it first.",
            settings=other,
        )


def has_nodes(ec2, cluster):
    """Return whether a cluster has any instance that is not going or gone; what has none can still become another."""
    wanted = {"tag:toilctl:cluster": [cluster], "instance-state-name": ["pending", "running", "stopping", "stopped"]}
    listed = [{"Name": name, "Values": values} for name, values in wanted.items()]
    pages = ec2.get_paginator("describe_instances").paginate(Filters=listed)
    return any(page["Reservations"] for page in pages)


def retag(ec2, group_id, existing, wanted):
    """Write the tags that differ, and return them."""
    differing = {key: str(value) for key, value in wanted.items() if str(value) and existing.get(key) != str(value)}
    if differing:
        ec2.create_tags(Resources=[group_id], Tags=to_list(differing))
    return differing


def untag(ec2, group_id, existing, options):
    """Remove fixed tags without a value, which a launch that got no node may have left; return their keys."""
    gone = [key for key in options["fixed_tags"] if existing.get(key) and not options["tags"].get(key)]
    if gone:
        ec2.delete_tags(Resources=[group_id], Tags=[{"Key": key} for key in gone])
    return gone


def facts(group, tags):
    """Return what the other tasks need to know of the group."""
    return {"group_id": group["GroupId"], "vpc_id": group["VpcId"], "generation": tags[GENERATION], "tags": tags}


def main():
    """Run the module."""
    states = {
        "present": present,
        "opened": opened,
        "tagged": tagged,
        "destroying": destroying,
        "absent": absent,
    }
    module = AnsibleModule(
        {
            "cluster": {"type": "str", "required": True},
            "region": {"type": "str", "required": True},
            "state": {"type": "str", "choices": list(states), "default": "present"},
            "subnet_id": {"type": "str", "default": ""},
            "tags": {"type": "dict", "default": {}},
            "fixed_tags": {"type": "list", "elements": "str", "default": []},
            "ssh_cidrs": {"type": "list", "elements": "str", "default": []},
            "timeout_s": {"type": "float", "default": 180},
        }
    )
    options = module.params
    run(module, lambda: states[options["state"]](connect("ec2", options["region"]), options))


if __name__ == "__main__":
    main()
