"""Objects in S3 that everybody may read, as Toil's job stores publish a workflow's script to its workers."""

from __future__ import annotations

from toilctl.local.aws.requests.call import Call


def is_public(call: Call, account_id: str) -> bool:
    """Whether a request that nobody signed asks for an object with the canned ACL ``public-read``."""
    from moto.s3.models import s3_backends

    if call.name != "s3:GetObject":
        return False
    bucket_name, _, key_name = call.resource.partition("/")
    bucket = s3_backends[account_id]["aws"].buckets.get(bucket_name)
    key = bucket.keys.get(key_name) if bucket is not None else None
    return bool(key is not None and key.acl is not None and key.acl.public_read)
