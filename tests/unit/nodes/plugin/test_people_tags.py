"""The cluster's owner and tags, for the buckets that Toil makes on a leader."""

from __future__ import annotations

import base64
import importlib
import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

LEADER = "cluster_name: my\nengine: slurm\naws_tags: {}\n"


@pytest.fixture
def install(plugin: ModuleType, cluster_file: Path) -> Any:
    """Make this a leader with such settings, and let the plugin look."""
    module = importlib.import_module("toilctl_plugin.people_tags")

    def begin(settings: str) -> str:
        cluster_file.write_text(settings)
        module.install()
        return os.environ["TOIL_AWS_TAGS"]

    return begin


def encoded(tags: object) -> str:
    return LEADER.format(base64.b64encode(json.dumps(tags).encode()).decode())


def test_toil_finds_the_clusters_tags(install: Any) -> None:
    from toil.lib.aws import build_tag_dict_from_env

    install(encoded({"Owner": "me", "project": "a long name with blanks: genomes/2026"}))
    assert build_tag_dict_from_env() == {"Owner": "me", "project": "a long name with blanks: genomes/2026"}


def test_users_own_word_counts_first(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOIL_AWS_TAGS", '{"mine": "x"}')
    assert install(encoded({"Owner": "me"})) == '{"mine": "x"}'


@pytest.mark.parametrize(
    "settings",
    [
        encoded({}), encoded([]), encoded("x"), encoded({"a": 1, "b": "x\ny", "c": "#"}), LEADER.format("!"),
        LEADER.format("abc"), LEADER.format(base64.b64encode(b"\xff").decode()), "cluster_name: my\nengine: slurm\n",
    ],
)  # fmt: skip
def test_what_toil_or_s3_would_stumble_over_is_left_out(install: Any, settings: str) -> None:
    assert install(settings) == ""
