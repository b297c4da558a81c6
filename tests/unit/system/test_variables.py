from __future__ import annotations

import yaml

from toilctl.system import variables
from toilctl.values.cluster import Zone
from toilctl.values.node_types import NodeType, NodeTypes


def test_what_is_none_is_left_out_and_values_become_plain():
    found = variables.extra_vars(
        zones=(Zone("us-west-2a"),), node_types=NodeTypes.parse("a.b:0.5,c.d"), leader_node_type=NodeType.parse("a.b"),
        extra_tags={"k": "v"}, owner=None, count=0,
    )  # fmt: skip
    assert found == {
        "zones": ["us-west-2a"], "node_types": ["a.b:0.5", "c.d"], "leader_node_type": "a.b", "extra_tags": {"k": "v"},
        "count": 0,
    }  # fmt: skip
    assert yaml.safe_load(yaml.safe_dump(found)) == found


def test_first_that_said_something_settles_a_variable():
    assert variables.settled("enable_fuse", None, False, True) is False
    assert variables.settled("orphan_timeout_s", 0, 60) == 0
    assert variables.settled("orphan_timeout_s", None, None) == variables.defaults()["orphan_timeout_s"]


def test_shown_defaults_are_neither_empty_nor_templates():
    shown = variables.shown_defaults()
    assert shown["leader_node_type"] == variables.defaults()["leader_node_type"]
    assert "owner" not in shown
    assert "vpc_subnet" not in shown
