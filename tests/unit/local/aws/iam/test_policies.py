"""The policy evaluator: a pure function."""

from __future__ import annotations

from typing import Any

import pytest

from toilctl.local.aws.iam.policies import Decision, decide

INSTANCE = "arn:aws:ec2:us-west-2:123456789012:instance/i-1"


def allow(action: Any = "ec2:*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def allowed(*statements: Any, action: str = "ec2:StopInstances", resource: str = INSTANCE, **context: Any) -> bool:
    keys = {key.replace("__", ":"): value for key, value in context.items()}
    return decide([{"Statement": list(statements)}], action, resource, keys) is Decision.ALLOWED


def condition(operator: str, key: str, *values: str) -> dict[str, Any]:
    return allow(Condition={operator: {key: list(values)}})


def test_nothing_is_allowed_without_a_statement() -> None:
    assert decide([], "ec2:StopInstances", INSTANCE, {}) is Decision.IMPLICITLY_DENIED


def test_denial_wins_over_permission() -> None:
    deny = {"Effect": "Deny", "Action": "ec2:Stop*", "Resource": "*"}
    assert decide([{"Statement": [allow(), deny]}], "ec2:StopInstances", INSTANCE, {}) is Decision.EXPLICITLY_DENIED


def test_single_statement_needs_no_list() -> None:
    assert decide([{"Statement": allow()}], "ec2:StopInstances", INSTANCE, {}) is Decision.ALLOWED


@pytest.mark.parametrize(
    ("action", "expected"),
    [("ec2:*", True), ("EC2:stopinstances", True), (["ec2:Run*", "ec2:Stop*"], True), ("ec2:Start*", False)],
)
def test_actions_match_by_wildcard_and_without_case(action: Any, expected: bool) -> None:
    assert allowed(allow(action)) is expected


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("arn:aws:ec2:*:*:instance/*", True),
        ("arn:aws:ec2:*:*:volume/*", False),
        (["arn:aws:ec2:*:*:volume/*", INSTANCE], True),
        ("arn:aws:ec2:*:*:instance/i-?", True),
        ("arn:aws:ec2:*:*:INSTANCE/*", False),
    ],
)
def test_resources_match_by_wildcard(resource: Any, expected: bool) -> None:
    assert allowed(allow(resource=resource)) is expected


def test_not_action_and_not_resource_mean_the_others() -> None:
    assert not allowed({"Effect": "Allow", "NotAction": "ec2:Stop*", "Resource": "*"})
    assert allowed({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"})
    assert not allowed({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:ec2:*"})


@pytest.mark.parametrize(
    ("operator", "wanted", "value", "expected"),
    [
        ("StringEquals", ["a"], "a", True),
        ("StringEquals", ["a", "b"], "b", True),
        ("StringEquals", ["a"], "A", False),
        ("StringEquals", ["a"], None, False),
        ("StringEqualsIgnoreCase", ["a"], "A", True),
        ("StringNotEquals", ["a"], "b", True),
        ("StringNotEquals", ["a"], "a", False),
        ("StringNotEquals", ["a"], None, True),
        ("StringLike", ["my-*"], "my-cluster", True),
        ("StringLike", ["my-*"], "your-cluster", False),
        ("StringNotLike", ["my-*"], "your-cluster", True),
        ("StringEqualsIfExists", ["a"], None, True),
        ("StringEqualsIfExists", ["a"], "b", False),
        ("Null", ["true"], None, True),
        ("Null", ["false"], "x", True),
        ("Null", ["true"], "x", False),
        ("Bool", ["true"], "true", True),
        ("Bool", ["true"], "false", False),
        ("ArnLike", ["arn:aws:iam::*:role/x-*"], "arn:aws:iam::1:role/x-y", True),
        ("ArnLike", ["arn:aws:iam:*:role/x-*"], "arn:aws:iam::1:role/x-y", False),
        ("ArnNotEquals", ["arn:aws:iam::1:role/x"], "arn:aws:iam::1:role/y", True),
        ("NumericLessThan", ["5"], "4", True),
        ("IpAddress", ["10.0.0.0/8"], "10.1.2.3", True),
        ("NotIpAddress", ["10.0.0.0/8"], "10.1.2.3", False),
        ("ForAllValues:StringEquals", ["a", "b"], ["a"], True),
        ("ForAllValues:StringEquals", ["a", "b"], ["a", "c"], False),
        ("ForAllValues:StringEquals", ["a"], None, True),
        ("ForAllValues:StringLike", ["toilctl:*", "Name"], ["toilctl:cluster", "Name"], True),
        ("ForAnyValue:StringEquals", ["a"], ["a", "c"], True),
        ("ForAnyValue:StringEquals", ["a"], ["c"], False),
        ("ForAnyValue:StringEquals", ["a"], None, False),
    ],
)
def test_conditions(operator: str, wanted: list[str], value: Any, expected: bool) -> None:
    context = {} if value is None else {"aws:key": value}
    statement = condition(operator, "aws:Key", *wanted)
    assert (decide([{"Statement": statement}], "ec2:StopInstances", INSTANCE, context) is Decision.ALLOWED) is expected


def test_all_conditions_must_hold() -> None:
    statement = allow(Condition={"StringEquals": {"aws:a": "1", "aws:b": "2"}, "Null": {"aws:c": "true"}})
    assert allowed(statement, aws__a="1", aws__b="2")
    assert not allowed(statement, aws__a="1", aws__b="2", aws__c="3")
    assert not allowed(statement, aws__a="1")


def test_variables_stand_for_the_requests_values() -> None:
    statement = allow(resource="arn:aws:s3:::${aws:username}/*")
    assert allowed(statement, action="ec2:X", resource="arn:aws:s3:::me/x", aws__username="me")
    assert not allowed(statement, action="ec2:X", resource="arn:aws:s3:::you/x", aws__username="me")


def test_unknown_operator_is_an_error_and_no_guess() -> None:
    with pytest.raises(ValueError, match="DateLessThan"):
        allowed(condition("DateLessThan", "aws:CurrentTime", "2026-01-01"))
