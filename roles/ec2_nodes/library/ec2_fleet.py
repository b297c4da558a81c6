#!/usr/bin/python
"""Ansible module: exactly so many instances of one node type."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_fleet
short_description: Exactly so many instances of one node type
description:
  - Counts the instances that exist and launches what is missing with one instant EC2 fleet.
  - A crash at any point followed by the same call again ends with the same number. The client token is a digest of the
    complete request, the cluster's generation and the number of the attempt; an attempt is written to a tag of the
    launch template before the request, and ends only when EC2 has answered. An attempt without an answer is repeated
    as it was, and EC2 then answers with the instances that it made for it.
  - Instances are counted, not exceptions. A fleet that is partly filled is no failure; see I(missing) and I(errors).
options:
  region: {type: str, required: true, description: The AWS region.}
  cluster: {type: str, required: true, description: The cluster's name.}
  generation: {type: str, required: true, description: The cluster's generation.}
  security_group_id: {type: str, required: true, description: 'The cluster''s group, which carries its state.'}
  role: {type: str, required: true, choices: [leader, worker], description: The role of the nodes.}
  node_type: {type: str, required: true, description: 'The canonical string, for the tag.'}
  instance_types: {type: list, elements: str, required: true, description: In order of preference.}
  spot_bid: {type: float, description: 'USD per hour; left out, instances are bought on demand.'}
  subnet_ids: {type: list, elements: str, required: true, description: One per zone.}
  zones: {type: dict, default: {}, description: 'The zone of each subnet, for I(without) and what is said of errors.'}
  without:
    type: list
    elements: dict
    default: []
    description: Pairs of I(instance_type) and I(zone) that are not asked for. Without any left, all that is missing is.
  launch_template:
    type: dict
    required: true
    description: Its I(id) and I(version), and the I(attempt) that it carries. It is of this role and node type alone.
  count: {type: int, required: true, description: How many instances there are to be.}
  count_by:
    type: str
    choices: [node-type, intent]
    default: node-type
    description: Whether all nodes of the node type are counted, or those of this I(intent) alone.
  intent: {type: str, required: true, description: 'The tag of what is launched by this call, and by a repetition.'}
  tags: {type: dict, default: {}, description: More tags for instances and volumes.}
  settle_timeout_s:
    type: float
    default: 90
    description: How long to try again while EC2 does not see the instance profile, group or template yet.
"""

RETURN = r"""
instance_ids: {type: list, returned: always, description: The live instances that were asked for.}
launched: {type: list, returned: always, description: The instances that this call's requests made.}
wanted: {type: int, returned: always, description: How many there were to be.}
node_type: {type: str, returned: always, description: Of which node type.}
missing: {type: int, returned: always, description: How many could not be launched.}
errors: {type: list, returned: always, description: 'Why: code, message, instance_type and zone.'}
toilctl_error: {type: dict, returned: when some are missing, description: 'The same as one error for people.'}
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.toilctl_aws import (
    OUTLIVED,
    THROTTLED,
    AwsError,
    connect,
    error_code,
    instances,
    poll,
    run,
    terminate_instances,
    to_dict,
    when_seen,
    why_ended,
)
from ansible.module_utils.toilctl_fleet_answer import (
    CAPACITY,
    describe_error,
    flatten,
    is_unsettled,
    report,
    set_aside,
)
from ansible.module_utils.toilctl_fleet_request import Ledger, overrides, request

LIVE = ("pending", "running", "stopping", "stopped")
SERVER_ERROR = 500
ATTEMPT = "toilctl:attempt"
# An instant fleet answers when all its instances have been asked for; of many, that takes minutes.
READ_TIMEOUT_S = 300


def ensure(ec2, options):
    """Count, launch what is missing, count again; return what there is and why it may be less than asked."""
    check_group(ec2, options)
    ledger = Ledger.parse(options["launch_template"].get("attempt"))
    launched, errors = set(), []
    for earlier, _ in enumerate(poll(options["settle_timeout_s"], delay_s=2)):
        live = count_live(ec2, options, launched)
        missing = options["count"] - len(live)
        if missing <= 0:
            break
        if not overrides(options):
            errors = [set_aside(offering) for offering in options["without"]]
            break
        ledger = ledger.begin(options, missing, time.time())
        write(ec2, options, ledger)
        new, errors = attempt(ec2, options, ledger)
        ledger = ledger.ended()
        write(ec2, options, ledger)
        launched |= new
        live = count_live(ec2, options, launched)
        # An attempt that was repeated may have answered with instances that ended since.
        outdated = not errors and not earlier
        if len(live) >= options["count"] or not (is_unsettled(errors) or outdated):
            break
    undo_if_destroying(ec2, options, launched)
    ended = why_launched_ended(ec2, options, launched - live) if not errors else []
    return report(options, sorted(live), sorted(launched), errors, ended)


def check_group(ec2, options):
    """Refuse a cluster that is being destroyed, or that is another one meanwhile, as its security group says."""
    found = when_seen(ec2.describe_security_groups, GroupIds=[options["security_group_id"]])
    tags = to_dict(found["SecurityGroups"][0]["Tags"])
    if tags.get("toilctl:state") == "destroying" or tags.get("toilctl:generation") != options["generation"]:
        name = options["cluster"]
        raise AwsError(
            "conflict", f"Cluster {name} is being destroyed.", f"Finish that first: toilctl destroy-cluster {name}."
        )


def count_live(ec2, options, launched):
    """Return the ids of the live instances; those just launched count even if the listing lags behind."""
    tags = {name: options[name.replace("-", "_")] for name in ("cluster", "generation", "role", "node-type")}
    if options["count_by"] == "intent":
        tags["intent"] = options["intent"]
    wanted = [{"Name": f"tag:toilctl:{name}", "Values": [value]} for name, value in tags.items()]
    states = {instance["InstanceId"]: instance["State"]["Name"] for instance in instances(ec2, wanted)}
    listed = {instance_id for instance_id, state in states.items() if state in LIVE}
    return listed | (launched - set(states))


def why_launched_ended(ec2, options, launched):
    """Return why instances ended that were just launched, each reason once."""
    if not launched:
        return []
    own = [{"Name": "tag:toilctl:cluster", "Values": [options["cluster"]]}]
    reasons = [why_ended(one) for one in instances(ec2, own) if one["InstanceId"] in launched]
    return list(dict.fromkeys(reasons))


def write(ec2, options, ledger):
    """Keep the ledger where the next run finds it, whichever machine that is."""
    tags = [{"Key": ATTEMPT, "Value": str(ledger)}]
    when_seen(ec2.create_tags, Resources=[options["launch_template"]["id"]], Tags=tags)


def attempt(ec2, options, ledger):
    """Send the request under way; return the ids of its instances and its errors.

    An error of which it is unknown whether EC2 made instances is raised, and leaves the attempt under way.
    """
    from botocore.exceptions import ClientError

    try:
        answer = ec2.create_fleet(ClientToken=ledger.token, **request(options, ledger.count))
    except ClientError as error:
        if error_code(error) == OUTLIVED:
            # It was answered once: with instances that have all ended since.
            return set(), []
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        answered = status < SERVER_ERROR and error_code(error) not in THROTTLED
        if not answered and error_code(error) not in CAPACITY:
            raise
        return set(), [describe_error(error_code(error), error.response["Error"].get("Message", ""))]
    ids = {instance_id for part in answer.get("Instances", []) for instance_id in part["InstanceIds"]}
    return ids, [flatten(error, options["zones"]) for error in answer.get("Errors", [])]


def undo_if_destroying(ec2, options, launched):
    """Terminate what was launched if the cluster's destruction began meanwhile: it may have looked before."""
    if not launched:
        return
    try:
        check_group(ec2, options)
    except AwsError:
        terminate_instances(ec2, launched)
        raise


def main():
    """Run the module."""
    text = {"type": "str", "required": True}
    names = {"type": "list", "elements": "str", "required": True}
    offering = {"instance_type": text, "zone": text}
    module = AnsibleModule(
        {
            **dict.fromkeys(("region", "cluster", "generation", "security_group_id", "node_type", "intent"), text),
            "role": {**text, "choices": ["leader", "worker"]},
            "instance_types": names,
            "spot_bid": {"type": "float"},
            "subnet_ids": names,
            "zones": {"type": "dict", "default": {}},
            "without": {"type": "list", "elements": "dict", "default": [], "options": offering},
            "launch_template": {"type": "dict", "required": True},
            "count": {"type": "int", "required": True},
            "count_by": {"type": "str", "choices": ["node-type", "intent"], "default": "node-type"},
            "tags": {"type": "dict", "default": {}},
            "settle_timeout_s": {"type": "float", "default": 90},
        }
    )
    run(module, lambda: ensure(connect("ec2", module.params["region"], READ_TIMEOUT_S), module.params))


if __name__ == "__main__":
    main()
