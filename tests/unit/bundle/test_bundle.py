import io
import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import distribution, version
from pathlib import Path

import pytest

from tests.checkout import ROOT
from toilctl import bundle
from toilctl.bundle import contents, distributions


def parts(made: bundle.Bundle) -> dict[str, zipfile.ZipFile]:
    """The wheels and zip files in an archive, by name."""
    with zipfile.ZipFile(made.path) as archive:
        names = [name for name in archive.namelist() if name.startswith("parts/")]
        return {Path(name).name: zipfile.ZipFile(io.BytesIO(archive.read(name))) for name in names}


def wheel(made: bundle.Bundle, distribution: str) -> tuple[str, zipfile.ZipFile]:
    (found,) = [(name, part) for name, part in parts(made).items() if name.startswith(f"{distribution}-")]
    return found


def on_leader(name: str) -> str:
    """The version here, where the leader's Python runs it; a newer Ansible than that gives way to an older one."""
    found = distribution(name)
    if distributions.runs_on(found, distributions.LEADER_PYTHON):
        return found.version
    (older,) = [one.version for one in distributions.needed() if one.name == name]
    assert older.startswith("2.19.")
    return older


def test_names_the_version_that_runs_here(made: bundle.Bundle) -> None:
    assert made.version == version("toilctl")
    assert made.path.name == f"toilctl-{made.version}-{made.digest[:16]}.pyz"


@pytest.mark.parametrize("name", ["ansible-core", "ansible-runner", "boto3", "botocore", "jinja2", "typer"])
def test_requirements_come_in_the_versions_that_are_installed_here(made: bundle.Bundle, name: str) -> None:
    file, _ = wheel(made, name.replace("-", "_"))
    assert file.split("-")[1] == on_leader(name)


@pytest.mark.parametrize("distribution", [
    "moto", "docker", "toil", "ansible", "pyyaml", "markupsafe", "cryptography", "pip",
])  # fmt: skip
def test_rehearsal_cloud_and_what_is_compiled_stay_out(made: bundle.Bundle, distribution: str) -> None:
    assert [name for name in parts(made) if name.startswith(f"{distribution}-")] == []


def test_nothing_in_it_is_compiled(made: bundle.Bundle) -> None:
    names = [name for part in parts(made).values() for name in part.namelist()]
    assert [name for name in names if name.endswith((".so", ".pyd", ".dylib", ".pyc"))] == []


def test_only_the_services_that_are_asked_come_along(made: bundle.Bundle) -> None:
    _, botocore = wheel(made, "botocore")
    services = {name.split("/")[2] for name in botocore.namelist() if name.count("/") > 2 and "/data/" in name}
    assert services == set(contents.AWS_SERVICES)
    assert "botocore/data/endpoints.json" in botocore.namelist()


def test_playbooks_come_along_without_the_tests_of_roles(made: bundle.Bundle) -> None:
    names = set(wheel(made, "toilctl")[1].namelist())
    assert {f"toilctl/ansible/{name}" for name in ("ansible.cfg", "playbooks/scale_out.yml")} <= names
    assert "toilctl/ansible/inventory/group_vars/all.yml" in names
    # Roles have it by a link.
    assert "toilctl/ansible/roles/appliance/files/toilctl_leader/runs/verbs.py" in names
    assert [name for name in names if "/molecule/" in name] == []


def test_commands_are_toilctls_and_ansibles(made: bundle.Bundle) -> None:
    with zipfile.ZipFile(made.path) as archive:
        scripts = json.loads(archive.read("manifest.json"))["scripts"]
    assert {"toilctl", "ansible-playbook", "ansible-inventory"} <= set(scripts)
    assert scripts["toilctl"] == "toilctl.cli.app:main"
    assert "ansible-test" not in scripts


def test_pip_accepts_each_wheel(made: bundle.Bundle, tmp_path: Path) -> None:
    with zipfile.ZipFile(made.path) as archive:
        wheels = [archive.extract(name, tmp_path) for name in archive.namelist() if name.endswith(".whl")]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
    subprocess.run([*pip, "--target", tmp_path / "site", *wheels], check=True)
    check = "import toilctl, importlib.metadata as m; print(toilctl.__file__, m.version('toilctl'))"
    run = subprocess.run(
        [sys.executable, "-c", check],
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")}, cwd=tmp_path, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert run.stdout.split() == [str(tmp_path / "site/toilctl/__init__.py"), version("toilctl")]


def test_same_files_give_the_same_bytes(made: bundle.Bundle) -> None:
    again = bundle.make()
    assert again.path != made.path
    assert again.digest == made.digest
    assert again.path.read_bytes() == made.path.read_bytes()


def test_archive_that_is_there_is_not_made_again(kept: bundle.Bundle) -> None:
    before = kept.path.stat().st_ino
    assert bundle.make() == kept
    assert kept.path.stat().st_ino == before


def test_another_file_gives_another_digest(
    made: bundle.Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = tmp_path / "changed.yml"
    changed.write_text("---\n")
    files = contents.own_files() | {"toilctl/ansible/playbooks/scale_out.yml": changed}
    monkeypatch.setattr(contents, "own_files", lambda: files)
    assert bundle.make().digest != made.digest


def test_oldest_archives_are_forgotten(kept: bundle.Bundle, cache: Path) -> None:
    os.utime(kept.path, (8, 8))
    for number in range(7):
        old = cache / f"bundles/toilctl-0.0.{number}-0000.pyz"
        old.touch()
        os.utime(old, (number, number))
    newest = bundle.make().path.name
    there = {path.name for path in (cache / "bundles").glob("*.pyz")}
    assert there == {newest, *(f"toilctl-0.0.{number}-0000.pyz" for number in (3, 4, 5, 6))}


def test_installed_toilctl_gives_the_same_archive_as_its_checkout(made: bundle.Bundle, tmp_path: Path) -> None:
    built = tmp_path / "built"
    pip = [sys.executable, "-m", "pip"]
    subprocess.run([*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", built, ROOT], check=True)
    site = tmp_path / "site"
    options = ["--quiet", "--no-deps", "--no-compile", "--target", site]
    subprocess.run([*pip, "install", *options, *built.glob("*.whl")], check=True)
    # Without the search path of this environment's editable installation, but with its other packages behind.
    started = f"import sys; sys.path[:0] = [{str(site)!r}]; from toilctl.bundle.__main__ import main; sys.exit(main())"
    run = subprocess.run(
        [sys.executable, "-c", started],
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}, cwd=tmp_path, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    answer = json.loads(run.stdout)
    assert answer["version"] == made.version
    mine, theirs = parts(made), parts(bundle.Bundle(Path(answer["path"]), answer["digest"], answer["version"]))
    assert set(mine) == set(theirs)
    name = wheel(made, "toilctl")[0]
    assert set(theirs[name].namelist()) == set(mine[name].namelist())
    assert sysconfig.get_path("purelib") not in answer["path"]
