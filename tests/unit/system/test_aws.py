"""What is said where AWS cannot be reached, where another answers in its place, and where it refuses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from toilctl.local.process.testing import TestCloud
from toilctl.system import aws
from toilctl.values.errors import CredentialsError, HostError

XHTML = (
    '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>Blocked</title></head>'
    "<body><p>No.</p></body></html>"
)


@pytest.fixture
def sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How often the SDK waits before it tries again; it does not."""
    taken: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time.sleep", taken.append)
    return taken


@pytest.fixture
def proxy(aws_env: TestCloud, monkeypatch: pytest.MonkeyPatch, sleeps: list[float]) -> Iterator[Callable[..., None]]:
    """Put a server in AWS's place that gives one answer to all."""
    answer: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(answer["status"])
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(answer["body"])))
            self.end_headers()
            self.wfile.write(answer["body"])

        do_GET = do_PUT = do_HEAD = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    yield lambda body, status=403: answer.update(status=status, body=body.encode())
    server.shutdown()
    thread.join()
    server.server_close()


def said(service: str, operation: str, **parameters: Any) -> Any:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - the SDK's, of many classes
        getattr(aws.client(service, "us-west-2"), operation)(**parameters)
    return aws.explain(raised.value)


CALLS = (
    ("ec2", "describe_regions", {}),
    ("sts", "get_caller_identity", {}),
    ("iam", "get_role", {"RoleName": "r"}),
    ("ssm", "get_parameter", {"Name": "n"}),
    ("s3", "list_buckets", {}),
)


@pytest.mark.parametrize("body", [XHTML, "<html><body><br>Denied</body></html>", "Forbidden", ""])
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[0])
def test_answer_of_another_than_aws_is_one_sentence(proxy, call, body, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://user:password@proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    proxy(body)
    service, operation, parameters = call
    error = said(service, operation, **parameters)
    assert isinstance(error, HostError)
    assert error.message.startswith("What answered is not AWS: ")
    assert "https_proxy and AWS_ENDPOINT_URL" in error.next_step
    assert "<" not in str(error)
    assert "password" not in str(error)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("AuthFailure", "AWS does not accept these credentials (AuthFailure)."),
        ("RequestExpired", "The AWS credentials have expired (RequestExpired)."),
        ("UnauthorizedOperation", "These credentials may not do DescribeRegions."),
    ],
)
def test_refusals_of_aws_are_what_they_say(proxy, code, text):
    proxy(f"<Response><Errors><Error><Code>{code}</Code><Message>m</Message></Error></Errors></Response>")
    error = said("ec2", "describe_regions")
    assert isinstance(error, CredentialsError)
    assert (error.message, bool(error.next_step)) == (text, True)


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "HTTPS_PROXY"])
def test_place_that_is_not_reached_is_tried_thrice_and_named(aws_env, monkeypatch, sleeps, variable):
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://ec2.example.invalid")
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    error = said("ec2", "describe_regions")
    assert isinstance(error, HostError)
    assert error.message.startswith("AWS cannot be reached: ")
    assert variable in error.next_step
    assert len(sleeps) == 2


def test_name_that_does_not_resolve_is_a_matter_of_the_network(aws_env, monkeypatch, sleeps):
    def unknown(*_: object, **__: object) -> None:
        import socket

        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("urllib3.util.connection.socket.getaddrinfo", unknown)
    error = said("ec2", "describe_regions")
    assert (type(error), len(sleeps)) == (HostError, 2)
