"""The plugins of Ansible's collections that our playbooks, roles and inventory use; a contract test compares them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from toilctl.values.errors import HostError

PLUGINS: Final = (
    "amazon.aws.aws_ec2",
    "amazon.aws.ec2_key_info",
    "ansible.posix.mount",
    "ansible.posix.synchronize",
    "community.docker.docker_container",
    "community.general.collection_version",
    "community.general.filesystem",
)
_USUAL: Final = ("~/.ansible/collections", "/usr/share/ansible/collections")
_INSIDE: Final = "ansible_collections"
_SHARED: Final = ("module_utils", "plugin_utils", "doc_fragments")
_ABOUT: Final = ("MANIFEST.json", "galaxy.yml", "meta/runtime.yml", "COPYING", "LICENSE")


def files() -> dict[str, Path]:
    """Return where the files of ``PLUGINS`` are, by their paths below site-packages.

    :raises HostError: when a collection is not installed here, or lacks the plugin.
    """
    found: dict[str, Path] = {}
    for plugin in PLUGINS:
        namespace, collection, name = plugin.split(".")
        root = _locate(f"{namespace}/{collection}", plugin)
        chosen = {*_of_plugin(root, name, plugin), *_of_collection(root)}
        target = f"{_INSIDE}/{namespace}/{collection}"
        found |= {f"{target}/{path.relative_to(root).as_posix()}": path for path in chosen}
    return found


def version(collection: str) -> str:
    """Return the release of a collection, such as amazon.aws, as Ansible would use it.

    :raises HostError: when it is not installed here, or does not say its release.
    """
    root = _locate(collection.replace(".", "/"), f"{collection}.*")
    try:
        return str(json.loads((root / "MANIFEST.json").read_text())["collection_info"]["version"])
    except (OSError, ValueError, LookupError) as error:
        next_step = f"Install a release of it (ansible-galaxy collection install {collection}), and try again."
        raise HostError(f"{root} does not say which release it is.", next_step) from error


def search_path() -> tuple[Path, ...]:
    """Return where Ansible is to look for collections: beside toilctl first, then in its own usual places."""
    places = (Path(place) for place in [*sys.path, *_USUAL] if place)
    return tuple(place for place in (place.expanduser() for place in places) if (place / _INSIDE).is_dir())


def _locate(collection: str, plugin: str) -> Path:
    for place in search_path():
        root = place / _INSIDE / collection
        if (root / "plugins").is_dir():
            return root
    raise _missing(plugin)


def _of_plugin(root: Path, name: str, plugin: str) -> list[Path]:
    found = [path for path in root.glob(f"plugins/*/{name}.*") if path.suffix in {".py", ".yml", ".yaml"}]
    if not found:
        raise _missing(plugin)
    return found


def _of_collection(root: Path) -> Iterator[Path]:
    yield from (root / name for name in _ABOUT if (root / name).is_file())
    for kind in _SHARED:
        found = (root / "plugins" / kind).rglob("*")
        yield from (path for path in found if path.is_file() and path.suffix != ".pyc")


def _missing(plugin: str) -> HostError:
    collection = plugin.rpartition(".")[0]
    return HostError(
        f"Ansible's {plugin} is not installed here, and the leader needs a copy.",
        f"Install it (ansible-galaxy collection install {collection}, or pip install ansible), and try again.",
        plugin=plugin,
    )
