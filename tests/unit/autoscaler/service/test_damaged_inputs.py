"""What the autoscaler reads beside the engine, damaged: a value, or what it says of such; it never ends."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.checkout import ROOT
from tests.examples import examples
from tests.unit.autoscaler.builders import NOW, policy
from tests.unit.autoscaler.service.stage import SETTINGS
from tests.unit.mutations import ODD, damaged_json, damaged_text, dumped
from toilctl.autoscaler.journal import reader
from toilctl.autoscaler.journal.report import TickReport
from toilctl.autoscaler.journal.writer import Journal
from toilctl.autoscaler.model import workflow_limits
from toilctl.autoscaler.model.settings import SettingsFile
from toilctl.autoscaler.model.workflow_limits import Wish
from toilctl.autoscaler.observe.spot_notices import SpotNotices
from toilctl.autoscaler.service import guard, reporting
from toilctl.values.cluster import Node, Role
from toilctl.values.node_types import NodeType

REPORT = json.loads((ROOT / "tests/unit/autoscaler/journal/older_report.json").read_text())
NOTICE = {"instance_id": "i-1", "kind": "terminate", "takes_at": NOW.isoformat(), "address": "10.0.0.5",
          "heard_at": NOW.isoformat()}  # fmt: skip
NODE = Node(
    "i-1", Role.WORKER, NodeType.parse("c4.8xlarge:0.6"), "c4.8xlarge", "running", "a", "10.0.0.5", None, True, ""
)
texts = st.sampled_from([str(one) for one in ODD if not isinstance(one, int) or one < 10**100]) | st.text(max_size=20)


@settings(deadline=None, max_examples=examples(150))
@given(damaged_json(REPORT))
def test_damaged_report_is_one_or_none(document):
    with TemporaryDirectory() as there:
        Path(there, "last.json").write_text(dumped(document))
        found = Journal(Path(there), io.StringIO()).last()
        if found:
            # The next tick goes on from it, and what it says can be kept.
            assert Journal(Path(there), io.StringIO()).write(reporting.begun(found, NOW)) == ""
    with suppress(ValueError):
        TickReport.of(document)


@settings(deadline=None, max_examples=examples(100))
@given(damaged_text(json.dumps(REPORT)), damaged_json(REPORT))
def test_damaged_journal_is_read_as_far_as_it_can_be(text, document):
    good = json.dumps(REPORT | {"cluster": "my"})
    found = reader.read([*text.split("\n"), dumped(document), good], "my")
    assert found.ticks
    reader.held(found.ticks)


@settings(deadline=None, max_examples=examples(100))
@given(damaged_json(SETTINGS) | damaged_text(yaml.safe_dump(SETTINGS)))
@example("a: 2026-13-01")
@example("[" * 5000)
def test_damaged_settings_leave_the_last_good_ones(value):
    with TemporaryDirectory() as there:
        path = Path(there, "cluster.yml")
        path.write_text(yaml.safe_dump(SETTINGS))
        file = SettingsFile(path)
        good = file.read()
        assert good
        path.write_bytes((value if isinstance(value, str) else dumped(value)).encode("utf-8", "surrogatepass"))
        assert file.read() == good or not file.problem
        assert file.last_good


@settings(deadline=None, max_examples=examples(150))
@given(damaged_json(NOTICE) | damaged_text(json.dumps(NOTICE)))
def test_damaged_notice_counts_or_not(value):
    with TemporaryDirectory() as there:
        text = value if isinstance(value, str) else dumped(value)
        Path(there, "10.0.0.5.json").write_bytes(text.encode("utf-8", "surrogatepass"))
        found = SpotNotices(Path(there)).of([NODE], NOW)
        assert all(one.takes_at is None or abs((one.takes_at - NOW).days) < 1 for one in found.values())


@settings(deadline=None, max_examples=examples(150))
@given(st.builds(Wish, texts, st.lists(texts | st.just("c3.large=0..2")).map(tuple), texts, texts))
def test_workflows_may_ask_for_anything(wish):
    asked = workflow_limits.read([wish, Wish("good", ("c3.large=0..2",))], policy(), "my")
    assert "c3.large=0..2" in map(str, asked.limits)
    workflow_limits.widened(policy(), asked)


@settings(deadline=None, max_examples=examples(150))
@given(texts, texts)
def test_tags_of_attempts_may_be_anything(one, other):
    attempts = [f"1 2 {one} x", other, f"1 2 {NOW.timestamp()} x"]
    assert guard.last_attempt(attempts) >= NOW
