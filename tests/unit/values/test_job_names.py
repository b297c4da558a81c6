"""The names by which run times are learned."""

from __future__ import annotations

import pytest

from toilctl.values.job_names import kind, of_toil


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("align.17.bwa", "align.*.bwa"),
        ("wf.cwl.0.tool.cwl", "wf.cwl.*.tool.cwl"),
        ("align.3.12.bwa", "align.*.*.bwa"),
        ("polish.iteration4.racon", "polish.*.racon"),
        ("main.scattered.8.command", "main.scattered.*.command"),
        ("main.8", "main.*"),
    ],
)
def test_shards_of_a_scatter_are_of_one_kind(name: str, expected: str) -> None:
    assert kind(name) == expected


def test_tools_without_a_name_are_told_apart_by_their_ids() -> None:
    """Toil's name of a tool that stands in a CWL workflow itself; its shards have one id, and another tool another."""
    one, other = "df4c2a83-f5fb-45c4-afa5-578f32de0b5a", "0b8d37c4-2c4e-4a57-8f43-6a1e3c0f9a55"
    assert kind(f"wf.cwl.0._:{one}") == kind(f"wf.cwl.1._:{one}") != kind(f"wf.cwl.1._:{other}")


@pytest.mark.parametrize("name", ["sort", "step1", "step2", "bwa-mem2", "7", "align.hg38", "v2.sort", "", "new\nline"])
def test_numbers_that_belong_to_a_name_stay(name: str) -> None:
    assert kind(name) == name


def test_tools_of_a_language_are_known_by_their_own_names() -> None:
    assert of_toil("CWLJob", "align.17.bwa") == "align.*.bwa"
    assert of_toil("WDLTaskJob", "main.align.3.command") == "main.align.*.command"
    assert of_toil("CWLJob", "") == "CWLJob"


def test_jobs_of_a_function_are_of_one_kind_whatever_each_is_called() -> None:
    assert of_toil("align", "of sample ANNA") == "align"
