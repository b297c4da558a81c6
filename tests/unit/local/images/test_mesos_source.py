"""Taking Mesos from a prefix or an image: small real programs stand in for it, and a client for the engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import APIError, ImageNotFound

from toilctl.local.hosts import docker_engine
from toilctl.local.images import mesos_kept, mesos_source
from toilctl.local.images.mesos_kept import KeptMesos
from toilctl.values.errors import HostError, UsageError

TRUE = Path(shutil.which("true") or "/bin/true").read_bytes()
C_LIBRARY, OTHER = b"libc.so.6", b"libq.so.6"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv(mesos_source.VARIABLE, raising=False)


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A prefix like the one of Mesos, in which every program is ``true``."""
    return make_prefix(tmp_path / "opt" / "my mesos")


def make_prefix(prefix: Path, program: bytes = TRUE) -> Path:
    for name in ("sbin/mesos-master", "sbin/mesos-agent", "bin/mesos-execute", "libexec/mesos/mesos-fetcher"):
        (prefix / name).parent.mkdir(parents=True, exist_ok=True)
        (prefix / name).write_bytes(program)
        (prefix / name).chmod(0o755)
    (prefix / "share" / "mesos" / "webui" / "app").mkdir(parents=True)
    (prefix / "share" / "mesos" / "webui" / "app" / "index.html").write_text("<html>")
    (prefix / "include").mkdir()
    (prefix / "include" / "mesos.hpp").touch()
    return prefix


def files(mesos: KeptMesos) -> set[str]:
    return {str(path.relative_to(mesos.directory)) for path in mesos.directory.rglob("*") if path.is_file()}


ALL = {
    "prefix/sbin/mesos-master",
    "prefix/sbin/mesos-agent",
    "prefix/bin/mesos-execute",
    "prefix/libexec/mesos/mesos-fetcher",
    "prefix/share/mesos/webui/app/index.html",
}


def quiet(_: str) -> None:
    pass


def test_prefix_is_collected_without_what_compilers_use_and_without_the_c_library(prefix: Path) -> None:
    mesos = mesos_source.collect(str(prefix), quiet)
    assert files(mesos) == ALL
    assert os.access(mesos.directory / "prefix/sbin/mesos-master", os.X_OK)
    assert (mesos.source, mesos_kept.kept()) == (str(prefix), mesos)


def test_relative_prefix_is_kept_by_its_whole_path(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(prefix.parent)
    assert mesos_source.collect(prefix.name, quiet).source == str(prefix)


def test_library_of_the_prefix_is_collected_by_the_name_that_programs_ask_for(tmp_path: Path) -> None:
    prefix = make_prefix(tmp_path / "moved", TRUE.replace(C_LIBRARY, OTHER))
    (prefix / "lib").mkdir()
    (prefix / "lib" / "libq.so.6.0").write_bytes(_c_library())
    (prefix / "lib" / "libq.so.6").symlink_to("libq.so.6.0")
    mesos = mesos_source.collect(str(prefix), quiet)
    assert files(mesos) == {*ALL, "libraries/libq.so.6"}
    assert not (mesos.directory / "libraries/libq.so.6").is_symlink()


def test_library_that_is_nowhere_is_named(tmp_path: Path) -> None:
    prefix = make_prefix(tmp_path / "half", TRUE.replace(C_LIBRARY, OTHER))
    with pytest.raises(HostError, match=r"lacks shared libraries: libq\.so\.6, which .*mesos-") as caught:
        mesos_source.collect(str(prefix), quiet)
    assert "ldd" in caught.value.next_step
    assert mesos_kept.kept() is None


def test_agent_of_old_mesos_is_called_a_slave(prefix: Path) -> None:
    (prefix / "sbin/mesos-agent").rename(prefix / "sbin/mesos-slave")
    assert files(mesos_source.collect(str(prefix), quiet)) == {*ALL, "prefix/sbin/mesos-slave"}


def test_directory_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no directory") as caught:
        mesos_source.collect(str(tmp_path / "nope"), quiet)
    assert "sbin/mesos-master" in caught.value.next_step


@pytest.mark.parametrize("program", ["mesos-master", "mesos-agent"])
def test_directory_without_a_program_is_a_usage_error(prefix: Path, program: str) -> None:
    # A build's directory has scripts of these names, which start what is elsewhere.
    (prefix / "sbin" / program).write_text("#!/bin/sh\nexec .libs/it\n")
    with pytest.raises(UsageError, match=f"There is no Mesos in .*: no {program} in sbin/ or bin/"):
        mesos_source.collect(str(prefix), quiet)


def test_programs_for_another_processor_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesos_source.platform, "machine", lambda: "x86_64")
    foreign = make_prefix(tmp_path / "foreign", TRUE[:18] + (21).to_bytes(2, "little") + TRUE[20:])
    with pytest.raises(HostError, match="is for ppc64le, and this machine is x86_64"):
        mesos_source.collect(str(foreign), quiet)


def test_same_mesos_has_the_same_digest_and_another_one_takes_its_place(prefix: Path, tmp_path: Path) -> None:
    first = mesos_source.collect(str(prefix), quiet)
    assert mesos_source.collect(str(prefix), quiet) == first
    (prefix / "share/mesos/webui/app/index.html").write_text("<html lang=en>")
    second = mesos_source.collect(str(prefix), quiet)
    assert second.digest != first.digest
    assert not first.directory.exists()
    assert {path.name for path in mesos_kept.directory().iterdir()} == {"kept.json", second.digest}


def test_environment_comes_before_what_is_kept(prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mesos_source.chosen(quiet) is None
    kept = mesos_source.collect(str(prefix), quiet)
    assert mesos_source.chosen(quiet) == kept
    other = make_prefix(tmp_path / "other", TRUE + b"\0")
    monkeypatch.setenv(mesos_source.VARIABLE, str(other))
    chosen = mesos_source.chosen(quiet)
    assert chosen is not None
    assert chosen.source == str(other)
    mesos_kept.forget()
    monkeypatch.delenv(mesos_source.VARIABLE)
    assert mesos_source.chosen(quiet) is None


def test_build_that_the_loader_ended_is_told_in_its_words() -> None:
    mesos = KeptMesos("me/mesos:1", "0", Path("/nowhere"))
    words = "mesos-master: libc.so.6: version `GLIBC_2.38' not found"
    error = mesos_source.refused(mesos, ["Step 4/5", f"MESOS DOES NOT RUN: {words}", "returned a non-zero code: 1"])
    assert error is not None
    assert (error.exit_code, error.message.endswith(words)) == (9, True)
    assert "me/mesos:1 does not run on Debian 12" in error.message
    assert mesos_source.refused(mesos, ["No space left on device"]) is None


class Container:
    """Runs the script on this machine, with an image's directories and the few tools that it may use on PATH."""

    def __init__(self, tmp_path: Path, command: list[str], path: str) -> None:
        self._out = tmp_path / "container" / "toilctl-mesos"
        self._out.mkdir(parents=True, exist_ok=True)
        tools = tmp_path / "tools"
        tools.mkdir(exist_ok=True)
        for tool in ("cp", "dd", "mkdir", "readlink"):
            (tools / tool).symlink_to(str(shutil.which(tool)))
        # This machine's own Mesos, if any, is not the image's.
        script = command[1].replace(" /usr/", " /nowhere/").replace("/opt/mesos", "/nowhere")
        words = ["/bin/sh", "-c", script, command[2], str(self._out)]
        self._done = subprocess.run(words, env={"PATH": f"{path}:{tools}"}, capture_output=True, check=False)

    def wait(self, timeout: int) -> dict[str, int]:
        return {"StatusCode": self._done.returncode}

    def logs(self, stdout: bool) -> bytes:
        return self._done.stderr

    def get_archive(self, path: str) -> tuple[Iterator[bytes], dict[str, Any]]:
        packed = BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(self._out, arcname=Path(path).name)
            evil = tarfile.TarInfo("toilctl-mesos/../../evil")
            archive.addfile(evil)
        content = packed.getvalue()
        return iter([content[:1000], content[1000:]]), {}

    def remove(self, **_: Any) -> None:
        pass


class Client:
    """An engine with one image."""

    def __init__(self, tmp_path: Path, path: Path | str = "", architecture: str = "amd64", shell: bool = True) -> None:
        self.started: list[dict[str, Any]] = []
        image = SimpleNamespace(id="sha256:1", tags=["me/mesos:1"], attrs={"Architecture": architecture})

        def get(name: str) -> Any:
            if name != "me/mesos:1":
                raise ImageNotFound("no such image")
            return image

        def pull(name: str) -> Any:
            raise APIError("500 Server Error", explanation="no route to host")

        def run(image_id: str, **settings: Any) -> Container:
            self.started.append(settings)
            if not shell:
                raise APIError("400 Client Error", explanation="exec: /bin/sh: no such file")
            return Container(tmp_path, settings["command"], str(path))

        self.images = SimpleNamespace(get=get, pull=pull)
        self.containers = SimpleNamespace(list=lambda **_: [], run=run)

    def version(self) -> dict[str, str]:
        return {"Arch": "amd64"}


def use(client: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr(docker_engine, "ensure", lambda _: client)
    return client


def test_image_is_searched_and_collected_without_a_network(
    prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in an appliance that toilctl built: a script on PATH starts the program.
    (tmp_path / "wrappers").mkdir()
    (tmp_path / "wrappers" / "mesos-master").write_text("#!/bin/sh\n")
    client = use(Client(tmp_path, f"{tmp_path / 'wrappers'}:{prefix / 'sbin'}"), monkeypatch)
    mesos = mesos_source.collect("me/mesos:1", quiet)
    assert files(mesos) == ALL
    assert (mesos.source, mesos.image_id) == ("me/mesos:1", "sha256:1")
    assert os.access(mesos.directory / "prefix/sbin/mesos-agent", os.X_OK)
    assert not list(tmp_path.rglob("evil"))
    (settings,) = client.started
    assert (settings["entrypoint"], settings["network_mode"]) == (["/bin/sh"], "none")


def test_image_that_was_collected_is_not_run_again(
    prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = use(Client(tmp_path, prefix / "sbin"), monkeypatch)
    first = mesos_source.collect("me/mesos:1", quiet)
    assert mesos_source.collect("me/mesos:1", quiet) == first
    assert len(client.started) == 1


def test_image_without_mesos_is_a_usage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(Client(tmp_path), monkeypatch)
    with pytest.raises(UsageError, match="no Mesos in the image me/mesos:1: no mesos-master in PATH"):
        mesos_source.collect("me/mesos:1", quiet)


def test_image_that_is_nowhere_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(Client(tmp_path), monkeypatch)
    said: list[str] = []
    with pytest.raises(HostError, match="me/other:1 is not on this machine and cannot be pulled: no route to host"):
        mesos_source.collect("me/other:1", said.append)
    assert said == ["Pulling me/other:1"]


def test_image_for_another_processor_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(Client(tmp_path, architecture="arm64"), monkeypatch)
    with pytest.raises(HostError, match="is for arm64, and appliances that are built here are for amd64"):
        mesos_source.collect("me/mesos:1", quiet)


def test_image_without_a_shell_is_a_usage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(Client(tmp_path, shell=False), monkeypatch)
    with pytest.raises(UsageError, match="No shell runs in me/mesos:1"):
        mesos_source.collect("me/mesos:1", quiet)


@pytest.mark.parametrize("name", ["", "A b", "https://me/x"])
def test_what_is_neither_directory_nor_image_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError):
        mesos_source.parse(name)


def test_script_is_small_enough_to_be_an_argument() -> None:
    # Linux takes no single argument above 128 KiB.
    assert len(mesos_source.SCRIPT.read_bytes()) < 64 * 1024


def _c_library() -> bytes:
    listed = subprocess.run(["ldd", shutil.which("true") or "/bin/true"], capture_output=True, text=True, check=True)
    (path,) = (line.split()[2] for line in listed.stdout.splitlines() if "libc.so.6 =>" in line)
    return Path(path).read_bytes()
