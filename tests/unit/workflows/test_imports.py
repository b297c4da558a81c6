"""What a script needs of what lies beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from toilctl.values.errors import UsageError
from toilctl.workflows import imports


def write(root: Path, files: dict[str, str] | None = None, /, **modules: str) -> Path:
    """Write files, and modules that lie at the top."""
    for name, text in {**(files or {}), **{f"{name}.py": text for name, text in modules.items()}}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def needed(root: Path, entry: str = "main.py") -> set[str]:
    return set(imports.needed(root, root / entry).files)


def test_module_beside_is_needed_and_others_are_not(tmp_path: Path) -> None:
    assert needed(write(tmp_path, main="import words", words="", other="")) == {"main.py", "words.py"}


def test_imports_of_imports_are_followed_and_a_circle_ends(tmp_path: Path) -> None:
    root = write(tmp_path, main="from a import x", a="import b", b="import main, a")
    assert needed(root) == {"main.py", "a.py", "b.py"}


@pytest.mark.parametrize(
    "text",
    [
        "def job():\n    import words",
        "try:\n    from words import x\nexcept ImportError:\n    pass",
        "import os, words as w",
        "import importlib\nimportlib.import_module('words')",
        "from importlib import import_module\nimport_module('words.sub')",
        "x = __import__('words')",
    ],
)
def test_import_counts_wherever_and_however_it_stands(text: str, tmp_path: Path) -> None:
    assert "words.py" in needed(write(tmp_path, main=text, words=""))


def test_package_comes_whole_with_its_data_and_without_caches(tmp_path: Path) -> None:
    root = write(
        tmp_path, {"pkg/__init__.py": "", "pkg/a.py": "", "pkg/b.py": "import beside"}, main="import pkg.a", beside=""
    )
    (root / "pkg/table.csv").write_text("1")
    (root / "pkg/__pycache__").mkdir()
    (root / "pkg/__pycache__/a.pyc").write_text("")
    assert needed(root) == {"main.py", "pkg/__init__.py", "pkg/a.py", "pkg/b.py", "pkg/table.csv", "beside.py"}


def test_directory_without_init_is_a_package_when_it_has_modules(tmp_path: Path) -> None:
    root = write(tmp_path, {"parts/case.py": ""}, main="from parts import case\nimport data")
    (root / "data").mkdir()
    (root / "data/big.bam").write_text("")
    assert needed(root) == {"main.py", "parts/case.py"}


def test_package_wins_over_module_of_the_same_name_as_in_python(tmp_path: Path) -> None:
    root = write(tmp_path, {"a/__init__.py": ""}, main="import a", a="")
    assert needed(root) == {"main.py", "a/__init__.py"}


def test_what_is_not_beside_is_somebody_elses(tmp_path: Path) -> None:
    assert needed(write(tmp_path, main="import numpy, toil.job")) == {"main.py"}


def test_syntax_error_is_said_with_its_place(tmp_path: Path) -> None:
    root = write(tmp_path, main="x = 1\nprint 'two'\n")
    with pytest.raises(UsageError, match=r"main\.py, line 2, is not Python 3") as caught:
        imports.check_script(root / "main.py")
    assert caught.value.facts["line"] == 2


def test_syntax_error_beside_is_said_and_in_a_package_is_not_ours(tmp_path: Path) -> None:
    root = write(tmp_path, {"pkg/__init__.py": "", "pkg/template.py": "{{ x"}, main="import a", a="def")
    with pytest.raises(UsageError, match=r"a\.py, line 1"):
        needed(root)
    assert needed(write(root, main="import pkg")) == {"main.py", "pkg/__init__.py", "pkg/template.py"}


def test_text_with_zero_bytes_is_no_python(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_bytes(b"x = 1\0")
    with pytest.raises(UsageError, match="null bytes"):
        imports.check_script(tmp_path / "main.py")


def test_relative_import_in_a_script_names_the_directory_to_deploy(tmp_path: Path) -> None:
    root = write(tmp_path, {"pkg/__init__.py": "", "pkg/main.py": "from . import x"})
    with pytest.raises(UsageError, match="line 1, imports relatively") as caught:
        imports.check_script(root / "pkg/main.py")
    assert f"{tmp_path}," in caught.value.next_step


def test_nothing_is_run(tmp_path: Path) -> None:
    root = write(tmp_path, main="import a", a=f"open({str(tmp_path / 'ran')!r}, 'w')")
    needed(root)
    assert not (tmp_path / "ran").exists()


def test_name_in_another_case_is_another_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS, whose file systems find bio.py also under Bio.py; Python's import looks twice."""

    def ignoring_case(path: Path) -> bool:
        return path.parent.is_dir() and path.name.lower() in {one.name.lower() for one in path.parent.iterdir()}

    root = write(tmp_path, main="from Bio import SeqIO\nimport bio", bio="")
    monkeypatch.setattr(Path, "is_file", ignoring_case)
    assert needed(root) == {"main.py", "bio.py"}
