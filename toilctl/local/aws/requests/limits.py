"""Requests that are too large for EC2 or IAM, and that moto takes.

The codes and texts are those that users of the SDKs, Terraform and Karpenter reported.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from toilctl.local.aws.requests.call import Call
from toilctl.local.aws.requests.refusals import Refusal
from toilctl.values import aws_limits

_FILTER_VALUE: Final = re.compile(r"Filter\.\d+\.Value\.\d+")
_ID: Final = re.compile(r"(\w+Id|InstanceType)\.\d+")
_NOT_PAGED: Final = {
    "InstanceId.1": "instancesSet", "VolumeId.1": "volumeSet", "SnapshotId.1": "snapshotSet",
    "NetworkInterfaceId.1": "networkInterfaceIdSet",
}  # fmt: skip
_GROUP_TEXT: Final = re.compile(r"[\w .:/()#,@\[\]+=&;{}!$*-]+", re.ASCII)
_TEMPLATE_NAME: Final = re.compile(r"[\w()./-]+", re.ASCII)
_IAM_NAME: Final = re.compile(r"[\w+=,.@-]+", re.ASCII)


def check(call: Call) -> None:
    """Refuse a request that is larger than AWS takes.

    :raises Refusal: for the first that is wrong.
    """
    if call.service == "ec2":
        _check_filters(call)
        _check_ids(call)
        _check_page(call)
        if own := _EC2.get(call.action):
            own(call)
    elif call.service == "iam":
        _check_iam_names(call)


def _check_filters(call: Call) -> None:
    values = [str(value) for name, value in call.params.items() if _FILTER_VALUE.fullmatch(name)]
    if len(values) > aws_limits.FILTER_VALUES:
        text = f"The maximum number of filter values specified on a single call is {aws_limits.FILTER_VALUES}"
        raise Refusal("FilterLimitExceeded", text)
    if any(len(value) > aws_limits.FILTER_VALUE_LENGTH for value in values):
        text = f"The maximum length for a filter value is {aws_limits.FILTER_VALUE_LENGTH} characters"
        raise Refusal("FilterLimitExceeded", text)


def _check_ids(call: Call) -> None:
    counted = Counter(match[1] for name in call.params if (match := _ID.fullmatch(name)))
    for kind, count in counted.items():
        types = kind == "InstanceType"
        most = aws_limits.INSTANCE_TYPES_PER_CALL if types else aws_limits.IDS_PER_CALL
        if count > most:
            what = "instance types" if types else f"{_spaced(kind.removesuffix('Id'))} IDs"
            text = f"{count} exceeds the maximum number of {what} that can be specified ({most})."
            raise Refusal("InvalidRequest", text)


def _check_page(call: Call) -> None:
    if "MaxResults" not in call.params:
        return
    for first, name in _NOT_PAGED.items():
        if call.action.startswith("Describe") and first in call.params:
            text = f"The parameter {name} cannot be used with the parameter maxResults"
            raise Refusal("InvalidParameterCombination", text)
    least, most = aws_limits.MAX_RESULTS.get(call.action, (1, aws_limits.IDS_PER_CALL))
    wanted = int(call.params["MaxResults"])
    if not least <= wanted <= most:
        bound = f"greater than {least}" if wanted < least else f"smaller than {most}"
        text = f"Value ( {wanted} ) for parameter maxResults is invalid. Expecting a value {bound}."
        raise Refusal("InvalidParameterValue", text)


def _check_group(call: Call) -> None:
    for parameter, what in (("GroupName", "name"), ("GroupDescription", "description")):
        text = str(call.params.get(parameter, ""))
        if len(text) > aws_limits.GROUP_NAME_LENGTH or (text and not _GROUP_TEXT.fullmatch(text)):
            raise Refusal(
                "InvalidParameterValue",
                f"Invalid security group {what}. Valid {what}s are strings less than "
                f"{aws_limits.GROUP_NAME_LENGTH + 1} characters from the following set: a-zA-Z0-9. "
                "_-:/()#,@[]+=&;{}!$*",
            )


def _check_template(call: Call) -> None:
    name = str(call.params.get("LaunchTemplateName", ""))
    least, most = aws_limits.TEMPLATE_NAME_LENGTH
    if not least <= len(name) <= most or not _TEMPLATE_NAME.fullmatch(name):
        raise Refusal(
            "InvalidLaunchTemplateName.MalformedException",
            f"A launch template name must be between {least} and {most} characters, and may contain letters, numbers, "
            "and the following characters: - ( ) . / _.",
        )


def _check_fleet(call: Call) -> None:
    wanted = int(call.params.get("TargetCapacitySpecification.TotalTargetCapacity") or 0)
    if wanted > aws_limits.FLEET_CAPACITY:
        text = f"The target capacity {wanted} is larger than the limit of {aws_limits.FLEET_CAPACITY}."
        raise Refusal("FleetTargetCapacityLimitExceeded", text)
    templates = {match[1] for name in call.params if (match := re.match(r"LaunchTemplateConfigs\.(\d+)\.", name))}
    if len(templates) > aws_limits.FLEET_TEMPLATES:
        text = f"There are more than {aws_limits.FLEET_TEMPLATES} LaunchTemplateConfigs."
        raise Refusal("InvalidParameterValue", text)


def _check_iam_names(call: Call) -> None:
    for parameter, most in (
        ("RoleName", aws_limits.ROLE_NAME_LENGTH), ("InstanceProfileName", aws_limits.PROFILE_NAME_LENGTH),
    ):  # fmt: skip
        name = str(call.params.get(parameter, "x"))
        rule = (
            f"Member must have length less than or equal to {most}" if len(name) > most
            else None if _IAM_NAME.fullmatch(name)
            else r"Member must satisfy regular expression pattern: [\w+=,.@-]+"
        )  # fmt: skip
        if rule:
            where = parameter[0].lower() + parameter[1:]
            text = f"1 validation error detected: Value '{name}' at '{where}' failed to satisfy constraint: {rule}"
            raise Refusal("ValidationError", text)


def _spaced(words: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", words).lower()


_EC2: Final[Mapping[str, Callable[[Call], None]]] = {
    "CreateSecurityGroup": _check_group, "CreateLaunchTemplate": _check_template, "CreateFleet": _check_fleet,
}  # fmt: skip
