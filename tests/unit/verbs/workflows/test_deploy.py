"""deploy, against the leader's own program and rsync; ssh and docker are stand-ins that run all of it here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import ROOT
from toilctl.system import playbooks as runner
from toilctl.values import tags
from toilctl.values.cluster import Cluster, Engine, Node, Role
from toilctl.values.errors import ConflictError, ConnectError, NotFoundError, PartialError, UsageError
from toilctl.values.node_types import NodeType
from toilctl.verbs.checks import key_pairs
from toilctl.verbs.connect import ask_leader, rsync_cluster, send_files
from toilctl.verbs.provisioner import Provisioner
from toilctl.verbs.workflows import deploy, git_revision, toil_mismatch
from toilctl.verbs.workflows.deploy import Deployed
from toilctl.workflows.command_line import WorkflowCommand
from toilctl.workflows.deployment import SourceKind
from toilctl.workflows.projects import ToilWish

PROGRAM = ROOT / "roles/appliance/files"
TOIL = version("toil")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
LEADER = Node(
    "i-1", Role.LEADER, NodeType(("t2.medium",)), "t2.medium", "running", "us-west-2a", "172.31.0.5", "54.1.2.3",
    False, "",
)  # fmt: skip
WORKER = replace(LEADER, instance_id="i-2", role=Role.WORKER)
SETTINGS = {
    tags.ENGINE: "mesos", tags.KEY_PAIR_NAME: "k", tags.LEADER_NODE_TYPE: "t2.medium",
    tags.APPLIANCE: "quay.io/ucsc_cgl/toil:9.6.0-py3.11", tags.WORKERS: "c4.large:0.1=0",
}  # fmt: skip
CLUSTER = Cluster("my", "us-west-2", "0123abcd", "sg-1", SETTINGS, (LEADER,))

SSH = """#!/bin/bash
echo "$@" >> "{log}"
while [[ "$1" != *54.1.2.3 ]]; do shift; done
shift
exec sh -c "$*"
"""
SUDO = '#!/bin/bash\n[ "$1" = -n ] && shift\nexec "$@"\n'
DOCKER = """#!/bin/bash
[ "$1" = exec ] || exit 1
export PATH="{bin}:$PATH" PYTHONPATH="{program}" TOILCTL_WORKFLOWS_DIR="{root}" TOIL_APPLIANCE_SELF=example.org/toil:1
export PIP_NO_INDEX=1 PIP_CONFIG_FILE=/dev/null TOILCTL_CLUSTER_FILE=/none
unset PIP_FIND_LINKS
shift 3
exec "$@"
"""


@dataclass
class Here:
    """A leader made of this machine's own processes."""

    root: Path
    log: Path
    cluster: Cluster = CLUSTER

    def deploy(self, path: Path | str, **more: Any) -> Deployed:
        cluster = more.pop("cluster", self.cluster)
        options = {"name": None, "requirements": None, "wheelhouse": None, **more}
        return deploy.carry_out(deploy.plan(str(path), **options), cluster, None, Provisioner())

    def connections(self, what: str) -> int:
        """Return how many connections were made for something."""
        return sum(what in line for line in self.log.read_text().splitlines()) if self.log.exists() else 0

    def source(self, name: str) -> Path:
        return self.root / "deployed" / name / "source"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    stand_ins, root, log = tmp_path / "bin", tmp_path / "leader", tmp_path / "connections"
    stand_ins.mkdir()
    for name, text in (
        ("ssh", SSH.format(log=log)), ("sudo", SUDO),
        ("docker", DOCKER.format(bin=Path(sys.executable).parent, program=PROGRAM, root=root)),
    ):  # fmt: skip
        (stand_ins / name).write_text(text)
        (stand_ins / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{stand_ins}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("TOILCTL_CONNECT_ADDRESS", raising=False)
    monkeypatch.setattr("toilctl.verbs.connect.ssh_cluster.session_key", lambda *_: None)
    return Here(root, log)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A script that imports a module beside it; another one lies there as well."""
    directory = tmp_path / "flow"
    directory.mkdir()
    (directory / "count.py").write_text("import words\n")
    (directory / "words.py").write_text("")
    (directory / "other.py").write_text("")
    return directory / "count.py"


def wheel(directory: Path, name: str, *needs: str, **files: str) -> Path:
    directory.mkdir(exist_ok=True)
    path, about = directory / f"{name}-1.0-py3-none-any.whl", f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as out:
        for file, text in files.items():
            out.writestr(file.replace("__", "."), text)
        out.writestr(f"{about}/METADATA", "\n".join(
            [f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0", *(f"Requires-Dist: {one}" for one in needs), ""]
        ))  # fmt: skip
        out.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        out.writestr(f"{about}/entry_points.txt", f"[console_scripts]\n{name} = {name}:main\n")
        out.writestr(f"{about}/RECORD", "")
    return path


def test_script_is_sent_with_what_it_imports_and_its_command_is_told(here: Here, script: Path) -> None:
    done = here.deploy(script)
    assert (done.name, done.kind, done.changed, done.native) == ("count", SourceKind.SCRIPT, True, False)
    assert done.files == done.sent == ("count.py", "words.py")
    assert sorted(path.name for path in here.source("count").iterdir()) == ["count.py", "words.py"]
    assert done.commands == ("toilctl run my -- python count.py aws:us-west-2:count-jobstore",)
    assert (done.toil, done.python.startswith(PYTHON)) == (TOIL, True)


def test_leader_that_asks_for_what_was_not_planned_gets_nothing(
    here: Here, script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (script.parent / ".aws").mkdir()
    (script.parent / ".aws/credentials").write_text("aws_secret_access_key = x")
    honest = ask_leader.answered

    def hostile(text: str, verb: str) -> Any:
        return honest(text, verb) | ({"lacking": [".aws/credentials"]} if verb.endswith("prepare") else {})

    monkeypatch.setattr(ask_leader, "answered", hostile)
    with pytest.raises(ConflictError, match=r"asks for '\.aws/credentials', which is no part of this deployment"):
        here.deploy(script)
    assert here.connections("rsync") == 0
    assert not list(here.root.rglob("credentials"))


def test_same_again_asks_once_and_sends_nothing(here: Here, script: Path) -> None:
    here.deploy(script)
    before = here.connections("toil_leader")
    again = here.deploy(script)
    assert (again.changed, again.sent, again.files) == (False, (), ("count.py", "words.py"))
    assert here.connections("toil_leader") == before + 1


def test_only_what_changed_is_sent(here: Here, script: Path) -> None:
    here.deploy(script)
    script.write_text("import other\n")
    done = here.deploy(script)
    assert (done.sent, done.removed, done.changed) == (("count.py", "other.py"), ("words.py",), True)
    assert (here.source("count") / "count.py").read_text() == "import other\n"


def test_names_with_spaces_and_links_arrive(here: Here, tmp_path: Path) -> None:
    (tmp_path / "flow/pkg").mkdir(parents=True)
    (tmp_path / "flow/pkg/main.py").write_text("")
    (tmp_path / "flow/pkg/my data: 1.txt").write_text("1")
    (tmp_path / "elsewhere.py").write_text("x = 1")
    (tmp_path / "flow/pkg/linked.py").symlink_to(tmp_path / "elsewhere.py")
    done = here.deploy(tmp_path / "flow")
    assert set(done.sent) == {"pkg/main.py", "pkg/my data: 1.txt", "pkg/linked.py"}
    linked = here.source("flow") / "pkg/linked.py"
    assert (linked.read_text(), linked.is_symlink()) == ("x = 1", False)


def test_wheelhouse_is_sent_once_and_installed_from(here: Here, tmp_path: Path) -> None:
    house = tmp_path / "wheels"
    path = wheel(tmp_path / "dist", "tallies", "tabular", tallies__py="def main(): pass")
    wheel(house, "tabular", tabular__py="")
    done = here.deploy(path, wheelhouse=house)
    assert done.packages == {"tallies": "1.0", "tabular": "1.0"}
    assert set(done.sent) == {"tallies-1.0-py3-none-any.whl", "tabular-1.0-py3-none-any.whl"}
    assert done.commands == ("toilctl run my -- tallies aws:us-west-2:tallies-jobstore",)
    assert here.deploy(path, wheelhouse=house).sent == ()


def test_name_that_was_something_else_is_said(here: Here, script: Path) -> None:
    here.deploy(script, name="flow")
    assert here.deploy(script.parent / "other.py", name="flow").replaced == str(script)
    assert here.deploy(script.parent / "other.py", name="flow").replaced == ""


def test_toil_that_a_project_declares_is_compared_before_anything_is_sent(here: Here, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "old"\ndependencies = ["toil[aws]==8.0.0"]')
    (tmp_path / "old.py").write_text("")
    with pytest.raises(ConflictError, match=rf"pyproject\.toml asks for toil\[aws\]==8\.0\.0, and .* {TOIL}") as caught:
        here.deploy(tmp_path)
    assert here.connections("rsync") == 0
    assert caught.value.facts["toil_needed"] == "8.0.0"
    image = f"quay.io/ucsc_cgl/toil:8.0.0-py{PYTHON}"
    assert caught.value.facts["appliance_image"] == image
    assert caught.value.next_step.splitlines()[0].endswith(
        "toilctl launch-cluster OTHER-NAME -z us-west-2a --key-pair-name k --leader-node-type t2.medium "
        f"--node-types c4.large:0.1 --engine mesos --appliance {image}"
    )
    assert caught.value.next_step.endswith("the same deploy with --match-appliance")


def test_toil_that_only_pip_finds_out_about_is_refused_the_same_way(here: Here, tmp_path: Path) -> None:
    path = wheel(tmp_path / "dist", "old", "toil==8.0.0", old__py="")
    with pytest.raises(ConflictError, match=r"needs Toil 8\.0\.0") as caught:
        here.deploy(path)
    assert (caught.value.facts["toil_needed"], caught.value.facts["needed_by"]) == ("8.0.0", "old")
    assert "launch-cluster OTHER-NAME" in caught.value.next_step
    assert caught.value.facts["log"].endswith("install.log")


def test_package_that_is_not_to_be_had_is_not_found(here: Here, script: Path, tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("no-such-package-at-all\n")
    with pytest.raises(NotFoundError, match="no-such-package-at-all"):
        here.deploy(script, requirements=tmp_path / "r.txt")


def test_package_that_is_no_path_is_said(here: Here, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel(tmp_path / "wheels", "tabular", tabular__py="")
    assert here.deploy("tabular", wheelhouse=tmp_path / "wheels").packages == {"tabular": "1.0"}
    assert "no file or directory tabular here" in capsys.readouterr().err


def test_unreadable_file_is_named_before_anything_is_asked(
    here: Here, script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("toilctl.workflows.trees.digest", refuse)
    with pytest.raises(UsageError, match=r"count\.py could not be read: Permission denied"):
        here.deploy(script)
    assert here.connections("") == 0


def test_file_that_is_gone_when_it_is_sent_is_named(here: Here, script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = rsync_cluster.environment

    def lose() -> dict[str, str]:
        (script.parent / "words.py").unlink()
        return environment()

    monkeypatch.setattr("toilctl.verbs.connect.rsync_cluster.environment", lose)
    with pytest.raises(UsageError, match=r"words\.py could not be copied: No such file"):
        here.deploy(script)


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        ('rsync: [sender] send_files failed to open "/a/b c": Permission denied (13)', UsageError, "/a/b c could not"),
        ('file has vanished: "/a/b"', UsageError, "/a/b was removed"),
        ('rsync: [receiver] write failed on "/x": No space left on device (28)', ConflictError, "could not take /x"),
        ("rsync error: timeout in data send/receive (code 30)", ConnectError, "did not reach the leader: rsync error"),
        # openrsync's, on macOS.
        ("rsync(4242): error: /a/b c: open: Permission denied", UsageError, "/a/b c could not be copied: Permission"),
        ("rsync(4242): error: '/a/b': (l)stat: No such file or directory", UsageError, "/a/b could not be copied: No"),
    ],
)
def test_rsyncs_words_become_a_sentence(said: str, kind: type[Exception], text: str) -> None:
    error = send_files._failure(23, f"{said}\n")
    assert isinstance(error, kind)
    assert text in str(error)


def test_names_that_openrsync_takes_for_comments_are_sent() -> None:
    names = ["#sort.py#", ";x", "a#b", "deep/#c"]
    assert [send_files._listed(name) for name in names] == [b"./#sort.py#", b"./;x", b"a#b", b"deep/#c"]


@pytest.fixture
def playbooks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., list[str]]:
    """Let no playbook run; the answer is what ran, and with what failures it shall end."""
    ran: list[str] = []

    def let(*failures: runner.Failure) -> list[str]:
        def run(playbook: str, *_: Any, **__: Any) -> runner.PlaybookResult:
            ran.append(playbook)
            return runner.PlaybookResult(not failures, failures, {}, tmp_path / "log")

        monkeypatch.setattr(runner, "run", run)
        monkeypatch.setattr(key_pairs, "of_cluster", lambda *_: key_pairs.PrivateKey(Path("/k.pem")))
        return ran

    return let


def test_native_packages_go_to_the_workers_that_there_are(
    here: Here, tmp_path: Path, playbooks: Callable[..., list[str]]
) -> None:
    ran = playbooks()
    path = wheel(tmp_path / "dist", "compiled", core__so="")
    done = here.deploy(path)
    assert (done.native, done.on_workers, ran) == (True, True, [])
    here.deploy(path, cluster=replace(CLUSTER, nodes=(LEADER, WORKER)))
    assert ran == ["deployments.yml"]


def test_worker_that_could_not_get_them_is_named(
    here: Here, tmp_path: Path, playbooks: Callable[..., list[str]]
) -> None:
    playbooks(runner.Failure("i-2", "Bring them", "no route", unreachable=True))
    with pytest.raises(PartialError, match=r"'compiled' is on the leader, but .* i-2: no route") as caught:
        here.deploy(wheel(tmp_path / "dist", "compiled", core__so=""), cluster=replace(CLUSTER, nodes=(LEADER, WORKER)))
    assert caught.value.facts["workers"] == ["i-2"]


def test_cluster_that_is_being_destroyed_gets_nothing(here: Here, script: Path) -> None:
    with pytest.raises(ConflictError, match="being destroyed"):
        here.deploy(script, cluster=replace(CLUSTER, settings={**SETTINGS, tags.STATE: tags.DESTROYING}))
    assert here.connections("") == 0


@pytest.mark.parametrize(
    ("requirement", "fits"),
    [
        ("toil", True), ("toil>=9", True), ("toil[cwl]==9.6.0", True), ("toil<9", False), ("toil==9.5.0", False),
        ("toil==8; python_version<'3.9'", True), ("toil @ git+https://github.com/DataBiosphere/toil@x", False),
    ],
)  # fmt: skip
def test_toil_fits_or_does_not(requirement: str, fits: bool) -> None:
    wishes = [ToilWish(requirement, "setup.py")]
    if fits:
        toil_mismatch.check(CLUSTER, wishes, "9.6.0", "3.11.2")
        return
    with pytest.raises(ConflictError, match=r"setup\.py asks for"):
        toil_mismatch.check(CLUSTER, wishes, "9.6.0", "3.11.2")


@pytest.mark.parametrize(
    ("image", "engine", "needed", "expected"),
    [
        ("quay.io/ucsc_cgl/toil:9.6.0-py3.11", Engine.MESOS, "8.0.0", "quay.io/ucsc_cgl/toil:8.0.0-py3.11"),
        ("host:5000/mirror/toil:9.6.0-abc-py3.11", Engine.SLURM, "8.0.0", "host:5000/mirror/toil:8.0.0-py3.11"),
        ("registry.internal:5000/toilctl/appliance:573ff805", Engine.MESOS, "8.0", "quay.io/ucsc_cgl/toil:8.0-py3.11"),
        ("registry.internal:5000/toilctl/appliance:573ff805", Engine.SLURM, "8.0.0", None),
        ("quay.io/ucsc_cgl/toil:9.6.0-py3.11", Engine.MESOS, "<9", None),
    ],
)
def test_image_that_has_the_toil(image: str, engine: Engine, needed: str, expected: str | None) -> None:
    assert toil_mismatch.image_with(image, needed, "3.11.2", engine) == expected


def test_slurm_cluster_is_told_to_build_its_appliance() -> None:
    settings = {**SETTINGS, tags.ENGINE: "slurm", tags.APPLIANCE: "registry.internal:5000/toilctl/appliance:573ff805"}
    error = toil_mismatch.conflict(replace(CLUSTER, settings=settings), "It needs another.", "8.0.0", "9.6.0", "3.11.2")
    assert "toilctl appliance build --toil-version 8.0.0 --tag IMAGE --push" in error.next_step
    assert "--engine slurm --appliance IMAGE" in error.next_step
    assert error.facts["appliance_image"] is None


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        ("v3.2.1-0-gabc123", "3.2.1"), ("v3.2.1-5-gabc123", "3.2.1.post5"), ("release-1.0-2-g0a", "1.0.post2"),
        ("2.0rc1-0-g0a", "2.0rc1"), ("nightly-7-2-g0", "7.post2"), ("v1_weird-1-g0", ""), ("", ""),
    ],
)  # fmt: skip
def test_version_is_that_of_the_last_tag(described: str, expected: str) -> None:
    assert git_revision.version_of(described) == expected


def test_commit_is_gits_and_missing_without_it(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    git = ("git", "-C", str(tmp_path / "plain"), "-c", "user.name=me", "-c", "user.email=me@here")
    subprocess.run([*git, "init", "-q"], check=True)
    assert git_revision.of(tmp_path / "plain") == git_revision.Revision()
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    subprocess.run([*git, "tag", "v1.2"], check=True)
    found = git_revision.of(tmp_path / "plain")
    assert (len(found.commit), found.version) == (40, "1.2")


def test_commands_of_toils_runners_take_the_job_store_as_an_option() -> None:
    (command,) = deploy.commands(CLUSTER, "cwl", ["toil-cwl-runner"])
    assert command == "toilctl run my -- toil-cwl-runner --jobStore aws:us-west-2:cwl-jobstore WORKFLOW.cwl INPUTS.yml"


def test_value_is_what_json_has(here: Here, script: Path) -> None:
    from toilctl.cli.base import render

    assert json.loads(json.dumps(render.plain(here.deploy(script))))["kind"] == "script"


def test_proposed_job_store_is_one_that_run_takes_whatever_the_name() -> None:
    (command,) = deploy.commands(CLUSTER, "tutorial_services", ["python tutorial_services.py"])
    assert command == "toilctl run my -- python tutorial_services.py aws:us-west-2:tutorial-services-jobstore"
    assert str(WorkflowCommand.parse(command.split()[4:]).job_store) == "aws:us-west-2:tutorial-services-jobstore"
