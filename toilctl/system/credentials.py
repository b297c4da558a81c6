"""AWS credentials: found once, in this process, with a sentence for each way in which that fails.

Playbooks get them as they are then, so that nothing below them asks for a code, a login or a process again.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from toilctl.system import progress
from toilctl.system.ansible_environment import OLD_AWS_NAMES
from toilctl.values.aws_errors import EXPIRED
from toilctl.values.errors import CredentialsError, ToilctlError

LAUNCH_S: Final = 15 * 60
"""How long credentials must hold when nodes are launched; the SDK itself renews what it can that much earlier."""

HELP: Final = (
    "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run 'aws configure' or 'aws sso login'; "
    "to rehearse without AWS, add --provisioner local."
)
RENEW: Final = "Renew them, such as with 'aws sso login', and check this machine's clock; then type the command again."
_MEND: Final = "Mend ~/.aws/config or ~/.aws/credentials (AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE)."

_EXPIRED: Final = re.compile(rf"\b({'|'.join(EXPIRED)})\b|credentials are still expired")
_OF_THE_MACHINE: Final = frozenset({"iam-role", "container-role"})
"""Ways to credentials that ask nobody; the machine renews those, so that playbooks may find them themselves."""
_MISLEADING: Final = (
    "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE", *OLD_AWS_NAMES,
)  # fmt: skip
"""What would lead Ansible's AWS modules to other credentials, or to another place, than this process."""
_MOST_SAID: Final = 300

_LOCK = threading.RLock()


def session() -> Any:
    """Return the SDK's session for this environment, whose credentials were found; made once.

    :raises CredentialsError: when there are none, or they cannot be had.
    :raises Exception: the SDK's, when the network is at fault.
    """
    identity = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))
    with _LOCK:
        return _session(identity)


def check_last(seconds: float, what: str) -> None:
    """Make sure that credentials hold until something is done.

    :raises CredentialsError: when they expire before.
    """
    expires = _expiry(session().get_credentials())
    left = expires - datetime.now(UTC) if expires else None
    if expires and left is not None and left < timedelta(seconds=seconds):
        raise CredentialsError(
            f"The AWS credentials expire {_when(expires, left)}, and {what} may take {seconds / 60:.0f} minutes.",
            RENEW, expires_at=expires.isoformat(),
        )  # fmt: skip


def handed_over() -> dict[str, str | None]:
    """Return the variables by which a program has these credentials, as they are now; None for those that must go.

    :raises CredentialsError: as of ``session``.
    """
    found = session()
    given: dict[str, str | None] = dict.fromkeys(_MISLEADING)
    given |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, **_settings(found)}
    with _explained(found):
        credentials = found.get_credentials()
        frozen = credentials.get_frozen_credentials()
    if credentials.method in _OF_THE_MACHINE:
        return given
    given |= {
        "AWS_ACCESS_KEY_ID": frozen.access_key,
        "AWS_SECRET_ACCESS_KEY": frozen.secret_key,
        "AWS_SESSION_TOKEN": frozen.token,
    }
    expires = _expiry(credentials)
    if expires:
        given["AWS_CREDENTIAL_EXPIRATION"] = expires.isoformat()
        left = expires - datetime.now(UTC)
        if left < timedelta(seconds=LAUNCH_S):
            progress.note(f"The AWS credentials expire {_when(expires, left)}.")
    return given


def change(environment: MutableMapping[str, str], given: Mapping[str, str | None]) -> None:
    """Change a program's environment as ``handed_over`` has it."""
    for name, value in given.items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value


def tell_expiry(text: str) -> bool:
    """Return whether what a program said means that its credentials expired."""
    return bool(_EXPIRED.search(text))


def explain(error: Exception, profile: str | None = None) -> CredentialsError | None:
    """Turn an error of the SDK about credentials into one that a user can act on; None for any other."""
    from botocore import exceptions as sdk

    name, reason = profile or _profile(), _reason(error)
    match error:
        case sdk.NoCredentialsError():
            return CredentialsError("No usable AWS credentials were found.", HELP, reason=reason)
        case sdk.ProfileNotFound():
            return CredentialsError(reason, "Set AWS_PROFILE to one of ~/.aws/config, or unset it.")
        case sdk.CredentialRetrievalError() if error.kwargs.get("provider") == "custom-process":
            return _process_failed(name, _reason(str(error.kwargs.get("error_msg", ""))))
        case sdk.SSOError() | sdk.TokenRetrievalError() | sdk.LoginError():
            login = "aws login" if isinstance(error, sdk.LoginError) else "aws sso login"
            return CredentialsError(f"Profile {name!r} is not logged in: {reason}", _run(f"{login} --profile {name}"))
        case (
            sdk.InvalidConfigError() | sdk.ConfigParseError() | sdk.ConfigNotFound() | sdk.PartialCredentialsError()
            | sdk.UnknownCredentialError() | sdk.MissingParametersError()
        ):  # fmt: skip
            return CredentialsError(f"The AWS configuration cannot be used: {reason}", _MEND, reason=reason)
    text, step = ("have expired.", RENEW) if tell_expiry(str(error)) else (f"could not be had: {reason}", HELP)
    ours = isinstance(
        error, sdk.RefreshWithMFAUnsupportedError | sdk.MetadataRetrievalError | sdk.CredentialRetrievalError
    )
    return CredentialsError(f"The AWS credentials {text}", step) if ours or step == RENEW else None


@cache
def _session(identity: tuple[tuple[str, str], ...]) -> Any:  # noqa: ARG001 - part of the cache's key
    import boto3
    from botocore.config import Config

    with _explained():
        made = boto3.Session()
    # For the clients that the SDK makes to get credentials; ours say more of their own.
    patience = Config(connect_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
    made._session.set_default_client_config(patience)
    with _explained(made):
        _ask_for_codes_here(made)
        found = made.get_credentials()
        if found is None:
            raise CredentialsError("No usable AWS credentials were found.", HELP)
        _check(found.get_frozen_credentials())
    return made


@contextmanager
def _explained(found: Any = None) -> Iterator[None]:
    """Turn whatever goes wrong while credentials are looked for into an error with a next step."""
    from botocore import exceptions as sdk

    name = found.profile_name if found else _profile()
    try:
        yield
    except (ToilctlError, sdk.ConnectionError, sdk.HTTPClientError):
        raise
    except sdk.ClientError as error:
        raise _refused(error, name) from error
    except Exception as error:
        known = explain(error, name)
        if known is None and found and _has_process(found):
            # Its output may be anything, and this sentence quotes none of it.
            known = _process_failed(name, _reason(error))
        if known is None:
            known = CredentialsError(f"The AWS credentials could not be had: {_reason(error)}", HELP)
        raise known from error


def _refused(error: Any, profile: str) -> CredentialsError:
    told = error.response.get("Error", {})
    code, message = str(told.get("Code", "")), _reason(str(told.get("Message", "")))
    facts = {"aws_code": code, "aws_message": message, "action": error.operation_name}
    if code in EXPIRED:
        return CredentialsError(f"The AWS credentials of profile {profile!r} have expired ({code}).", RENEW, **facts)
    if error.operation_name == "GetRoleCredentials":
        text, step = "does not get its role by SSO", _run(f"aws sso login --profile {profile}")
    else:
        text = "cannot assume its role"
        step = "Check role_arn, source_profile and mfa_serial in ~/.aws/config, and the MFA code if one was asked for."
    return CredentialsError(f"Profile {profile!r} {text} ({code}): {message}", step, **facts)


def _process_failed(profile: str, reason: str) -> CredentialsError:
    return CredentialsError(
        f"The credential_process of profile {profile!r} gave no credentials: {reason}",
        "Run it by hand: it has to print one JSON document, and to ask nothing.",
    )


def _has_process(found: Any) -> bool:
    with suppress(Exception):
        return "credential_process" in found._session.get_scoped_config()
    return False


def _check(frozen: Any) -> None:
    """Make sure that credentials can go into a request's header."""
    for name, value in (
        ("access key ID", frozen.access_key), ("secret access key", frozen.secret_key), ("session token", frozen.token),
    ):  # fmt: skip
        if value and re.search(r"[^\x21-\x7e]", value):
            raise CredentialsError(
                f"The {name} of the AWS credentials has a space, a line break or another character that none has.",
                "Copy it again, without what is before and after it.",
            )


def _ask_for_codes_here(made: Any) -> None:
    """Let the SDK ask for MFA codes by ``_mfa_code``."""
    # It takes a prompter where the provider is made, and has no other place for one.
    with suppress(Exception):
        made._session.get_component("credential_provider").get_provider("assume-role")._prompter = _mfa_code


def _mfa_code(prompt: str) -> str:
    import getpass

    device = _reason(prompt.removeprefix("Enter MFA code for ").rstrip(": ")).rstrip(".")
    if not _has_terminal():
        raise CredentialsError(
            f"Profile {_profile()!r} wants a code of the MFA device {device}, and there is no terminal to ask on.",
            "Type the command on a terminal, or set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN to "
            "those of a session that has begun.",
        )
    with progress.set_aside():
        try:
            code = getpass.getpass(f"MFA code of {device}: ").strip()
        except EOFError:
            code = ""
    if not code:
        raise CredentialsError("No MFA code was given.", "Type the command again, and then the code.")
    return code


def _has_terminal() -> bool:
    with suppress(OSError):
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
        return True
    return False


def _expiry(credentials: Any) -> datetime | None:
    expires = getattr(credentials, "_expiry_time", None)
    return expires.astimezone(UTC) if isinstance(expires, datetime) else None


def _when(expires: datetime, left: timedelta) -> str:
    minutes = max(0, round(left.total_seconds() / 60))
    return f"at {expires:%H:%M} UTC, in {minutes} minute{'' if minutes == 1 else 's'}"


def _settings(found: Any) -> dict[str, str]:
    """Return what else a profile says and Ansible's modules need, as variables."""
    core = found._session
    with _explained(found):
        profile, services = core.get_scoped_config(), core.full_config.get("services", {})
    chosen = {
        "AWS_CA_BUNDLE": core.get_config_variable("ca_bundle"),
        "AWS_USE_FIPS_ENDPOINT": "true" if core.get_config_variable("use_fips_endpoint") else None,
        "AWS_USE_DUALSTACK_ENDPOINT": "true" if core.get_config_variable("use_dualstack_endpoint") else None,
        "AWS_ENDPOINT_URL": os.environ.get("AWS_ENDPOINT_URL") or profile.get("endpoint_url"),
    }
    for service, own in services.get(str(profile.get("services", "")), {}).items():
        variable = f"AWS_ENDPOINT_URL_{service.upper()}"
        if isinstance(own, dict) and re.fullmatch(r"AWS_ENDPOINT_URL_[A-Z0-9_]+", variable):
            chosen[variable] = os.environ.get(variable) or own.get("endpoint_url")
    return {name: str(value) for name, value in chosen.items() if value}


def _profile() -> str:
    # In the SDK's order.
    return next(filter(None, map(os.environ.get, ("AWS_DEFAULT_PROFILE", "AWS_PROFILE"))), "default")


def _run(command: str) -> str:
    return f"Run '{command}', then type the command again."


def _reason(said: Exception | str) -> str:
    """Return what came from outside as the end of a sentence: one line, of a bounded length."""
    text = str(said) or type(said).__name__
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return line[:_MOST_SAID].rstrip(". ") + "."
