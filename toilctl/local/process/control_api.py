"""What the rehearsal cloud answers beside AWS's interfaces, below ``/_toilctl``: JSON, for its owner's own use.

Each request has the header ``state.CONTROL_HEADER`` with ``state.control_token``, or is a 403.

- ``GET, POST, DELETE /_toilctl/faults``: list, set (``{"name": …, parameters}``), clear (the same, or nothing for all).
- ``GET /_toilctl/calls``: how often each action was called.
- ``GET /_toilctl/hosts``: the hosts that there should be.
- ``POST /_toilctl/keys`` (``{"name": …, "public_key": …}``): a key pair of the user's; says whether it is new.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterable
from typing import Any, Final

from toilctl.local.aws.cloud import ADMITTED, Cloud, StartResponse
from toilctl.local.aws.ec2 import user_keys
from toilctl.local.aws.requests.call import Environ
from toilctl.local.state import CONTROL_HEADER, REGION, control_token
from toilctl.values.errors import UsageError

PREFIX: Final = "/_toilctl/"
MAX_DOCUMENT_BYTES: Final = 64 * 1024
_CONTROL_KEY: Final = "HTTP_" + CONTROL_HEADER.upper().replace("-", "_")


class Controlled:
    """A cloud with its control interface, as one WSGI application."""

    def __init__(self, cloud: Cloud) -> None:
        """Serve a cloud."""
        self._cloud = cloud
        self._token = control_token(cloud.root_key.secret).encode()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path = environ.get("PATH_INFO", "")
        if not path.startswith(PREFIX):
            return self._cloud(environ, start_response)
        try:
            if hmac.compare_digest(environ.get(_CONTROL_KEY, "").encode(), self._token):
                environ.get(ADMITTED, bool)()
                status, answer = self._control(environ["REQUEST_METHOD"], path.removeprefix(PREFIX), _document(environ))
            else:
                status, answer = "403 Forbidden", {"message": "This interface is its cloud's owner's.", "next_step": ""}
        except UsageError as error:
            status, answer = "400 Bad Request", {"message": error.message, "next_step": error.next_step}
        body = json.dumps(answer).encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def _control(self, method: str, what: str, document: dict[str, Any]) -> tuple[str, Any]:
        cloud = self._cloud
        routes: dict[tuple[str, str], Callable[[], Any]] = {
            ("GET", "faults"): cloud.faults.active,
            ("POST", "faults"): lambda: cloud.set_fault(**{"name": "", **document}),
            ("DELETE", "faults"): lambda: {"cleared": cloud.faults.clear(**document)},
            ("GET", "calls"): lambda: dict(cloud.calls),
            ("GET", "hosts"): lambda: [_summary(spec) for spec in cloud.host_specs()],
            ("POST", "keys"): lambda: {"new": _bring_key(cloud, document)},
        }
        if (method, what) not in routes:
            return "404 Not Found", {"message": f"There is no {method} {PREFIX}{what}.", "next_step": ""}
        return "200 OK", routes[method, what]()


def _bring_key(cloud: Cloud, document: dict[str, Any]) -> bool:
    name, public_key = str(document.get("name", "")), str(document.get("public_key", ""))
    return user_keys.bring(cloud.ec2(REGION), name, public_key)


def _summary(spec: Any) -> dict[str, Any]:
    names = ("instance_id", "state", "private_ip", "public_ip", "zone", "instance_type", "image", "hostname")
    return {name: getattr(spec, name) for name in names}


def _document(environ: Environ) -> dict[str, Any]:
    length = str(environ.get("CONTENT_LENGTH") or 0)
    if not length.isdigit() or int(length) > MAX_DOCUMENT_BYTES:
        raise UsageError(f"The request's body is longer than {MAX_DOCUMENT_BYTES} bytes.", "Send a shorter one.")
    try:
        document = json.loads(environ["wsgi.input"].read(int(length)) or b"{}")
    except ValueError:
        raise UsageError("The request's body is not JSON.", "Send an object.") from None
    if not isinstance(document, dict):
        raise UsageError("The request's body is not a JSON object.", "Send an object.")
    return document
