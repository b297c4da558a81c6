"""AWS's codes, quotas and words for markets stand once; modules that run without toilctl have the same."""

from __future__ import annotations

import ast
from types import ModuleType

import pytest

from tests.checkout import ROOT
from tests.unit.roles.conftest import shared
from toilctl.system import quotas
from toilctl.values import aws_errors, wording


@pytest.fixture(scope="module")
def utils() -> ModuleType:
    return shared("toilctl_aws")


@pytest.fixture(scope="module")
def answer() -> ModuleType:
    return shared("toilctl_fleet_answer")


@pytest.mark.parametrize(
    "name", ["CAPACITY", "QUOTA", "THROTTLED", "DENIED", "NOT_OFFERED", "OUTLIVED", "CLIENT_ERROR", "DISK_KEY_REFUSED"]
)
def test_modules_know_the_same_codes(utils: ModuleType, name: str) -> None:
    assert getattr(utils, name) == getattr(aws_errors, name)


@pytest.mark.parametrize(
    "code", ["InvalidGroup.NotFound", "InvalidLaunchTemplateName.NotFoundException", "ParameterNotFound",
             "NoSuchEntity", "InvalidGroup.Duplicate", ""],
)  # fmt: skip
def test_modules_know_the_same_codes_of_what_does_not_exist(utils: ModuleType, code: str) -> None:
    error = type("Error", (Exception,), {"response": {"Error": {"Code": code}}})()
    assert utils.is_not_found(error) == aws_errors.is_not_found(code)


def test_every_lack_of_capacity_has_advice(answer: ModuleType) -> None:
    # What a launch refuses itself, and what EC2 does not offer in a zone.
    known = aws_errors.CAPACITY | aws_errors.QUOTA | aws_errors.NOT_OFFERED
    assert set(answer.CAPACITY) - {answer.SET_ASIDE} == known


def test_modules_know_the_same_quotas(answer: ModuleType) -> None:
    assert (answer.STANDARD_QUOTA, answer.STANDARD_FAMILY) == (quotas.CODES, quotas.STANDARD_FAMILY)


def test_words_for_markets_codes_and_quotas_stand_once() -> None:
    codes = aws_errors.CAPACITY | aws_errors.QUOTA | aws_errors.NOT_OFFERED | {"EC2ThrottledException"}
    once = {wording.ON_DEMAND, "on demand", *codes, *quotas.CODES.values()}
    found = {
        (str(path.relative_to(ROOT)), node.value)
        for path in (ROOT / "toilctl").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in once
    }
    assert {path for path, _ in found} == {
        "toilctl/values/wording.py", "toilctl/values/aws_errors.py", "toilctl/system/quotas.py"
    }  # fmt: skip
