"""Errors of the SDK are looked up by name when one is explained: the oldest release that is allowed has them."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import ROOT

OLDEST = "1.41"
DEFINED = """
AliasConflictParameterError ApiVersionNotFoundError AwsChunkedWrapperError BaseEndpointResolverError BotoCoreError
CapacityNotAvailableError ChecksumError ClientError ConfigNotFound ConfigParseError ConnectTimeoutError
ConnectionClosedError ConnectionError CredentialRetrievalError DataNotFoundError EndpointConnectionError
EndpointProviderError EndpointResolutionError EndpointVariantError EventStreamError FlexibleChecksumError
HTTPClientError ImminentRemovalWarning IncompleteReadError InfiniteLoopConfigError InvalidChecksumConfigError
InvalidConfigError InvalidDNSNameError InvalidDefaultsMode InvalidEndpointConfigurationError
InvalidEndpointDiscoveryConfigurationError InvalidExpressionError InvalidHostLabelError InvalidIMDSEndpointError
InvalidIMDSEndpointModeError InvalidMaxRetryAttemptsError InvalidProxiesConfigError InvalidRegionError
InvalidRetryConfigurationError InvalidRetryModeError InvalidS3AddressingStyleError
InvalidS3UsEast1RegionalEndpointConfigError InvalidSTSRegionalEndpointsConfigError LoginAuthorizationCodeError
LoginError LoginInsufficientPermissions LoginRefreshRequired LoginTokenLoadError MD5UnavailableError
MetadataRetrievalError MissingDependencyException MissingParametersError MissingServiceIdError NoAuthTokenError
NoCredentialsError NoRegionError OperationNotPageableError PaginationError ParamValidationError
PartialCredentialsError ProfileNotFound ProxyConnectionError RangeError ReadTimeoutError
RefreshWithMFAUnsupportedError ResponseStreamingError SSLError SSOError SSOTokenLoadError ServiceNotInRegionError
StubAssertionError StubResponseError TokenRetrievalError UnStubbedResponseError UnauthorizedSSOTokenError
UndefinedModelAttributeError UnknownClientMethodError UnknownCredentialError UnknownEndpointError
UnknownEndpointResolutionBuiltInName UnknownFIPSEndpointError UnknownKeyError UnknownParameterError UnknownRegionError
UnknownServiceError UnknownServiceStyle UnknownSignatureVersionError UnseekableStreamError
UnsupportedOutpostResourceError UnsupportedS3AccesspointConfigurationError UnsupportedS3ArnError
UnsupportedS3ConfigurationError UnsupportedS3ControlArnError UnsupportedS3ControlConfigurationError
UnsupportedServiceProtocolsError UnsupportedSignatureVersionError UnsupportedTLSVersionWarning ValidationError
WaiterConfigError WaiterError
"""
IN_OLDEST = {"boto3.exceptions": set(), "botocore.exceptions": set(DEFINED.split())}
"""The classes that the oldest release's modules define. Of boto3's, none has been needed."""


def used(source: str) -> set[tuple[str, str]]:
    """Return what a module takes of the SDK's modules of errors, as pairs of module and name."""
    return set(_used(ast.parse(source)))


def _used(tree: ast.Module) -> Iterator[tuple[str, str]]:
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in IN_OLDEST:
            yield from ((node.module, one.name) for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            modules |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
        elif isinstance(node, ast.Import):
            modules |= {one.asname or one.name: one.name for one in node.names}
    attributes = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    found = ((modules.get(ast.unparse(node.value), ""), node.attr) for node in attributes)
    yield from ((module, name) for module, name in found if module in IN_OLDEST)


USED = sorted(
    {
        (*one, str(path.relative_to(ROOT)))
        for place in ("toilctl", "roles")
        for path in (ROOT / place).rglob("*.py")
        for one in used(path.read_text())
    }
)


@pytest.mark.parametrize(("module", "name", "path"), USED)
def test_error_is_in_the_oldest_release_and_in_this_one(module: str, name: str, path: str) -> None:
    assert name in IN_OLDEST[module], f"{path}: raise the oldest release, or do without {module}.{name}"
    assert hasattr(importlib.import_module(module), name)


def test_the_oldest_release_is_the_one_whose_errors_are_listed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    floors = {match[1]: match[2] for one in wanted if (match := re.match(r"(boto3[a-z-]*)[^>]*>=([\d.]+)", one))}
    assert floors == {"boto3": OLDEST, "boto3-stubs-lite": OLDEST}


@pytest.mark.parametrize(
    "source",
    [
        "from botocore import exceptions as sdk\nmatch error:\n    case sdk.LoginError(): pass",
        "def f():\n    from botocore.exceptions import LoginError as Error",
        "import botocore.exceptions\nbotocore.exceptions.LoginError",
    ],
)
def test_names_are_seen_however_they_are_imported(source: str) -> None:
    assert used(source) == {("botocore.exceptions", "LoginError")}


def test_most_errors_that_are_explained_are_seen() -> None:
    own = {name for _, name, path in USED if Path(path).name == "credentials.py"}
    assert {"LoginError", "SSOError", "ClientError", "ConnectionError"} <= own
