"""What runs on a person's own machine needs neither Linux nor GNU's programs there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.checkout import ROOT

# The rehearsal cloud is for Linux, and the autoscaler and what nodes get run there.
ON_LINUX = {"local", "autoscaler", "nodes"}
# Its paths are those of nodes, where a file system may not be mounted.
OF_NODES = {"values/shared_storage.py"}
OF_LINUX = re.compile(r"^/(proc|sys|run|dev/shm)(/|$)")
# Of these modules, what only Linux has.
FUNCTIONS = re.compile(
    r"^os\.(sched_\w+|pidfd_\w+|eventfd\w*|memfd_\w+|splice|prlimit|getrandom|unshare|setns|epoll\w*)$"
    r"|^signal\.(SIGRT\w+|SIGPWR|SIGSTKFLT)$|^select\.epoll$|^socket\.AF_(NETLINK|PACKET|VSOCK)$"
)


def sources() -> list[Path]:
    package = ROOT / "toilctl"
    modules = [path for path in sorted(package.rglob("*.py")) if str(path.relative_to(package)) not in OF_NODES]
    return [path for path in modules if path.relative_to(package).parts[0] not in ON_LINUX]


def foreign(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and OF_LINUX.search(node.value):
            yield node.value
        if isinstance(node, ast.Attribute) and FUNCTIONS.search(ast.unparse(node)):
            yield ast.unparse(node)


def test_finder_finds() -> None:
    text = "import os\nos.sched_getaffinity(0)\nopen('/proc/self/stat')\nopen('/process')\n"
    assert list(foreign(ast.parse(text))) == ["os.sched_getaffinity", "/proc/self/stat"]


def test_nothing_outside_the_rehearsal_cloud_needs_linux() -> None:
    found = {str(path.relative_to(ROOT)): list(foreign(ast.parse(path.read_text()))) for path in sources()}
    assert len(found) > 100
    assert {path: names for path, names in found.items() if names} == {}
