"""Reading a request's service and action."""

from __future__ import annotations

import io

import pytest

from toilctl.local.aws.requests.call import Call, parse

SIGNED = "AWS4-HMAC-SHA256 Credential=AKIA/20261121/us-west-2/{}/aws4_request, SignedHeaders=host"


def s3(method: str, path: str, query: str = "", host: str = "172.31.255.254:5000") -> Call:
    environ = {
        "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, "HTTP_HOST": host,
        "HTTP_AUTHORIZATION": SIGNED.format("s3"), "wsgi.input": io.BytesIO(),
    }  # fmt: skip
    return parse(environ)


@pytest.mark.parametrize(
    ("method", "path", "query", "action", "resource"),
    [
        ("GET", "/", "", "ListAllMyBuckets", "*"),
        ("GET", "/b", "list-type=2", "ListBucket", "b"),
        ("HEAD", "/b", "", "ListBucket", "b"),
        ("PUT", "/b", "", "CreateBucket", "b"),
        ("DELETE", "/b", "", "DeleteBucket", "b"),
        ("GET", "/b", "location", "GetBucketLocation", "b"),
        ("PUT", "/b", "versioning", "PutBucketVersioning", "b"),
        ("PUT", "/b", "encryption", "PutEncryptionConfiguration", "b"),
        ("GET", "/b", "versions", "ListBucketVersions", "b"),
        ("POST", "/b", "delete", "DeleteObject", "b/*"),
        ("GET", "/b/k/x", "", "GetObject", "b/k/x"),
        ("HEAD", "/b/k", "", "GetObject", "b/k"),
        ("PUT", "/b/k", "partNumber=1&uploadId=u", "PutObject", "b/k"),
        ("POST", "/b/k", "uploads", "PutObject", "b/k"),
        ("DELETE", "/b/k", "uploadId=u", "AbortMultipartUpload", "b/k"),
        ("DELETE", "/b/k", "", "DeleteObject", "b/k"),
        ("GET", "/b/k", "tagging", "GetObjectTagging", "b/k"),
    ],
)
def test_buckets_requests_have_their_actions(method: str, path: str, query: str, action: str, resource: str) -> None:
    call = s3(method, path, query)
    assert (call.action, call.resource, call.region) == (action, resource, "us-west-2")


def test_bucket_may_be_in_the_host() -> None:
    assert s3("GET", "/k", host="b.s3.example:80").resource == "b/k"


def test_presigned_request_names_its_key_in_the_query() -> None:
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/b/k", "HTTP_HOST": "127.0.0.1:1", "wsgi.input": io.BytesIO(),
        "QUERY_STRING": "X-Amz-Credential=AKIA%2F20261121%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Security-Token=t",
    }  # fmt: skip
    call = parse(environ)
    assert (call.access_key_id, call.region, call.session_token) == ("AKIA", "eu-west-1", "t")


def test_ec2_request_keeps_its_body_for_the_next_reader() -> None:
    body = b"Action=TerminateInstances&InstanceId.2=i-2&InstanceId.1=i-1&DryRun=true"
    environ = {
        "REQUEST_METHOD": "POST", "PATH_INFO": "/", "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body),
        "HTTP_AUTHORIZATION": SIGNED.format("ec2"),
    }  # fmt: skip
    call = parse(environ)
    assert (call.name, call.listed("InstanceId"), call.dry_run) == ("ec2:TerminateInstances", ["i-1", "i-2"], True)
    assert environ["wsgi.input"].read() == body  # type: ignore[attr-defined]
