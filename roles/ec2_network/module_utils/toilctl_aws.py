"""What toilctl's own AWS modules share: a client that waits out throttling, and failures that name a next step."""

from __future__ import annotations

import os
import re
import time

THROTTLE_ATTEMPTS = 10

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedAccess", "UnauthorizedOperation"})
NEXT_STEPS = {
    **dict.fromkeys(
        sorted(DENIED),
        "Ask for that permission, then run the same command again; `toilctl policy launch` prints all that it takes.",
    ),
    "AuthFailure": "Check the AWS credentials with `aws sts get-caller-identity`.",
    "InvalidClientTokenId": "Check the AWS credentials with `aws sts get-caller-identity`.",
    "RequestExpired": "Renew the AWS credentials and check this machine's clock.",
    "ExpiredToken": "Renew the AWS credentials.",
}
CREDENTIALS_CODES = frozenset(NEXT_STEPS)
# Modules run without toilctl: as in toilctl.values.aws_errors.
CAPACITY = frozenset({
    "InsufficientFreeAddressesInSubnet", "InsufficientHostCapacity", "InsufficientInstanceCapacity",
    "SpotMaxPriceTooLow", "UnfulfillableCapacity",
})  # fmt: skip
QUOTA = frozenset({"InstanceLimitExceeded", "MaxSpotInstanceCountExceeded", "VcpuLimitExceeded"})
THROTTLED = frozenset({
    "EC2ThrottledException", "RequestLimitExceeded", "SlowDown", "Throttling", "ThrottlingException",
})  # fmt: skip
DENIED_ACTION = re.compile(r"perform:? ([a-z0-9-]+:[A-Za-z]+)")
NOT_OFFERED = frozenset({"InvalidFleetConfiguration", "Unsupported"})
OUTLIVED = "IdempotentInstanceTerminated"
CLIENT_ERROR = "Client.InternalError"
DISK_KEY_REFUSED = (
    "EC2 may not use the key of its disks; for spot, the role AWSServiceRoleForEC2Spot has to be granted it "
    "('aws kms create-grant', as the manual's page on permissions has it)."
)
# As in toilctl.values.aws_limits.
FILTER_VALUES = 200
IDS_PER_CALL = 1000
PAGE_SIZE = 1000
# What botocore waits for an answer unless told.
READ_TIMEOUT_S = 60
# Those of the command line's classes of errors (toilctl.values.errors) that a module can meet.
CODES = ("usage", "credentials", "not-found", "conflict", "partial", "capacity", "host", "leftovers")


class AwsError(Exception):
    """A failure with the code of toilctl's error classes, or EC2's, and what to do about it."""

    def __init__(self, code, message, next_step="", **facts):
        super().__init__(message)
        self.code = code
        self.message = message
        self.next_step = next_step
        self.facts = facts


def connect(service, region, read_timeout_s=READ_TIMEOUT_S):
    """Return a client that retries throttled calls; endpoint and credentials come from where boto3 looks."""
    import boto3
    from botocore.config import Config

    retries = {"mode": "standard", "max_attempts": int(os.environ.get("AWS_MAX_ATTEMPTS", THROTTLE_ATTEMPTS))}
    config = Config(retries=retries, read_timeout=read_timeout_s)
    return boto3.client(service, region_name=region, config=config)


def error_code(error):
    """Return EC2's code of a botocore ClientError."""
    return error.response.get("Error", {}).get("Code", "")


def is_not_found(error):
    """Return whether AWS says that what a request named does not exist."""
    return "NotFound" in error_code(error) or error_code(error) == "NoSuchEntity"


def run(module, work):
    """Call ``work()`` and exit with what it returns; a failure becomes ``msg`` and a structured ``toilctl_error``."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        result = work()
    except AwsError as error:
        fail(module, error)
    except ClientError as error:
        code = error_code(error)
        kind = "credentials" if code in CREDENTIALS_CODES else code
        fail(module, AwsError(kind, said(error), NEXT_STEPS.get(code, ""), aws_code=code, aws_message=str(error)))
    except NoCredentialsError as error:
        fail(module, AwsError("credentials", str(error), "Configure AWS credentials, for instance with AWS_PROFILE."))
    except BotoCoreError as error:
        fail(module, AwsError("error", str(error), "Check the network and AWS_ENDPOINT_URL, then run it again."))
    else:
        module.exit_json(**result)


def said(error):
    """Return what a botocore ClientError says, a denied action without all that AWS tells of it."""
    return may_not(error_code(error), str(error)) or str(error)


def may_not(code, message):
    """Return the sentence for a denied action; AWS tells what follows it at length. None for another code."""
    denied = code in DENIED and DENIED_ACTION.search(message)
    return f"These credentials may not do {denied[1]}." if denied else None


def fail(module, error):
    """Fail a module with an error that the command line can render."""
    code = error.code if error.code in CODES else "error"
    structured = {"code": code, "message": error.message, "next_step": error.next_step, "facts": error.facts}
    module.fail_json(msg=f"{error.message} {error.next_step}".strip(), toilctl_error=structured)


def to_dict(tag_list):
    """Turn EC2's list of tags into a dict."""
    return {tag["Key"]: tag["Value"] for tag in tag_list or []}


def to_list(tags):
    """Turn a dict into EC2's list of tags, sorted so that equal tags give equal requests; empty values are left out."""
    return [{"Key": key, "Value": str(value)} for key, value in sorted(tags.items()) if str(value)]


def filters(**values):
    """Turn ``name=value or list`` into EC2's filters; ``__`` stands for ``:`` and ``_`` for ``-``."""
    return [
        {"Name": name.replace("__", ":").replace("_", "-"), "Values": value if isinstance(value, list) else [value]}
        for name, value in values.items()
    ]


def instances(ec2, wanted):
    """Return the instances that match filters, a page at a time: without pages EC2 may take too long for many."""
    pages = ec2.get_paginator("describe_instances").paginate(Filters=wanted, PaginationConfig={"PageSize": PAGE_SIZE})
    return [instance for page in pages for reservation in page["Reservations"] for instance in reservation["Instances"]]


def chunks(items, size):
    """Yield a list in pieces that one call takes."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def terminate_instances(ec2, instance_ids):
    """Terminate instances, however many."""
    for some in chunks(sorted(instance_ids), IDS_PER_CALL):
        ec2.terminate_instances(InstanceIds=some)


def when_seen(call, timeout_s=30, **params):
    """Return the answer to a call about what was just made, which EC2 may not see everywhere yet."""
    from botocore.exceptions import ClientError

    for _ in poll(timeout_s, delay_s=1):
        try:
            return call(**params)
        except ClientError as error:
            if not is_not_found(error):
                raise
            unseen = error
    raise unseen


def find_group(ec2, cluster):
    """Return the cluster's security group as EC2 describes it, or None.

    Both the name and the tag must match exactly, so a cluster whose name begins alike is another one.
    """
    found = ec2.describe_security_groups(
        Filters=[{"Name": "tag:toilctl:cluster", "Values": [cluster]}, *filters(group_name=group_name(cluster))]
    )["SecurityGroups"]
    if len(found) > 1:
        ids = ", ".join(sorted(group["GroupId"] for group in found))
        raise AwsError("conflict", f"Cluster {cluster} has more than one security group: {ids}.", "Delete all but one.")
    return found[0] if found else None


def group_name(cluster):
    """Return the name of a cluster's security group."""
    return f"toilctl-{cluster}"


def poll(timeout_s, delay_s=2.0):
    """Yield at once, then every ``delay_s`` until ``timeout_s`` have passed; always at least once."""
    deadline = time.monotonic() + timeout_s
    yield
    while time.monotonic() < deadline:
        time.sleep(delay_s)
        yield


def why_ended(instance):
    """Return why an instance ended, as EC2 says it, and what that means where it says little."""
    state = instance.get("StateReason", {})
    told = state.get("Message") or instance.get("StateTransitionReason") or "EC2 gives no reason"
    return f"{told}. {DISK_KEY_REFUSED}" if state.get("Code") == CLIENT_ERROR else told
