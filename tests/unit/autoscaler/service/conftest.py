"""A leader of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.autoscaler.service.stage import Stage
from toilctl.local.process.testing import TestCloud


@pytest.fixture
def stage(aws_env: TestCloud, tmp_path: Path) -> Stage:
    return Stage(aws_env, tmp_path)
