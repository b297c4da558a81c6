import urllib.error
import urllib.request

import boto3
import pytest
from botocore.config import Config


@pytest.fixture
def s3(cloud):
    client = cloud.client("s3")
    client.create_bucket(Bucket="shelf", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    client.put_object(Bucket="shelf", Key="book", Body=b"words")
    return client


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url) as answer:
        return answer.read()


def test_object_is_not_for_everybody_by_default(cloud, s3):
    with pytest.raises(urllib.error.HTTPError, match="403"):
        fetch(f"{cloud.endpoint}/shelf/book")


def test_public_object_is_read_without_a_signature(cloud, s3):
    s3.put_object_acl(Bucket="shelf", Key="book", ACL="public-read")
    assert fetch(f"{cloud.endpoint}/shelf/book?Expires=1") == b"words"


def test_public_object_is_not_written_without_a_signature(cloud, s3):
    s3.put_object_acl(Bucket="shelf", Key="book", ACL="public-read")
    request = urllib.request.Request(f"{cloud.endpoint}/shelf/book", data=b"other", method="PUT")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request)


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_url_counts_as_signed(cloud, s3, aws_env, version):
    signer = boto3.client("s3", endpoint_url=cloud.endpoint, config=Config(signature_version=version))
    assert fetch(signer.generate_presigned_url("get_object", Params={"Bucket": "shelf", "Key": "book"})) == b"words"
