"""AWS's refusals, each in the shape that the service's clients expect.

The codes are those of "Error codes for the Amazon EC2 API", "Common errors" of IAM, STS and SSM, and "Error responses"
of S3: the same refusal has another code in each protocol.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from enum import StrEnum
from typing import Final
from xml.sax.saxutils import escape


class Protocol(StrEnum):
    """How a service speaks."""

    EC2 = "ec2"
    QUERY = "query"
    JSON = "json"
    S3 = "s3"


class Refusal(Exception):
    """A request that AWS would refuse; the outermost layer renders it."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


_UNKNOWN_KEY: Final = {
    Protocol.EC2: ("AuthFailure", "AWS was not able to validate the provided access credentials", 401),
    Protocol.QUERY: ("InvalidClientTokenId", "The security token included in the request is invalid.", 403),
    Protocol.JSON: ("UnrecognizedClientException", "The security token included in the request is invalid.", 400),
    Protocol.S3: ("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", 403),
}
_EXPIRED: Final = {
    Protocol.EC2: ("RequestExpired", "Request has expired.", 400),
    Protocol.QUERY: ("ExpiredToken", "The security token included in the request is expired", 403),
    Protocol.JSON: ("ExpiredTokenException", "The security token included in the request is expired", 400),
    Protocol.S3: ("ExpiredToken", "The provided token has expired.", 400),
}
_SIGNED_OTHERWISE: Final = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method."
)
_UNSIGNED: Final = {
    Protocol.EC2: _UNKNOWN_KEY[Protocol.EC2],
    Protocol.QUERY: ("SignatureDoesNotMatch", _SIGNED_OTHERWISE, 403),
    Protocol.JSON: ("InvalidSignatureException", _SIGNED_OTHERWISE, 400),
    Protocol.S3: ("SignatureDoesNotMatch", _SIGNED_OTHERWISE, 403),
}
_SKEWED: Final = {
    Protocol.EC2: ("RequestExpired", "Request has expired. Its date is {given}; it is {now}.", 400),
    Protocol.QUERY: ("SignatureDoesNotMatch", "Signature expired or not yet current: {given}; it is {now}.", 403),
    Protocol.JSON: ("InvalidSignatureException", "Signature expired or not yet current: {given}; it is {now}.", 400),
    Protocol.S3: (
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large: {given}; it is {now}.",
        403,
    ),
}
_THROTTLED: Final = {
    Protocol.EC2: ("RequestLimitExceeded", "Request limit exceeded.", 503),
    Protocol.QUERY: ("Throttling", "Rate exceeded", 400),
    Protocol.JSON: ("ThrottlingException", "Rate exceeded", 400),
    Protocol.S3: ("SlowDown", "Please reduce your request rate.", 503),
}
_DENIED: Final = {
    Protocol.EC2: ("UnauthorizedOperation", "You are not authorized to perform this operation. ", 403),
    Protocol.QUERY: ("AccessDenied", "", 403),
    Protocol.JSON: ("AccessDeniedException", "", 400),
    Protocol.S3: ("AccessDenied", "", 403),
}


def unknown_key(protocol: Protocol) -> Refusal:
    """Refuse an access key, or its session token, that nobody issued."""
    return Refusal(*_UNKNOWN_KEY[protocol])


def expired(protocol: Protocol) -> Refusal:
    """Refuse session credentials after their expiration."""
    return Refusal(*_EXPIRED[protocol])


def wrongly_signed(protocol: Protocol) -> Refusal:
    """Refuse a request whose signature is not that of its access key's secret."""
    return Refusal(*_UNSIGNED[protocol])


def skewed(protocol: Protocol, given: str, now: str) -> Refusal:
    """Refuse a request that was signed too long ago, or in the future."""
    code, message, status = _SKEWED[protocol]
    return Refusal(code, message.format(given=given, now=now), status)


def throttled(protocol: Protocol) -> Refusal:
    """Refuse a call for being one too many."""
    return Refusal(*_THROTTLED[protocol])


def denied(protocol: Protocol, principal_arn: str, action: str, resource: str, why: str) -> Refusal:
    """Refuse what the principal's policies do not allow ("Troubleshoot access denied error messages" of IAM).

    EC2 tells the same once more, encoded for sts:DecodeAuthorizationMessage; S3 puts the resource into quotes.
    """
    code, prefix, status = _DENIED[protocol]
    shown = f'"{resource}"' if protocol is Protocol.S3 else resource
    text = f"User: {principal_arn} is not authorized to perform: {action} on resource: {shown} {why}"
    if protocol is Protocol.EC2:
        encoded = base64.urlsafe_b64encode(hashlib.sha512(text.encode()).digest() * 4).decode().rstrip("=")
        text += f". Encoded authorization failure message: {encoded}"
    return Refusal(code, prefix + text, status)


def render(refusal: Refusal, protocol: Protocol) -> tuple[int, dict[str, str], bytes]:
    """Return a refusal as status, headers and body."""
    request_id = str(uuid.uuid4())
    if protocol is Protocol.JSON:
        body = json.dumps({"__type": refusal.code, "message": refusal.message})
        headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": refusal.code}
    else:
        error = f"<Code>{escape(refusal.code)}</Code><Message>{escape(refusal.message)}</Message>"
        body = '<?xml version="1.0" encoding="UTF-8"?>' + _XML[protocol].format(error=error, request_id=request_id)
        headers = {"Content-Type": "text/xml"}
    return refusal.status, {**headers, "x-amzn-RequestId": request_id}, body.encode()


_XML: Final = {
    Protocol.EC2: "<Response><Errors><Error>{error}</Error></Errors><RequestID>{request_id}</RequestID></Response>",
    Protocol.QUERY: (
        "<ErrorResponse><Error><Type>Sender</Type>{error}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    ),
    Protocol.S3: "<Error>{error}<RequestId>{request_id}</RequestId></Error>",
}
