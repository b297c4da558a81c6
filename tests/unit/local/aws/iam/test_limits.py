"""A role's policies and tags are counted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.local.conftest import code
from toilctl.local.process.testing import TestCloud


@pytest.fixture
def iam(cloud: TestCloud) -> Any:
    client = cloud.client("iam")
    client.create_role(RoleName="r", AssumeRolePolicyDocument="{}")
    return client


def policy(length: int, **layout: Any) -> str:
    """Return a policy with so many characters, white space not counted."""
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": ""}
    short = len(json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":")))
    statement["Resource"] = "arn:aws:s3:::" + "x" * (length - short - len("arn:aws:s3:::"))
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, **layout)


def test_a_roles_policies_have_a_size_together_without_white_space(iam: Any) -> None:
    iam.put_role_policy(RoleName="r", PolicyName="first", PolicyDocument=policy(10_000, indent=40))
    iam.put_role_policy(RoleName="r", PolicyName="first", PolicyDocument=policy(9_000))
    iam.put_role_policy(RoleName="r", PolicyName="second", PolicyDocument=policy(1_240))
    with pytest.raises(ClientError, match="Maximum policy size of 10240 bytes exceeded for role r") as error:
        iam.put_role_policy(RoleName="r", PolicyName="second", PolicyDocument=policy(1_241))
    assert code(error) == "LimitExceeded"


def test_who_may_act_in_a_role_has_a_size(iam: Any) -> None:
    with pytest.raises(ClientError, match="ACLSizePerRole") as error:
        iam.create_role(RoleName="other", AssumeRolePolicyDocument=policy(2_049))
    assert code(error) == "LimitExceeded"


def test_a_role_has_fifty_tags_however_they_come(iam: Any) -> None:
    iam.tag_role(RoleName="r", Tags=[{"Key": str(number), "Value": "x"} for number in range(50)])
    iam.tag_role(RoleName="r", Tags=[{"Key": "0", "Value": "y"}])
    with pytest.raises(ClientError) as error:
        iam.tag_role(RoleName="r", Tags=[{"Key": "more", "Value": "x"}])
    assert code(error) == "LimitExceeded"
