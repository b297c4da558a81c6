"""Tags as AWS documents them: EC2 and IAM allow 50, of 128 and 256 characters, and IAM certain characters only."""

from __future__ import annotations

import pytest

from toilctl.values import tags
from toilctl.values.errors import UsageError
from toilctl.verbs.checks import own_tags


def test_what_aws_takes_is_taken():
    own = {"project": "Ein Bär", "a/b:c=d+e-f@g_h.i": "", "k" * 128: "v" * 256, "番号": "7"}
    own_tags.check(own, "me@example.org", of_roles=True)
    own_tags.check({"note#1": "a, (b) & c*"}, "DOMAIN\\me", of_roles=False)
    own_tags.check({str(number): "x" for number in range(own_tags.MOST)}, None, of_roles=True)


@pytest.mark.parametrize("of_roles", [True, False])
@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({str(number): "x" for number in range(60)}, "There are 60 tags, and a cluster has room for 16."),
        ({str(number): "x" for number in range(21)}, "There are 21 tags"),
        ({"AWS:foo": "x"}, "The tag 'AWS:foo' is toilctl's, Toil's or AWS's own."),
        ({"Toilctl:cluster": "x"}, "own"),
        ({"Owner": "x"}, "--owner"),
        ({"k" * 129: "x"}, "is too long"),
        ({"k": "v" * 257}, "The value of the tag 'k' is too long"),
        ({"k": "two\nlines"}, r"The value of the tag 'k' has the character '\n'."),
        ({"a\tb": "x"}, r"has the character '\t'."),
        ({"k": "\x1b[2J"}, "has the character"),
        ({"k": "\u2028"}, "has the character"),
    ],
)
def test_what_neither_takes_is_refused(own, said, of_roles):
    with pytest.raises(UsageError) as raised:
        own_tags.check(own, None, of_roles=of_roles)
    assert said in str(raised.value)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("own", [{"note#1": "x"}, {"k": "a,b"}, {"k": "(x)"}, {"k": "ok\u200b"}, {"owner": "x"}])
def test_what_iam_alone_refuses_is_refused_where_roles_are_made(own):
    own_tags.check(own, None, of_roles=False)
    with pytest.raises(UsageError, match=r"IAM roles|own"):
        own_tags.check(own, None, of_roles=True)


def test_owner_is_a_tag_too_and_the_name_on_this_machine_becomes_one():
    for owner in ("DOMAIN\\me", "x" * 257, "a\nb"):
        with pytest.raises(UsageError, match="--owner"):
            own_tags.check({}, owner, of_roles=True)
    assert own_tags.tidy("DOMAIN\\me") == "DOMAIN-me"


@pytest.mark.parametrize("again", ["k", "K"])
def test_key_that_is_there_twice_is_refused(again):
    assert own_tags.distinct([("k", "1"), ("l", "1")]) == {"k": "1", "l": "1"}
    with pytest.raises(UsageError, match=f"The tag '{again}' is there twice"):
        own_tags.distinct([("k", "1"), (again, "1")])


def test_room_for_our_own_tags_is_enough():
    ours = {value for value in vars(tags).values() if isinstance(value, str) and value.startswith("toilctl:")}
    of_nodes = {tags.ROLE, tags.NODE_TYPE, tags.INTENT, tags.STORAGE}
    assert len(ours - of_nodes | {tags.NAME, tags.OWNER}) <= tags.MOST_OF_OURS
