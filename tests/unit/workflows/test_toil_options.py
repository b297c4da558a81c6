"""The lists of Toil's options against the Toil that is installed here."""

from __future__ import annotations

from typing import Any

import pytest

from toilctl.workflows import toil_options


@pytest.fixture
def actions(toil_home: None) -> list[Any]:
    from toil.job import Job

    return [action for action in Job.Runner.getDefaultArgumentParser()._actions if action.option_strings]


def names(actions: list[Any], *counts: Any) -> set[str]:
    return {name for action in actions if action.nargs in counts for name in action.option_strings}


def test_options_with_a_value_are_those_of_toil(actions: list[Any]) -> None:
    assert names(actions, None) - toil_options.ELSEWHERE == toil_options.VALUES


def test_options_with_a_value_or_none_are_those_of_toil(actions: list[Any]) -> None:
    assert names(actions, "?") == toil_options.VALUES_OR_NONE


def test_flags_are_those_of_toil(actions: list[Any]) -> None:
    assert names(actions, 0) == toil_options.FLAGS


def test_older_options_are_gone(actions: list[Any]) -> None:
    assert not toil_options.OLDER & names(actions, None, "?", 0)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("--logInfo", "--logInfo"), ("--logFile=a b", "--logFile"), ("-e", "-e"), ("-", ""), ("", ""), ("-5", ""),
        ("-0.5", ""), ("-.5", ""), ("--maxLen 5", ""), ("-d 2 -m 1000", ""), ("file:-a", ""), ("--a\nb", ""),
    ],
)  # fmt: skip
def test_word_is_an_option_when_argparse_takes_it_for_one(word: str, name: str) -> None:
    assert toil_options.name_of(word) == name
