"""The leader that a workflow runs on, if it is one of toilctl's: its /etc/toilctl/cluster.yml."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

SETTINGS_FILE = "/etc/toilctl/cluster.yml"
SETTINGS_VARIABLE = "TOILCTL_CLUSTER_FILE"


@dataclass(frozen=True)
class LeaderSettings:
    """What the plugin needs to know of the cluster."""

    cluster: str
    engine: str
    autoscaled: bool
    """Whether an autoscaler runs here."""
    limited: bool = False
    """Whether the cluster has limits of its own."""
    aws_tags: str = ""
    """The owner and the user's own tags: a JSON object, in base64."""


def find() -> LeaderSettings | None:
    """Return the leader that this is, or None elsewhere."""
    try:
        text = Path(os.environ.get(SETTINGS_VARIABLE, SETTINGS_FILE)).read_text()
    except OSError:
        return None
    # The file is made by a template of one form; a YAML parser may be missing from a virtualenv.
    names = "cluster_name|engine|autoscaler|aws_tags"
    values = dict(re.findall(rf"^({names}): *['\"]?([\w+/=-]+)", text, re.MULTILINE))
    if "engine" not in values:
        return None
    limited = re.search(r"^limits:[ \n]*- ?\S", text, re.MULTILINE) is not None
    return LeaderSettings(
        values.get("cluster_name", ""), values["engine"], values.get("autoscaler") == "true", limited,
        values.get("aws_tags", ""),
    )  # fmt: skip
