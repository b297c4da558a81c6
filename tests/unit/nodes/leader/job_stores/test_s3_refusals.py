"""What the log of a failed job says of S3's refusals, in S3's words as the rehearsal cloud has them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from toilctl.local.process.testing import TestCloud


@dataclass
class Store:
    """A job store with one log."""

    log: bytes

    @contextmanager
    def read_file_stream(self, file_id: str, encoding: str, errors: str) -> Iterator[Any]:
        assert file_id == "log"
        yield io.TextIOWrapper(io.BytesIO(self.log), encoding, errors)


Refused = Callable[..., Any]


@pytest.fixture
def refused(module: Callable[[str], ModuleType]) -> Refused:
    found = module("toilctl_leader.job_stores.jobs").refused_by_s3
    return lambda log, file_id="log": found(SimpleNamespace(logJobStoreFileID=file_id), Store(log))


def log_of(call: Callable[..., Any], **parameters: Any) -> bytes:
    with pytest.raises(ClientError) as error:
        call(**parameters)
    return f"Traceback:\n\xff{error.value}\nExiting the worker because of a failed job".encode("latin-1")


def test_log_of_a_job_that_may_not_write_says_where(cloud: TestCloud, refused: Refused) -> None:
    cloud.client("s3").create_bucket(Bucket="results", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    cloud.client("s3").put_object(Bucket="results", Key="old", Body=b"x")
    read = {"Effect": "Allow", "Action": ["s3:List*"], "Resource": "*"}
    job = cloud.client("s3", **cloud.user("job", {"Version": "2012-10-17", "Statement": [read]}))
    assert refused(log_of(job.put_object, Bucket="results", Key="a/b", Body=b"x")) == "results/a/b"
    assert refused(log_of(job.create_multipart_upload, Bucket="results", Key="big")) == "results/big"
    assert refused(log_of(job.delete_object, Bucket="results", Key="old")) == "results/old"
    # Which a flag for writing would not mend.
    assert refused(log_of(job.get_object, Bucket="results", Key="old")) is None


def test_log_of_another_failure_says_nothing_of_s3(refused: Refused) -> None:
    assert refused(b"MemoryError\n") is None
    assert refused(b"", file_id="") is None
