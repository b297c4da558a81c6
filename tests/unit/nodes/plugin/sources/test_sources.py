"""What of a user's code goes to workers, by the files of small projects."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from tests.checkout import ROOT

sys.path.insert(0, str(ROOT / "roles/appliance/files"))
from toilctl_plugin.sources import archive, roots, selection


@pytest.fixture(autouse=True)
def without_a_path_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)


def project(root: Path, *names: str) -> Path:
    """Make a directory with files that have something in them."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n")
    return root


def packed(directory: Path, module: str, *, from_environment: bool = False) -> set[str]:
    with zipfile.ZipFile(archive.pack(directory, module, from_environment=from_environment)) as found:
        return set(found.namelist()) - {archive.ORIGIN}


def test_all_packages_of_the_hierarchy_go_along_with_their_data(tmp_path: Path) -> None:
    names = ("workflow/__init__.py", "workflow/main.py", "util/__init__.py", "util/sort/quick.py", "util/table.json",
             "namespace/inner/one.py", "top.py")  # fmt: skip
    assert packed(project(tmp_path, *names), "workflow.main") == set(names)


def test_data_and_what_tools_leave_stays_and_is_named(tmp_path: Path) -> None:
    stays = ("data/reads.fastq", "docs/notes.txt", "build/lib/old.py", "venv/pyvenv.cfg", "venv/lib/x.py")
    silent = (".git/config", ".env", "__pycache__/a.pyc", ".venv/lib/x.py", "id_rsa", "server.pem")
    found = selection.of_project(project(tmp_path, "main.py", "settings.yml", *stays, *silent))
    assert set(found.files) == {"main.py", "settings.yml"}
    assert set(found.left_out) == {"data/", "docs/", "build/", "venv/"}


def test_big_file_beside_a_script_stays(tmp_path: Path) -> None:
    project(tmp_path, "main.py", "small.csv")
    (tmp_path / "big.bam").write_bytes(bytes(selection.SMALL_BYTES + 1))
    found = selection.of_project(tmp_path)
    assert (set(found.files), set(found.left_out)) == ({"main.py", "small.csv"}, {"big.bam"})


def test_what_gitignore_names_stays(tmp_path: Path) -> None:
    project(tmp_path, "main.py", "secret.py", "out/result.py", "pack/__init__.py", "pack/big.bin")
    (tmp_path / ".gitignore").write_text("secret.py\n/out/\n*.bin\n")
    assert packed(tmp_path, "main") == {"main.py", "pack/__init__.py"}


def test_key_in_a_package_stays(tmp_path: Path) -> None:
    assert packed(project(tmp_path, "pack/__init__.py", "pack/id_ed25519", "pack/tls.key"), "pack.a") == {
        "pack/__init__.py"
    }


def test_links_that_go_round_end(tmp_path: Path) -> None:
    project(tmp_path, "pack/__init__.py")
    (tmp_path / "pack/again").symlink_to(tmp_path)
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere")
    assert packed(tmp_path, "pack.a") == {"pack/__init__.py"}


@pytest.mark.parametrize(
    ("module", "expected"), [("main", {"main.py"}), ("pack.main", {"pack/__init__.py", "pack/main.py"})]
)
def test_home_is_no_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, module: str, expected: set[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    project(tmp_path, "main.py", "letter.txt", "other/__init__.py", "pack/__init__.py", "pack/main.py")
    assert packed(tmp_path, module) == expected
    assert "give the project a directory of its own" in caplog.text


@pytest.mark.parametrize("directory", ["/", "/tmp", "/home", "/usr"])
def test_directory_of_the_system_is_no_project(directory: str) -> None:
    assert not roots.is_project(Path(directory))


def test_too_much_is_refused_with_the_variable_that_lets_it_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    project(tmp_path, "pack/__init__.py")
    (tmp_path / "pack/model.bin").write_bytes(bytes(3 * 2**20))
    monkeypatch.setenv(archive.LIMIT_VARIABLE, "2")
    with pytest.raises(SystemExit):
        packed(tmp_path, "pack.main")
    assert f"export {archive.LIMIT_VARIABLE}=4" in caplog.text
    monkeypatch.setenv(archive.LIMIT_VARIABLE, "4")
    assert "pack/model.bin" in packed(tmp_path, "pack.main")


def test_line_says_what_goes_along_and_what_does_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    packed(project(tmp_path, "main.py", *(f"d{number}/x.txt" for number in range(7))), "main")
    assert f"Workers get 1 file (1 KiB) of {tmp_path}; left out: 'd0/'" in caplog.text
    assert "and 2 more" in caplog.text


def test_same_files_make_the_same_archive_and_another_directory_another(tmp_path: Path) -> None:
    first, second = project(tmp_path / "a", "main.py"), project(tmp_path / "b", "main.py")
    made = [archive.pack(one, "main", from_environment=False).read() for one in (first, first, second)]
    assert made[0] == made[1] != made[2]


def test_python_path_goes_along_but_for_the_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = Path(archive.__file__).resolve().parents[2]
    library = project(tmp_path / "library", "util/__init__.py", "main.py")
    monkeypatch.setenv("PYTHONPATH", f"{plugin}:{library}:/:/nowhere:")
    main = project(tmp_path / "project", "main.py")
    with zipfile.ZipFile(archive.pack(main, "main", from_environment=False)) as found:
        assert set(found.namelist()) == {"main.py", "util/__init__.py", archive.ORIGIN}
        assert found.read("main.py") == (main / "main.py").read_bytes()


def test_virtualenv_goes_along_without_its_installers(tmp_path: Path) -> None:
    names = ("util/__init__.py", "util/data.bin", "util-1.dist-info/METADATA", "one.py", "fast.so")
    installers = ("pip/__init__.py", "pip-23.dist-info/RECORD", "wheel/x.py", "a.pth", "util/__pycache__/a.pyc")
    site_packages = project(tmp_path / "site-packages", *names, *installers)
    assert packed(site_packages, "util", from_environment=True) == set(names)


def test_own_python_with_toil_is_no_virtualenv_to_send() -> None:
    assert roots.environment() is None
