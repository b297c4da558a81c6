#!/usr/bin/python
"""Ansible module: terminate instances of one cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_terminate
short_description: Terminate instances of one cluster
description: Only instances with the cluster's tag are touched, and one listing per poll sees all of them end.
options:
  region: {type: str, required: true, description: The AWS region.}
  cluster: {type: str, required: true, description: The cluster's name.}
  instance_ids:
    type: list
    elements: str
    description: Which of its instances; left out, all of them. One of another cluster is refused.
  wait: {type: bool, default: true, description: Whether to wait until they are gone.}
  timeout_s: {type: float, default: 600, description: How long to wait.}
"""

RETURN = r"""
terminated: {type: list, returned: always, description: The instances that this call terminated.}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.toilctl_aws import (
    FILTER_VALUES,
    AwsError,
    chunks,
    connect,
    instances,
    poll,
    run,
    terminate_instances,
    to_dict,
)

CLUSTER = "toilctl:cluster"
# How many nodes a sentence names.
NAMED = 10


def terminate(ec2, options):
    """Terminate, and wait; what began to run after the first look is ended, too, when all are meant."""
    ended = set()
    for _ in poll(options["timeout_s"] if options["wait"] else 0):
        states = listing(ec2, options)
        to_end = sorted(i for i, state in states.items() if state not in ("shutting-down", "terminated"))
        new = [instance_id for instance_id in to_end if instance_id not in ended]
        terminate_instances(ec2, new)
        ended |= set(new)
        if all(state == "terminated" for state in states.values()) and not new:
            break
    else:
        if options["wait"]:
            raise left_over(states)
    return {"changed": bool(ended), "terminated": sorted(ended)}


def left_over(states):
    """Return the error for instances that do not end."""
    left = sorted(instance_id for instance_id, state in states.items() if state != "terminated")
    more = f" and {len(left) - NAMED} more" if len(left) > NAMED else ""
    return AwsError(
        "leftovers",
        f"Not terminated yet: {', '.join(left[:NAMED])}{more}.",
        "Run the same command again in a minute.",
        left=left,
    )


def listing(ec2, options):
    """Return id → state of the instances that are meant."""
    named = options["instance_ids"]
    if named is None:
        found = instances(ec2, [{"Name": f"tag:{CLUSTER}", "Values": [options["cluster"]]}])
    else:
        asked = [[{"Name": "instance-id", "Values": some}] for some in chunks(named, FILTER_VALUES)]
        found = [instance for wanted in asked for instance in instances(ec2, wanted)]
    foreign = [i["InstanceId"] for i in found if to_dict(i.get("Tags")).get(CLUSTER) != options["cluster"]]
    if foreign:
        raise AwsError(
            "conflict",
            f"Not of cluster {options['cluster']}: {', '.join(sorted(foreign))}.",
            "Name nodes that `toilctl describe-cluster` lists.",
        )
    return {instance["InstanceId"]: instance["State"]["Name"] for instance in found}


def main():
    """Run the module."""
    module = AnsibleModule(
        {
            "region": {"type": "str", "required": True},
            "cluster": {"type": "str", "required": True},
            "instance_ids": {"type": "list", "elements": "str"},
            "wait": {"type": "bool", "default": True},
            "timeout_s": {"type": "float", "default": 600},
        }
    )
    run(module, lambda: terminate(connect("ec2", module.params["region"]), module.params))


if __name__ == "__main__":
    main()
