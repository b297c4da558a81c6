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
    security group before the request, and ends only when EC2 has answered. An attempt without an answer is repeated
    as it was, and EC2 then answers with the instances that it made for it.
  - Instances are counted, not exceptions. A fleet that is partly filled is no failure; see I(missing) and I(errors).
options:
  region: {type: str, required: true, description: The AWS region.}
  cluster: {type: str, required: true, description: The cluster's name.}
  generation: {type: str, required: true, description: The cluster's generation.}
  security_group_id: {type: str, required: true, description: 'The cluster''s group, which carries state and attempts.'}
  role: {type: str, required: true, choices: [leader, worker], description: The role of the nodes.}
  node_type: {type: str, required: true, description: 'The canonical string, for the tag.'}
  slug: {type: str, required: true, description: 'The node type in letters, digits and underscores.'}
  instance_types: {type: list, elements: str, required: true, description: In order of preference.}
  spot_bid: {type: float, description: 'USD per hour; left out, instances are bought on demand.'}
  subnet_ids: {type: list, elements: str, required: true, description: One per zone.}
  zones: {type: dict, default: {}, description: 'The zone of each subnet, for I(without) and what is said of errors.'}
  without:
    type: list
    elements: dict
    default: []
    description: Pairs of I(instance_type) and I(zone) that are not asked for. Without any left, all that is missing is.
  launch_template: {type: dict, required: true, description: 'Its id and version.'}
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

import hashlib
import json
import re
import time
from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.toilctl_aws import (
    CREDENTIALS_CODES,
    NEXT_STEPS,
    AwsError,
    connect,
    error_code,
    poll,
    run,
    to_dict,
    to_list,
)

LIVE = ("pending", "running", "stopping", "stopped")
SERVER_ERROR = 500
THROTTLED = ("RequestLimitExceeded", "Throttling", "ThrottlingException", "EC2ThrottledException")
# Younger than EC2's memory of tokens by far, older than any lag of its listings.
REPEATABLE_S = 600
NOT_YET_SEEN = (
    "InvalidGroup.NotFound",
    "InvalidSecurityGroupID.NotFound",
    "InvalidLaunchTemplateId.NotFound",
    "InvalidLaunchTemplateName.NotFoundException",
)
NO_CAPACITY = "Try again later, or launch with more zones (-z a,b) or instance types (a/b)."
SET_ASIDE = "SetAside"
CAPACITY = {
    SET_ASIDE: "Launch it later, or with more zones or instance types.",
    "InsufficientInstanceCapacity": NO_CAPACITY,
    "InsufficientHostCapacity": NO_CAPACITY,
    "UnfulfillableCapacity": NO_CAPACITY,
    "Unsupported": "Name other zones or instance types: EC2 does not offer this one there.",
    "InsufficientFreeAddressesInSubnet": "Name another subnet or more zones.",
    "SpotMaxPriceTooLow": "Bid more than the current price, or buy on demand.",
    "MaxSpotInstanceCountExceeded": "Terminate other instances, or ask AWS for a larger spot quota",
    "VcpuLimitExceeded": "Terminate other instances, or ask AWS for a larger vCPU quota",
    "InstanceLimitExceeded": "Terminate other instances, or ask AWS for a larger vCPU quota",
}
QUOTAS = ("MaxSpotInstanceCountExceeded", "VcpuLimitExceeded", "InstanceLimitExceeded")
# Service Quotas' codes for the vCPUs of the standard families; each other family has its own.
STANDARD_FAMILY = re.compile(r"[acdhimrtz]\d")
STANDARD_QUOTA = {False: "L-1216C47A", True: "L-34B43A08"}


@dataclass(frozen=True)
class Ledger:
    """The attempts at one role and node type, as a tag of the security group keeps them.

    ``ATTEMPT`` when nothing is under way, ``ATTEMPT COUNT SECONDS TOKEN`` while a request may be.
    """

    attempt: int = 0
    count: int = 0
    since: float = 0
    token: str = ""

    @classmethod
    def parse(cls, text):
        """Read the tag's value; no tag is the first attempt."""
        attempt, count, since, token = [*(text or "0").split(), "0", "0", ""][:4]
        return cls(int(attempt), int(count), float(since), token)

    def __str__(self):
        under_way = f" {self.count} {self.since:.0f} {self.token}" if self.token else ""
        return f"{self.attempt}{under_way}"

    def ended(self):
        """Return the ledger after an answer."""
        return Ledger(self.attempt + 1)

    def begin(self, options, missing, now):
        """Return the ledger with an attempt under way: one without an answer if it may be repeated, else a new one."""
        repeated = token(options, request(options, self.count), self.attempt)
        if self.token == repeated and now - self.since < REPEATABLE_S:
            return self
        attempt = self.attempt + bool(self.token)
        return Ledger(attempt, missing, now, token(options, request(options, missing), attempt))


def ensure(ec2, options):
    """Count, launch what is missing, count again; return what there is and why it may be less than asked."""
    key = f"toilctl:attempt:{options['role']}-{options['slug']}"
    ledger = Ledger.parse(group_tags(ec2, options).get(key))
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
        write(ec2, options, key, ledger)
        new, errors = attempt(ec2, options, ledger)
        ledger = ledger.ended()
        write(ec2, options, key, ledger)
        launched |= new
        live = count_live(ec2, options, launched)
        # An attempt that was repeated may have answered with instances that ended since.
        outdated = not errors and not earlier
        if len(live) >= options["count"] or not (is_unsettled(errors) or outdated):
            break
    undo_if_destroying(ec2, options, launched)
    return report(options, sorted(live), sorted(launched), errors)


def group_tags(ec2, options):
    """Return the tags of the security group, having refused a cluster that is being destroyed or another one."""
    group = ec2.describe_security_groups(GroupIds=[options["security_group_id"]])["SecurityGroups"][0]
    tags = to_dict(group["Tags"])
    if tags.get("toilctl:state") == "destroying" or tags.get("toilctl:generation") != options["generation"]:
        name = options["cluster"]
        raise AwsError(
            "conflict", f"Cluster {name} is being destroyed.", f"Finish that first: toilctl destroy-cluster {name}."
        )
    return tags


def count_live(ec2, options, launched):
    """Return the ids of the live instances; those just launched count even if the listing lags behind."""
    tags = {name: options[name.replace("-", "_")] for name in ("cluster", "generation", "role", "node-type")}
    if options["count_by"] == "intent":
        tags["intent"] = options["intent"]
    wanted = [{"Name": f"tag:toilctl:{name}", "Values": [value]} for name, value in tags.items()]
    states = {
        instance["InstanceId"]: instance["State"]["Name"]
        for page in ec2.get_paginator("describe_instances").paginate(Filters=wanted)
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
    }
    listed = {instance_id for instance_id, state in states.items() if state in LIVE}
    return listed | (launched - set(states))


def write(ec2, options, key, ledger):
    """Keep the ledger where the next run finds it, whichever machine that is."""
    ec2.create_tags(Resources=[options["security_group_id"]], Tags=[{"Key": key, "Value": str(ledger)}])


def attempt(ec2, options, ledger):
    """Send the request under way; return the ids of its instances and its errors.

    An error of which it is unknown whether EC2 made instances is raised, and leaves the attempt under way.
    """
    from botocore.exceptions import ClientError

    try:
        answer = ec2.create_fleet(ClientToken=ledger.token, **request(options, ledger.count))
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        answered = status < SERVER_ERROR and error_code(error) not in THROTTLED
        if not answered and error_code(error) not in CAPACITY:
            raise
        return set(), [describe_error(error_code(error), error.response["Error"].get("Message", ""))]
    ids = {instance_id for part in answer.get("Instances", []) for instance_id in part["InstanceIds"]}
    return ids, [flatten(error, options["zones"]) for error in answer.get("Errors", [])]


def request(options, count):
    """Return the complete request but for its token."""
    spot = options["spot_bid"] is not None
    template = options["launch_template"]
    strategy = (
        # By price and by how deep each pool is; it takes no priorities.
        {"SpotOptions": {"AllocationStrategy": "price-capacity-optimized"}}
        if spot
        else {"OnDemandOptions": {"AllocationStrategy": "prioritized"}}
    )
    return {
        "Type": "instant",
        "LaunchTemplateConfigs": [
            {
                "LaunchTemplateSpecification": {
                    "LaunchTemplateId": template["id"],
                    "Version": str(template["version"]),
                },
                "Overrides": overrides(options),
            }
        ],
        "TargetCapacitySpecification": {
            "TotalTargetCapacity": count,
            "DefaultTargetCapacityType": "spot" if spot else "on-demand",
        },
        # Tags of interfaces and spot requests are the template's: a fleet takes none for them.
        "TagSpecifications": [
            {"ResourceType": kind, "Tags": to_list(node_tags(options))} for kind in ("fleet", "instance", "volume")
        ],
        **strategy,
    }


def overrides(options):
    """Return each instance type in each subnet but for those that are set aside; on demand the preferred type first."""
    left_out = {(offering["instance_type"], offering["zone"]) for offering in options["without"]}
    spot = options["spot_bid"] is not None
    return [
        {
            "InstanceType": instance_type,
            "SubnetId": subnet_id,
            **({"MaxPrice": f"{options['spot_bid']:g}"} if spot else {"Priority": float(priority)}),
        }
        for priority, instance_type in enumerate(options["instance_types"])
        for subnet_id in options["subnet_ids"]
        if (instance_type, options["zones"].get(subnet_id)) not in left_out
    ]


def node_tags(options):
    """Return the tags that make an instance a node of the cluster."""
    names = ("cluster", "generation", "role", "node-type", "intent")
    return {**options["tags"], **{f"toilctl:{name}": options[name.replace("-", "_")] for name in names}}


def token(options, complete_request, number):
    """Return the client token: 64 hex digits of everything that a launch must not share with another."""
    text = json.dumps([complete_request, options["generation"], number], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def flatten(error, zones):
    """Return a fleet's error without the nesting."""
    place = error.get("LaunchTemplateAndOverrides", {}).get("Overrides", {})
    subnet = place.get("SubnetId", "")
    return describe_error(
        error.get("ErrorCode", ""),
        error.get("ErrorMessage", ""),
        place.get("InstanceType", ""),
        place.get("AvailabilityZone") or zones.get(subnet, subnet),
    )


def describe_error(code, message, instance_type="", zone=""):
    """Return one reason for missing instances."""
    return {"code": code, "message": message.rstrip(". "), "instance_type": instance_type, "zone": zone}


def set_aside(offering):
    """Return why an offering was not asked for."""
    return describe_error(SET_ASIDE, "it was refused a while ago", offering["instance_type"], offering["zone"])


def is_unsettled(errors):
    """Return whether waiting may help: what was just made is not seen everywhere at once."""
    return bool(errors) and all(
        error["code"] in NOT_YET_SEEN or "iaminstanceprofile" in error["message"].lower().replace(" ", "")
        for error in errors
    )


def undo_if_destroying(ec2, options, launched):
    """Terminate what was launched if the cluster's destruction began meanwhile: it may have looked before."""
    if not launched:
        return
    try:
        group_tags(ec2, options)
    except AwsError:
        ec2.terminate_instances(InstanceIds=sorted(launched))
        raise


def report(options, live, launched, errors):
    """Return the module's result; with nothing there at all, fail with EC2's reason."""
    missing = max(0, options["count"] - len(live))
    result = {
        "changed": bool(launched),
        "instance_ids": live,
        "launched": launched,
        "node_type": options["node_type"],
        "wanted": options["count"],
        "missing": missing,
        "errors": errors,
    }
    if not missing:
        return result
    problem = summarise(options, missing, errors)
    if not live:
        raise problem
    return {
        **result,
        "toilctl_error": {
            "code": "partial",
            "message": problem.message,
            "next_step": problem.next_step,
            "facts": problem.facts,
        },
    }


def summarise(options, missing, errors):
    """Return one error for what is missing: each reason once, and what to do about the first."""
    reasons = list(
        dict.fromkeys(
            f"{error['code']}{' in ' + error['zone'] if error['zone'] else ''}: {error['message']}" for error in errors
        )
    )
    first = errors[0] if errors else describe_error("", "")
    role = "service-linked role" in first["message"].lower() or "ServiceLinkedRole" in first["code"]
    service = "spot" if options["spot_bid"] is not None and "fleet" not in first["message"].lower() else "ec2fleet"
    next_step = (
        f"Ask an administrator to run: aws iam create-service-linked-role --aws-service-name {service}.amazonaws.com"
        if role
        else advice(options, first["code"])
    )
    kind = "credentials" if role or first["code"] in CREDENTIALS_CODES else first["code"]
    return AwsError(
        "capacity" if first["code"] in CAPACITY or not errors else kind,
        f"{missing} of {options['count']} {options['role']} nodes {options['node_type']} could not be launched: "
        f"{'; '.join(reasons) or 'EC2 gave no reason'}.",
        next_step,
        aws_code=first["code"],
        node_type=options["node_type"],
        role=options["role"],
        wanted=options["count"],
        missing=missing,
        errors=errors,
    )


def advice(options, code):
    """Return what to do about EC2's code."""
    if code not in QUOTAS:
        return CAPACITY.get(code) or NEXT_STEPS.get(code) or "Run the same command again."
    where = f"Service Quotas, EC2, {options['region']}"
    if STANDARD_FAMILY.match(options["instance_types"][0]):
        quota = STANDARD_QUOTA[options["spot_bid"] is not None]
        where = (
            f"aws service-quotas request-service-quota-increase --region {options['region']} --service-code ec2 "
            f"--quota-code {quota} --desired-value VCPUS"
        )
    return f"{CAPACITY[code]}: {where}"


def main():
    """Run the module."""
    text = {"type": "str", "required": True}
    names = {"type": "list", "elements": "str", "required": True}
    offering = {"instance_type": text, "zone": text}
    module = AnsibleModule(
        {
            **dict.fromkeys(
                ("region", "cluster", "generation", "security_group_id", "node_type", "slug", "intent"), text
            ),
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
    run(module, lambda: ensure(connect("ec2", module.params["region"]), module.params))


if __name__ == "__main__":
    main()
