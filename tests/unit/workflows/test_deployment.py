"""What a path, or a package's name, is to ``toilctl deploy``, and what of it is sent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from toilctl.values.errors import NotFoundError, ToilctlError, UsageError
from toilctl.workflows import deployment
from toilctl.workflows.deployment import SourceKind

MAIN = 'if __name__ == "__main__":\n    pass\n'


def tree(root: Path, *names: str, **texts: str) -> Path:
    """Make files, empty but for those whose text is given by their stem."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts.get(path.stem, ""))
    return root


def plan(path: Path | str, **options: object) -> deployment.Deployment:
    return deployment.plan(str(path), **options)  # type: ignore[arg-type]


def test_script_is_sent_with_what_it_imports_and_run_with_python(tmp_path: Path) -> None:
    tree(tmp_path, "sort.py", "words.py", "notes.txt", sort="import words")
    found = plan(tmp_path / "sort.py")
    assert (found.name, found.kind, found.files) == ("sort", SourceKind.SCRIPT, ("sort.py", "words.py"))
    assert found.root == tmp_path
    assert found.programs == ("python sort.py",)


def test_hierarchy_is_sent_whole_and_its_programs_are_run_with_m(tmp_path: Path) -> None:
    names = ("workflow/__init__.py", "workflow/main.py", "util/sort/quick.py", "util/__init__.py", "top.py")
    found = plan(tree(tmp_path, *names, main=MAIN, top=MAIN))
    assert found.kind is SourceKind.HIERARCHY
    assert set(found.files) == set(names)
    assert set(found.programs) == {"python -m workflow.main", "python top.py"}


def test_package_with_a_main_module_is_run_by_its_own_name(tmp_path: Path) -> None:
    tree(tmp_path, "pkg/__init__.py", "pkg/__main__.py", **{"__main__": MAIN})
    assert plan(tmp_path).programs == ("python -m pkg",)


def test_package_itself_stands_for_the_directory_above_with_what_it_imports(tmp_path: Path) -> None:
    tree(tmp_path, "texts/__init__.py", "texts/main.py", "util.py", "else.py", main=f"import util\n{MAIN}")
    found = plan(tmp_path / "texts")
    assert (found.name, found.root, found.programs) == ("texts", tmp_path, ("python -m texts.main",))
    assert found.files == ("texts/__init__.py", "texts/main.py", "util.py")


def test_project_is_sent_without_what_git_builds_and_tools_leave_there(tmp_path: Path) -> None:
    sent = ("setup.py", "src/pkg/__init__.py", "src/pkg/build/tool.py", "src/pkg/data.csv", ".gitmodules")
    left = (
        ".git/HEAD", "build/lib/pkg.py", "dist/pkg-1.whl", "src/pkg.egg-info/PKG-INFO", "src/pkg/__pycache__/a.pyc",
        "env/pyvenv.cfg", "env/bin/python", ".tox/x", "conda/conda-meta/history", "conda/lib/x.py", "src/pkg/old.py~",
    )  # fmt: skip
    found = plan(tree(tmp_path, *sent, *left, setup="setup(name='Cactus')"))
    assert (found.kind, found.name, found.installed) == (SourceKind.PROJECT, "Cactus", ".")
    assert set(found.files) == set(sent)


def test_package_called_build_is_no_leftover(tmp_path: Path) -> None:
    assert "build/__init__.py" in plan(tree(tmp_path, "build/__init__.py", "build/main.py")).files


def test_link_counts_as_what_it_leads_to_and_goes_round_once(tmp_path: Path) -> None:
    tree(tmp_path, "elsewhere/shared.py", "flow/pkg/main.py")
    flow = tmp_path / "flow"
    (flow / "pkg/shared.py").symlink_to(tmp_path / "elsewhere/shared.py")
    (flow / "more").symlink_to(tmp_path / "elsewhere")
    (flow / "pkg/up").symlink_to(flow)
    (flow / "pkg/lost.py").symlink_to(tmp_path / "nowhere")
    os.mkfifo(flow / "pipe.py")
    assert plan(flow).files == ("more/shared.py", "pkg/main.py", "pkg/shared.py")


def test_wheel_and_sdist_are_named_after_what_they_contain(tmp_path: Path) -> None:
    tree(tmp_path, "My_Tallies-1.0-py3-none-any.whl", "tallies-1.0.tar.gz")
    wheel, sdist = plan(tmp_path / "My_Tallies-1.0-py3-none-any.whl"), plan(tmp_path / "tallies-1.0.tar.gz")
    assert (wheel.name, wheel.kind, wheel.installed) == (
        "my-tallies",
        SourceKind.WHEEL,
        "My_Tallies-1.0-py3-none-any.whl",
    )
    assert (sdist.name, sdist.kind) == ("tallies", SourceKind.SDIST)


def test_requirements_file_is_a_deployment_of_its_own(tmp_path: Path) -> None:
    tree(tmp_path, "tools.txt", tools="toil[cwl]\ntabulate")
    found = plan(tmp_path / "tools.txt")
    assert (found.name, found.kind, found.requirements) == ("tools", SourceKind.REQUIREMENTS, ("toil[cwl]", "tabulate"))
    assert [wish.said_by for wish in found.toil] == ["tools.txt"]


@pytest.mark.parametrize(
    ("given", "name"), [("toil-vg", "toil-vg"), ("pkg==1.2", "pkg"), ("toil[cwl]", "toil"), ("toil[wdl]>=9", "toil")]
)
def test_name_that_is_no_path_is_a_package_of_the_index(given: str, name: str) -> None:
    found = plan(given)
    assert (found.kind, found.name, found.requirements) == (SourceKind.PACKAGE, name, (given,))


def test_directory_wins_over_a_package_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, "cactus/setup.py")
    monkeypatch.chdir(tmp_path)
    assert plan("cactus").kind is SourceKind.PROJECT


def test_requirements_beside_a_script_go_with_it(tmp_path: Path) -> None:
    tree(tmp_path, "sort.py", "r.txt", r="tabulate")
    assert plan(tmp_path / "sort.py", requirements=tmp_path / "r.txt").requirements == ("tabulate",)


@pytest.mark.parametrize("other", ["setup.py", "x-1-py3-none-any.whl", "more.txt"])
def test_requirements_beside_anything_else_are_refused(other: str, tmp_path: Path) -> None:
    tree(tmp_path, other, "r.txt", r="tabulate", more="six")
    path = tmp_path if other == "setup.py" else tmp_path / other
    with pytest.raises(UsageError, match="--requirements goes with a script"):
        plan(path, requirements=tmp_path / "r.txt")


def test_name_can_be_chosen_and_a_default_is_made_to_fit(tmp_path: Path) -> None:
    tree(tmp_path, "my flow (1).py")
    assert plan(tmp_path / "my flow (1).py").name == "my-flow-1"
    assert plan(tmp_path / "my flow (1).py", name="flow").name == "flow"
    for bad in ("", "../x", ".x", "a b", "x" * 64):
        with pytest.raises(UsageError, match="cannot be a deployment's name"):
            plan(tmp_path / "my flow (1).py", name=bad)


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ("missing.py", NotFoundError, r"no file or directory 'missing\.py'\."),
        ("some/where", NotFoundError, r"no file or directory 'some/where'\."),
        ("two words", NotFoundError, "no package's name either"),
        ("-e .", UsageError, "editable"),
        ("x @ https://me:pw@host/x.whl", UsageError, "credentials"),
        ("x @ file:///x", UsageError, "path of this machine"),
    ],
)
def test_what_is_nothing_is_said_in_a_sentence(
    given: str, error: type[ToilctlError], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=text) as caught:
        plan(given)
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("files", "given", "text"),
    [
        ((), "", "is empty"),
        (("data.csv",), "", "no Python file"),
        (("run.sh",), "run.sh", "neither a Python script"),
        (("flow.cwl",), "flow.cwl", r"toil\[cwl\]"),
        (("random.py",), "random.py", "imported instead of the module random"),
        (("toil.py",), "toil.py", "imported instead"),
        (("tallies.whl",), "tallies.whl", "not the name of a wheel"),
    ],
)
def test_file_that_cannot_be_deployed_is_refused(files: tuple[str, ...], given: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=text) as caught:
        plan(tree(tmp_path, *files) / given)
    assert caught.value.next_step


def test_unreadable_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, "sort.py")

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(UsageError, match=r"sort\.py cannot be read: Permission denied"):
        plan(tmp_path / "sort.py")


def test_wheelhouse_has_distributions_and_nothing_else(tmp_path: Path) -> None:
    tree(tmp_path, "wheels/a-1-py3-none-any.whl", "wheels/b-1.tar.gz", "wheels/notes.txt", "none/notes.txt")
    assert deployment.wheels(tmp_path / "wheels") == ("a-1-py3-none-any.whl", "b-1.tar.gz")
    with pytest.raises(UsageError, match="no wheels"):
        deployment.wheels(tmp_path / "none")
    with pytest.raises(NotFoundError, match="no directory"):
        deployment.wheels(tmp_path / "missing")
