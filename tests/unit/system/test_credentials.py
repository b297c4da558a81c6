"""Credentials by each of the SDK's ways, found once, and what is said where one of them fails."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from toilctl.local.process.testing import TestCloud
from toilctl.system import aws, credentials
from toilctl.values.errors import CredentialsError

Configure = Callable[..., None]
KEYS = {"Version": 1, "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "SecretAccessKey": "process-secret"}


@pytest.fixture
def configure(aws_env: TestCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Write ~/.aws/config: profile p, as it is in use, and profile base with an account's keys."""
    keys = {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    for name in keys:
        monkeypatch.delenv(name)
    file = tmp_path / "config"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    monkeypatch.setenv("AWS_PROFILE", "p")
    monkeypatch.setenv("HOME", str(tmp_path))
    credentials._session.cache_clear()

    def write(more: str = "", **settings: str) -> None:
        own = "".join(f"{name} = {value}\n" for name, value in settings.items())
        base = "".join(f"{name.lower()} = {value}\n" for name, value in keys.items())
        file.write_text(f"[profile base]\n{base}[profile p]\n{own}{more}")

    return write


@pytest.fixture
def process(tmp_path: Path) -> Callable[[str], str]:
    """Make a program for credential_process, which writes down each of its calls."""

    def make(script: str) -> str:
        program = tmp_path / "process"
        program.write_text(f"#!/bin/sh\necho called >> {tmp_path}/calls\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return str(program)

    return make


def role(**more: str) -> dict[str, str]:
    return {"role_arn": "arn:aws:iam::123456789012:role/r", "source_profile": "base", **more}


def test_mfa_code_is_asked_for_once_and_playbooks_get_the_session(configure, monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(credentials, "_has_terminal", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda prompt: asked.append(prompt) or "123456")
    configure(**role(mfa_serial="arn:aws:iam::123456789012:mfa/me"))
    aws.client("sts", "us-west-2").get_caller_identity()
    aws.client("sts", "us-east-1").get_caller_identity()
    environment = {"AWS_PROFILE": "p", "AWS_CONFIG_FILE": "x", "PATH": "/bin"}
    credentials.change(environment, credentials.handed_over())
    credentials.change(environment, credentials.handed_over())
    assert asked == ["MFA code of arn:aws:iam::123456789012:mfa/me: "]
    assert environment["AWS_SESSION_TOKEN"]
    assert environment["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert datetime.fromisoformat(environment["AWS_CREDENTIAL_EXPIRATION"]) > datetime.now(UTC)
    assert (environment["AWS_CONFIG_FILE"], environment["AWS_SHARED_CREDENTIALS_FILE"]) == (os.devnull, os.devnull)
    assert "AWS_PROFILE" not in environment
    assert environment["PATH"] == "/bin"


def test_without_a_terminal_a_wanted_mfa_code_is_one_sentence(configure, monkeypatch):
    monkeypatch.setattr(credentials, "_has_terminal", lambda: False)
    configure(**role(mfa_serial="arn:aws:iam::123456789012:mfa/me"))
    with pytest.raises(CredentialsError, match=r"'p' wants a code of the MFA device .*/me, and there is no terminal"):
        credentials.session()


@pytest.mark.parametrize("given", ["", "  "])
def test_end_of_input_and_an_empty_code_are_no_code(configure, monkeypatch, given):
    def ask(_: str) -> str:
        if not given:
            raise EOFError
        return given

    monkeypatch.setattr(credentials, "_has_terminal", lambda: True)
    monkeypatch.setattr("getpass.getpass", ask)
    configure(**role(mfa_serial="arn:aws:iam::123456789012:mfa/me"))
    with pytest.raises(CredentialsError, match="No MFA code was given"):
        credentials.session()


def test_process_is_run_once_and_never_by_playbooks(configure, process, tmp_path):
    configure(credential_process=process(f"echo '{json.dumps(KEYS)}'"))
    environment = {"AWS_SESSION_TOKEN": "of another shell"}
    aws.client("ec2", "us-west-2")
    credentials.change(environment, credentials.handed_over())
    assert (tmp_path / "calls").read_text() == "called\n"
    assert environment["AWS_SECRET_ACCESS_KEY"] == "process-secret"
    assert environment.keys() & {"AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION"} == set()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo Touch your key, please", "Expecting value"),
        (r"printf '\377\376'", "codec can't decode"),
        ("echo '[]'", "list"),
        ("echo '{\"Version\": 1}'", "AccessKeyId"),
        ("echo '{\"Version\": 7}'", "version '7'"),
        ("echo no such vault >&2; exit 1", "no such vault"),
        ("head -c 5000 /dev/zero | tr '\\0' x >&2; printf '\\033[2J' >&2; exit 1", "xxx"),
    ],
)
def test_process_without_credentials_is_one_sentence_that_says_why(configure, process, script, said):
    configure(credential_process=process(script))
    with pytest.raises(CredentialsError) as raised:
        credentials.session()
    assert raised.value.message.startswith("The credential_process of profile 'p' gave no credentials: ")
    assert said in raised.value.message
    assert len(raised.value.message) < 400
    assert raised.value.message.isprintable()
    assert raised.value.next_step


def test_process_that_is_not_there_is_named(configure):
    configure(credential_process="/nowhere/at-all")
    with pytest.raises(CredentialsError, match=r"credential_process of profile 'p'.*/nowhere/at-all"):
        credentials.session()


@pytest.mark.parametrize(
    ("settings", "more", "said", "step"),
    [
        (role(source_profile="gone"), "", "gone", "~/.aws/config"),
        (role(source_profile="p", role_arn="x"), "", "p", "~/.aws/config"),
        ({"role_arn": "arn:aws:iam::1:role/r"}, "", "source_profile", "~/.aws/config"),
        (role() | {"source_profile": "", "credential_source": "Nowhere"}, "", "redential", "~/.aws/config"),
        ({"aws_access_key_id": "AKIA"}, "", "secret", "~/.aws/config"),
        ({}, "nonsense\n", "pars", "~/.aws/config"),
        ({"sso_session": "s", "sso_account_id": "1", "sso_role_name": "r"},
         "[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://x.example\n",
         "not logged in", "'aws sso login --profile p'"),
        ({"sso_account_id": "1", "sso_role_name": "r", "sso_region": "us-east-1", "sso_start_url": "https://x.example"},
         "", "not logged in", "'aws sso login --profile p'"),
        ({"sso_session": "none", "sso_account_id": "1", "sso_role_name": "r"}, "", "none", "~/.aws/config"),
    ],
)  # fmt: skip
def test_bad_configuration_has_a_reason_and_a_next_step(configure, settings, more, said, step):
    configure(more, **{name: value for name, value in settings.items() if value})
    with pytest.raises(CredentialsError) as raised:
        credentials.session()
    assert said in raised.value.message
    assert step in raised.value.next_step


def test_role_that_may_not_be_assumed_says_what_aws_says(configure, monkeypatch):
    from botocore.exceptions import ClientError

    def refuse(*_: object, **__: object) -> None:
        told = {"Error": {"Code": "AccessDenied", "Message": "MultiFactorAuthentication failed with invalid code."}}
        raise ClientError(told, "AssumeRole")

    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", refuse)
    configure(**role())
    with pytest.raises(CredentialsError, match=r"'p' cannot assume its role \(AccessDenied\): Multi.*mfa_serial"):
        credentials.session()


@pytest.mark.parametrize("ending", [" ", "\n", "\r", "\u00a0", "\u200b"])
@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_credentials_with_a_stray_character_are_refused_and_not_shown(aws_env, monkeypatch, name, ending):
    monkeypatch.setenv(name, "EXAMPLEVALUE" + ending)
    with pytest.raises(CredentialsError, match="has a space, a line break or another character") as raised:
        credentials.session()
    assert "EXAMPLEVALUE" not in str(raised.value)


@pytest.fixture
def expiring(aws_env: TestCloud, monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], datetime]:
    """Have a session in the environment that ends after a while."""

    def expire(left: timedelta) -> datetime:
        at = (datetime.now(UTC) + left).replace(microsecond=0)
        monkeypatch.setenv("AWS_SESSION_TOKEN", "t")
        monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", at.isoformat())
        return at

    return expire


def test_credentials_that_end_within_a_launch_are_refused_before_it(expiring):
    at = expiring(timedelta(minutes=7, seconds=10))
    with pytest.raises(CredentialsError, match=rf"expire at {at:%H:%M} UTC, in 7 minutes, and a launch may take 15"):
        credentials.check_last(credentials.LAUNCH_S, "a launch")


def test_credentials_that_end_soon_are_said_to_where_nothing_is_refused(expiring, capsys):
    at = expiring(timedelta(minutes=7, seconds=10))
    given = credentials.handed_over()
    assert capsys.readouterr().err == f"The AWS credentials expire at {at:%H:%M} UTC, in 7 minutes.\n"
    assert datetime.fromisoformat(str(given["AWS_CREDENTIAL_EXPIRATION"])) == at


def test_credentials_that_last_are_no_words_worth(expiring, aws_env, capsys, monkeypatch):
    expiring(timedelta(hours=1))
    credentials.check_last(credentials.LAUNCH_S, "a launch")
    credentials.handed_over()
    monkeypatch.delenv("AWS_CREDENTIAL_EXPIRATION")
    credentials.check_last(credentials.LAUNCH_S, "a launch")
    assert capsys.readouterr().err == ""


def test_credentials_that_have_expired_say_so(expiring):
    expiring(-timedelta(minutes=1))
    with pytest.raises(CredentialsError, match=r"have expired\. Renew them"):
        credentials.session()


def test_roles_of_the_machine_are_left_for_it_to_renew(aws_env, monkeypatch):
    from botocore.credentials import Credentials

    found = Credentials("ASIAEXAMPLE", "s", "t", method="iam-role")
    monkeypatch.setattr("boto3.Session.get_credentials", lambda _: found)
    monkeypatch.setenv("AWS_PROFILE", "")
    monkeypatch.delenv("AWS_PROFILE")
    given = credentials.handed_over()
    assert given["AWS_ACCESS_KEY_ID"] is None
    assert given["AWS_PROFILE"] is None


def test_settings_of_the_profile_that_are_no_credentials_go_along(configure, process, monkeypatch):
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    more = "[services s]\nec2 =\n  endpoint_url = https://ec2.example\n"
    configure(
        more, credential_process=process(f"echo '{json.dumps(KEYS)}'"), ca_bundle="/etc/ca.pem", services="s",
        use_fips_endpoint="true", endpoint_url="https://other.example",
    )  # fmt: skip
    given = credentials.handed_over()
    assert given["AWS_CA_BUNDLE"] == "/etc/ca.pem"
    assert given["AWS_ENDPOINT_URL_EC2"] == "https://ec2.example"
    assert given["AWS_USE_FIPS_ENDPOINT"] == "true"
    assert given["AWS_ENDPOINT_URL"] == os.environ["AWS_ENDPOINT_URL"]


def test_expiry_is_known_by_aws_words_and_by_the_sdks():
    assert credentials.tell_expiry("An error occurred (ExpiredToken) when calling the RunInstances operation")
    assert credentials.tell_expiry("Credentials were refreshed, but the refreshed credentials are still expired.")
    assert not credentials.tell_expiry("The certificate has expired")
