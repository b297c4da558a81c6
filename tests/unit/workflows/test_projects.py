"""What a project says of itself without being built."""

from __future__ import annotations

from pathlib import Path

import pytest

from toilctl.values.errors import UsageError
from toilctl.workflows import projects
from toilctl.workflows.projects import ToilWish


def project(directory: Path, **files: str) -> Path:
    """Write files of a project; an underscore stands for the dot."""
    for name, text in files.items():
        (directory / name.replace("_", ".")).write_text(text)
    return directory


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"pyproject_toml": '[project]\nname = "tallies"'}, "tallies"),
        ({"pyproject_toml": '[build-system]\nrequires = []\n[tool.poetry]\nname = "poem"'}, "poem"),
        ({"setup_py": "from setuptools import setup\nsetup(name='Cactus', version='3')"}, "Cactus"),
        ({"setup_py": "import setuptools\nsetuptools.setup()", "setup_cfg": "[metadata]\nname = old"}, "old"),
        ({"setup_py": "setup(name=NAME)"}, None),
        ({"setup_py": "print 'python 2'"}, None),
    ],
)
def test_name_is_what_is_written_out(files: dict[str, str], name: str | None, tmp_path: Path) -> None:
    directory = project(tmp_path, **files)
    assert projects.is_project(directory)
    assert projects.read(directory).name == name


@pytest.mark.parametrize(
    ("files", "wish"),
    [
        ({"pyproject_toml": '[project]\nname = "x"\ndependencies = ["a", "toil[aws]==8.0.0"]'},
         ToilWish("toil[aws]==8.0.0", "pyproject.toml")),
        ({"setup_py": "setup(install_requires=['toil<9', x])"}, ToilWish("toil<9", "setup.py")),
        ({"setup_py": "setup()", "setup_cfg": "[options]\ninstall_requires =\n  a\n  Toil>=9"},
         ToilWish("Toil>=9", "setup.cfg")),
        ({"setup_py": "setup()", "toil-requirement_txt": 'b;python_version<"3.9"\ntoil[aws]==9.5.0  # ours\n'},
         ToilWish("toil[aws]==9.5.0", "toil-requirement.txt")),
    ],
)  # fmt: skip
def test_toil_that_it_asks_for_is_known_before_a_build(files: dict[str, str], wish: ToilWish, tmp_path: Path) -> None:
    assert projects.read(project(tmp_path, **files)).toil == (wish,)


def test_settings_of_tools_alone_make_no_project(tmp_path: Path) -> None:
    assert not projects.is_project(project(tmp_path, pyproject_toml="[tool.ruff]\nline-length = 100"))


def test_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pyproject\.toml cannot be read: .*line 1"):
        projects.is_project(project(tmp_path, pyproject_toml="[project\nname"))


def test_packages_with_similar_names_are_not_toil() -> None:
    assert projects.wishes(("toil-vg", "toilet", "TOIL>=9"), "here") == (ToilWish("TOIL>=9", "here"),)


@pytest.mark.parametrize(
    ("files", "asks"),
    [
        ({"setup_py": "subprocess.check_output(['git', 'rev-parse', 'HEAD'])"}, True),
        ({"pyproject_toml": '[build-system]\nrequires = ["setuptools-scm"]'}, True),
        ({"pyproject_toml": '[build-system]\nrequires = ["hatchling", "hatch-vcs"]'}, True),
        ({"pyproject_toml": '[project]\nname = "x"\nurls = {home = "https://github.com/a/digital"}'}, False),
    ],
)
def test_build_that_asks_git_is_known_by_its_files(files: dict[str, str], asks: bool, tmp_path: Path) -> None:
    assert projects.read(project(tmp_path, **files)).asks_git is asks
