"""moto as what it is here: a WSGI application whose state is in the process's modules, and who reaches what of it.

Left to itself, moto finds service, action and parameters by rules of its own: paths of its own come first, of a
repeated parameter the first one counts, and one in the query hides the same one of a JSON document. Whoever may ask for
one thing could so get another. Here it takes them from the call that was authorised.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from toilctl.local.aws.base.patches import Patches
from toilctl.local.aws.requests.call import EFS, UNKNOWN, Call, Environ
from toilctl.local.aws.requests.client_tokens import Answer
from toilctl.local.aws.requests.refusals import Protocol, Refusal

CALL_KEY: Final = "toilctl.call"
"""Where a signed request's environment has its call."""

_OWN_PATHS: Final = ("/moto-api", "/favicon.ico", "/latest/meta-data/", "/latest/api/")
"""How paths begin that moto serves whatever a request is signed for: its state, and instance metadata of its own."""

_FLAT: Final = (Protocol.EC2, Protocol.QUERY)


class Moto:
    """All services of moto's."""

    def __init__(self) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self._services = DomainDispatcherApplication(create_backend_app)

    def answer(self, call: Call, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Let the service answer that a call is for, as WSGI asks."""
        # Without such a header, or with one in another order, moto would guess by the path.
        scope = f"Credential=key/date/{call.region}/{call.service}/aws4_request"
        service = self._services.get_application({**environ, "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 {scope}"})
        return service(environ, start_response)

    def collect(self, call: Call, environ: Environ) -> Answer:
        """Let the service answer, and return all of it."""
        from werkzeug.test import run_wsgi_app

        def application(environ: Environ, start_response: Any) -> Iterable[bytes]:
            return self.answer(call, environ, start_response)

        body, status, headers = run_wsgi_app(application, environ, buffered=True)
        return Answer(status, list(headers.items()), b"".join(body))


def refuse_own_paths(environ: Environ) -> None:
    """Refuse what is moto's alone.

    :raises Refusal: for such a path.
    """
    if environ.get("PATH_INFO", "").startswith(_OWN_PATHS):
        raise Refusal("NoSuchKey", "The specified key does not exist.", 404)


def install(patches: Patches) -> None:
    """Let moto take action and parameters from the call."""
    from moto.core.responses import BaseResponse

    def set_up(response: Any, request: Any, *args: Any, **kwargs: Any) -> None:
        original_set_up(response, request, *args, **kwargs)
        call = _of(response)
        if call and call.protocol in _FLAT:
            response.querystring = response.data = {name: [value] for name, value in call.params.items()}
        elif call and call.service != EFS:
            response.querystring = response.data = {}

    def action(response: Any) -> Any:
        call = _of(response)
        if call and call.service == EFS:
            return response._get_action_from_method_and_request_uri(response.normalized_request)
        return call.action if call else original_action(response)

    original_set_up = patches.replace(BaseResponse, "setup_class", set_up)
    original_action = patches.replace(BaseResponse, "_get_action", action)


def _of(response: Any) -> Call | None:
    """Return the call of a response whose action and parameters are known; S3's are in the path."""
    call: Call | None = response.normalized_request.environ.get(CALL_KEY)
    return call if call and call.protocol is not Protocol.S3 and call.action != UNKNOWN else None


def reset() -> None:
    """Drop every backend; moto's own reset makes new ones at once, and some of them make others anew."""
    from moto.core.base_backend import BackendDict
    from moto.s3.models import s3_backends

    known: Any = vars(BackendDict)["_instances"]
    for backends in known:
        backends.clear()
    known.clear()
    # Whose a bucket's name is stands outside the backends.
    s3_backends.bucket_accounts.clear()
