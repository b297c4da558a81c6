"""The instance metadata service, which knows its callers by their addresses.

After "Use instance metadata to manage your EC2 instance" and "Instance metadata categories" of the EC2 user guide:
version 2 with session tokens (``PUT /latest/api/token``), version 1 without, unless HttpTokens is required (401); a
category that an instance has not is a 404. Role credentials are sessions of the instance profile's role, last six
hours and are renewed before their end; they are authorised as on AWS.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from toilctl.local.aws.cloud import ADMITTED, Cloud, StartResponse
from toilctl.local.aws.requests.call import Environ
from toilctl.values.units import whole
from toilctl.values.wording import ON_DEMAND

if TYPE_CHECKING:
    from moto.ec2.models.instances import Instance

MAX_TOKEN_S: Final = 6 * 3600
CREDENTIALS_S: Final = 6 * 3600
RENEWED_BEFORE_S: Final = 15 * 60
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
_VERSION: Final = re.compile(r"latest|\d{4}-\d{2}-\d{2}|1\.0")

Tree = dict[str, Any]
"""Metadata by path: text, bytes, or another level."""


class Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


@dataclass
class _Token:
    instance_id: str
    expires: float


class Imds:
    """A cloud's metadata service as a WSGI application."""

    def __init__(self, cloud: Cloud, caller: Callable[[str], str | None] | None = None) -> None:
        """Serve a cloud's instances; ``caller`` maps a source address to an instance id, if not by private address."""
        self._cloud = cloud
        self._caller = caller or self._by_address
        self._tokens: dict[str, _Token] = {}
        self._sessions: dict[tuple[str, str], Any] = {}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        headers = [("Server", "EC2ws")]
        try:
            with self._cloud.lock:
                self._cloud.refresh()
                status, body, more = self._answer(environ)
        except Refused as refused:
            status, body, more = refused.status, b"", []
        length = ("Content-Length", str(len(body)))
        start_response(status, [*headers, *more, ("Content-Type", "text/plain"), length])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, environ: Environ) -> tuple[str, bytes, list[tuple[str, str]]]:
        instance = self._instance(environ.get("REMOTE_ADDR", ""))
        if instance is None or instance.metadata_options.http_endpoint == "disabled":
            raise Refused("403 Forbidden")
        environ.get(ADMITTED, bool)()
        path = [part for part in environ.get("PATH_INFO", "/").split("/") if part]
        if environ["REQUEST_METHOD"] == "PUT":
            return self._issue(environ, path, instance)
        self._check(environ.get("HTTP_X_AWS_EC2_METADATA_TOKEN", ""), instance)
        if not path:
            return "200 OK", b"latest", []
        if not _VERSION.fullmatch(path[0]):
            raise Refused("404 Not Found")
        return "200 OK", _read(self._tree(instance), path[1:]), []

    def _by_address(self, address: str) -> str | None:
        life = self._cloud.lifetimes.by_address.get(address)
        return life.instance.id if life else None

    def _instance(self, address: str) -> Instance | None:
        life = self._cloud.lifetimes.find(self._caller(address) or "")
        return life.instance if life and life.ended_at is None else None

    def _issue(self, environ: Environ, path: list[str], instance: Instance) -> tuple[str, bytes, list[tuple[str, str]]]:
        if path[1:] != ["api", "token"]:
            raise Refused("405 Method Not Allowed")
        if environ.get("HTTP_X_FORWARDED_FOR"):
            raise Refused("403 Forbidden")
        asked = environ.get("HTTP_X_AWS_EC2_METADATA_TOKEN_TTL_SECONDS", "")
        seconds = whole(asked)
        if seconds is None or not 1 <= seconds <= MAX_TOKEN_S:
            raise Refused("400 Bad Request")
        now = self._cloud.clock.now()
        self._tokens = {key: token for key, token in self._tokens.items() if token.expires > now}
        token = secrets.token_urlsafe(40)
        self._tokens[token] = _Token(instance.id, now + seconds)
        return "200 OK", token.encode(), [("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", asked)]

    def _check(self, given: str, instance: Instance) -> None:
        if not given and instance.metadata_options.http_tokens != "required":
            return
        token = self._tokens.get(given)
        if token is None or token.instance_id != instance.id or token.expires <= self._cloud.clock.now():
            raise Refused("401 Unauthorized")

    def _tree(self, instance: Instance) -> Tree:
        backend: Any = instance.ec2_backend
        key = backend.key_pairs.get(instance.key_name or "")
        tree: Tree = {
            "dynamic": {"instance-identity": {"document": json.dumps(self._identity(instance), indent=2)}},
            "meta-data": _metadata(instance),
        }
        if key is not None:
            tree["meta-data"]["public-keys"] = {"0": {"openssh-key": key.public_key}}
        if instance.user_data:
            import base64

            tree["user-data"] = base64.b64decode(str(instance.user_data))
        tree["meta-data"].update(self._cloud.interruptions.metadata(instance.id))
        if role := self._role(instance):
            tree["meta-data"]["iam"] = self._iam(instance, role)
        return tree

    def _role(self, instance: Instance) -> Any:
        arn = (instance.iam_instance_profile or {}).get("Arn")
        profiles = self._cloud.iam.instance_profiles.values()
        profile = next((profile for profile in profiles if profile.arn == arn), None)
        return profile.roles[0] if profile is not None and profile.roles else None

    def _iam(self, instance: Instance, role: Any) -> Tree:
        profile: Any = instance.iam_instance_profile
        now = self._cloud.clock.utcnow()
        info = {"Code": "Success", "LastUpdated": now.strftime(_TIME), "InstanceProfileArn": profile["Arn"]}
        info["InstanceProfileId"] = profile["Id"]
        return {
            "info": json.dumps(info, indent=2),
            "security-credentials": {role.name: lambda: self._credentials(instance, role)},
        }

    def _credentials(self, instance: Instance, role: Any) -> str:
        now = self._cloud.clock.utcnow()
        session = self._sessions.get((instance.id, role.arn))
        if session is None or session.expiration - now < timedelta(seconds=RENEWED_BEFORE_S):
            session = self._cloud.sts.assume_role(instance.region_name, instance.id, role.arn, "", CREDENTIALS_S, "")
            session.expiration = now + timedelta(seconds=CREDENTIALS_S)
            self._sessions[instance.id, role.arn] = session
        document = {
            "Code": "Success", "LastUpdated": now.strftime(_TIME), "Type": "AWS-HMAC",
            "AccessKeyId": session.access_key_id, "SecretAccessKey": session.secret_access_key,
            "Token": session.session_token, "Expiration": session.expiration.strftime(_TIME),
        }  # fmt: skip
        return json.dumps(document, indent=2)

    def _identity(self, instance: Instance) -> dict[str, Any]:
        return {
            "accountId": self._cloud.account_id, "architecture": instance.architecture,
            "availabilityZone": instance.availability_zone, "imageId": instance.image_id,
            "instanceId": instance.id, "instanceType": instance.instance_type,
            "pendingTime": instance.launch_time.strftime(_TIME), "privateIp": instance.private_ip_address,
            "region": instance.region_name, "version": "2017-09-30",
        }  # fmt: skip


def _metadata(instance: Instance) -> Tree:
    zone, private = str(instance.availability_zone), str(instance.private_ip_address)
    groups = "\n".join(group.name for group in instance.security_groups)
    tree: Tree = {
        "ami-id": instance.image_id, "ami-launch-index": str(instance.ami_launch_index),
        "hostname": instance.private_dns_name, "instance-action": "none", "instance-id": instance.id,
        "instance-life-cycle": instance.lifecycle or ON_DEMAND, "instance-type": instance.instance_type,
        "local-hostname": instance.private_dns_name, "local-ipv4": private,
        "placement": {
            "availability-zone": zone, "availability-zone-id": instance.nics[0].subnet.availability_zone_id,
            "region": instance.region_name,
        },
        "security-groups": groups, "services": {"domain": "amazonaws.com", "partition": "aws"},
    }  # fmt: skip
    nic, mac = instance.nics[0], instance.nics[0].mac_address
    network = {
        "device-number": "0", "interface-id": nic.id, "local-hostname": instance.private_dns_name,
        "local-ipv4s": private, "mac": mac, "security-groups": groups, "subnet-id": nic.subnet.id,
        "security-group-ids": "\n".join(group.id for group in instance.security_groups),
        "subnet-ipv4-cidr-block": nic.subnet.cidr_block, "vpc-id": nic.subnet.vpc_id,
    }  # fmt: skip
    if instance.public_ip_address:
        public = {"public-hostname": str(instance.public_dns_name)}
        tree.update(public, **{"public-ipv4": instance.public_ip_address})
        network.update(public, **{"public-ipv4s": instance.public_ip_address})
    tree["mac"] = mac
    tree["network"] = {"interfaces": {"macs": {mac: network}}}
    return tree


def _read(tree: Tree, path: list[str]) -> bytes:
    """Return what is at a path: a value, or a level's names, those of further levels with a slash."""
    found: Any = tree
    for part in path:
        if not isinstance(found, dict) or part not in found:
            raise Refused("404 Not Found")
        found = found[part]
    if callable(found):
        found = found()
    if isinstance(found, dict):
        # Keys and roles are listed as EC2 lists them: "0=my-key", and names without a slash.
        found = "\n".join(f"{name}/" if isinstance(value, dict) else name for name, value in sorted(found.items()))
    return found if isinstance(found, bytes) else str(found).encode()
