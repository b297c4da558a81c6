"""Older spellings against the Toil that is installed here: it takes what is written instead, and not the older form."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.workflows.toils_parser import taken_by_toil
from toilctl.workflows import toil_options
from toilctl.workflows.spellings import SPELLINGS, Spelling, modernized

STORE = "aws:us-west-2:my-store"
EACH_SPELLING = pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda one: one.was)
MESOS = {"--mesosEndpoint", "--mesosMaster"}
"""Toil knows them where pymesos is installed, only."""


def older(spelling: Spelling) -> tuple[str, list[str]]:
    """Return a program, and words for it with a spelling and a job store behind it, as older Toil took them."""
    option, _, value = spelling.was.partition(" ")
    sample = {"VALUE": "c3.large" if option == "--nodeType" else "5", "YES": "True", "NO": "False"}.get(value, value)
    words = [option] if value in ("", "WORD") else [option, sample.split("|")[0]]
    program = spelling.only or ("toil-cwl-runner" if option == "--nodeType" else "wf")
    return program, [*words, STORE] if program == "wf" else [*words, "document", f"--jobStore={STORE}"]


def meant(program: str, words: list[str]) -> Any:
    """Return Toil's options when it takes all words as they were meant; None when it does not."""
    try:
        options, unknown = taken_by_toil(program, words)
    except SystemExit:
        return None
    # A text counts as yes, even False.
    as_meant = not unknown and options.jobStore == STORE and options.disableAutoDeployment in (False, "True")
    return options if as_meant else None


@EACH_SPELLING
@pytest.mark.usefixtures("toil_home")
def test_todays_toil_refuses_or_misreads_the_older_form(spelling: Spelling) -> None:
    if spelling.option in MESOS:
        pytest.skip("it depends on what is installed")
    assert meant(*older(spelling)) is None


@EACH_SPELLING
@pytest.mark.usefixtures("toil_home")
def test_todays_toil_takes_what_is_written_instead(spelling: Spelling) -> None:
    program, words = older(spelling)
    new, changes = modernized(words, program)
    assert [one.why for one in changes] == [spelling.why]
    assert changes[0].after.split()[:1] == spelling.now.split()[:1]
    assert meant(program, list(new)) is not None
    assert modernized(new, program) == (new, ())


@pytest.mark.parametrize("option", ["--metrics", "--realTimeLogging", "--disableAutoDeployment"])
@pytest.mark.parametrize("truth", ["True", "true", "yes", "1", "on"])
def test_flag_with_a_yes_behind_it_is_left_alone(option: str, truth: str) -> None:
    for words in ((option, truth, STORE), (f"{option}={truth}", STORE)):
        assert modernized(words, "wf") == (words, ())


def test_words_that_begin_like_yes_or_no_are_none() -> None:
    new, _ = modernized(("--metrics", "file:store", "--realTimeLogging", "output.hal"), "wf")
    assert new == ("--metrics", "True", "file:store", "--realTimeLogging", "True", "output.hal")


def test_flag_at_the_end_or_before_an_option_gets_its_value() -> None:
    assert modernized(("--metrics", "--logInfo", "--realTimeLogging"), "wf")[0] == (
        "--metrics", "True", "--logInfo", "--realTimeLogging", "True"
    )  # fmt: skip


def test_optional_yes_is_added_only_where_a_word_would_be_taken_for_it() -> None:
    for words in (("--defaultPreemptable",), ("--defaultPreemptable", "--logInfo"), ("--defaultPreemptable", "no")):
        assert modernized(words, "wf") == (words, ())


def test_option_without_its_value_is_left_to_toil() -> None:
    for words in (("--retry",), ("--alphaPacking", "--logInfo"), ("--logLevel",)):
        assert modernized(words, "wf") == (words, ())


def test_options_for_another_program_in_one_word_are_left_alone() -> None:
    words = ("--alignOptions", "--pangenome --realTimeLogging", "--alignOptions=--realTimeLogging", "--", "--metrics")
    assert modernized(words, "wf") == (words, ())


def test_option_of_one_runner_means_something_else_to_other_programs() -> None:
    words = ("--outdir", "out")
    assert modernized(words, "toil-cwl-runner") == (words, ())
    assert modernized(words, "toil-wdl-runner")[0] == ("--outputDirectory", "out")


def test_no_spelling_stands_twice_and_none_is_rewritten_to_another() -> None:
    assert len({one.was for one in SPELLINGS}) == len(SPELLINGS)
    for one in SPELLINGS:
        words = tuple(one.now.replace("VALUE", "5").split())
        assert modernized(words, one.only or "wf") == (words, ())


def test_what_is_written_instead_is_an_option_of_todays_toil() -> None:
    now = {one.now.split()[0] for one in SPELLINGS if one.now and not one.only}
    assert now <= toil_options.KNOWN
