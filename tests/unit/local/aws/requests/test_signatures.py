"""What the rehearsal cloud makes of signatures, as AWS does."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import boto3
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.unit.local.conftest import code
from toilctl.local.process.testing import TestCloud

ASKED = "Action=DescribeVpcs&Version=2016-11-15"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def send(cloud: TestCloud, request: AWSRequest, **other: Any) -> tuple[int, str]:
    """Send a signed request, or what ``other`` makes of it; return status and body."""
    parts = urlsplit(request.url)
    connection = http.client.HTTPConnection(urlsplit(cloud.endpoint).netloc)
    asked = {
        "method": request.method, "url": f"{parts.path or '/'}?{parts.query}", "body": request.data,
        "headers": dict(request.headers), **other,
    }  # fmt: skip
    connection.request(**asked)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def credentials(cloud: TestCloud) -> Credentials:
    return Credentials(cloud.env["AWS_ACCESS_KEY_ID"], cloud.env["AWS_SECRET_ACCESS_KEY"])


def describe(cloud: TestCloud, ago_s: float = 0) -> AWSRequest:
    """Return a signed request to EC2, as of some time ago."""
    request = AWSRequest("POST", cloud.endpoint, FORM, ASKED)
    sign(SigV4Auth(credentials(cloud), "ec2", "us-west-2"), request, ago_s)
    return request


def sign(signer: SigV4Auth, request: AWSRequest, ago_s: float = 0) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.auth.get_current_datetime", lambda: datetime.now(UTC) - timedelta(seconds=ago_s))
        signer.add_auth(request)


@pytest.fixture
def powerless(cloud: TestCloud) -> Credentials:
    """The key of a user whom no policy allows anything."""
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])


ALLOWING = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "%s", "Resource": "*"}]}'
WHO_AM_I = "Action=GetCallerIdentity&Version=2011-06-15"
"""What nobody needs a permission for."""


def test_each_cloud_has_keys_of_its_own_in_aws_form(cloud: TestCloud) -> None:
    from toilctl.local.aws.iam.principals import AccessKey

    own, other = cloud.cloud.root_key, AccessKey.make()
    assert (own.id != other.id, own.secret != other.secret) == (True, True)
    assert (len(own.id), own.id[:4], len(own.secret)) == (20, "AKIA", 40)
    assert own.secret not in repr(own)


@pytest.mark.parametrize(
    ("service", "operation", "expected", "status"),
    [
        ("ec2", "describe_instances", "AuthFailure", 401),
        ("iam", "list_roles", "SignatureDoesNotMatch", 403),
        ("sts", "get_caller_identity", "SignatureDoesNotMatch", 403),
        ("ssm", "describe_parameters", "InvalidSignatureException", 400),
        ("s3", "list_buckets", "SignatureDoesNotMatch", 403),
    ],
)
def test_known_key_with_another_secret_is_refused(
    cloud: TestCloud, service: str, operation: str, expected: str, status: int
) -> None:
    with pytest.raises(ClientError) as error:
        getattr(cloud.client(service, aws_secret_access_key="x" * 40), operation)()
    assert (code(error), error.value.response["ResponseMetadata"]["HTTPStatusCode"]) == (expected, status)


def test_request_that_nobody_signed_is_refused(cloud: TestCloud) -> None:
    request = AWSRequest("POST", cloud.endpoint, FORM, ASKED)
    assert send(cloud, request)[0] == 403
    for path, status in (("/moto-api/reset", 404), ("/moto-api/data.json", 404), ("/", 403)):
        assert send(cloud, AWSRequest("POST", cloud.endpoint + path, {}, ""))[0] == status
    named = f"AWS4-HMAC-SHA256 Credential={cloud.env['AWS_ACCESS_KEY_ID']}/20261201/us-west-2/ec2/aws4_request"
    assert send(cloud, request, headers={**FORM, "Authorization": named})[0] == 401


def test_signed_request_is_answered_and_a_changed_one_refused(cloud: TestCloud) -> None:
    request = describe(cloud)
    assert send(cloud, request)[0] == 200
    assert send(cloud, request, body="Action=DescribeVpcs&Version=2016-11-16")[0] == 401
    assert send(cloud, request, url="/?Filter.1.Name=x")[0] == 401
    assert send(cloud, request, headers={**request.headers, "X-Amz-Target": "EC2.Other"})[0] == 401
    assert send(cloud, request, method="PUT")[0] == 401


@pytest.mark.parametrize(("ago_s", "status"), [(-240, 200), (240, 200), (-360, 400), (360, 400)])
def test_request_counts_for_five_minutes_of_the_systems_time(cloud: TestCloud, ago_s: float, status: int) -> None:
    cloud.advance(7200)
    answered, body = send(cloud, describe(cloud, ago_s))
    assert (answered, "RequestExpired" in body) == (status, status == 400)


@pytest.mark.parametrize(("ago_s", "status"), [(840, 200), (-840, 200), (960, 403), (-960, 403)])
def test_request_to_s3_counts_for_fifteen_minutes(cloud: TestCloud, ago_s: float, status: int) -> None:
    request = AWSRequest("GET", f"{cloud.endpoint}/", {}, "")
    sign(S3SigV4Auth(credentials(cloud), "s3", "us-west-2"), request, ago_s)
    answered, body = send(cloud, request)
    assert (answered, "RequestTimeTooSkewed" in body) == (status, status == 403)


def test_date_that_is_none_is_a_wrong_signature(cloud: TestCloud) -> None:
    request = describe(cloud)
    del request.headers["X-Amz-Date"]
    request.headers["X-Amz-Date"] = "yesterday"
    assert send(cloud, request)[0] == 401


def test_request_that_says_twice_who_signed_it_is_refused(cloud: TestCloud, aws_env: TestCloud) -> None:
    request = AWSRequest("GET", f"{cloud.endpoint}/?Action=DescribeVpcs&Version=2016-11-15", {}, "")
    # Version 2 signs neither the query nor the service, which the header names.
    url = boto3.client("s3", config=Config(signature_version="s3")).generate_presigned_url("list_buckets")
    named = f"AWS4-HMAC-SHA256 Credential={cloud.env['AWS_ACCESS_KEY_ID']}/20261201/us-west-2/ec2/aws4_request"
    both = f"/?Action=DescribeVpcs&Version=2016-11-15&{urlsplit(url).query}"
    status, body = send(cloud, request, url=both, headers={"Authorization": named})
    assert (status, "Only one auth mechanism" in body) == (400, True)


@pytest.mark.parametrize("expires", ["\xb2", "9" * 5000, "", "-1"])
def test_end_that_is_none_has_come(cloud: TestCloud, expires: str) -> None:
    query = urlencode({"AWSAccessKeyId": cloud.env["AWS_ACCESS_KEY_ID"], "Expires": expires, "Signature": "x"})
    request = AWSRequest("GET", f"{cloud.endpoint}/shelf/book", {}, "")
    assert send(cloud, request, url=f"/shelf/book?{query}")[0] == 403


@pytest.fixture
def shelf(cloud: TestCloud) -> Any:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="shelf", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    return s3


def test_object_with_another_content_than_was_signed_is_refused(cloud: TestCloud, shelf: Any) -> None:
    request = AWSRequest("PUT", f"{cloud.endpoint}/shelf/book", {}, b"words")
    sign(S3SigV4Auth(credentials(cloud), "s3", "us-west-2"), request)
    status, body = send(cloud, request, body=b"sword")
    assert (status, "XAmzContentSHA256Mismatch" in body) == (400, True)
    assert send(cloud, request)[0] == 200
    assert shelf.get_object(Bucket="shelf", Key="book")["Body"].read() == b"words"


def test_object_whose_content_was_not_signed_at_all_is_refused(cloud: TestCloud, shelf: Any) -> None:
    request = AWSRequest("PUT", f"{cloud.endpoint}/shelf/book", {}, b"")
    sign(SigV4Auth(credentials(cloud), "s3", "us-west-2"), request)
    status, body = send(cloud, request, body=b"sword")
    assert (status, "x-amz-content-sha256" in body) == (400, True)


@pytest.mark.parametrize("key", ["a b+c", "ä/ü=&?#%", "x//y", "./z/../w", "plain"])
def test_objects_with_any_name_are_signed_as_they_are_sent(shelf: Any, key: str) -> None:
    shelf.put_object(Bucket="shelf", Key=key, Body=b"words", Metadata={"a_b": "1", "c": " two  words "})
    listed = shelf.list_objects_v2(Bucket="shelf", Prefix=key[:2])["Contents"]
    assert [one["Key"] for one in listed] == [key]
    shelf.upload_part(
        Bucket="shelf", Key=key, PartNumber=1, Body=b"x" * 100_000,
        UploadId=shelf.create_multipart_upload(Bucket="shelf", Key=key)["UploadId"],
    )  # fmt: skip


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url) as answer:
        content: bytes = answer.read()
    return content


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_url_opens_one_object_with_one_method_for_its_time(
    cloud: TestCloud, shelf: Any, aws_env: TestCloud, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    for key in ("book", "other"):
        shelf.put_object(Bucket="shelf", Key=key, Body=b"words")
    signer = boto3.client("s3", endpoint_url=cloud.endpoint, config=Config(signature_version=version))
    what = {"Params": {"Bucket": "shelf", "Key": "book", "ResponseContentType": "text/plain"}, "ExpiresIn": 60}
    url = signer.generate_presigned_url("get_object", **what)
    assert fetch(url) == b"words"
    changed = [url.replace("/book?", "/other?"), url.replace("text%2Fplain", "text%2Fhtml"), url[:-3] + "abc"]
    for wrong in changed:
        with pytest.raises(urllib.error.HTTPError, match="403"):
            fetch(wrong)
    assert send(cloud, AWSRequest("DELETE", url, {}, ""))[0] == 403
    now = time.time()
    monkeypatch.setattr("toilctl.local.aws.requests.signatures._now", lambda: now + 61)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        fetch(url)


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_url_presigned_by_a_session_is_signed_with_its_token(
    cloud: TestCloud, shelf: Any, aws_env: TestCloud, version: str
) -> None:
    iam, sts = cloud.client("iam"), cloud.client("sts")
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=ALLOWING % "sts:AssumeRole")["Role"]["Arn"]
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=ALLOWING % "s3:GetObject")
    shelf.put_object(Bucket="shelf", Key="book", Body=b"words")
    known = sts.assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    keys = (known["AccessKeyId"], known["SecretAccessKey"], known["SessionToken"])
    config = Config(signature_version=version)
    signer = boto3.Session(*keys, region_name="us-west-2").client("s3", endpoint_url=cloud.endpoint, config=config)
    assert fetch(signer.generate_presigned_url("get_object", Params={"Bucket": "shelf", "Key": "book"})) == b"words"


def test_key_that_was_made_inactive_is_refused(cloud: TestCloud) -> None:
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    assert cloud.client("sts", **keys).get_caller_identity()["Arn"].endswith(":user/u")
    iam.update_access_key(UserName="u", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    with pytest.raises(ClientError) as error:
        cloud.client("sts", **keys).get_caller_identity()
    assert code(error) == "InvalidClientTokenId"


def ask(
    cloud: TestCloud, keys: Credentials, service: str, body: str = "", path: str = "/", **more: Any
) -> tuple[int, str]:
    request = AWSRequest(more.pop("method", "POST"), cloud.endpoint + path, FORM | more, body)
    sign(SigV4Auth(keys, service, "us-west-2"), request)
    return send(cloud, request)


@pytest.mark.parametrize(
    "path",
    [
        "/moto-api", "/moto-api/", "/moto-api/data.json", "/moto-api/reset", "/%6doto-api/reset", "/favicon.ico",
        "/latest/meta-data/iam/security-credentials/x", "/latest/api/token",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_moto_serves_for_itself_is_not_there(
    cloud: TestCloud, powerless: Credentials, path: str, method: str
) -> None:
    for keys in (powerless, credentials(cloud)):
        assert ask(cloud, keys, "sts", WHO_AM_I, path, method=method)[0] == 404
    assert cloud.client("iam").list_access_keys(UserName="u")["AccessKeyMetadata"]


def test_request_goes_to_the_service_that_it_is_signed_for(
    cloud: TestCloud, shelf: Any, powerless: Credentials
) -> None:
    shelf.put_object(Bucket="shelf", Key="book", Body=b"words")
    request = AWSRequest("GET", f"{cloud.endpoint}/shelf/book?{WHO_AM_I}", {}, "")
    sign(SigV4QueryAuth(powerless, "sts", "us-west-2"), request)
    assert "words" not in send(cloud, request)[1]
    request = AWSRequest("GET", f"{cloud.endpoint}/shelf/book?{WHO_AM_I}", {}, "")
    sign(SigV4Auth(powerless, "sts", "us-west-2"), request)
    words, *fields = request.headers["Authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(", ")
    otherwise = f"AWS4-HMAC-SHA256 {', '.join([*fields, words])}"
    assert "words" not in send(cloud, request, headers={**request.headers, "Authorization": otherwise})[1]


@pytest.mark.parametrize("region", ["us,west", "us west", "us-west-2 ,x"])
def test_scope_that_is_no_name_says_nothing(cloud: TestCloud, shelf: Any, powerless: Credentials, region: str) -> None:
    shelf.put_object(Bucket="shelf", Key="book", Body=b"words")
    request = AWSRequest("GET", f"{cloud.endpoint}/shelf/book?{WHO_AM_I}", {}, "")
    sign(SigV4Auth(powerless, "sts", region), request)
    assert send(cloud, request)[0] == 403


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/", "Action=AssumeRole&{ROLE}&" + WHO_AM_I, {}),
        ("/", WHO_AM_I + "&Action=AssumeRole&{ROLE}", {}),
        ("/?" + WHO_AM_I, "Action=AssumeRole&{ROLE}", {}),
        ("/?Action=AssumeRole&{ROLE}", WHO_AM_I, {}),
        ("/", "Action=AssumeRole&{ROLE}", {"X-Amz-Target": "STS.GetCallerIdentity"}),
    ],
)  # fmt: skip
def test_action_that_is_answered_is_the_one_that_was_allowed(
    cloud: TestCloud, powerless: Credentials, path: str, body: str, headers: dict[str, str]
) -> None:
    statement = (
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]}'
    )
    role = cloud.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=statement)["Role"]["Arn"]
    asked = urlencode({"RoleArn": role, "RoleSessionName": "x"})
    text = ask(cloud, powerless, "sts", body.replace("{ROLE}", asked), path.replace("{ROLE}", asked), **headers)[1]
    assert "SecretAccessKey" not in text


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("?Action=GetParameter", '{"Name": "/p"}'), ("?Name=/p", '{"Name": "/own"}'),
        ("", '{"Name": "/own", "x": "&Name=/p&"}'),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["x-amz-json-1.1", "x-www-form-urlencoded"])
def test_parameters_of_json_are_those_of_its_document(
    cloud: TestCloud, powerless: Credentials, query: str, body: str, kind: str
) -> None:
    action = "DescribeParameters" if "Action" in query else "GetParameter"
    allowing = (ALLOWING % f"ssm:{action}").replace("*", "*" if "Action" in query else "arn:*:parameter/own")
    for name, value in (("/p", "words"), ("/own", "mine")):
        cloud.client("ssm").put_parameter(Name=name, Value=value, Type="String")
    cloud.client("iam").put_user_policy(UserName="u", PolicyName="p", PolicyDocument=allowing)
    headers = {"X-Amz-Target": f"AmazonSSM.{action}", "Content-Type": f"application/{kind}"}
    status, text = ask(cloud, powerless, "ssm", body, f"/{query}", **headers)
    assert "words" not in text
    assert status == 200 or "form" in kind


def test_refused_request_uses_up_no_fault(cloud: TestCloud) -> None:
    cloud.faults.set("throttle", action="DescribeVpcs", count=1)
    with pytest.raises(ClientError):
        cloud.client("ec2", aws_secret_access_key="x" * 40).describe_vpcs()
    with pytest.raises(ClientError) as error:
        cloud.client("ec2").describe_vpcs()
    assert code(error) == "RequestLimitExceeded"


def test_parameters_beyond_all_measure_are_not_read(cloud: TestCloud) -> None:
    assert send(cloud, describe(cloud), headers={**describe(cloud).headers, "Content-Length": "99999999"})[0] == 413
