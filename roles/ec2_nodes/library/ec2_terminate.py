#!/usr/bin/python
"""Ansible module: terminate instances of one cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_terminate
short_description: Terminate instances of one cluster
description:
  - Only instances with the cluster's tag are touched, and one listing per poll sees all of them end.
  - In check mode it tells which it would terminate, and refuses the same.
options:
  region: {type: str, required: true, description: The AWS region.}
  cluster: {type: str, required: true, description: The cluster's name.}
  instance_ids:
    type: list
    elements: str
    description:
      - Which of its workers; left out, all of its instances. Whatever is none of its workers is refused.
      - A cluster that was made anew under the same name has workers of its own.
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
    find_group,
    instances,
    poll,
    run,
    terminate_instances,
    to_dict,
)

CLUSTER, GENERATION, ROLE = "toilctl:cluster", "toilctl:generation", "toilctl:role"
ENDED = ("shutting-down", "terminated")
# How many nodes a sentence names.
NAMED = 10


def would_terminate(ec2, options):
    """Return what would end, and end nothing."""
    to_end = sorted(i for i, state in listing(ec2, options).items() if state not in ENDED)
    return {"changed": bool(to_end), "terminated": to_end}


def terminate(ec2, options):
    """Terminate, and wait; what began to run after the first look is ended, too, when all are meant."""
    ended = set()
    for _ in poll(options["timeout_s"] if options["wait"] else 0):
        states = listing(ec2, options)
        to_end = sorted(i for i, state in states.items() if state not in ENDED)
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
        listed = instances(ec2, [{"Name": f"tag:{CLUSTER}", "Values": [options["cluster"]]}])
    else:
        asked = [[{"Name": "instance-id", "Values": some}] for some in chunks(named, FILTER_VALUES)]
        listed = [instance for wanted in asked for instance in instances(ec2, wanted)]
    found = {instance["InstanceId"]: instance for instance in listed}
    if named:
        refuse_others(ec2, options["cluster"], named, found)
    return {instance_id: instance["State"]["Name"] for instance_id, instance in found.items()}


def refuse_others(ec2, cluster, named, found):
    """Raise an error unless all that are named are workers of the cluster as it is now."""
    group = find_group(ec2, cluster)
    if group is None:
        raise AwsError("not-found", f"There is no cluster {cluster}.", "See `toilctl list-clusters`.")
    is_so = {CLUSTER: cluster, ROLE: "worker", GENERATION: to_dict(group["Tags"]).get(GENERATION)}
    others = [i for i in named if i not in found or not is_so.items() <= to_dict(found[i].get("Tags")).items()]
    if others:
        raise AwsError(
            "conflict",
            f"Not a worker of cluster {cluster}: {', '.join(sorted(set(others)))}.",
            "Name workers that `toilctl describe-cluster` lists.",
        )


def main():
    """Run the module."""
    module = AnsibleModule(
        {
            "region": {"type": "str", "required": True},
            "cluster": {"type": "str", "required": True},
            "instance_ids": {"type": "list", "elements": "str"},
            "wait": {"type": "bool", "default": True},
            "timeout_s": {"type": "float", "default": 600},
        },
        supports_check_mode=True,
    )
    act = would_terminate if module.check_mode else terminate
    run(module, lambda: act(connect("ec2", module.params["region"]), module.params))


if __name__ == "__main__":
    main()
