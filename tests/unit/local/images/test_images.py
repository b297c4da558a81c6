"""Images' tags, and the settings that a flattened image keeps."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.requirements import Requirement

from toilctl.local.hosts import docker_engine
from toilctl.local.images import build, images, wheels
from toilctl.local.images.images import Builder, Tags, digest
from toilctl.local.images.mesos_kept import KeptMesos
from toilctl.values.errors import HostError, UsageError


def test_digest_depends_on_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    before = digest("x", tmp_path)
    assert digest("x", tmp_path) == before
    (tmp_path / "a").write_text("2")
    changed = digest("x", tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({before, changed, digest("x", tmp_path), digest("y", tmp_path)}) == 4


def test_digest_does_not_depend_on_what_python_adds(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    before = digest(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_text("2")
    assert digest(tmp_path) == before


def test_another_toil_needs_another_appliance_and_leaves_the_plain_node() -> None:
    one, other = Tags.of("9.6.0"), Tags.of("9.6.1")
    assert (one.base, one.plain) == (other.base, other.plain)
    assert one.appliance != other.appliance
    assert one.prepared != other.prepared


def mesos(of: str) -> KeptMesos:
    return KeptMesos("/opt/mesos", of, Path("/nowhere"))


def test_each_mesos_needs_an_appliance_of_its_own_on_top_of_the_one_without() -> None:
    without, one, same, other = Tags.of("9.6.0"), *(Tags.of("9.6.0", mesos(of)) for of in "aab")
    assert one == same
    assert len({tags.appliance for tags in (without, one, other)}) == 3
    assert len({tags.prepared for tags in (without, one, other)}) == 3
    assert {tags.without_mesos for tags in (without, one, other)} == {without.appliance}
    assert (one.base, one.plain) == (without.base, without.plain)


def test_appliance_is_named_after_the_registry_of_the_cloud() -> None:
    assert Tags.of("9.6.0").appliance.startswith("registry.toilctl.internal:5000/toilctl/appliance:")


class Engine:
    """An engine that has some images."""

    def __init__(self, *tags: str, free: int = 10**12) -> None:
        self.tags = tags
        self.api = SimpleNamespace(images=lambda: [{"RepoTags": [tag]} for tag in self.tags] + [{"RepoTags": None}])

    def info(self) -> dict[str, Any]:
        return {"DockerRootDir": "/"}


@pytest.mark.parametrize("image", ["prepared", "plain"])
def test_nothing_is_made_when_all_is_there(image: str) -> None:
    tags = Tags.of("9.6.0")
    said: list[str] = []
    engine: Any = Engine(tags.plain, tags.appliance, tags.prepared, tags.registry)
    made = Builder(engine, said.append).for_hosts(image)
    assert (made.appliance, made.engines) == (tags.appliance, ("slurm",))
    assert bool(made.prepared) == (image == "prepared")
    assert said == []


def test_appliance_with_mesos_needs_no_other_when_it_is_there() -> None:
    tags = Tags.of("9.6.0", mesos("a"))
    engine: Any = Engine(tags.plain, tags.appliance, tags.prepared)
    made = Builder(engine, print, mesos=mesos("a")).for_hosts("prepared")
    assert (made.appliance, made.engines) == (tags.appliance, ("slurm", "mesos"))


def test_full_disk_is_told_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_engine.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**9))
    engine: Any = Engine()
    with pytest.raises(HostError, match=r"5,000,000,000 bytes .* 1,000,000,000 are free") as caught:
        Builder(engine, print).for_hosts("prepared")
    assert caught.value.facts["needed_bytes"] == images.NEEDED_BYTES
    assert "4,000,000,000" in caught.value.next_step


def test_flattened_image_keeps_its_settings() -> None:
    config = {
        "Env": ["PATH=/opt/toil/bin:/bin", 'QUOTED=a "b"=c'],
        "Labels": {"toilctl.engines": "slurm"},
        "WorkingDir": "/root",
        "Entrypoint": None,
        "Cmd": ["/bin/bash"],
    }
    assert build.changes(config) == [
        'ENV PATH="/opt/toil/bin:/bin"',
        'ENV QUOTED="a \\"b\\"=c"',
        'LABEL "toilctl.engines"="slurm"',
        "WORKDIR /root",
        'CMD ["/bin/bash"]',
    ]


def test_failed_build_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def steps(**_: Any) -> Iterator[dict[str, str]]:
        yield {"stream": "Step 1/2\n"}
        yield {"stream": "write failed: No space left on device\n"}
        yield {"error": "exit code 1\n"}

    client: Any = SimpleNamespace(api=SimpleNamespace(build=steps))
    with pytest.raises(HostError, match="exit code 1") as caught:
        build.build(client, tmp_path, "toilctl/x:1")
    assert "Free some disk space" in caught.value.next_step
    assert "Step 1/2" in Path(caught.value.facts["log"]).read_text()


@pytest.mark.parametrize("name", ["UPPER/x", "a b", "", "x:y:z/", "-x"])
def test_what_is_no_image_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        images.build_appliance(print, name or "?", None)


def test_push_without_a_name_is_refused() -> None:
    with pytest.raises(UsageError, match="--tag"):
        images.build_appliance(print, None, None, push=True)


@pytest.mark.parametrize(
    ("python", "library", "good"),
    [
        ((3, 11), ("glibc", "2.36"), True),
        ((3, 11), ("glibc", "2.31"), True),
        ((3, 11), ("glibc", "2.39"), False),
        ((3, 12), ("glibc", "2.36"), False),
        ((3, 11), ("", ""), False),
    ],
)
def test_wheels_are_made_here_only_if_they_run_there(
    monkeypatch: pytest.MonkeyPatch, python: tuple[int, int], library: tuple[str, str], good: bool
) -> None:
    monkeypatch.setattr(sys, "version_info", (*python, 0))
    monkeypatch.setattr(wheels.platform, "libc_ver", lambda: library)
    monkeypatch.setattr(wheels, "find_spec", lambda _: object())
    assert wheels.makes_wheels_for_debian_12() == good


def test_build_gets_the_authorities_when_it_has_to_fetch_wheels_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bundle").write_text("certificates")
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "bundle"))
    monkeypatch.setattr(wheels, "makes_wheels_for_debian_12", lambda: False)
    wheels.fill(tmp_path / "pip", "9.6.0")
    assert [(path.name, path.read_text()) for path in (tmp_path / "pip").iterdir()] == [("ca.crt", "certificates")]


def test_http_parser_without_its_c_is_a_wheel_for_any_machine(tmp_path: Path) -> None:
    _sdist(tmp_path, "pyparser.py", "http.py", "parser.c", "parser.so")
    subprocess.run([sys.executable, HTTP_PARSER_WHEEL, str(tmp_path)], check=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target"]
    wheel = tmp_path / "http_parser-0.9.0-py3-none-any.whl"
    subprocess.run([*pip, str(tmp_path / "there"), str(wheel)], check=True)
    there = {str(path.relative_to(tmp_path / "there")) for path in (tmp_path / "there").rglob("*.*") if path.is_file()}
    assert {name for name in there if not name.endswith(".pyc") and "dist-info" not in name} == {
        "http_parser/http.py", "http_parser/pyparser.py",
    }  # fmt: skip
    with zipfile.ZipFile(wheel) as opened:
        assert b"Version: 0.9.0" in opened.read("http_parser-0.9.0.dist-info/METADATA")


def test_http_parser_that_has_no_parser_in_python_is_refused(tmp_path: Path) -> None:
    _sdist(tmp_path, "http.py")
    command = [sys.executable, HTTP_PARSER_WHEEL, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "has no http_parser/pyparser.py" in done.stderr


HTTP_PARSER_WHEEL = str(Path(images.__file__).parent / "data" / "appliance" / "http_parser_wheel.py")


def _sdist(directory: Path, *modules: str) -> None:
    about = b"Metadata-Version: 2.1\nName: http-parser\nVersion: 0.9.0\n"
    files = {"PKG-INFO": about, "LICENSE": b"MIT", **{f"http_parser/{name}": b"" for name in modules}}
    with tarfile.open(directory / "http-parser-0.9.0.tar.gz", "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"http-parser-0.9.0/{name}")
            member.size = len(content)
            archive.addfile(member, BytesIO(content))


def test_default_toil_is_locked_with_hashes_and_is_what_is_asked_for() -> None:
    recipe = Path(HTTP_PARSER_WHEEL).parent
    text = (recipe / "locked.txt").read_text() + (recipe / "http_parser.txt").read_text()
    blocks = re.findall(r"^([a-z][\w.-]*)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.M)
    assert len(blocks) == text.count("==")
    versions = {name: version for name, version, _ in blocks}
    assert versions["toil"] == images.TOIL_VERSION
    asked = [Requirement(line) for line in (recipe / "requirements.txt").read_text().splitlines() if line[:1] != "#"]
    assert [str(one) for one in asked if not one.specifier.contains(versions[one.name])] == []


@pytest.mark.parametrize(("toil", "asked"), [(images.TOIL_VERSION, "locked.txt"), ("9.0.0", "requirements.txt")])
def test_wheels_of_the_default_toil_are_those_of_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toil: str, asked: str
) -> None:
    said: list[list[str]] = []
    monkeypatch.setattr(wheels, "_pip", lambda arguments, _: said.append(arguments))
    monkeypatch.setattr(wheels.subprocess, "run", lambda *_, **__: None)
    wheels._fetch(tmp_path, toil)
    download, build = said
    assert ("--require-hashes" in download, Path(download[-1]).name) == (True, "http_parser.txt")
    assert ("--require-hashes" in build, Path(build[-1]).name) == (asked == "locked.txt", asked)
