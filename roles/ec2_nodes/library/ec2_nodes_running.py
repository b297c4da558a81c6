#!/usr/bin/python
"""Ansible module: wait until instances run."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_nodes_running
short_description: Wait until instances run
description:
  - One listing per poll, however many instances there are.
  - Never fails for an instance that does not come up; it is in I(pending) or I(lost) then.
options:
  region: {type: str, required: true, description: The AWS region.}
  cluster: {type: str, required: true, description: The cluster's name.}
  instance_ids: {type: list, elements: str, required: true, description: The instances to wait for.}
  intent:
    type: str
    default: ''
    description: >-
      All live instances with this tag, too; those of I(instance_ids) have it as well, and EC2 lists no others.
  timeout_s: {type: float, default: 300, description: How long to wait.}
"""

RETURN = r"""
running: {type: list, returned: always, description: The instances that run.}
pending: {type: list, returned: always, description: The instances that do not run yet.}
lost: {type: dict, returned: always, description: 'Instances that ended meanwhile, with EC2''s reason.'}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.toilctl_aws import connect, instances, poll, run, why_ended

ENDED = ("shutting-down", "terminated", "stopping", "stopped")


def wait(ec2, options):
    """Poll until every instance runs or has ended."""
    wanted = set(options["instance_ids"])
    running, lost = set(), {}
    for _ in poll(options["timeout_s"] if wanted or options["intent"] else 0, delay_s=1.5):
        found = listing(ec2, options) if wanted or options["intent"] else {}
        if options["intent"]:
            wanted |= {instance_id for instance_id, instance in found.items() if not has_ended(instance)}
        listed = {instance_id: instance for instance_id, instance in found.items() if instance_id in wanted}
        running = {instance_id for instance_id, instance in listed.items() if instance["State"]["Name"] == "running"}
        lost = {instance_id: why_ended(instance) for instance_id, instance in listed.items() if has_ended(instance)}
        if running | set(lost) == wanted:
            break
    return {
        "changed": False,
        "running": sorted(running),
        "pending": sorted(wanted - running - set(lost)),
        "lost": lost,
    }


def listing(ec2, options):
    """Return the cluster's instances (of the intent) by id."""
    tags = {name: options[name] for name in ("cluster", "intent") if options[name]}
    filters = [{"Name": f"tag:toilctl:{name}", "Values": [value]} for name, value in tags.items()]
    return {instance["InstanceId"]: instance for instance in instances(ec2, filters)}


def has_ended(instance):
    """Return whether an instance will not run any more."""
    return instance["State"]["Name"] in ENDED


def main():
    """Run the module."""
    module = AnsibleModule(
        {
            "region": {"type": "str", "required": True},
            "cluster": {"type": "str", "required": True},
            "instance_ids": {"type": "list", "elements": "str", "required": True},
            "intent": {"type": "str", "default": ""},
            "timeout_s": {"type": "float", "default": 300},
        },
        supports_check_mode=True,
    )
    run(module, lambda: wait(connect("ec2", module.params["region"]), module.params))


if __name__ == "__main__":
    main()
