"""AWS's API: clients, pages, regions, and what its errors mean. Nothing else of toilctl proper imports boto3."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final

from toilctl.values.aws_errors import CAPACITY, DENIED, QUOTA, THROTTLED, is_not_found
from toilctl.values.errors import CapacityError, CredentialsError, HostError, NotFoundError, ToilctlError, UsageError

_LOCK = threading.Lock()

CREDENTIALS_HELP: Final = (
    "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run 'aws configure' or 'aws sso login'; "
    "to rehearse without AWS, add --provisioner local."
)

_BAD_CREDENTIALS: Final = frozenset({
    "AuthFailure", "ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidClientTokenId",
    "RequestExpired", "SignatureDoesNotMatch", "UnrecognizedClientException",
})  # fmt: skip
_ACTION = re.compile(r"perform:? ([a-z0-9-]+:[A-Za-z]+)")


def client(service: str, region: str, *, hasty: bool = False) -> Any:
    """Return the client of a service in a region, made once per environment (endpoint, credentials, profile).

    :param hasty: whether to give up within seconds: for what is nice to know.
    """
    identity = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))
    # botocore's sessions must not make clients in two threads at once.
    with _LOCK:
        return _client(service, region, identity, hasty)


@cache
def _client(service: str, region: str, identity: tuple[tuple[str, str], ...], hasty: bool) -> Any:
    from botocore.config import Config

    attempts, connect_s, read_s = (1, 2, 5) if hasty else (8, 10, 60)
    config = Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=connect_s, read_timeout=read_s, user_agent_extra="toilctl",
    )  # fmt: skip
    return _session(identity).client(service, region_name=region, config=config)


@cache
def _session(identity: tuple[tuple[str, str], ...]) -> Any:  # noqa: ARG001 - part of the cache's key
    import boto3

    return boto3.Session()


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

    if isinstance(error, exceptions.ClientError):
        return _explain_code(error)
    missing = (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.TokenRetrievalError,
        exceptions.SSOError,
    )
    if isinstance(error, missing):
        return CredentialsError("No usable AWS credentials were found.", CREDENTIALS_HELP, reason=str(error))
    if isinstance(error, exceptions.ProfileNotFound):
        return CredentialsError(f"{_sentence(str(error))}", "Set AWS_PROFILE to one of ~/.aws/config, or unset it.")
    if isinstance(error, exceptions.NoRegionError | exceptions.InvalidRegionError):
        return UsageError("No region is known.", "Say which with -z ZONE, TOIL_AWS_ZONE or AWS_REGION.")
    if isinstance(error, exceptions.HTTPClientError):
        return HostError(_sentence(str(error)), "Check the network, and AWS_ENDPOINT_URL if it is set.")
    return ToilctlError(_sentence(str(error))) if isinstance(error, exceptions.BotoCoreError) else None


def _explain_code(error: Any) -> ToilctlError:
    code, message = error_code(error), str(error.response["Error"].get("Message", ""))
    facts = {"aws_code": code, "aws_message": message, "action": error.operation_name}
    if code in _BAD_CREDENTIALS:
        return CredentialsError(f"AWS does not accept these credentials ({code}).", CREDENTIALS_HELP, **facts)
    if code in DENIED:
        named = _ACTION.search(message)
        action = named[1] if named else error.operation_name
        return CredentialsError(
            f"These credentials may not do {action}.", "Ask for that permission, or use another profile.", **facts
        )
    if code in THROTTLED:
        return ToilctlError(f"AWS is slowing down {error.operation_name}.", "Wait a minute and try again.", **facts)
    if code in CAPACITY | QUOTA:
        return CapacityError(_sentence(f"EC2 cannot give that now ({code}): {message}"), "", **facts)
    if is_not_found(code):
        return NotFoundError(_sentence(message), "", **facts)
    return ToilctlError(_sentence(f"AWS refused {error.operation_name} ({code}): {message}"), "", **facts)


def _sentence(text: str) -> str:
    return text.rstrip(". \n") + "."
