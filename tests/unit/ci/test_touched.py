"""A change has the tests of its folder."""

import runpy

import pytest

from tests.checkout import ROOT

touched = runpy.run_path(str(ROOT / ".ci/touched.py"))["touched"]


@pytest.mark.parametrize(
    ("changed", "tests"),
    [
        (["toilctl/autoscaler/decide/scale_in.py"], ["tests/unit/autoscaler/decide"]),
        (["toilctl/values/tags.py", "toilctl/values/units.py"], ["tests/unit/values"]),
        (["toilctl/local/images/data/node/packages"], ["tests/unit/local/images"]),
        (["toilctl/__init__.py", "toilctl/values/tags.py"], ["tests/unit"]),
        (["roles/drain/tasks/main.yml"], ["tests/contract", "tests/unit/roles"]),
        (["toilctl/verbs/provisioner.py"], ["tests/unit/cli/commands", "tests/unit/verbs"]),
        (["tests/e2e/test_day.py", "README.md"], []),
        (["tests/unit/engines/test_slurm.py"], ["tests/unit/engines/test_slurm.py"]),
        (["tests/unit/autoscaler/builders.py"], ["tests/unit/autoscaler"]),
        ([], []),
    ],
)
def test_change_has_its_tests(changed: list[str], tests: list[str]) -> None:
    assert touched(changed) == tests
