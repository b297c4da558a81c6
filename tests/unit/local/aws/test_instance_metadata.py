"""The instance metadata service."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from werkzeug.test import Client

from tests.unit.local.conftest import Account, code
from toilctl.local.aws.instance_metadata import Imds

TOKEN, TTL = "X-aws-ec2-metadata-token", "X-aws-ec2-metadata-token-ttl-seconds"


class Inside:
    """A view of the service from an instance's address."""

    def __init__(self, imds: Imds, instance: dict[str, Any]) -> None:
        self._client = Client(imds)
        self._from = {"environ_base": {"REMOTE_ADDR": instance["PrivateIpAddress"]}}

    def ask_token(self, ttl: str) -> tuple[int, str]:
        answer = self._client.put("/latest/api/token", headers={TTL: ttl}, **self._from)
        return answer.status_code, answer.get_data(as_text=True)

    def token(self, ttl: str = "60") -> str:
        return self.ask_token(ttl)[1]

    def get(self, path: str, token: str | None = None) -> tuple[int, str]:
        headers = {} if token is None else {TOKEN: token}
        answer = self._client.get(f"/latest/{path}", headers=headers, **self._from)
        return answer.status_code, answer.get_data(as_text=True)

    def read(self, path: str) -> str:
        status, text = self.get(path, self.token())
        assert status == 200, (path, status)
        return text


@pytest.fixture
def imds(account: Account) -> Imds:
    return Imds(account.cloud.cloud)


def test_each_instance_reads_about_itself(account: Account, imds: Imds) -> None:
    first, second = account.run(MinCount=2, MaxCount=2, KeyName="k", UserData="#!/bin/sh\n")
    inside = Inside(imds, second)
    expected = {
        "meta-data/instance-id": second["InstanceId"],
        "meta-data/instance-type": "t2.micro",
        "meta-data/ami-id": account.ami,
        "meta-data/local-ipv4": "172.31.0.5",
        "meta-data/public-ipv4": "172.28.0.5",
        "meta-data/local-hostname": "ip-172-31-0-5.us-west-2.compute.internal",
        "meta-data/placement/availability-zone": "us-west-2a",
        "meta-data/placement/region": "us-west-2",
        "meta-data/instance-life-cycle": "on-demand",
        "user-data": "#!/bin/sh\n",
    }
    assert {path: inside.read(path) for path in expected} == expected
    assert Inside(imds, first).read("meta-data/instance-id") == first["InstanceId"]
    mac = inside.read("meta-data/mac")
    assert inside.read(f"meta-data/network/interfaces/macs/{mac}/subnet-id") == account.subnets["us-west-2a"]
    assert inside.read("meta-data/public-keys/0/openssh-key").startswith("ssh-ed25519 ")
    assert json.loads(inside.read("dynamic/instance-identity/document"))["instanceId"] == second["InstanceId"]
    assert "placement/" in inside.read("meta-data/").splitlines()


def test_what_an_instance_has_not_is_not_found(account: Account, imds: Imds) -> None:
    inside = Inside(imds, account.run()[0])
    lacking = ("meta-data/spot/instance-action", "meta-data/iam/info", "user-data", "meta-data/none", "meta-data/tags")
    for path in lacking:
        assert inside.get(path, inside.token())[0] == 404


def test_token_is_required_when_the_instance_says_so(account: Account, imds: Imds) -> None:
    strict = Inside(imds, account.run(MetadataOptions={"HttpTokens": "required"})[0])
    lax = Inside(imds, account.run()[0])
    assert strict.get("meta-data/instance-id")[0] == 401
    assert lax.get("meta-data/instance-id")[0] == 200


@pytest.mark.parametrize("ttl", ["", "0", "21601", "-1", "x", "\xb2", "9" * 5000])
def test_token_is_given_for_a_time_that_there_is(account: Account, imds: Imds, ttl: str) -> None:
    (instance,) = account.run()
    assert Inside(imds, instance).ask_token(ttl)[0] == 400


def test_token_ends_and_belongs_to_one_instance(account: Account, imds: Imds) -> None:
    first, second = (Inside(imds, instance) for instance in account.run(MinCount=2, MaxCount=2))
    token = first.token("60")
    assert first.get("meta-data/instance-id", token)[0] == 200
    assert second.get("meta-data/instance-id", token)[0] == 401
    account.cloud.advance(61)
    assert first.get("meta-data/instance-id", token)[0] == 401


def test_strangers_and_ended_instances_get_nothing(account: Account, imds: Imds) -> None:
    instance = account.run()[0]
    inside = Inside(imds, instance)
    account.ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    account.describe()
    assert inside.get("meta-data/instance-id")[0] == 403


def test_boto3_finds_role_credentials_by_itself_and_they_are_authorised(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = account.role("worker", {"Effect": "Allow", "Action": "ec2:DescribeInstances", "Resource": "*"})
    instance = account.run(IamInstanceProfile={"Name": profile}, MetadataOptions={"HttpTokens": "required"})[0]
    for name, value in account.cloud.env.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", account.cloud.metadata(instance["InstanceId"]))
    session = boto3.session.Session()
    who = session.client("sts").get_caller_identity()["Arn"]
    assert who == f"arn:aws:sts::123456789012:assumed-role/worker/{instance['InstanceId']}"
    ec2 = session.client("ec2")
    assert len(ec2.describe_instances()["Reservations"]) == 1
    with pytest.raises(ClientError) as error:
        ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    assert code(error) == "UnauthorizedOperation"
    account.cloud.client("iam").delete_role_policy(RoleName="worker", PolicyName="own")
    with pytest.raises(ClientError):
        ec2.describe_instances()


def test_credentials_are_kept_until_shortly_before_their_end(account: Account, imds: Imds) -> None:
    profile = account.role("worker")
    inside = Inside(imds, account.run(IamInstanceProfile={"Name": profile})[0])
    path = f"meta-data/iam/security-credentials/{inside.read('meta-data/iam/security-credentials/')}"
    first = json.loads(inside.read(path))
    assert json.loads(inside.read(path)) == {**first, "LastUpdated": json.loads(inside.read(path))["LastUpdated"]}
    account.cloud.advance(6 * 3600 - 60)
    assert json.loads(inside.read(path))["AccessKeyId"] != first["AccessKeyId"]
    account.cloud.advance(120)
    old = account.cloud.client(
        "ec2", aws_access_key_id=first["AccessKeyId"], aws_secret_access_key=first["SecretAccessKey"],
        aws_session_token=first["Token"],
    )  # fmt: skip
    with pytest.raises(ClientError) as error:
        old.describe_instances()
    assert code(error) == "RequestExpired"


def test_session_token_must_be_the_keys_own(account: Account, imds: Imds) -> None:
    inside = Inside(imds, account.run(IamInstanceProfile={"Name": account.role("worker")})[0])
    found = json.loads(inside.read("meta-data/iam/security-credentials/worker"))
    client = account.cloud.client(
        "ec2", aws_access_key_id=found["AccessKeyId"], aws_secret_access_key=found["SecretAccessKey"],
        aws_session_token="another",
    )  # fmt: skip
    with pytest.raises(ClientError) as error:
        client.describe_instances()
    assert code(error) == "AuthFailure"


def test_service_can_be_switched_off(account: Account) -> None:
    instance = account.run(MetadataOptions={"HttpEndpoint": "disabled"})[0]
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(account.cloud.metadata(instance["InstanceId"]) + "/latest/meta-data/")
    assert error.value.code == 403
