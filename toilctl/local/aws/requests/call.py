"""An AWS request as a value: which service, action and parameters, and whose key signed it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from toilctl.local.aws.requests.refusals import Protocol, Refusal

Environ = dict[str, Any]

MAX_PARAMETERS_BYTES: Final = 10 * 1024 * 1024
"""More than any request has whose body is parameters; the largest are messages of SQS, 1 MiB."""

COPY_SOURCE: Final = "x-amz-copy-source"
TAGGING: Final = "x-amz-tagging"
TAGGING_DIRECTIVE: Final = "x-amz-tagging-directive"
"""Headers of S3's that are parameters of a call."""

_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/(\d{8})/([A-Za-z0-9_.-]+)/([A-Za-z0-9_.-]+)/aws4_request")
_IP_HOST = re.compile(r"[\d.]+|\[.*\]|localhost")
_S3_HEADERS: Final = (COPY_SOURCE, TAGGING, TAGGING_DIRECTIVE)
UNKNOWN: Final = "Unknown"
"""The action of a call that names none."""
EFS: Final = "elasticfilesystem"
_QUERY_SERVICES: Final = frozenset({"iam", "sts", "autoscaling", "cloudformation", "elasticloadbalancing", "sns"})


@dataclass(frozen=True)
class Call:
    """One request. EC2's and the query services' parameters are flat, as on the wire: ``InstanceId.1``."""

    service: str
    action: str
    region: str
    protocol: Protocol
    params: Mapping[str, Any]
    access_key_id: str = ""
    """Empty when the request is not signed."""
    session_token: str = ""
    resource: str = ""
    """S3's bucket or bucket/key, which is in the path."""
    source: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """The action as policies write it, ``ec2:RunInstances``."""
        return f"{self.service}:{self.action}"

    @property
    def dry_run(self) -> bool:
        """Whether EC2 is asked to say only what it would do."""
        return self.service == "ec2" and str(self.params.get("DryRun", "")).lower() == "true"

    def listed(self, prefix: str) -> list[str]:
        """Return the values of a flat list parameter, ``InstanceId.1``, ``InstanceId.2``, …, in their order."""
        numbered = re.compile(rf"{re.escape(prefix)}\.(\d+)")
        found = [(int(m[1]), str(v)) for k, v in self.params.items() if (m := numbered.fullmatch(k))]
        return [value for _, value in sorted(found)]


def parse(environ: Environ) -> Call:
    """Read a WSGI request; the body of one with parameters is put back for the next reader, S3's is not touched."""
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    access_key_id, region, service = _credential(environ, query)
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    protocol = _protocol(service, target)
    action, params, resource = UNKNOWN, query, ""
    if protocol is Protocol.S3:
        resource, action = _s3(environ, query)
        given = ((name, environ.get(f"HTTP_{name.upper().replace('-', '_')}")) for name in _S3_HEADERS)
        params = {**query, **{name: value for name, value in given if value is not None}}
    elif service == EFS:
        action = _efs(environ)
    elif protocol is Protocol.JSON:
        params, action = _json(_body(environ)), target.rpartition(".")[2] or UNKNOWN
    else:
        params = _flat(environ)
        action = params.get("Action", UNKNOWN)
    presigned = query.get("X-Amz-Security-Token") or query.get("x-amz-security-token", "")
    token = environ.get("HTTP_X_AMZ_SECURITY_TOKEN") or presigned
    source = environ.get("REMOTE_ADDR", "")
    return Call(service, action, region, protocol, params, access_key_id, token, resource, source)


def _flat(environ: Environ) -> dict[str, str]:
    """Return the parameters of query and body.

    :raises Refusal: when one is given twice: readers do not agree on which one counts.
    """
    given = f"{environ.get('QUERY_STRING', '')}&{_body(environ).decode(errors='replace')}"
    pairs = parse_qsl(given, keep_blank_values=True)
    params = dict(pairs)
    if len(params) < len(pairs):
        raise Refusal("InvalidQueryParameter", "A parameter is given more than once.", 400)
    return params


def _efs(environ: Environ) -> str:
    """Return EFS's action, which is in method and path: ``GET /2015-02-01/mount-targets`` is DescribeMountTargets."""
    noun = "".join(word.title() for word in environ.get("PATH_INFO", "").split("/")[2:3] for word in word.split("-"))
    verb = {"GET": "Describe", "DELETE": "Delete"}.get(environ["REQUEST_METHOD"], "Create")
    return verb + (noun if verb == "Describe" else noun.removesuffix("s"))


def _credential(environ: Environ, query: Mapping[str, str]) -> tuple[str, str, str]:
    authorization = environ.get("HTTP_AUTHORIZATION", "")
    signed = "Credential=" + query["X-Amz-Credential"] if "X-Amz-Credential" in query else authorization
    match = _CREDENTIAL.search(signed)
    if match is None:
        # S3 alone is called without a signature, and with version 2's in the query of a presigned URL.
        return query.get("AWSAccessKeyId", ""), "us-east-1", "s3"
    return match[1], match[3], match[4].lower()


def _protocol(service: str, target: str) -> Protocol:
    if service == "s3":
        return Protocol.S3
    if service == "ec2":
        return Protocol.EC2
    return Protocol.QUERY if service in _QUERY_SERVICES and not target else Protocol.JSON


def _body(environ: Environ) -> bytes:
    try:
        length = max(0, int(environ.get("CONTENT_LENGTH") or 0))
    except ValueError:
        length = 0
    if length > MAX_PARAMETERS_BYTES:
        raise Refusal("RequestEntityTooLarge", "Request is too large", 413)
    body: bytes = environ["wsgi.input"].read(length) if length else b""
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _json(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


# What a subresource of a bucket is called in actions; GetBucketX and PutBucketX unless it is listed here.
_BUCKET_SUBRESOURCES: Final = {
    "acl": "BucketAcl", "cors": "BucketCORS", "encryption": "EncryptionConfiguration",
    "lifecycle": "LifecycleConfiguration", "location": "BucketLocation", "logging": "BucketLogging",
    "ownershipControls": "BucketOwnershipControls", "policy": "BucketPolicy",
    "publicAccessBlock": "BucketPublicAccessBlock", "tagging": "BucketTagging", "versioning": "BucketVersioning",
}  # fmt: skip


def _s3(environ: Environ, query: Mapping[str, str]) -> tuple[str, str]:
    """Return S3's resource (bucket, or bucket/key) and its action, as "Actions for Amazon S3" pairs them."""
    path = unquote(environ.get("PATH_INFO", "/")).lstrip("/")
    host = environ.get("HTTP_HOST", "").rpartition(":")[0] or environ.get("HTTP_HOST", "")
    if not _IP_HOST.fullmatch(host) and "." in host:
        path = f"{host.split('.')[0]}/{path}"
    bucket, _, key = path.partition("/")
    method = environ["REQUEST_METHOD"]
    if not bucket:
        return "*", "ListAllMyBuckets"
    if not key:
        return (f"{bucket}/*", "DeleteObject") if "delete" in query else (bucket, _bucket_action(method, query))
    return path, _object_action(method, query)


def _bucket_action(method: str, query: Mapping[str, str]) -> str:
    for subresource, noun in _BUCKET_SUBRESOURCES.items():
        if subresource in query:
            # Removing a subresource takes the permission to put it, but for the policy.
            verb = "Get" if method in ("GET", "HEAD") else "Put"
            return "DeleteBucketPolicy" if (method, noun) == ("DELETE", "BucketPolicy") else verb + noun
    if method in ("GET", "HEAD"):
        listed = {"versions": "ListBucketVersions", "uploads": "ListBucketMultipartUploads"}
        return next((action for name, action in listed.items() if name in query), "ListBucket")
    return {"PUT": "CreateBucket", "DELETE": "DeleteBucket"}.get(method, "PutObject")


def _object_action(method: str, query: Mapping[str, str]) -> str:
    verb = {"GET": "Get", "HEAD": "Get", "DELETE": "Delete"}.get(method, "Put")
    if "uploadId" in query and verb != "Put":
        return "AbortMultipartUpload" if verb == "Delete" else "ListMultipartUploadParts"
    return f"{verb}ObjectTagging" if "tagging" in query else f"{verb}Object"
