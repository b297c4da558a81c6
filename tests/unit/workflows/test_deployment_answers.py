"""What a leader may answer about a deployment, whoever has changed its program."""

from __future__ import annotations

from typing import Any

import pytest

from toilctl.values.errors import ConflictError
from toilctl.workflows.deployment_answers import Installed, Prepared

PREPARED: dict[str, Any] = {
    "toil": "9.6.0", "python": "3.11.2", "unchanged": False, "installs": True, "before": None,
    "incoming": "/var/lib/toilctl/workflows/deployed/count/incoming", "lacking": ["count.py"], "lacking_wheels": [],
}  # fmt: skip
INSTALLED: dict[str, Any] = {
    "native": False, "on_workers": False, "packages": {"tabular": "1.0"}, "toil": "9.6.0", "python": "3.11.2",
    "commands": ["python -m texts.main"],
}  # fmt: skip


@pytest.mark.parametrize("name", [".aws/credentials", ".ssh/id_rsa", "../count.py", "/etc/passwd", "", "count.py/"])
@pytest.mark.parametrize("key", ["lacking", "lacking_wheels"])
def test_file_that_was_not_planned_is_refused_by_its_name(name: str, key: str) -> None:
    answer = PREPARED | {key: ["count.py", name] if key == "lacking" else [name]}
    with pytest.raises(ConflictError, match="which is no part of this deployment") as caught:
        Prepared.of(answer, {"count.py"}, ["tabular-1.0-py3-none-any.whl"])
    assert repr(name) in caught.value.message
    assert "Nothing was sent" in caught.value.next_step


def test_planned_files_that_are_asked_for_twice_are_sent_once() -> None:
    found = Prepared.of(PREPARED | {"lacking": ["b", "a", "b"]}, ("a", "b", "c"), ())
    assert found.files == ("b", "a")


@pytest.mark.parametrize(
    ("before", "replaced"),
    [
        (None, ""), ({"path": "flows/count.py"}, ""), ({"path": "other.py"}, "other.py"), ({}, ""), ({"path": 7}, "7"),
        ({"path": "a\0b"}, "a\0b"), ({"path": "x" * 9000}, "x" * 9000),
    ],
    ids=lambda value: repr(value)[:20],
)  # fmt: skip
def test_former_path_is_text_whatever_it_is(before: Any, replaced: str) -> None:
    assert Prepared.of(PREPARED | {"before": before}, ("count.py",), ()).replaced("count.py") == replaced


@pytest.mark.parametrize(
    "incoming", ["relative", "/a/../../root", "/a b", "/a\n/b", "/-oX;id", "::module/a", "", "/a/$(id)", None, 3]
)
def test_directory_that_is_no_plain_path_is_a_value_error(incoming: Any) -> None:
    with pytest.raises(ValueError, match=r"no path|no text"):
        Prepared.of(PREPARED | {"incoming": incoming}, {"count.py"}, ())


def test_what_is_to_be_typed_has_only_words_of_a_program() -> None:
    found = Installed.of(INSTALLED | {"commands": ["python -m a.b", "rm -rf ~; echo", "$(id)"]})
    assert found.programs == ("python -m a.b", "rm -rf '~;' echo", "'$(id)'")


@pytest.mark.parametrize("key", INSTALLED)
@pytest.mark.parametrize("value", [None, 3, "x", [1], {"a": 1}, ["'"]])
def test_other_kinds_of_values_are_value_errors_or_harmless(key: str, value: Any) -> None:
    try:
        found = Installed.of(INSTALLED | {key: value})
    except ValueError:
        return
    assert isinstance(found.toil, str)
    assert all(isinstance(one, str) for one in (*found.programs, *found.packages.values()))
