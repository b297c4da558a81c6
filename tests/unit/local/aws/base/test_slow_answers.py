"""An answer may come long after what was asked for is done."""

from __future__ import annotations

import pytest

from tests.unit.local.conftest import Account, ids


def test_what_was_asked_for_is_done_before_the_answer_comes(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[tuple[float, int]] = []

    def wait(seconds: float) -> None:
        waited.append((seconds, len(list(account.cloud.cloud.lifetimes.lives()))))

    monkeypatch.setattr("toilctl.local.aws.cloud.time.sleep", wait)
    account.cloud.faults.set("slow-answer", action="CreateFleet", seconds=90, count=1)
    account.describe()
    first = account.fleet(("t2.micro", "us-west-2a"), ClientToken="t")
    assert waited == [(90, 1)]
    assert ids(account.fleet(("t2.micro", "us-west-2a"), ClientToken="t")) == ids(first)
    assert waited == [(90, 1)]
