"""What a cluster's security group lets in."""

from __future__ import annotations

import ipaddress

from ansible.module_utils.toilctl_aws import AwsError, error_code, filters

SSH_PORT = 22


def converge_rules(ec2, group_id, ssh_cidrs):
    """Add the rules that are missing; take away those that are neither ssh nor the group's own.

    Other ssh rules stay: they are those of other people and places (state ``opened``).
    """
    existing = rules(ec2, group_id)
    own = ("-1", -1, -1, group_id)
    missing = missing_rules(existing, [own, *(ssh_rule(cidr) for cidr in ssh_cidrs)])
    authorize(ec2, group_id, missing)
    extra = [rule_id for rule_id, rule in existing.items() if rule != own and rule[:3] != ("tcp", SSH_PORT, SSH_PORT)]
    if extra:
        ec2.revoke_security_group_ingress(GroupId=group_id, SecurityGroupRuleIds=extra)
    return cidrs_of(missing), extra


def rules(ec2, group_id):
    """Return the ingress rules: id → (protocol, from port, to port, source)."""
    pages = ec2.get_paginator("describe_security_group_rules").paginate(Filters=filters(group_id=group_id))
    return {
        rule["SecurityGroupRuleId"]: (
            rule["IpProtocol"],
            rule.get("FromPort", -1),
            rule.get("ToPort", -1),
            source(rule),
        )
        for page in pages
        for rule in page["SecurityGroupRules"]
        if not rule["IsEgress"]
    }


def source(rule):
    """Return where a rule lets traffic in from."""
    group = rule.get("ReferencedGroupInfo", {}).get("GroupId")
    return group or rule.get("CidrIpv4") or rule.get("CidrIpv6") or rule.get("PrefixListId") or ""


def ssh_rule(cidr):
    """Return the rule for one address range."""
    return ("tcp", SSH_PORT, SSH_PORT, check_cidr(cidr))


def check_cidr(cidr):
    """Return a range in its canonical form; host bits are refused, as 10.1.2.3/0 would open the port to everyone."""
    try:
        return str(ipaddress.ip_network(cidr))
    except ValueError as error:
        raise AwsError(
            "usage", f"{cidr!r} is not an address range: {error}.", "Write one like 198.51.100.7/32.", ssh_cidr=cidr
        ) from error


def missing_rules(existing, wanted):
    """Return the wanted rules that do not exist."""
    return [rule for rule in dict.fromkeys(wanted) if rule not in existing.values()]


def authorize(ec2, group_id, missing):
    """Add rules; one that somebody else added meanwhile is as good."""
    from botocore.exceptions import ClientError

    for protocol, from_port, to_port, origin in missing:
        permission = {"IpProtocol": protocol}
        if protocol == "-1":
            permission["UserIdGroupPairs"] = [{"GroupId": origin}]
        else:
            key, field = ("Ipv6Ranges", "CidrIpv6") if ":" in origin else ("IpRanges", "CidrIp")
            permission |= {"FromPort": from_port, "ToPort": to_port, key: [{field: origin, "Description": "ssh"}]}
        try:
            ec2.authorize_security_group_ingress(GroupId=group_id, IpPermissions=[permission])
        except ClientError as error:
            if error_code(error) == "RulesPerSecurityGroupLimitExceeded":
                raise full(ec2, group_id, origin) from error
            if error_code(error) != "InvalidPermission.Duplicate":
                raise


def full(ec2, group_id, origin):
    """Return the error of a group that holds no more rules."""
    where = f"--region {ec2.meta.region_name} --group-id {group_id}"
    return AwsError(
        "conflict",
        f"Security group {group_id} has as many inbound rules as EC2 allows, so that {origin} cannot be let in.",
        "Take away addresses that nobody uses any more: aws ec2 revoke-security-group-ingress "
        f"{where} --protocol tcp --port 22 --cidr OLD/32. Or let a whole range in once with --ssh-cidr (ssh_cidrs).",
        group_id=group_id,
        ssh_cidr=origin,
    )


def cidrs_of(new_rules):
    """Return the address ranges among rules."""
    return [origin for _, from_port, _, origin in new_rules if from_port == SSH_PORT]
