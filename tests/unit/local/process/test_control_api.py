"""The cloud's own interface: for its owner."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from toilctl.local.process.testing import TestCloud
from toilctl.local.state import CONTROL_HEADER, control_token

SHORT = b'{"name": "throttle", "action": "DescribeVpcs"}'


def ask(cloud: TestCloud, method: str, what: str, token: str | None, body: bytes | None = None) -> tuple[int, object]:
    headers = {} if token is None else {CONTROL_HEADER: token}
    request = urllib.request.Request(f"{cloud.endpoint}/_toilctl/{what}", body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.parametrize("token", [None, "", "x", control_token("another"), control_token(""), "\u00e4"])
@pytest.mark.parametrize(
    ("method", "what"),
    [("GET", "faults"), ("POST", "faults"), ("DELETE", "faults"), ("GET", "calls"), ("GET", "hosts"), ("POST", "keys"),
     ("GET", "health"), ("GET", "")],
)  # fmt: skip
def test_whoever_has_not_the_clouds_key_is_forbidden(
    cloud: TestCloud, method: str, what: str, token: str | None
) -> None:
    assert ask(cloud, method, what, token, SHORT)[0] == 403
    assert cloud.faults.active() == []


def test_owner_is_answered(cloud: TestCloud) -> None:
    token = control_token(cloud.cloud.root_key.secret)
    assert ask(cloud, "POST", "faults", token, SHORT)[0] == 200
    assert [one["name"] for one in cloud.faults.active()] == ["throttle"]
    assert ask(cloud, "GET", "nothing", token)[0] == 404


@pytest.mark.parametrize("body", [b"{", b"[]", b'"' + b"x" * 70_000 + b'"'])
def test_body_that_is_no_short_object_is_refused(cloud: TestCloud, body: bytes) -> None:
    assert ask(cloud, "POST", "faults", control_token(cloud.cloud.root_key.secret), body)[0] == 400
