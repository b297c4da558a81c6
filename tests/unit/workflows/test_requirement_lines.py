"""Files of requirements, as a leader can use them."""

from __future__ import annotations

from pathlib import Path

import pytest

from toilctl.values.errors import NotFoundError, UsageError
from toilctl.workflows import requirement_lines


def read(directory: Path, text: str, **others: str) -> requirement_lines.Requirements:
    for name, content in others.items():
        (directory / f"{name}.txt").write_text(content)
    path = directory / "requirements.txt"
    path.write_text(text)
    return requirement_lines.read(path)


def test_comments_and_blank_lines_are_left_out_and_continued_lines_are_one(tmp_path: Path) -> None:
    text = "# all\n\ntabulate>=0.9  # tables\nsix \\\n  ==1.0\nurl @ https://host/a.whl#sha256=1\n"
    assert read(tmp_path, text).lines == ("tabulate>=0.9", "six   ==1.0", "url @ https://host/a.whl#sha256=1")


def test_other_files_are_read_where_they_are_referred_to(tmp_path: Path) -> None:
    found = read(tmp_path, "-r more.txt\n-c limits.txt\na", more="b\n-r requirements.txt", limits="c<2")
    assert (found.lines, found.constraints) == (("b", "a"), ("c<2",))


@pytest.mark.parametrize(
    "line",
    [
        "toil[cwl]==9.6.0", "x>=1; python_version<'3.12'", "x==1 --hash=sha256:00", "git+https://github.com/a/b@v1",
        "x @ git+ssh://git@github.com/a/b", "https://host/x-1.tar.gz", "--index-url https://pypi.example.org/simple",
        "-i https://pypi.example.org", "--pre", "--no-binary :all:", "--only-binary=:all:",
    ],
)  # fmt: skip
def test_what_pip_can_use_on_a_leader_passes(line: str, tmp_path: Path) -> None:
    assert read(tmp_path, f"{line}\ny").lines == (line, "y")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("-e .", "editable"),
        ("--editable=git+https://github.com/a/b", "editable"),
        ("./pkg", "path of this machine"),
        ("../pkg/x-1.0-py3-none-any.whl", "path of this machine"),
        ("x-1.0-py3-none-any.whl", "path of this machine"),
        ("x @ file:./sub", "path of this machine"),
        ("x @ git+file:///home/me/x", "path of this machine"),
        ("--find-links wheels", "path of this machine"),
        ("--install-option=x", "cannot be used"),
        ("two words", "is not a requirement"),
        ("x==", "is not a requirement"),
    ],
)
def test_what_a_leader_does_not_have_is_refused_with_its_line(line: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"requirements\.txt, line 2: .*{text}") as caught:
        read(tmp_path, f"a\n{line}\n")
    assert caught.value.next_step


@pytest.mark.parametrize(
    "line",
    [
        "https://me:s3cr3t@host/x-1.tar.gz", "x @ git+https://s3cr3t@github.com/a/b",
        "--extra-index-url https://me:s3cr3t@pypi.example.org", "-i https://__token__:s3cr3t@host/simple",
    ],
)  # fmt: skip
def test_credentials_are_refused_and_not_repeated(line: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="credentials") as caught:
        read(tmp_path, f"a\n{line}\n")
    assert "s3cr3t" not in f"{caught.value}{caught.value.facts}"


def test_file_without_requirements_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no requirement"):
        read(tmp_path, "# nothing\n--pre\n")


def test_file_that_is_referred_to_and_is_not_there_is_named_with_who_refers(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no file .*more\.txt, which .*requirements\.txt refers to"):
        read(tmp_path, "-r more.txt")


def test_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_bytes("tabul\xe4te".encode("latin-1"))
    with pytest.raises(UsageError, match="UTF-8"):
        requirement_lines.read(tmp_path / "r.txt")
