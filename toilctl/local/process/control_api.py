"""What the rehearsal cloud answers beside AWS's interfaces, below ``/_toilctl``: JSON, for our own use.

- ``GET, POST, DELETE /_toilctl/faults``: list, set (``{"name": …, parameters}``), clear (the same, or nothing for all).
- ``GET /_toilctl/calls``: how often each action was called.
- ``GET /_toilctl/hosts``: the hosts that there should be.
- ``POST /_toilctl/powered-off`` (``{"instance_id": …}``): a host switched itself off.
- ``POST /_toilctl/keys`` (``{"name": …, "public_key": …}``): a key pair of the user's; says whether it is new.
- ``GET /_toilctl/health``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

from toilctl.local.aws.cloud import Cloud, StartResponse
from toilctl.local.aws.ec2 import user_keys
from toilctl.local.aws.requests.call import Environ
from toilctl.local.state import REGION
from toilctl.values.errors import UsageError

PREFIX: Final = "/_toilctl/"


class Controlled:
    """A cloud with its control interface, as one WSGI application."""

    def __init__(self, cloud: Cloud) -> None:
        """Serve a cloud."""
        self._cloud = cloud

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path = environ.get("PATH_INFO", "")
        if not path.startswith(PREFIX):
            return self._cloud(environ, start_response)
        try:
            status, answer = self._control(environ["REQUEST_METHOD"], path.removeprefix(PREFIX), _document(environ))
        except UsageError as error:
            status, answer = "400 Bad Request", {"message": error.message, "next_step": error.next_step}
        body = json.dumps(answer).encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def _control(self, method: str, what: str, document: dict[str, Any]) -> tuple[str, Any]:
        cloud = self._cloud
        routes: dict[tuple[str, str], Callable[[], Any]] = {
            ("GET", "health"): lambda: {"ok": True},
            ("GET", "faults"): cloud.faults.active,
            ("POST", "faults"): lambda: cloud.set_fault(**{"name": "", **document}),
            ("DELETE", "faults"): lambda: {"cleared": cloud.faults.clear(**document)},
            ("GET", "calls"): lambda: dict(cloud.calls),
            ("GET", "hosts"): lambda: [_summary(spec) for spec in cloud.host_specs()],
            ("POST", "keys"): lambda: {"new": _bring_key(cloud, document)},
            ("POST", "powered-off"): lambda: cloud.powered_off([str(document.get("instance_id", ""))]),
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
    length = int(environ.get("CONTENT_LENGTH") or 0)
    try:
        document = json.loads(environ["wsgi.input"].read(length) or b"{}")
    except ValueError:
        raise UsageError("The request's body is not JSON.", "Send an object.") from None
    if not isinstance(document, dict):
        raise UsageError("The request's body is not a JSON object.", "Send an object.")
    return document
