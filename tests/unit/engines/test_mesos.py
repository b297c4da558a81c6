"""What curl is told; the answers are in tests/contract/test_mesos.py."""

import json
import shlex

import pytest

from toilctl.engines.mesos import Mesos

AGENT = "0ce729e7-30e8-4943-8437-99ff294c41f2-S1"
DONE = "\x1e200\x1e"
EMPTY = f'\x1e{{"slaves": []}}{DONE}{{"tasks": []}}{DONE}'


def told(answer, act):
    words = []
    act(Mesos(lambda given: words.append(list(given)) or answer, "172.31.0.50"))
    return words


@pytest.mark.parametrize(
    ("act", "kind"), [("cordon", "DEACTIVATE_AGENT"), ("drain", "DEACTIVATE_AGENT"), ("uncordon", "REACTIVATE_AGENT")]
)
def test_operator_is_called_at_the_leaders_private_address(act, kind):
    words, *_ = told(DONE, lambda mesos: getattr(mesos, act)(AGENT))
    assert words[-1] == "http://172.31.0.50:5050/api/v1"
    assert json.loads(words[words.index("--data") + 1]) == {"type": kind, kind.lower(): {"agent_id": {"value": AGENT}}}


def test_drain_makes_its_mark_where_the_role_and_the_leaders_container_look_for_it():
    (words,) = told(DONE, lambda mesos: mesos.drain(AGENT))
    assert words[4:6] == ["/var/lib/mesos/toilctl-draining", AGENT]


def test_one_call_asks_for_marks_agents_and_tasks():
    (words,) = told(EMPTY, lambda mesos: mesos.nodes())
    assert "/var/lib/mesos/toilctl-draining" in words
    assert words[-2:] == [
        "http://172.31.0.50:5050/slaves",
        "http://172.31.0.50:5050/tasks?limit=5000&offset=0&order=asc",
    ]


def test_words_survive_a_shell_on_the_way_to_the_container():
    for words in told(EMPTY, lambda mesos: mesos.nodes()):
        assert shlex.split(shlex.join(words)) == words
