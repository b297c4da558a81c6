"""Job stores in buckets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.nodes.leader.job_stores.conftest import BUCKET, NAME
from tests.unit.nodes.plugin.workflows import PLUGIN_DIR
from toilctl.local.process.testing import TestCloud

# Toil keeps its clients, and with them the endpoint of the cloud that a process met first: hence other processes.
FILL = """
import sys
from toil.common import Config, Toil
from toil.job import JobDescription, ServiceJobDescription

store, config = Toil.getJobStore(sys.argv[1]), Config()
config.prepare_start()
config.jobStore, config.batchSystem = sys.argv[1], "slurm"
store.initialize(config)
needed = {"cores": 1, "memory": 1, "disk": 1, "preemptible": False}
root, child = JobDescription(needed, jobName="root"), JobDescription(needed, jobName="child")
server = ServiceJobDescription(needed, jobName="server")
for job in (root, child, server):
    job.assignConfig(config)
    store.assign_job_id(job)
root.addChild(child.jobStoreID)
root.addServiceHostJob(server.jobStoreID)
child.remainingTryCount = 0
with store.write_file_stream() as (log, log_id):
    log.write(b"no memory")
child.logJobStoreFileID = log_id
for job in (root, child, server):
    store.create_job(job)
with store.write_shared_file_stream("rootJobStoreID") as stream:
    stream.write(root.jobStoreID.encode())
store.write_leader_pid()
store.write_leader_node_id()
"""


@pytest.fixture
def bucket(aws_env: TestCloud) -> Any:
    """A job store in S3, made by Toil: a root job with a service, and a child without a try left. Gives a client."""
    subprocess.run([sys.executable, "-c", FILL, BUCKET], capture_output=True, check=True)
    return aws_env.client("s3")


def ask_there(verb: str, **environment: str) -> dict[str, Any]:
    """Return what the program answers about the bucket."""
    done = subprocess.run(
        [sys.executable, "-m", "toilctl_leader", f"stores.{verb}"], input=json.dumps({"job_store": BUCKET}),
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(PLUGIN_DIR), **environment},
    )  # fmt: skip
    document: dict[str, Any] = json.loads(done.stdout)
    return document.get("answer") or document["refused"]


def test_jobs_in_a_bucket_are_counted_and_the_log_has_an_address(bucket: Any) -> None:
    told = ask_there("status")
    (child,) = told["failed"]
    assert (told["state"], told["jobs"]["waiting"], child["name"]) == ("failed", 2, "child")
    name, _, key = child["log"].removeprefix("s3://").partition("/")
    assert bucket.get_object(Bucket=name, Key=key)["Body"].read() == b"no memory"


def test_end_in_a_bucket_is_known_on_other_machines(bucket: Any) -> None:
    bucket.put_object(Bucket=f"{NAME}--toil", Key="leader_node_id.log", Body=b"another")
    assert ask_there("users")["state"] == "unknown"
    bucket.put_object(Bucket=f"{NAME}--toil", Key="failed.log", Body=b"")
    assert ask_there("users")["state"] == "failed"


def test_half_deleted_bucket_is_broken_and_not_foreign(bucket: Any) -> None:
    bucket.delete_object(Bucket=f"{NAME}--toil", Key="config.pickle")
    told = ask_there("users")
    assert (told["broken"], told["foreign"]) == ("it has no configuration", False)


def test_bucket_that_is_not_there_is_no_job_store(aws_env: TestCloud) -> None:
    assert ask_there("users")["exists"] is False
    assert ask_there("status")["code"] == "not-found"


def test_missing_credentials_are_a_matter_of_credentials(aws_env: TestCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    told = ask_there("users")
    assert (told["code"], "NoCredentialsError" in told["message"]) == ("credentials", True)


def test_cloud_that_does_not_answer_is_not_a_broken_store(aws_env: TestCloud) -> None:
    told = ask_there("users", AWS_ENDPOINT_URL="http://127.0.0.1:1", AWS_MAX_ATTEMPTS="1")
    assert (told["code"], "cannot be reached" in told["message"]) == ("error", True)


def test_google_without_its_library_is_one_sentence(
    ask: Callable[..., dict[str, Any]], refused: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "google", None)
    monkeypatch.delitem(sys.modules, "toil.jobStores.googleJobStore", raising=False)
    with pytest.raises(refused, match="cannot open google:p:s") as caught:
        ask("users", "google:p:s")
    assert (caught.value.code, "pip install 'toil[google]'" in caught.value.next_step) == ("host", True)


@pytest.mark.parametrize(("said", "code"), [("401 GET …: Anonymous caller", "credentials"), ("503 GET …", "error")])
def test_google_that_lets_nobody_in_is_not_a_broken_store(
    ask: Callable[..., dict[str, Any]], refused: type[Exception], monkeypatch: pytest.MonkeyPatch, said: str, code: str
) -> None:
    from toil.common import Toil

    kind = type("GoogleAPICallError", (Exception,), {"__module__": "google.api_core.exceptions"})

    def resume() -> None:
        raise kind(said)

    monkeypatch.setattr(Toil, "getJobStore", lambda _: SimpleNamespace(resume=resume))
    with pytest.raises(refused) as caught:
        ask("users", "google:p:s")
    assert caught.value.code == code


def test_region_that_toil_does_not_know_is_a_matter_of_usage(
    ask: Callable[..., dict[str, Any]], refused: type[Exception]
) -> None:
    with pytest.raises(refused, match="us-mars-2") as caught:
        ask("users", "aws:us-mars-2:sort-store")
    assert caught.value.code == "usage"
