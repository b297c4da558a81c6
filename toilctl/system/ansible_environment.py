"""The environment of Ansible where toilctl runs it: the user's own, without what would configure Ansible."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from toilctl.system import collections, own_directories, progress

OLD_AWS_NAMES: Final = ("AWS_URL", "AWS_ACCESS_KEY", "AWS_SECRET_KEY")
"""Of before the SDK: amazon.aws reads them, and would go elsewhere than toilctl, or with other credentials."""
_FOREIGN: Final = re.compile(
    r"_?ANSIBLE_.*"
    # Those of ansible-runner, which may come from the job of an AWX that runs toilctl.
    r"|AWX_.*|RUNNER_.*|AD_HOC_COMMAND_ID|JOB_ID|PROJECT_UPDATE_ID|MAX_EVENT_RES|ORIGINAL_STDOUT_CALLBACK"
    # It goes before LC_ALL for messages, which are looked at.
    r"|LANGUAGE"
)
_LOCALE: Final = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
"""Ansible does not run in a locale that is not there, or is without UTF-8."""
_SHORT: Final = Path("/tmp")  # noqa: S108 - a directory below it is made, which is nobody else's
_ON_A_LEADER: Final = "TOILCTL_SELF"


def changes(own: Mapping[str, str], inherited: Mapping[str, str] | None = None) -> dict[str, str | None]:
    """Return how the environment of this process is to be changed for Ansible; None removes a variable.

    Whoever runs playbooks by hand has ansible.cfg and its own variables; here, what toilctl sets is all there is.

    :param own: what else is set.
    :param inherited: another environment than this process's, to begin with.
    """
    before = os.environ if inherited is None else inherited
    return {
        **{name: None for name in before if _FOREIGN.fullmatch(name) or name in OLD_AWS_NAMES},
        "LC_ALL": _LOCALE,
        # ansible-runner switches it off unless it is told.
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(map(str, collections.search_path())),
        # On macOS a forked process may not use what its parent's libraries began; Ansible forks for every task.
        "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES",
        # Each call of a module would be written between the decisions in the autoscaler's journal.
        **({"ANSIBLE_NO_TARGET_SYSLOG": "True"} if _ON_A_LEADER in before else {}),
        **own,
    }


def of_run(root: Path, region: str, cluster: str, intent: str) -> dict[str, str]:
    """Return what the variables of one run are.

    :param root: where playbooks, roles and inventory are.
    """
    # ansible-playbook is the one beside this Python, also where its bin directory is not on PATH.
    bin_dir = str(Path(sys.executable).parent)
    return {
        "PATH": os.pathsep.join([bin_dir, os.environ.get("PATH", os.defpath)]),
        "ANSIBLE_CONFIG": str(root / "ansible.cfg"),
        "TOILCTL_CLUSTER": cluster,
        "TOILCTL_REGION": region,
        "TOILCTL_INTENT": intent,
        **({"ANSIBLE_DEPRECATION_WARNINGS": "True"} if progress.debugging() else {}),
    }


@contextmanager
def directories() -> Iterator[dict[str, str]]:
    """Give variables by which Ansible keeps its files in a directory of this run, with a path as short as ssh wants.

    A socket's path has at most 103 characters on macOS and 107 on Linux (sys/un.h), and home directories are longer on
    some machines. TMPDIR is long itself on macOS.
    """
    with own_directories.of_run(_SHORT) as directory:
        yield {"ANSIBLE_HOME": str(directory), "ANSIBLE_SSH_CONTROL_PATH_DIR": str(directory / "cp")}
