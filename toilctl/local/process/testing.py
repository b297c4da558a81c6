"""The rehearsal cloud's AWS side inside a test's own process, without hosts.

::

    with cloud() as aws:
        aws.faults.set("insufficient-capacity", instance_type="c4.8xlarge", zone="us-west-2a", market="spot")
        subprocess.run(["toilctl", "launch-cluster", …], env={**os.environ, **aws.env})
        assert aws.client("ec2").describe_instances()["Reservations"] == []
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from toilctl.local.state import REGION

if TYPE_CHECKING:
    from toilctl.local.aws.base.faults import Faults
    from toilctl.local.aws.cloud import Cloud
    from toilctl.local.process.wsgi_server import Serving


class TestCloud:
    """An answering AWS API of one's own."""

    __test__ = False  # not a test class, whatever pytest makes of its name

    def __init__(self, rehearsal: Cloud) -> None:
        """Serve a cloud on this machine's loopback address."""
        from toilctl.local.process.control_api import Controlled
        from toilctl.local.process.wsgi_server import Serving

        self.cloud = rehearsal
        self._servings: list[Serving] = [Serving(Controlled(rehearsal), "127.0.0.1", 0)]
        self.endpoint = self._servings[0].url

    @property
    def env(self) -> dict[str, str]:
        """The variables that point a process at this cloud, and away from any other."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.cloud.root_key.id,
            "AWS_SECRET_ACCESS_KEY": self.cloud.root_key.secret,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @property
    def faults(self) -> Faults:
        """The faults that are set."""
        return self.cloud.faults

    @property
    def calls(self) -> dict[str, int]:
        """How often each action was called, such as ``ec2:CreateFleet``."""
        return dict(self.cloud.calls)

    def client(self, service: str, region: str = REGION, **credentials: str) -> Any:
        """Return a boto3 client of this cloud; ``credentials`` as boto3 names them, else all is allowed."""
        from botocore.config import Config

        env = self.env
        keys = {
            "aws_access_key_id": env["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": env["AWS_SECRET_ACCESS_KEY"],
            **credentials,
        }
        config = Config(retries={"total_max_attempts": 1})
        make: Any = _session().client
        return make(service, region_name=region, endpoint_url=self.endpoint, config=config, **keys)

    def user(self, name: str, document: Mapping[str, Any]) -> dict[str, str]:
        """Make a user who has one managed policy, or give him this one instead; return what ``client`` takes of him."""
        iam = self.client("iam")
        text = json.dumps(document)
        if name not in self.cloud.iam.users:
            arn = iam.create_policy(PolicyName=name, PolicyDocument=text)["Policy"]["Arn"]
            iam.create_user(UserName=name)
            iam.attach_user_policy(UserName=name, PolicyArn=arn)
        else:
            (attached,) = iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]
            old = iam.get_policy(PolicyArn=attached["PolicyArn"])["Policy"]["DefaultVersionId"]
            iam.create_policy_version(PolicyArn=attached["PolicyArn"], PolicyDocument=text, SetAsDefault=True)
            iam.delete_policy_version(PolicyArn=attached["PolicyArn"], VersionId=old)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}

    def allowed(self, name: str) -> set[tuple[str, str]]:
        """Return which statements, by their Sids, allowed a user or role which actions so far."""
        return {(sid, action) for who, sid, action in self.cloud.allowed if who == name}

    def advance(self, seconds: float) -> None:
        """Move the cloud's time forward."""
        self.cloud.clock.advance(seconds)

    def metadata(self, instance_id: str) -> str:
        """Return where the metadata service answers as it would inside an instance."""
        from toilctl.local.aws.instance_metadata import Imds
        from toilctl.local.process.wsgi_server import Serving

        self._servings.append(Serving(Imds(self.cloud, caller=lambda _: instance_id), "127.0.0.1", 0))
        return self._servings[-1].url

    def stop(self) -> None:
        """Stop answering; a second call does nothing."""
        for serving in self._servings:
            serving.stop()
        self.cloud.close()


@cache
def _session() -> Any:
    """Return one session for all clients: it reads EC2's description, several megabytes, once."""
    import boto3

    return boto3.session.Session()


@contextmanager
def cloud(**options: Any) -> Iterator[TestCloud]:
    """Run a cloud for the length of a ``with`` block; ``options`` are those of ``Cloud``."""
    from toilctl.local.aws.cloud import Cloud

    running = TestCloud(Cloud(**options))
    try:
        yield running
    finally:
        running.stop()
