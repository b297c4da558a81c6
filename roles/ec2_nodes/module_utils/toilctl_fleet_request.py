"""What is asked of EC2 for a fleet, and which attempt at it is under way. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from ansible.module_utils.toilctl_aws import to_list

# Younger than EC2's memory of tokens by far, older than any lag of its listings.
REPEATABLE_S = 600


@dataclass(frozen=True)
class Ledger:
    """The attempts at one role and node type, as a tag of its launch template keeps them.

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
