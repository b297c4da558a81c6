"""Calls with the credentials of users and roles."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError

from tests.unit.local.conftest import Account, code, ids
from toilctl.local.process.testing import TestCloud

A = ("c4.8xlarge", "us-west-2a")
CLUSTER = "toilctl:cluster"
TAGS = [{"Key": CLUSTER, "Value": "c"}]


def allow(action: Any, resource: Any = "*", **condition: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


@pytest.fixture
def as_user(cloud: TestCloud) -> Callable[..., Any]:
    """Return a client of a user who has these statements only."""

    def make(service: str, *statements: dict[str, Any]) -> Any:
        iam = cloud.client("iam")
        iam.create_user(UserName="u")
        if statements:
            document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=document)
        key = iam.create_access_key(UserName="u")["AccessKey"]
        return cloud.client(service, aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])

    return make


@pytest.mark.parametrize(
    ("service", "operation", "expected", "status"),
    [
        ("ec2", "describe_instances", "AuthFailure", 401),
        ("iam", "list_roles", "InvalidClientTokenId", 403),
        ("sts", "get_caller_identity", "InvalidClientTokenId", 403),
        ("ssm", "describe_parameters", "UnrecognizedClientException", 400),
        ("s3", "list_buckets", "InvalidAccessKeyId", 403),
    ],
)
def test_unknown_key_is_refused(cloud: TestCloud, service: str, operation: str, expected: str, status: int) -> None:
    client = cloud.client(service, aws_access_key_id="AKIA0000000000000000", aws_secret_access_key="x")
    with pytest.raises(ClientError) as error:
        getattr(client, operation)()
    assert code(error) == expected
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        ("ec2", "describe_instances", "UnauthorizedOperation"),
        ("iam", "list_roles", "AccessDenied"),
        ("ssm", "describe_parameters", "AccessDeniedException"),
        ("s3", "list_buckets", "AccessDenied"),
    ],
)
def test_user_without_policies_may_do_nothing(
    as_user: Callable[..., Any], service: str, operation: str, expected: str
) -> None:
    with pytest.raises(ClientError) as error:
        getattr(as_user(service), operation)()
    assert code(error) == expected


def test_anyone_known_may_ask_who_he_is(as_user: Callable[..., Any]) -> None:
    assert as_user("sts").get_caller_identity()["Arn"].endswith(":user/u")


def test_denied_call_is_a_403_that_names_action_and_caller(as_user: Callable[..., Any]) -> None:
    with pytest.raises(ClientError) as error:
        as_user("ec2").describe_vpcs()
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert "user/u is not authorized to perform: ec2:DescribeVpcs" in str(error.value)


def test_dry_run_tells_what_is_denied(as_user: Callable[..., Any]) -> None:
    ec2 = as_user("ec2", allow("ec2:DescribeVpcs"))
    expectations = {ec2.describe_vpcs: "DryRunOperation", ec2.describe_subnets: "UnauthorizedOperation"}
    for operation, expected in expectations.items():
        with pytest.raises(ClientError) as error:
            operation(DryRun=True)
        assert code(error) == expected


def test_managed_and_group_policies_count(cloud: TestCloud, as_user: Callable[..., Any]) -> None:
    s3, iam = as_user("s3"), cloud.client("iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow("s3:ListAllMyBuckets")]})
    policy = iam.create_policy(PolicyName="list", PolicyDocument=document)["Policy"]["Arn"]
    iam.create_group(GroupName="g")
    iam.attach_group_policy(GroupName="g", PolicyArn=policy)
    iam.add_user_to_group(GroupName="g", UserName="u")
    assert s3.list_buckets()["Buckets"] == []


def test_buckets_and_their_objects_are_apart(cloud: TestCloud, as_user: Callable[..., Any]) -> None:
    cloud.client("s3").create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3 = as_user("s3", allow(["s3:GetObject", "s3:PutObject"], "arn:aws:s3:::mine/*"))
    s3.put_object(Bucket="mine", Key="a/b", Body=b"x")
    assert s3.get_object(Bucket="mine", Key="a/b")["Body"].read() == b"x"
    s3.copy_object(Bucket="mine", Key="c", CopySource="mine/a/b")
    for refused in (lambda: s3.list_objects_v2(Bucket="mine"), lambda: s3.delete_object(Bucket="mine", Key="a/b")):
        with pytest.raises(ClientError) as error:
            refused()
        assert code(error) == "AccessDenied"


def test_public_parameter_has_an_arn_without_account(as_user: Callable[..., Any]) -> None:
    ssm = as_user("ssm", allow("ssm:GetParameter", "arn:aws:ssm:*::parameter/aws/service/debian/*"))
    assert ssm.get_parameter(Name="/aws/service/debian/release/12/latest/amd64")["Parameter"]["Value"]


def test_terminating_by_tag_spares_another_cluster(account: Account, as_user: Callable[..., Any]) -> None:
    mine, other = (
        account.run(TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": CLUSTER, "Value": name}]}])[0]
        for name in ("c", "c-2")
    )
    own = {"StringEquals": {f"aws:ResourceTag/{CLUSTER}": "c"}}
    ec2 = as_user("ec2", allow("ec2:TerminateInstances", "arn:aws:ec2:*:*:instance/*", **own))
    ec2.terminate_instances(InstanceIds=[mine["InstanceId"]])
    for refused in ([other["InstanceId"]], [mine["InstanceId"], other["InstanceId"]]):
        with pytest.raises(ClientError) as error:
            ec2.terminate_instances(InstanceIds=refused)
        assert code(error) == "UnauthorizedOperation"


def test_tags_can_be_set_on_creation_only(account: Account, as_user: Callable[..., Any]) -> None:
    creating = {"StringEquals": {"ec2:CreateAction": "CreateSecurityGroup"}}
    ec2 = as_user("ec2", allow("ec2:CreateSecurityGroup"), allow("ec2:CreateTags", **creating))
    specification = {"ResourceType": "security-group", "Tags": TAGS}
    group = ec2.create_security_group(GroupName="x", Description="x", TagSpecifications=[specification])["GroupId"]
    with pytest.raises(ClientError) as error:
        ec2.create_tags(Resources=[group], Tags=TAGS)
    assert code(error) == "UnauthorizedOperation"


def test_templates_are_deleted_by_their_tag_when_named(account: Account, as_user: Callable[..., Any]) -> None:
    own = {"StringEquals": {f"aws:ResourceTag/{CLUSTER}": "c"}}
    ec2 = as_user("ec2", allow("ec2:DeleteLaunchTemplate", "arn:aws:ec2:*:*:launch-template/*", **own))
    with pytest.raises(ClientError) as error:
        ec2.delete_launch_template(LaunchTemplateName="template")
    assert code(error) == "UnauthorizedOperation"
    account.ec2.create_tags(Resources=[account.template], Tags=TAGS)
    ec2.delete_launch_template(LaunchTemplateName="template")


class TestLeader:
    """What a leader needs to launch its own cluster's workers by a fleet, and no others."""

    REQUESTED: ClassVar = {"StringEquals": {f"aws:RequestTag/{CLUSTER}": "c"}}
    CREATED = ("fleet", "instance", "volume", "network-interface")
    USED = ("image", "subnet", "security-group", "key-pair", "launch-template")

    @classmethod
    def arns(cls, kinds: tuple[str, ...]) -> list[str]:
        return [f"arn:aws:ec2:*:*:{kind}/*" for kind in kinds]

    def statements(self) -> dict[str, dict[str, Any]]:
        actions = {"ec2:CreateAction": ["CreateFleet", "RunInstances"]}
        creating = {"StringEquals": {**actions, **self.REQUESTED["StringEquals"]}}
        passing = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
        return {
            "use": allow(["ec2:CreateFleet", "ec2:RunInstances"], self.arns(self.USED)),
            "create": allow(["ec2:CreateFleet", "ec2:RunInstances"], self.arns(self.CREATED), **self.REQUESTED),
            "tag": allow("ec2:CreateTags", self.arns(self.CREATED), **creating),
            "pass": allow("iam:PassRole", "arn:aws:iam::*:role/worker", **passing),
        }

    def launch(self, account: Account, ec2: Any, value: str = "c", **params: Any) -> Any:
        tags = [{"Key": CLUSTER, "Value": value}]
        specifications = [{"ResourceType": kind, "Tags": tags} for kind in self.CREATED]
        caller = Account(account.cloud, ec2, account.ami, account.group, account.subnets, account.template)
        return caller.fleet(A, TagSpecifications=specifications, **params)

    @pytest.fixture
    def account(self, account: Account) -> Account:
        account.role("worker")
        data = {"IamInstanceProfile": {"Name": "worker"}}
        source = {"LaunchTemplateId": account.template, "SourceVersion": "1"}
        template = account.ec2.describe_launch_template_versions(LaunchTemplateId=source["LaunchTemplateId"])
        whole = template["LaunchTemplateVersions"][0]["LaunchTemplateData"]
        whole.pop("UserData", None)
        account.ec2.create_launch_template_version(
            LaunchTemplateId=account.template, LaunchTemplateData={**whole, **data}
        )
        return account

    def test_own_cluster_is_launched(self, account: Account, as_user: Callable[..., Any]) -> None:
        fleet = self.launch(account, as_user("ec2", *self.statements().values()))
        assert fleet["Errors"] == []
        assert account.describe(*ids(fleet))[0]["IamInstanceProfile"]["Arn"].endswith("/worker")

    def test_fleet_with_another_clusters_tag_is_refused(self, account: Account, as_user: Callable[..., Any]) -> None:
        with pytest.raises(ClientError) as error:
            self.launch(account, as_user("ec2", *self.statements().values()), value="c-2")
        assert code(error) == "UnauthorizedOperation"

    @pytest.mark.parametrize(
        ("missing", "action"), [("pass", "iam:PassRole"), ("run", "ec2:RunInstances"), ("tag", "ec2:CreateTags")]
    )
    def test_each_permission_is_needed(
        self, account: Account, as_user: Callable[..., Any], missing: str, action: str
    ) -> None:
        statements = self.statements()
        if missing == "run":
            statements["create"]["Action"] = "ec2:CreateFleet"
        elif missing == "tag":
            statements["tag"]["Condition"]["StringEquals"]["ec2:CreateAction"] = "CreateFleet"
        else:
            del statements[missing]
        fleet = self.launch(account, as_user("ec2", *statements.values()))
        assert ids(fleet) == []
        assert fleet["Errors"][0]["ErrorCode"] == "UnauthorizedOperation"
        assert action in fleet["Errors"][0]["ErrorMessage"]

    def test_leaders_own_role_cannot_be_passed_on(self, account: Account, as_user: Callable[..., Any]) -> None:
        account.role("leader")
        with pytest.raises(ClientError) as error:
            as_user("ec2", *self.statements().values()).run_instances(
                ImageId=account.ami, InstanceType="t2.micro", MinCount=1, MaxCount=1,
                IamInstanceProfile={"Name": "leader"},
                TagSpecifications=[{"ResourceType": k, "Tags": TAGS} for k in self.CREATED if k != "fleet"],
            )  # fmt: skip
        assert "iam:PassRole on resource: arn:aws:iam::123456789012:role/leader" in str(error.value)


def test_what_is_made_with_tags_in_iam_is_tagged_too(as_user: Callable[..., Any]) -> None:
    iam = as_user("iam", allow(["iam:CreateRole", "iam:CreateInstanceProfile"]))
    iam.create_role(RoleName="plain", AssumeRolePolicyDocument="{}")
    for make, action in (
        (lambda: iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}", Tags=TAGS), "iam:TagRole"),
        (lambda: iam.create_instance_profile(InstanceProfileName="p", Tags=TAGS), "iam:TagInstanceProfile"),
    ):
        with pytest.raises(ClientError) as error:
            make()
        assert code(error) == "AccessDenied"
        assert f"is not authorized to perform: {action} on resource: arn:aws:iam::" in str(error.value)
        assert f"because no identity-based policy allows the {action} action" in str(error.value)


def test_security_group_is_made_in_a_vpc_that_one_may_use(as_user: Callable[..., Any]) -> None:
    ec2 = as_user("ec2", allow("ec2:CreateSecurityGroup", "arn:aws:ec2:*:*:security-group/*"))
    with pytest.raises(ClientError) as error:
        ec2.create_security_group(GroupName="x", Description="x", DryRun=True)
    assert "on resource: arn:aws:ec2:us-west-2:123456789012:vpc/vpc-" in str(error.value)


@pytest.mark.parametrize(
    ("least", "message"), [(2048, "Maximum policy size of 2048 bytes exceeded for user u"), (6144, "PolicySize: 6144")]
)
def test_policies_that_are_too_long_are_refused(cloud: TestCloud, least: int, message: str) -> None:
    iam, document = (
        cloud.client("iam"),
        json.dumps({"Version": "2012-10-17", "Statement": [allow("s3:" + "a" * least)]}),
    )
    iam.create_user(UserName="u")
    whose = {"UserName": "u"} if least == 2048 else {}
    with pytest.raises(ClientError) as error:
        (iam.put_user_policy if whose else iam.create_policy)(PolicyName="p", PolicyDocument=document, **whose)
    assert code(error) == "LimitExceeded"
    assert message in str(error.value)


def test_statements_that_allowed_something_are_told(cloud: TestCloud) -> None:
    document = {"Version": "2012-10-17", "Statement": [{**allow("ec2:Describe*"), "Sid": "See"}]}
    cloud.client("ec2", **cloud.user("u", document)).describe_vpcs()
    assert cloud.allowed("u") == {("See", "ec2:DescribeVpcs")}
