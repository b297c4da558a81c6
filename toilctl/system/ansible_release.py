"""Whether the Ansible beside toilctl is one that the playbooks, roles and inventory are tried with."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from packaging.version import Version

from toilctl.system import collections, variables
from toilctl.values.errors import HostError

_CORE: Final = "ansible-core"
_COLLECTION: Final = "amazon.aws"


def require_supported() -> None:
    """Check ansible-core and the collection that knows EC2, as group_vars/all.yml has their ranges.

    :raises HostError: when one is not installed, or its release is outside its range.
    """
    try:
        core = version(_CORE)
    except PackageNotFoundError:
        raise _refused(f"There is no {_CORE} beside this toilctl.") from None
    _require(_CORE, core, variables.defaults()["supported_core"])
    _require(_COLLECTION, collections.version(_COLLECTION), variables.defaults()["supported_amazon_aws"])


def _require(name: str, have: str, supported: Mapping[str, str]) -> None:
    since, before = supported["since"], supported["before"]
    # Without what makes a release a preview: 2.22.0rc1 is of 2.22 already.
    if not Version(since).release <= Version(have).release < Version(before).release:
        raise _refused(f"This is {name} {have}; toilctl needs {since} or later, before {before}.", version=have)


def _refused(message: str, **facts: str) -> HostError:
    install = f"pip install '{variables.defaults()['supported_ansible']}'"
    return HostError(message, f"Install toilctl in a virtualenv of its own, or in this one: {install}.", **facts)
