"""Which actions on which objects a request of S3's needs: a copy reads its source, and tags are written, too.

After "Required permissions for Amazon S3 API operations" in the S3 user guide.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

from toilctl.local.aws.requests.call import COPY_SOURCE, TAGGING, TAGGING_DIRECTIVE, Call


def needed(call: Call, account_id: str) -> Iterator[tuple[str, str]]:
    """Yield pairs of an action and an ARN."""
    target = _arn(call.resource)
    yield call.name, target
    tagged = TAGGING in call.params
    if COPY_SOURCE in call.params:
        source, _, version = unquote(call.params[COPY_SOURCE]).lstrip("/").partition("?versionId=")
        kind = "ObjectVersion" if version else "Object"
        yield f"s3:Get{kind}", _arn(source)
        # A part of a multipart copy has an uploadId, and no tags.
        takes_tags = "uploadId" not in call.params and call.params.get(TAGGING_DIRECTIVE, "COPY") == "COPY"
        if takes_tags and _has_tags(source, account_id):
            yield f"s3:Get{kind}Tagging", _arn(source)
            tagged = True
    if tagged:
        yield "s3:PutObjectTagging", target


def _arn(path: str) -> str:
    return "*" if path == "*" else f"arn:aws:s3:::{path}"


def _has_tags(path: str, account_id: str) -> bool:
    from moto.s3.models import s3_backends

    backend = s3_backends[account_id]["aws"]
    bucket_name, _, key_name = path.partition("/")
    bucket = backend.buckets.get(bucket_name)
    key = bucket.keys.get(key_name) if bucket is not None else None
    return key is not None and bool(backend.tagger.get_tag_dict_for_resource(key.arn))
