"""Places in S3."""

from __future__ import annotations

import pytest

from toilctl.values import s3_places
from toilctl.values.errors import UsageError
from toilctl.values.s3_places import S3Place


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("results", "results"), ("s3://results/", "results"), ("my.results/a/b/", "my.results/a/b"),
        ("s3://results/a=1", "results/a=1"),
    ],
)  # fmt: skip
def test_place_has_one_form(text: str, place: str) -> None:
    assert S3Place.parse(text) == place
    assert S3Place.parse(place).objects("aws-cn") == f"arn:aws-cn:s3:::{place}/*"


@pytest.mark.parametrize(
    "text", ["", "*", "a", "Results", "results/*", "results/${aws:username}", "a..b", "results/a b", "arn:aws:s3:::x"]
)
def test_what_iam_would_read_otherwise_is_no_place(text: str) -> None:
    with pytest.raises(UsageError, match="BUCKET/PREFIX"):
        S3Place.parse(text)


def test_places_go_through_a_tag_and_what_is_none_there_is_left_out() -> None:
    places = (S3Place("data/x"), S3Place("results"))
    assert s3_places.read(s3_places.written(reversed(places * 2))) == places
    assert s3_places.read("results,*,,data/x") == (S3Place("results"), S3Place("data/x"))
