"""Job stores' places, by the rules of the Toil that is installed beside the tests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toilctl.values.errors import UsageError
from toilctl.workflows.locator import Locator, LocatorKind, store_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("aws:us-west-2:my-aws-jobstore", Locator(LocatorKind.AWS, "my-aws-jobstore", "us-west-2")),
        ("aws:us-gov-west-1:abc", Locator(LocatorKind.AWS, "abc", "us-gov-west-1")),
        ("google:my-project:my-store", Locator(LocatorKind.GOOGLE, "my-store", "my-project")),
        ("google:my-store", Locator(LocatorKind.GOOGLE, "my-store")),
        ("file:my-job-store", Locator(LocatorKind.FILE, "my-job-store")),
        ("file:/shared/a:b", Locator(LocatorKind.FILE, "/shared/a:b")),
        ("/shared/store", Locator(LocatorKind.FILE, "/shared/store")),
        ("./a:b", Locator(LocatorKind.FILE, "./a:b")),
        ("jobStore", Locator(LocatorKind.FILE, "jobStore")),
    ],
)
def test_place_of_a_job_store_is_read(text: str, expected: Locator) -> None:
    found = Locator.parse(text)
    assert found == expected
    assert Locator.parse(str(found)) == found


@pytest.mark.parametrize("text", ["aws:us-west-2:s-1", "google:p:s", "google:s", "file:/a", "/a", "./a:b", "a"])
def test_toil_takes_it_as_the_same_kind_of_place(text: str) -> None:
    from toil.common import Toil

    kind, rest = Toil.parseLocator(text)
    assert Toil.parseLocator(str(Locator.parse(text))) == (kind, rest)
    assert Locator.parse(text).kind == kind


@pytest.mark.parametrize(
    "name", ["abc", "a-b", "0a0", "a" * 56, "ab", "a" * 57, "-abc", "abc-", "a--b", "A-B", "a_b", "a.b"]
)
def test_name_on_aws_is_one_that_toil_takes(name: str) -> None:
    from toil.jobStores.aws.jobStore import parse_jobstore_identifier

    try:
        parse_jobstore_identifier(f"us-west-2:{name}")
    except ValueError:
        with pytest.raises(UsageError, match="cannot be the name of a job store on AWS"):
            Locator.parse(f"aws:us-west-2:{name}")
    else:
        assert Locator.parse(f"aws:us-west-2:{name}").name == name


def test_every_region_of_toil_is_one() -> None:
    from toil.lib.ec2nodes import EC2Regions

    assert {Locator.parse(f"aws:{region}:store").region for region in EC2Regions} == set(EC2Regions)


@pytest.mark.parametrize(
    ("text", "sentence", "step"),
    [
        ("aws:my-store", "has no region", "aws:us-west-2:my-store"),
        ("aws:us-west-2a:any-name", "us-west-2a in the job store", "Write aws:us-west-2:any-name."),
        ("aws:oregon:any-name", "'oregon' in the job store", "aws:REGION:NAME"),
        ("aws:us-west-2:", "has no name", "aws:REGION:NAME"),
        ("aws:us-west-2:a:b", "'a:b' cannot be the name", "lower-case letters"),
        ("google:my-project:", "has no name", "file:PATH"),
        ("google::my-store", "has no name", "file:PATH"),
        ("google:", "has no name", "file:PATH"),
        ("file:", "has no name", "file:PATH"),
        ("", "'' is not a job store", "file:PATH for a directory"),
        ("s3://my-bucket/a", "is not a job store", "write aws:REGION:my-bucket, without s3://"),
        ("gs://my-bucket", "is not a job store", "write google:PROJECT:my-bucket, without gs://"),
        ("azure:account:store", "is not a job store", "no job stores on Azure any more"),
        ("sort.py:1", "is not a job store", "file:PATH for a directory"),
    ],
)
def test_what_is_no_job_store_is_refused_with_toils_spelling(text: str, sentence: str, step: str) -> None:
    with pytest.raises(UsageError) as refused:
        Locator.parse(text)
    assert sentence in refused.value.message
    assert step in refused.value.next_step
    assert refused.value.facts == {"job_store": text}


def test_only_a_store_on_aws_has_a_region_and_only_a_directory_a_path() -> None:
    on_aws, at_google, here = map(Locator.parse, ("aws:eu-central-1:one", "google:p:one", "file:/shared/one"))
    assert (on_aws.region, at_google.region, here.region) == ("eu-central-1", None, None)
    assert (on_aws.path, at_google.path, here.path) == (None, None, "/shared/one")
    assert [one.is_file for one in (on_aws, at_google, here)] == [False, False, True]


@given(st.text(max_size=80), st.sampled_from(["", "jobstore", "44cb1666", "x" * 80]))
def test_name_that_is_made_is_always_one_of_a_store_on_aws(name: str, suffix: str) -> None:
    assert Locator.parse(f"aws:us-west-2:{store_name(name, suffix)}").kind is LocatorKind.AWS


def test_name_that_is_made_keeps_what_can_be_kept() -> None:
    assert store_name("tutorial_services", "44cb1666") == "tutorial-services-44cb1666"
    assert store_name("My  Sort.v2") == "my-sort-v2"
    assert store_name("a" * 60, "44cb1666") == f"{'a' * 47}-44cb1666"
