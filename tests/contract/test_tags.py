"""The tags in YAML, templates and modules are those of toilctl/values/tags.py, and none of Toil's own."""

import re
from pathlib import Path

from tests.checkout import ROOT
from toilctl.values import tags

KNOWN = {value for name, value in vars(tags).items() if name.isupper() and isinstance(value, str)}
TAG = re.compile(r"(?<![\w/])toilctl:[a-z][a-z0-9-]*:?")
TOILS_OWN = ("clusterName", "ToilNodeType", "sshKeyName")


def ansible_files() -> list[Path]:
    suffixes = {".yml", ".py", ".j2", ".json"}
    files = [path for part in ("playbooks", "roles", "inventory") for path in (ROOT / part).rglob("*")]
    return [path for path in files if path.suffix in suffixes and "__pycache__" not in path.parts]


def test_tags_are_known() -> None:
    unknown = {
        (str(path.relative_to(ROOT)), tag)
        for path in ansible_files()
        for tag in TAG.findall(path.read_text())
        if tag.rstrip(":") not in KNOWN
    }
    assert unknown == set()


def test_no_tag_by_which_toils_provisioner_finds_nodes() -> None:
    guilty = [str(path) for path in ansible_files() if any(f"'{tag}'" in path.read_text() for tag in TOILS_OWN)]
    assert guilty == []
