"""AWS's API: clients, pages, regions, and what its errors mean; `credentials` alone imports boto3 beside it."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final

from toilctl.system import credentials
from toilctl.values.aws_errors import CAPACITY, DENIED, EXPIRED, QUOTA, THROTTLED, is_not_found
from toilctl.values.errors import CapacityError, CredentialsError, HostError, NotFoundError, ToilctlError, UsageError

_LOCK = threading.Lock()

_BAD_CREDENTIALS: Final = frozenset({
    "AuthFailure", "InvalidAccessKeyId", "InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClientException",
})  # fmt: skip
_ACTION = re.compile(r"perform:? ([a-z0-9-]+:[A-Za-z]+)")
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9.:-]*")
"""AWS's codes of errors. Of another program's answer, the SDK makes a number or nothing."""
_CONNECT_ATTEMPTS: Final = 3
"""Calls that are refused wait long, and may be granted; a place that is not reached at once is not there."""


def client(service: str, region: str, *, hasty: bool = False) -> Any:
    """Return the client of a service in a region, made once per environment (endpoint, credentials, profile).

    :param hasty: whether to give up within seconds: for what is nice to know.
    """
    identity = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))
    # botocore's sessions must not make clients in two threads at once.
    with _LOCK:
        return _client(service, region, identity, hasty)


@cache
def _client(service: str, region: str, identity: tuple[tuple[str, str], ...], hasty: bool) -> Any:  # noqa: ARG001
    from botocore.config import Config

    attempts, connect_s, read_s = (1, 2, 5) if hasty else (8, 5, 60)
    config = Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=connect_s, read_timeout=read_s, user_agent_extra="toilctl",
    )  # fmt: skip
    made = credentials.session().client(service, region_name=region, config=config)
    made.meta.events.register_first("needs-retry.*", _give_up)
    return made


def _give_up(attempts: int = 1, caught_exception: Exception | None = None, **_: Any) -> None:
    """End a call to a place that cannot be reached sooner than one that AWS refuses."""
    from botocore.exceptions import ConnectionError as NotConnected

    if isinstance(caught_exception, NotConnected) and attempts >= _CONNECT_ATTEMPTS:
        raise caught_exception


def pages(
    service: str, region: str, operation: str, key: str, *, hasty: bool = False, **parameters: Any
) -> Iterator[Any]:
    """Yield what ``key`` holds on every page of an answer; ``A.B`` looks for B in each A.

    :param hasty: as of ``client``, for each page.
    """
    outer, _, inner = key.partition(".")
    for page in client(service, region, hasty=hasty).get_paginator(operation).paginate(**parameters):
        for item in page[outer]:
            yield from item[inner] if inner else (item,)


def configured_region() -> str | None:
    """Return the region of AWS_REGION, AWS_DEFAULT_REGION or the profile."""
    import botocore.session

    session = botocore.session.Session(profile=os.environ.get("AWS_PROFILE"))
    return os.environ.get("AWS_REGION") or session.get_config_variable("region")


def known_regions() -> tuple[str, ...]:
    """Return the regions that the installed SDK knows, without asking anybody."""
    import botocore.session

    session = botocore.session.Session()
    return tuple(
        sorted(
            region
            for partition in session.get_available_partitions()
            for region in session.get_available_regions("ec2", partition)
        )
    )


def partition(region: str) -> str:
    """Return what ARNs of a region begin with after ``arn:``, as the installed SDK knows it: ``aws``, ``aws-cn``, ….

    :raises UsageError: when no partition has regions of such a name.
    """
    import botocore.session
    from botocore.exceptions import UnknownRegionError

    try:
        return str(botocore.session.Session().get_partition_for_region(region))
    except UnknownRegionError as error:
        raise UsageError(f"{region!r} is not a region.", "Write one like us-west-2.") from error


def dns_suffix(region: str) -> str:
    """Return what names of services end with in a region, such as ``amazonaws.com``."""
    import botocore.session

    resolver = botocore.session.Session().get_component("endpoint_resolver")
    return str(resolver.get_partition_dns_suffix(partition(region)))


def enabled_regions(ask: str) -> tuple[str, ...]:
    """Return the regions that the account may use; the region ``ask`` answers for all."""
    answer = client("ec2", ask).describe_regions(AllRegions=False)
    return tuple(sorted(region["RegionName"] for region in answer["Regions"]))


def error_code(error: Exception) -> str:
    """Return AWS's code of an error, or an empty string."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def look(call: Callable[..., Any], **parameters: Any) -> Any:
    """Return the answer to a call; None when what it names does not exist."""
    try:
        return call(**parameters)
    except Exception as error:
        if not is_not_found(error_code(error)):
            raise
        return None


def explain(error: Exception) -> ToilctlError | None:
    """Turn an error of the SDK into one that a user can act on; None for an error that is not the SDK's."""
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    if isinstance(error, ResponseParserError):
        return _answered_by_another("no answer of AWS's")
    if isinstance(error, exceptions.ClientError):
        return _explain_code(error)
    if isinstance(error, exceptions.NoRegionError | exceptions.InvalidRegionError):
        return UsageError("No region is known.", "Say which with -z ZONE, TOIL_AWS_ZONE or AWS_REGION.")
    if isinstance(error, exceptions.ConnectionError | exceptions.HTTPClientError):
        return HostError(f"AWS cannot be reached: {_sentence(str(error))}", _network_step(error))
    known = credentials.explain(error)
    if known or not isinstance(error, exceptions.BotoCoreError):
        return known
    return ToilctlError(_sentence(str(error)), "Check ~/.aws/config and the AWS_ variables of the environment.")


def _explain_code(error: Any) -> ToilctlError:
    code, message = error_code(error), str(error.response.get("Error", {}).get("Message", ""))
    facts = {"aws_code": code, "aws_message": message, "action": error.operation_name}
    if not _CODE.fullmatch(code) or code == "Unknown":
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return _answered_by_another(f"HTTP status {status} without one of AWS's errors", status=status)
    if code in EXPIRED | _BAD_CREDENTIALS | DENIED:
        return CredentialsError(*_not_allowed(code, message, error.operation_name), **facts)
    if code in THROTTLED:
        return ToilctlError(f"AWS is slowing down {error.operation_name}.", "Wait a minute and try again.", **facts)
    if code in CAPACITY | QUOTA:
        return CapacityError(_sentence(f"EC2 cannot give that now ({code}): {message}"), "", **facts)
    if is_not_found(code):
        return NotFoundError(_sentence(message), "", **facts)
    return ToilctlError(_sentence(f"AWS refused {error.operation_name} ({code}): {message}"), "", **facts)


def _not_allowed(code: str, message: str, operation: str) -> tuple[str, str]:
    if code in EXPIRED:
        return f"The AWS credentials have expired ({code}).", credentials.RENEW
    if code in _BAD_CREDENTIALS:
        return f"AWS does not accept these credentials ({code}).", credentials.HELP
    named = _ACTION.search(message)
    action = named[1] if named else operation
    step = "Ask for that permission, or use another profile; 'toilctl policy launch' prints all that a launch needs."
    return f"These credentials may not do {action}.", step


def _answered_by_another(said: str, **facts: Any) -> HostError:
    """Return the error for an answer that a proxy, a portal or another server gave in AWS's place."""
    return HostError(f"What answered is not AWS: {said}.", _network_step(), **facts)


def _network_step(error: Exception | None = None) -> str:
    """Say what to look at, naming the variables that are set: no sentence quotes a proxy's password."""
    from botocore.exceptions import SSLError

    proxies = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
    leading = [name for name in (*proxies, "AWS_ENDPOINT_URL") if os.environ.get(name)]
    if isinstance(error, SSLError):
        leading.append("AWS_CA_BUNDLE")
    return f"Check {' and '.join(['the network', *leading])}; 'curl -I https://sts.amazonaws.com' tries it alone."


def _sentence(text: str) -> str:
    return text.rstrip(". \n") + "."
