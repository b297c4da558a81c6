"""What a fleet came to: EC2's reasons for instances that are missing, and what to do about them. Pure."""

from __future__ import annotations

import re

from ansible.module_utils.toilctl_aws import CREDENTIALS_CODES, NEXT_STEPS, NOT_OFFERED, QUOTA, AwsError, may_not

NOT_YET_SEEN = (
    "InvalidGroup.NotFound",
    "InvalidSecurityGroupID.NotFound",
    "InvalidLaunchTemplateId.NotFound",
    "InvalidLaunchTemplateId.VersionNotFound",
    "InvalidLaunchTemplateName.NotFoundException",
)
NO_CAPACITY = "Try again later, or launch with more zones (-z a,b) or instance types (a/b)."
SET_ASIDE = "SetAside"
CAPACITY = {
    SET_ASIDE: "Launch it later, or with more zones or instance types.",
    "InsufficientInstanceCapacity": NO_CAPACITY,
    "InsufficientHostCapacity": NO_CAPACITY,
    "UnfulfillableCapacity": NO_CAPACITY,
    **dict.fromkeys(NOT_OFFERED, "Name other zones or instance types: EC2 does not offer this one there."),
    "InsufficientFreeAddressesInSubnet": "Name another subnet or more zones.",
    "SpotMaxPriceTooLow": "Bid more than the current price, or buy on demand.",
    "MaxSpotInstanceCountExceeded": "Terminate other instances, or ask AWS for a larger spot quota",
    "VcpuLimitExceeded": "Terminate other instances, or ask AWS for a larger vCPU quota",
    "InstanceLimitExceeded": "Terminate other instances, or ask AWS for a larger vCPU quota",
}
# Service Quotas' codes for the vCPUs of the standard families, as in toilctl.system.quotas; others have theirs.
STANDARD_FAMILY = re.compile(r"(?:[acdhimrtz]|im|is)\d")
STANDARD_QUOTA = {False: "L-1216C47A", True: "L-34B43A08"}


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
    said = may_not(code, message) or message
    return {"code": code, "message": said.rstrip(". "), "instance_type": instance_type, "zone": zone}


def set_aside(offering):
    """Return why an offering was not asked for."""
    return describe_error(SET_ASIDE, "it was refused a while ago", offering["instance_type"], offering["zone"])


def is_unsettled(errors):
    """Return whether waiting may help: what was just made is not seen everywhere at once.

    Pools that lack capacity, or do not offer the instance type, say so meanwhile.
    """
    return any(map(is_of_new, errors)) and all(error["code"] in CAPACITY or is_of_new(error) for error in errors)


def is_of_new(error):
    """Return whether an error may be of what EC2 does not see yet."""
    return error["code"] in NOT_YET_SEEN or "iaminstanceprofile" in error["message"].lower().replace(" ", "")


def report(options, live, launched, errors, ended=()):
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
    problem = summarise(options, missing, errors, ended)
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


def summarise(options, missing, errors, ended=()):
    """Return one error for what is missing: each reason once, and what to do about the first.

    What EC2 launched and ended again, for the reasons ``ended``, is as little an error of its answer's as silence is.
    """
    reasons = list(
        dict.fromkeys(
            f"{error['code']}{' in ' + error['zone'] if error['zone'] else ''}: {error['message']}" for error in errors
        )
    )
    first = errors[0] if errors else describe_error("", "")
    role = "service-linked role" in first["message"].lower() or "ServiceLinkedRole" in first["code"]
    next_step = (
        "Ask an administrator to run: aws iam create-service-linked-role --aws-service-name spot.amazonaws.com"
        if role
        else advice(options, first["code"])
    )
    kind = "credentials" if role or first["code"] in CREDENTIALS_CODES else first["code"]
    return AwsError(
        "capacity" if first["code"] in CAPACITY or not errors else kind,
        f"{missing} of {options['count']} {options['role']} nodes {options['node_type']} could not be launched: "
        f"{'; '.join(reasons or ended).rstrip('.') or 'EC2 gave no reason'}.",
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
    if code not in QUOTA:
        return CAPACITY.get(code) or NEXT_STEPS.get(code) or "Run the same command again."
    where = f"Service Quotas, EC2, {options['region']}"
    if STANDARD_FAMILY.match(options["instance_types"][0]):
        quota = STANDARD_QUOTA[options["spot_bid"] is not None]
        where = (
            f"aws service-quotas request-service-quota-increase --region {options['region']} --service-code ec2 "
            f"--quota-code {quota} --desired-value VCPUS"
        )
    return f"{CAPACITY[code]}: {where}"
