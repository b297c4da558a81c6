"""moto as what it is here: a WSGI application whose state is in the process's modules."""

from __future__ import annotations

from typing import Any

from toilctl.local.aws.requests.call import Environ
from toilctl.local.aws.requests.client_tokens import Answer


def collect(application: Any, environ: Environ) -> Answer:
    """Run a WSGI application to its end, and return what it answered."""
    from werkzeug.test import run_wsgi_app

    body, status, headers = run_wsgi_app(application, environ, buffered=True)
    return Answer(status, list(headers.items()), b"".join(body))


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
