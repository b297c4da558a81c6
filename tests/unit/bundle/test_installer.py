import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from toilctl import bundle
from toilctl.bundle import contents, distributions, installer


@pytest.fixture(scope="module")
def target(made: bundle.Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory like the leader's, with the archive installed by another Python process."""
    directory = tmp_path_factory.mktemp("opt") / "toilctl"
    (directory / "plugin").mkdir(parents=True)
    (directory / "plugin/mine.py").touch()
    assert run(made.path, directory).startswith(f"installed: toilctl {made.version}")
    return directory


@pytest.fixture(scope="module", autouse=True)
def of_the_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What a leader has from its own packages."""
    directory = tmp_path_factory.mktemp("system")
    for module in distributions.FROM_DEBIAN.values():
        spec = importlib.util.find_spec(module)
        assert spec is not None
        assert spec.origin is not None
        (directory / module).symlink_to(Path(spec.origin).parent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(directory))
        yield directory


def run(archive: Path, directory: Path) -> str:
    command = [sys.executable, archive, directory]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def command(target: Path, *words: str) -> str:
    """Run what was installed, as a leader would: nothing of this environment is near."""
    clean = {"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin", "PYTHONPATH": os.environ["PYTHONPATH"]}
    argv = [target / "bin" / words[0], *words[1:]]
    return subprocess.run(argv, cwd=target, env=clean, capture_output=True, text=True, check=True).stdout


def test_installed_toilctl_is_the_version_that_runs_here(target: Path) -> None:
    assert command(target, "toilctl", "--version").split() == ["toilctl", version("toilctl")]


def test_installed_toilctl_uses_the_playbooks_that_came_with_it(target: Path) -> None:
    assert Path(command(target, "toilctl", "ansible-dir").strip()).is_relative_to(target)


def test_ansible_is_the_version_that_the_leaders_python_runs(target: Path) -> None:
    (ansible,) = [found for found in distributions.needed() if found.name == "ansible-core"]
    assert f"[core {ansible.version}]" in command(target, "ansible-playbook", "--version")


@pytest.mark.parametrize("kind_and_plugin", [
    ("inventory", "amazon.aws.aws_ec2"), ("module", "community.docker.docker_container"),
    ("module", "community.general.filesystem"),
])  # fmt: skip
def test_ansible_finds_the_collections(target: Path, kind_and_plugin: tuple[str, str]) -> None:
    kind, plugin = kind_and_plugin
    described = json.loads(command(target, "ansible-doc", "--json", "-t", kind, plugin))
    assert Path(described[plugin]["doc"]["filename"]).is_relative_to(target)


def test_services_that_are_asked_can_be_asked(target: Path) -> None:
    clients = "; ".join(f"boto3.client({name!r}, region_name='us-west-2')" for name in contents.AWS_SERVICES)
    assert command(target, "python3", "-c", f"import boto3; {clients}; print('ok')") == "ok\n"


def test_all_that_toilctl_runs_on_a_leader_can_be_imported(target: Path) -> None:
    modules = "toilctl.autoscaler.service.loop, toilctl.cli.app, toilctl.system.playbooks"
    modules += ", ansible_runner, cattrs, jmespath, dateutil.tz, daemon"
    assert command(target, "python3", "-c", f"import {modules}; print(ansible_runner.__file__)").startswith(str(target))


def test_second_installation_changes_nothing(made: bundle.Bundle, target: Path) -> None:
    assert run(made.path, target).startswith("unchanged: ")


def test_other_files_of_the_directory_stay(target: Path) -> None:
    assert (target / "plugin/mine.py").exists()


def test_other_archive_replaces_all_packages(tmp_path: Path) -> None:
    assert installer.install(small_archive(tmp_path, "1", {"old.py": b""}), tmp_path / "opt").startswith("installed")
    other = small_archive(tmp_path, "2", {"new.py": b"def main(): print('new')\n"}, {"say": "new:main"})
    assert installer.install(other, tmp_path / "opt").startswith("installed")
    assert command(tmp_path / "opt", "say") == "new\n"
    site = installer.site_packages(tmp_path / "opt")
    assert [path.name for path in site.glob("*.py")] == ["new.py"]
    assert [path.name for path in site.parent.iterdir()] == ["site-packages"]


def test_interrupted_installation_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = small_archive(tmp_path, "1", {"one.py": b""})
    installer.install(archive, tmp_path / "opt")
    other = small_archive(tmp_path, "2", {"two.py": b""})
    with monkeypatch.context() as patch:
        patch.setattr(installer, "write_scripts", disk_full)
        with pytest.raises(OSError, match="full"):
            installer.install(other, tmp_path / "opt")
    assert installer.install(archive, tmp_path / "opt").startswith("installed")
    assert (installer.site_packages(tmp_path / "opt") / "one.py").exists()


def test_archives_of_earlier_installations_are_removed(tmp_path: Path) -> None:
    copied = tmp_path / "opt/bundle"
    copied.mkdir(parents=True)
    for digest in ("1", "2"):
        archive = small_archive(tmp_path, digest, {"one.py": b""}).rename(copied / f"toilctl-1-{digest}.pyz")
        installer.install(archive, tmp_path / "opt")
    assert [path.name for path in copied.iterdir()] == ["toilctl-1-2.pyz"]


def test_archives_elsewhere_stay(tmp_path: Path) -> None:
    first = small_archive(tmp_path, "1", {"one.py": b""}).rename(tmp_path / "toilctl-1-1.pyz")
    second = small_archive(tmp_path, "2", {"one.py": b""}).rename(tmp_path / "toilctl-1-2.pyz")
    installer.install(second, tmp_path / "opt")
    assert first.exists()


def test_python_that_is_too_old_is_named_and_nothing_is_touched(tmp_path: Path) -> None:
    archive = small_archive(tmp_path, "1", {}, python=[3, 99])
    with pytest.raises(SystemExit, match=r"needs Python 3\.99 or later, and this machine image has 3\."):
        installer.install(archive, tmp_path / "opt")
    assert not (tmp_path / "opt").exists()


def test_lacking_package_of_the_system_is_named(tmp_path: Path) -> None:
    archive = small_archive(tmp_path, "1", {}, modules=["yaml", "no_such"])
    with pytest.raises(SystemExit, match=r"apt-get install python3-no_such$"):
        installer.install(archive, tmp_path / "opt")


def small_archive(directory: Path, digest: str, files: dict[str, bytes], scripts: dict[str, str] | None = None,
                  **about: object) -> Path:  # fmt: skip
    part = directory / f"{digest}.zip"
    with zipfile.ZipFile(part, "w") as out:
        for name, content in files.items():
            out.writestr(name, content)
    archive = directory / f"{digest}.pyz"
    told = {"digest": digest, "version": "1", "scripts": scripts or {}, "modules": [], "python": [3, 11]} | about
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("manifest.json", json.dumps(told))
        out.write(part, f"parts/{part.name}")
    return archive


def disk_full(*_: object) -> None:
    raise OSError("disk full")
