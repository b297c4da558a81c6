"""Whether a request was signed with its access key's secret, a short time ago, and is what was signed.

After "AWS Signature Version 4 for API requests" of the IAM user guide, "Authenticating Requests: Using Query
Parameters" of the S3 API reference (presigned URLs of at most a week), and "Signing and authenticating REST requests"
of S3 for version 2, which presigned URLs may have still. S3 allows 15 minutes between the clocks, others 5. The time is
the system's: whoever signs knows no other, also when a rehearsal lets its own time run ahead.

The signature is computed anew with botocore's own signers. Chunks of a body that is signed by chunks
(``STREAMING-AWS4-HMAC-SHA256-PAYLOAD``) are not checked one by one.
"""

from __future__ import annotations

import hmac
import io
import re
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

from toilctl.local.aws.requests.call import Call, Environ
from toilctl.local.aws.requests.refusals import Protocol, Refusal, skewed, wrongly_signed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

S3_SKEW_S: Final = 15 * 60
SKEW_S: Final = 5 * 60
MAX_PRESIGNED_S: Final = 7 * 24 * 3600

_FIELD: Final = re.compile(r"(SignedHeaders|Signature)=([^,\s]+)")
_NUMBER: Final = re.compile(r"[0-9]{1,12}")
_IN_QUERY: Final = ("AWSAccessKeyId", "X-Amz-Credential")
_UNSIGNED: Final = re.compile(r"UNSIGNED-PAYLOAD|STREAMING-[A-Z0-9-]+")
_TIME: Final = "%Y%m%dT%H%M%SZ"
_MUST_BE_SIGNED: Final = "HTTP_X_AMZ_"


def check(environ: Environ, call: Call, secret: str) -> None:
    """Check who signed a request, and when; its content only where the signature covers it directly.

    :raises Refusal: when it is not signed with the secret, or its time is over or yet to come.
    """
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    if sum(one in query for one in _IN_QUERY) + ("HTTP_AUTHORIZATION" in environ) > 1:
        # What one of them says the request is, another one need not have signed.
        raise Refusal("InvalidArgument", "Only one auth mechanism allowed.", 400)
    if "AWSAccessKeyId" in query:
        _check_version_2(environ, call, secret, query)
        return
    if "X-Amz-Credential" in query:
        given, presigned = query.get("X-Amz-Date", ""), query.get("X-Amz-Expires", "0")
        headers, signature = query.get("X-Amz-SignedHeaders", ""), query.get("X-Amz-Signature", "")
    else:
        fields = dict(_FIELD.findall(environ.get("HTTP_AUTHORIZATION", "")))
        given, presigned = environ.get("HTTP_X_AMZ_DATE", ""), None
        headers, signature = fields.get("SignedHeaders", ""), fields.get("Signature", "")
    _check_age(call, given, presigned)
    names = [name for name in headers.split(";") if name]
    _check_headers(environ, call, names)
    request = _request(environ, names, b"" if call.protocol is Protocol.S3 else _content(environ))
    request.context["timestamp"] = given
    signer = _signer(call, secret, is_presigned=presigned is not None)
    _compare(
        call, signature, signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    )


def check_content(environ: Environ, call: Call) -> None:
    """Check that a request's content has the hash that it was signed with; the content is there for the next reader.

    :raises Refusal: when it has another one, or S3 is told of none.
    """
    said = environ.get("HTTP_X_AMZ_CONTENT_SHA256", "")
    if call.protocol is Protocol.S3 and (_UNSIGNED.fullmatch(said) or not environ.get("HTTP_AUTHORIZATION")):
        return
    if call.protocol is Protocol.S3 and not said:
        raise Refusal("InvalidRequest", "Missing required header for this request: x-amz-content-sha256", 400)
    if said and not hmac.compare_digest(said.encode(), sha256(_content(environ)).hexdigest().encode()):
        text = "The provided 'x-amz-content-sha256' header does not match what was computed."
        raise Refusal("XAmzContentSHA256Mismatch", text)


def _check_age(call: Call, given: str, expires: str | None) -> None:
    try:
        signed = datetime.strptime(given, _TIME).replace(tzinfo=UTC).timestamp()
        lasts = int(expires or 0)
    except ValueError:
        raise wrongly_signed(call.protocol) from None
    now, skew = _now(), S3_SKEW_S if call.protocol is Protocol.S3 else SKEW_S
    if expires is not None and not (0 < lasts <= MAX_PRESIGNED_S and signed - skew <= now <= signed + lasts):
        raise Refusal("AccessDenied", "Request has expired", 403)
    if expires is None and abs(now - signed) > skew:
        raise skewed(call.protocol, given, datetime.fromtimestamp(now, UTC).strftime(_TIME))


def _now() -> float:
    return datetime.now(UTC).timestamp()


def _check_headers(environ: Environ, call: Call, names: Iterable[str]) -> None:
    # What is not signed may have been changed on the way.
    keys = {_key(name) for name in names}
    if not keys.issuperset({"HTTP_HOST", *(key for key in environ if key.startswith(_MUST_BE_SIGNED))}):
        raise wrongly_signed(call.protocol)


def _compare(call: Call, given: str, computed: str) -> None:
    if not hmac.compare_digest(computed.encode(), given.encode()):
        raise wrongly_signed(call.protocol)


def _signer(call: Call, secret: str, *, is_presigned: bool) -> SigV4Auth:
    from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
    from botocore.compat import HTTPHeaders
    from botocore.credentials import Credentials

    kind: Any = SigV4Auth
    if call.protocol is Protocol.S3:
        kind = S3SigV4QueryAuth if is_presigned else S3SigV4Auth

    class AsSigned(kind):  # type: ignore[misc]
        """A signer that takes the headers it is given: other clients sign some that botocore leaves out."""

        def headers_to_sign(self, request: AWSRequest) -> Any:
            headers = HTTPHeaders()
            for name, value in request.headers.items():
                headers[name.lower()] = value
            return headers

    return AsSigned(Credentials(call.access_key_id, secret), call.service, call.region)


def _check_version_2(environ: Environ, call: Call, secret: str, query: dict[str, str]) -> None:
    from botocore.auth import HmacV1QueryAuth
    from botocore.credentials import Credentials

    class AtThatTime(HmacV1QueryAuth):
        """A signer that signs until the time that the URL has."""

        def _get_date(self) -> str:
            return query.get("Expires", "")

    expires = query.get("Expires", "")
    if not _NUMBER.fullmatch(expires) or int(expires) < _now():
        raise Refusal("AccessDenied", "Request has expired", 403)
    names = [name for name in query if name in ("content-type", "content-md5") or name.startswith("x-amz-")]
    request = _request(environ, [], b"")
    for name in names:
        request.headers[name] = query[name]
    signer = AtThatTime(Credentials(call.access_key_id, secret))
    # The bucket may be in the host; the signature has it in the path.
    split: Any = urlsplit(request.url)
    path = str(split.path)
    bucket = call.resource.partition("/")[0]
    own = path if path.lstrip("/").partition("/")[0] == bucket else f"/{bucket}{path}"
    headers: Any = request.headers
    computed = signer.get_signature(environ["REQUEST_METHOD"], split, headers, auth_path=own)
    _compare(call, query.get("Signature", ""), computed)


def _request(environ: Environ, names: list[str], content: bytes) -> AWSRequest:
    from botocore.awsrequest import AWSRequest

    path, _, query = str(environ.get("RAW_URI", "/")).partition("?")
    signed = "&".join(pair for pair in query.split("&") if not pair.startswith("X-Amz-Signature="))
    headers = {name: str(environ.get(_key(name), "")).encode("latin-1").decode(errors="replace") for name in names}
    url = f"http://{environ.get('HTTP_HOST', '')}{path}?{signed}"
    return AWSRequest(environ["REQUEST_METHOD"], url, headers, content)


def _key(header: str) -> str:
    """Return a header's name in a WSGI environment."""
    name = header.upper().replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"


def _content(environ: Environ) -> bytes:
    """Read a request's content and put it back."""
    length = str(environ.get("CONTENT_LENGTH", ""))
    if environ.get("wsgi.input_terminated"):
        raise Refusal("MissingContentLength", "You must provide the Content-Length HTTP header.", 411)
    content: bytes = environ["wsgi.input"].read(int(length)) if _NUMBER.fullmatch(length) else b""
    environ["wsgi.input"] = io.BytesIO(content)
    return content
