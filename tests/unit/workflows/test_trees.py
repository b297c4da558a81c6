"""What of a directory is sent: no secrets, and nothing that git is told to ignore."""

from __future__ import annotations

from pathlib import Path

import pytest

from toilctl.values.errors import NotFoundError
from toilctl.workflows import deployment, trees

SECRET = (
    ".env", ".env.local", ".aws/credentials", ".ssh/id_rsa", "keys/id_ed25519", "keys/my.pem", ".netrc", ".npmrc",
    ".pypirc", ".git-credentials", ".docker/config.json", ".kube/config", "conf/tls.key",
)  # fmt: skip
SENT = (".env.example", "keys/id_ed25519.pub", "main.py", "pkg/__init__.py", "pkg/key.py", "pkg/table.csv")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "flow"
    write(root, *SENT)
    return root


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")


def test_secrets_stay_and_are_named(root: Path) -> None:
    write(root, *SECRET, ".git/config")
    found = trees.look(root)
    assert found.files == SENT
    assert found.left_out == (
        ".aws/", ".docker/", ".env", ".env.local", ".git-credentials", ".kube/", ".netrc", ".npmrc", ".pypirc", ".ssh/",
        "conf/tls.key", "keys/id_ed25519", "keys/my.pem",
    )  # fmt: skip


@pytest.mark.parametrize("target", [".aws/credentials", ".ssh/id_rsa", ".ssh", ".netrc", "keys/id_ed25519"])
def test_link_to_a_secret_stays_and_is_named_whatever_it_is_called(root: Path, tmp_path: Path, target: str) -> None:
    write(tmp_path / "home", target if target != ".ssh" else ".ssh/config", "shared/table.csv")
    (root / "data").symlink_to(tmp_path / "home" / target)
    (root / "shared").symlink_to(tmp_path / "home/shared")
    found = trees.look(root)
    assert found.files == tuple(sorted((*SENT, "shared/table.csv")))
    assert found.left_out == ("data/" if target == ".ssh" else "data",)
    assert set(trees.look(root, ["data"]).files) > set(found.files)


def test_module_that_is_a_link_to_a_secret_stays_and_is_named(root: Path, tmp_path: Path) -> None:
    write(tmp_path, ".aws/credentials")
    (tmp_path / ".aws/credentials").write_text("[default]\nkey = word")
    (root / "settings.py").symlink_to(tmp_path / ".aws/credentials")
    (root / "main.py").write_text("import settings")
    script = deployment.plan(str(root / "main.py"))
    assert (script.files, script.left_out) == (("main.py",), ("settings.py",))
    assert deployment.plan(str(root / "main.py"), include=["settings.py"]).files == ("main.py", "settings.py")


def test_what_git_ignores_stays_and_is_named(root: Path) -> None:
    write(root, "data/big.bam", "pkg/own.log", "keep.log", "build/x")
    (root / ".gitignore").write_text("*.log\n/data/\n!keep.log\n")
    found = trees.look(root)
    assert found.files == tuple(sorted((*SENT, ".gitignore", "keep.log")))
    assert found.left_out == ("data/", "pkg/own.log")


@pytest.mark.parametrize(
    ("include", "sent"),
    [
        (["data"], ["data/a", "data/deep/b"]),
        (["./data/"], ["data/a", "data/deep/b"]),
        (["data/deep/b"], ["data/deep/b"]),
        ([".env"], [".env"]),
        ([], []),
    ],
)
def test_what_is_asked_for_is_sent_and_no_more(root: Path, include: list[str], sent: list[str]) -> None:
    write(root, "data/a", "data/deep/b", ".env")
    (root / ".gitignore").write_text("data\n")
    found = trees.look(root, include)
    assert sorted({*found.files} - {*SENT, ".gitignore"}) == sent
    assert ("data/" in found.left_out) == (sent in ([], [".env"]))


def test_lists_of_the_repository_above_hold_too(tmp_path: Path) -> None:
    write(tmp_path, ".git/HEAD", "flows/flow/main.py", "flows/flow/big.bam", "flows/flow/local/x")
    (tmp_path / ".gitignore").write_text("*.bam\n")
    (tmp_path / "flows/.gitignore").write_text("/flow/local\n")
    assert trees.look(tmp_path / "flows/flow") == trees.Tree(("main.py",), ("big.bam", "local/"))


def test_lists_of_a_repository_that_ignores_the_whole_directory_do_not_count(tmp_path: Path) -> None:
    write(tmp_path, ".git/HEAD", "flow/main.py", "flow/x.log")
    (tmp_path / ".gitignore").write_text("*\n")
    (tmp_path / "flow/.gitignore").write_text("*.log\n")
    assert trees.look(tmp_path / "flow") == trees.Tree((".gitignore", "main.py"), ("x.log",))


def test_deployments_of_each_kind_leave_them_out(root: Path) -> None:
    write(root, ".env", "pkg/.env", "setup.py")
    (root / "main.py").write_text("import pkg")
    script = deployment.plan(str(root / "main.py"))
    assert (script.left_out, "pkg/.env" in script.files) == (("pkg/.env",), False)
    assert "pkg/.env" in deployment.plan(str(root / "main.py"), include=["pkg/.env"]).files
    assert deployment.plan(str(root)).left_out == (".env", "pkg/.env")
    (root / "setup.py").unlink()
    assert deployment.plan(str(root)).left_out == (".env", "pkg/.env")
    assert deployment.plan(str(root / "pkg")).left_out == ("pkg/.env",)


def test_what_is_asked_for_and_not_there_is_named(root: Path) -> None:
    with pytest.raises(NotFoundError, match=r"--include \.envv: .* has no such file"):
        deployment.plan(str(root), include=[".envv"])
