"""What --shared takes."""

from __future__ import annotations

import pytest

from toilctl.system import variables
from toilctl.values.errors import UsageError
from toilctl.values.shared_storage import MOUNT_POINT, Shared


@pytest.mark.parametrize(
    ("text", "path", "efs_id"),
    [
        ("nfs", "/shared", None),
        ("efs:fs-0123abcd", "/shared", "fs-0123abcd"),
        ("efs:fs-0123456789abcdef0", "/shared", "fs-0123456789abcdef0"),
        ("/mnt/data", "/mnt/data", None),
        ("/shared", "/shared", None),
    ],
)
def test_what_is_written_says_where_it_is(text: str, path: str, efs_id: str | None) -> None:
    shared = Shared.parse(text)
    assert (str(shared), shared.path, shared.efs_id) == (text, path, efs_id)
    assert Shared.parse(str(shared)) == shared


def test_trailing_slash_is_no_other_file_system() -> None:
    assert Shared.parse("/mnt/data/") == Shared.parse("/mnt/data")


@pytest.mark.parametrize("text", ["", "NFS", "nfs:", "mnt/data", "efs", "s3://bucket", "nfs4"])
def test_what_is_no_file_system_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a shared file system"):
        Shared.parse(text)


@pytest.mark.parametrize("text", ["efs:", "efs:fs-xyz", "efs:0123abcd", "efs:fs-0123abcd:/sub", "efs:fs-0123ABCD"])
def test_what_is_no_efs_id_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not the id of an EFS file system"):
        Shared.parse(text)


@pytest.mark.parametrize("text", ["/mnt/a b", "/mnt/../etc", "/mnt/./x", "/mnt//x", "/a:b", "/a,b", "/ä", "/a\n"])
def test_path_that_fstab_or_docker_would_misread_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="cannot be the path"):
        Shared.parse(text)


@pytest.mark.parametrize(
    "text", ["/", "/etc", "/etc/toilctl", "/usr/local/data", "/var", "/var/lib/toil", "/opt", "/tmp/x"]
)
def test_path_that_nodes_use_otherwise_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="nodes have files of their own in /"):
        Shared.parse(text)


@pytest.mark.parametrize("text", ["/etcetera", "/optional", "/opt2/toil", "/srv/x", "/home/lab", "/var/data"])
def test_path_beside_those_is_taken(text: str) -> None:
    assert Shared.parse(text).path == text


def test_roles_mount_where_the_command_line_says() -> None:
    assert f"'{MOUNT_POINT}' if" in variables.defaults()["shared_path"]
