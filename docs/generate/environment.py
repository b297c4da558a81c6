"""The environment variables that toilctl, its playbooks and its inventory read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from docs.generate.commands import walk
from docs.generate.markdown import code, page, plain, table
from toilctl.system import paths

_MEANINGS: Final = {
    "TOIL_APPLIANCE_SELF": "The appliance, before all other rules of Toil's.",
    "TOIL_DOCKER_REGISTRY": "The registry of Toil's appliance, by Toil's rules.",
    "TOIL_DOCKER_NAME": "The name of Toil's appliance, by Toil's rules.",
    "TOIL_CUSTOM_INIT_COMMAND": "A command for bash that each node runs once, before the appliance's image is pulled; "
    "workers that come later run it, too.",
    "TOIL_CUSTOM_DOCKER_INIT_COMMAND": "A command for bash that each container runs before its services start.",
    "TOILCTL_CONNECT_ADDRESS": "`private` connects to private addresses, such as from within the VPC.",
    "TOILCTL_BOOT_TIMEOUT_S": "Seconds that a new node may take until ssh answers.",
    "XDG_STATE_HOME": "Below it are known hosts, logs, kept journals, and the rehearsal cloud; `~/.local/state` unless "
    "set. Each has a rehearsal cloud of its own.",
    "XDG_CACHE_HOME": "Below it is what can be made again; `~/.cache` unless set.",
    "AWS_PROFILE": "As every AWS client has it. toilctl finds its credentials once, and asks for an MFA code then; "
    "playbooks get what it found.",
    "AWS_REGION": "As every AWS client has it.",
    "AWS_ENDPOINT_URL": "An AWS endpoint other than Amazon's own; nodes' jobs get it, too.",
    "TOIL_OWNER_TAG": "The tag `Owner`, unless `--owner` says otherwise; else that is the key pair's name.",
    "TOIL_AWS_TAGS": 'A JSON object of tags for everything that is made, such as `{"project": "genomes"}`; '
    "`--tag` counts before it.",
}
"""What a person may set; options say by themselves what theirs do."""
_FOR_PLAYBOOKS: Final = {
    "TOILCTL_CLUSTER": "The cluster that the inventory shows.",
    "TOILCTL_REGION": "The region that it is in.",
    "TOILCTL_INTENT": "This run's name: a repetition launches nothing twice, and the inventory shows the leader and "
    "the nodes of this run alone.",
    "TOILCTL_SELF": "The leader's own instance id, where the autoscaler runs playbooks: that host is reached without "
    "ssh.",
    "TOILCTL_INSECURE_REGISTRIES": "Registries to be reached without TLS; `toilctl local env` sets it.",
    "TOILCTL_ENGINE_CAPACITY_FORCED": "Whether nodes count as their instance type, whatever the host has; "
    "`toilctl local env` sets it.",
}
_INTERNAL: Final = {"TOILCTL_AUTOSCALER_SETTINGS", "TOILCTL_AUTOSCALER_STATE_DIR", "HOME", "TOILCTL_DEMAND_DIR",
                    "TOILCTL_REHEARSED"}  # fmt: skip
"""Read by what runs on leaders, from its unit; HOME is nobody's choice."""
_READ: Final = (
    re.compile(r"(?:environ|environment)(?:\.get\(|\[)\s*\"(\w+)\""),
    re.compile(r"\"(XDG_\w+_HOME|TOIL_[A-Z_]+|TOILCTL_[A-Z_]+)\""),
    re.compile(r"lookup\('ansible\.builtin\.env', '(\w+)'\)"),
)
_OURS: Final = re.compile(r"(AWS|TOIL|TOILCTL|XDG)_\w+|HOME")


def text() -> str:
    """Return the page."""
    options = _of_options()
    known = options.keys() | _MEANINGS.keys() | _FOR_PLAYBOOKS.keys() | _INTERNAL
    if strange := set(_read()) ^ known:
        raise SystemExit(f"docs/generate/environment.py and the code do not speak of the same: {sorted(strange)}")
    return page(
        "Environment",
        "## In place of options",
        table(("variable", "is"), ((code(name), ", ".join(found)) for name, found in sorted(options.items()))),
        "## For all that toilctl does",
        table(("variable", "means"), ((code(name), plain(about)) for name, about in _MEANINGS.items())),
        "AWS's other variables, such as `AWS_ACCESS_KEY_ID`, hold as with every AWS client.",
        "## For playbooks and the inventory",
        table(("variable", "means"), ((code(name), plain(about)) for name, about in _FOR_PLAYBOOKS.items())),
    )


def _of_options() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, command in walk():
        for one in command.params:
            if one.envvar:
                said = f"`{one.opts[0]}`" if one.name in ("provisioner", "zone") else f"`{one.opts[0]}` of `{name}`"
                if said not in found.setdefault(one.envvar, []):
                    found[one.envvar].append(said)
    return found


def _read() -> Iterator[str]:
    """Yield the names that code of the control side, playbooks and inventory read."""
    root = paths.ansible_dir()
    rooms = (one for one in (root / "toilctl").iterdir() if one.is_dir() and one.name not in ("local", "nodes"))
    files = [
        *sorted(path for room in rooms for path in room.rglob("*.py")),
        *sorted((root / "inventory").rglob("*.yml")),
        *sorted((root / "playbooks").glob("*.yml")),
    ]
    for path in files:
        for pattern in _READ:
            yield from (name for name in pattern.findall(path.read_text()) if _OURS.fullmatch(name))
