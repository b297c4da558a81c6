"""scale-cluster of clusters without an autoscaler."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.usefixtures("playbooks")


def test_growing_launches_the_difference(toilctl, cluster):
    result = toilctl("scale-cluster", "c", "-w", "3")
    assert result.exit_code == 0, result.stderr
    assert cluster.names == ["scale_out.yml"]
    assert cluster.runs[0][1]["launches"] == [{"node_type": "t2.micro", "count": 1}]
    assert "c went from 2 workers (t2.micro) to 3 workers (t2.micro)." in result.stdout
    assert toilctl.json("describe-cluster", "c")["data"]["desired"] == {"t2.micro": 3}


def test_growing_in_part_tells_what_there_is_and_what_to_do(toilctl, cluster):
    cluster.given = 1
    result = toilctl("scale-cluster", "c", "-w", "5")
    assert result.exit_code == 6
    assert "c went from 2 workers (t2.micro) to 3 workers (t2.micro)." in result.stdout
    assert "Try another zone.\nThe same command tries again for the rest." in result.stderr
    cluster.given = 5
    assert toilctl("scale-cluster", "c", "-w", "5").exit_code == 0
    assert len(cluster.live()) == 5


def test_shrinking_takes_idle_workers_and_newest_first(toilctl, cluster):
    assert toilctl("scale-cluster", "c", "-w", "3").exit_code == 0
    cluster.runs.clear()
    workers = [line["instance_id"] for line in toilctl.json("describe-cluster", "c")["data"]["nodes"][1:]]
    cluster.busy = {workers[-1]: 1}
    result = toilctl("scale-cluster", "c", "-w", "1")
    assert result.exit_code == 0, result.stderr
    assert cluster.runs[0][1]["instance_ids"] == [workers[1], workers[0]]
    assert cluster.live() == [workers[-1]]


def test_busy_workers_are_not_killed_but_reported(toilctl, cluster):
    cluster.busy = dict.fromkeys(cluster.live(), 2)
    result = toilctl("scale-cluster", "c", "-w", "1")
    assert result.exit_code == 6
    assert "still run jobs" in result.stderr
    assert len(cluster.live()) == 2
    assert toilctl("scale-cluster", "c", "-w", "1", "--force").exit_code == 0
    assert len(cluster.live()) == 1


def test_nothing_to_do_is_success(toilctl, cluster):
    result = toilctl("scale-cluster", "c", "-w", "2")
    assert (result.exit_code, cluster.runs) == (0, [])
    assert result.stdout == "Nothing to do: c has 2 workers (t2.micro).\n"


def test_worker_that_is_not_in_the_engine_is_set_up_again(toilctl, cluster):
    cluster.not_joining = {cluster.live()[0]}
    result = toilctl("scale-cluster", "c", "-w", "2")
    assert cluster.names == ["configure.yml"]
    assert result.exit_code == 6


def test_node_type_that_is_new_to_the_cluster_is_added(toilctl, cluster):
    result = toilctl("scale-cluster", "c", "--nodeType", "t2.small:0.01", "-w", "1")
    assert result.exit_code == 0, result.stderr
    assert toilctl.json("describe-cluster", "c")["data"]["desired"] == {"t2.micro": 2, "t2.small:0.01": 1}
    assert toilctl("scale-cluster", "c", "-w", "1").exit_code == 2
    assert toilctl("scale-cluster", "c", "-w", "1,0").exit_code == 0


def test_same_scale_out_after_a_crash_has_the_same_intent(toilctl, cluster, monkeypatch):
    intents = []
    monkeypatch.setattr("toilctl.system.playbooks.run", lambda *_, intent="", **__: intents.append(intent) or 1 / 0)
    for _ in range(2):
        assert toilctl("scale-cluster", "c", "-w", "4").exit_code == 1
    assert toilctl("scale-cluster", "c", "-w", "5").exit_code == 1
    assert intents[0] == intents[1] != intents[2]
