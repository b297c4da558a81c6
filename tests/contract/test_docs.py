"""The manual says what the code says: pages that are made of it, links, names of modules and files, permissions."""

import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import botocore.session
import pytest
import yaml
from botocore import xform_name

from docs.generate import permissions, roles
from tests.checkout import ROOT
from tests.contract.manual import PAGES, README, included, prose
from toilctl.values import policies

REFERENCE = ROOT / "docs/reference"
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]*)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
PATHS = re.compile(r"`((?:toilctl|roles|playbooks|inventory|tests|docs|demo|\.ci)/[\w./*-]*)`")
OF_ROLE = re.compile(r"`((?:defaults|files|library|meta|tasks|templates|vars|\w+_plugins)/[\w./*-]+)`")
MODULES = re.compile(r"`(toilctl(?:\.[a-z_]+)+)`")
# Words that boto3 has as methods of the services that are spoken to, and what IAM calls these services.
SERVICES = {
    "ec2": "ec2", "iam": "iam", "ssm": "ssm", "sts": "sts", "service-quotas": "servicequotas",
    "efs": "elasticfilesystem", "pricing": "pricing",
}  # fmt: skip
IMPLIED = {
    "ec2:RunInstances", "iam:PassRole", "iam:TagInstanceProfile", "kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey",
    "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncrypt*",
}  # fmt: skip
"""What another call needs: CreateFleet launches, passes a role and encrypts disks; a profile is made with tags."""

FREE = {"sts:GetCallerIdentity"}
"""What everybody may ask."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("reference")
    subprocess.run([sys.executable, "-m", "docs.generate", directory], cwd=ROOT, check=True)
    return directory


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_reference_has_the_pages_that_are_made(made: Path) -> None:
    assert names(REFERENCE) == names(made), "run make docs"


@pytest.mark.parametrize("name", sorted(names(REFERENCE)))
def test_page_of_the_reference_is_what_the_code_says(name: str, made: Path) -> None:
    fresh = (made / name).read_text() if (made / name).is_file() else None
    assert fresh == (REFERENCE / name).read_text(), f"docs/reference/{name} is stale: run make docs, and commit it"


def test_reference_does_not_depend_on_the_terminal_or_the_place(made: Path, tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "COLUMNS": "40", "HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    subprocess.run([sys.executable, "-m", "docs.generate", tmp_path / "again"], cwd=ROOT, env=environment, check=True)
    for path in made.iterdir():
        assert (tmp_path / "again" / path.name).read_text() == path.read_text()
        assert str(ROOT) not in path.read_text()


@pytest.mark.parametrize("role", roles.names())
def test_readme_of_a_role_has_its_tasks_and_variables_as_argument_specs_have_them(role: str) -> None:
    path = ROOT / "roles" / role / "README.md"
    readme = path.read_text()
    assert roles.readmes()[path] == readme, f"{path.relative_to(ROOT)} is stale: run make docs, and commit it"
    entries = yaml.safe_load((path.parent / "meta/argument_specs.yml").read_text())["argument_specs"]
    marks = ["tasks", "variables"] if len(entries) > 1 else ["variables"]
    assert re.findall(r"<!-- (\w+): made by .* -->", readme) == re.findall(r"<!-- end of (\w+) -->", readme) == marks
    options = {name for entry in entries.values() for name in entry.get("options", {})}
    (made,) = re.findall(r"<!-- variables: .*?<!-- end of variables -->", readme, re.DOTALL)
    assert sorted(re.findall(r"^\| `(\w+)` \|", made, re.MULTILINE)) == sorted(options)


def slugs(path: Path) -> Iterator[str]:
    """Yield what GitHub and MyST call a page's headings."""
    for page in (path, *included(path)):
        for heading in HEADING.findall(prose(page)):
            yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        yield from ((page, target) for target in LINK.findall(prose(page)))


@pytest.mark.parametrize(("page", "target"), sorted(set(links())), ids=lambda one: str(one).replace(f"{ROOT}/", ""))
def test_link_leads_somewhere(page: Path, target: str) -> None:
    name, _, anchor = target.partition("#")
    path = (page.parent / name).resolve() if name else page
    assert path.exists()
    assert path.is_relative_to(ROOT)
    if anchor:
        assert anchor in set(slugs(path))


def test_every_page_can_be_reached() -> None:
    """From the README or from another page, and from the contents of the site."""
    linked = {(page.parent / target.partition("#")[0]).resolve() for page, target in links()}
    contents = {
        (page.parent / f"{name}.md").resolve()
        for page in PAGES
        for block in re.findall(r"^```\{toctree\}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
        for name in block.split()
        if not name.startswith(":")
    }
    site = {page for page in PAGES if page.is_relative_to(ROOT / "docs")} - {ROOT / "docs/index.md"}
    assert site - contents == set()
    assert {page for page in site if page.parent != REFERENCE} - linked - contents == set()
    assert README not in contents


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_modules_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text()
    assert [path for path in PATHS.findall(text) if not [*ROOT.glob(path.rstrip("/"))]] == []
    assert [name for name in MODULES.findall(text) if not resolves(name)] == []


@pytest.mark.parametrize("role", sorted((ROOT / "roles").iterdir()), ids=lambda role: role.name)
def test_files_that_a_role_names_exist(role: Path) -> None:
    named = OF_ROLE.findall((role / "README.md").read_text())
    assert [name for name in named if not [*role.glob(name)]] == []


def resolves(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return hasattr(importlib.import_module(module), attribute)
    return True


def test_rows_of_the_design_are_those_that_are_checked() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    told = re.findall(r"^In `([\w.]+)`:\n\n```text\n(.*?)```$", text, re.MULTILINE | re.DOTALL)
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    checked = {one["containers"][0]: one["layers"] for one in contracts if one["type"] == "layers"}
    assert {container: rows.splitlines() for container, rows in told} == checked


def test_every_package_is_on_the_map() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    packages = [path.parent.name for path in (ROOT / "toilctl").glob("*/__init__.py")]
    assert [name for name in packages if f"| `toilctl/{name}` |" not in text] == []


def called() -> dict[str, set[str]]:
    """The methods of AWS's clients that code of the control side and of roles names, with the actions they may be."""
    session = botocore.session.get_session()
    known: dict[str, set[str]] = {}
    for service, prefix in SERVICES.items():
        for operation in session.get_service_model(service).operation_names:
            known.setdefault(xform_name(operation), set()).add(f"{prefix}:{operation}")
    files = [
        *(ROOT / "roles").glob("*/library/*.py"),
        *(ROOT / "roles").glob("*/module_utils/*.py"),
        *(path for part in ("system", "verbs", "autoscaler") for path in (ROOT / "toilctl" / part).rglob("*.py")),
    ]
    words = {word for path in files for word in re.findall(r"\b[a-z]+(?:_[a-z0-9]+)+\b", path.read_text())}
    return {word: known[word] for word in words & known.keys()}


def allows(patterns: set[str], action: str) -> bool:
    return any(re.fullmatch(pattern.replace("*", ".*"), action) for pattern in patterns)


def test_permissions_are_those_of_the_calls_in_the_code() -> None:
    launcher, connecting = set(policies.actions(policies.launch())), set(policies.actions(policies.connect()))
    leader = set(policies.actions(permissions.policy("leader_policy.json.j2")))
    calls = called()
    allowed = launcher | leader | FREE
    missing = {word for word, actions in calls.items() if not any(allows(allowed, one) for one in actions)}
    assert missing == set()
    asked = {action for actions in calls.values() for action in actions}
    assert {one for one in launcher - IMPLIED if not any(allows({one}, action) for action in asked)} == set()
    assert policies.OPTIONAL.keys() <= launcher
    assert connecting <= launcher
