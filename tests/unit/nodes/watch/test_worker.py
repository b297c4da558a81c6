"""What a worker tells its leader, and when it ends its host."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.nodes.watch.conftest import TAKES_AT, TERMINATE, TIMEOUT_S, Worker


def test_interruption_is_told_within_one_poll_and_once(worker, leader, metadata, capsys):
    worker.poll()
    assert leader.notice() is None
    metadata.announce("terminate")
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    worker.poll()
    told = leader.notice()
    assert before <= datetime.fromisoformat(told.pop("heard_at")) <= datetime.now(UTC)
    assert told == TERMINATE | {"address": "127.0.0.1"}
    (leader.directory / "127.0.0.1.json").unlink()
    worker.poll()
    assert leader.notice() is None
    assert capsys.readouterr().out.count(f"The leader was told of EC2's notice, terminate at {TAKES_AT}.") == 1


def test_notice_is_told_again_until_the_leader_acknowledges_it(worker, leader, metadata, capsys):
    leader.stop()
    metadata.announce("stop")
    worker.poll_for(20)
    leader.start("another")
    worker.poll()
    (leader.directory / "127.0.0.1.json").unlink()
    leader.stop()
    leader.start()
    # Although the metadata is silent meanwhile.
    metadata.silent = True
    worker.poll()
    assert leader.notice()["kind"] == "stop"
    said = capsys.readouterr().out
    assert said.count("The leader was not told of EC2's notice") == 1
    assert said.count("The leader was told") == 1


def test_notice_that_changes_is_told_anew(worker, leader, metadata):
    metadata.recommend()
    worker.poll()
    first = leader.notice()
    assert (first["kind"], first["takes_at"]) == ("rebalance", None)
    metadata.announce("hibernate")
    worker.poll()
    assert leader.notice()["kind"] == "hibernate"
    metadata.announce("terminate", "2030-01-02T03:05:00Z")
    worker.poll()
    assert leader.notice()["takes_at"] == "2030-01-02T03:05:00Z"


def test_interruption_goes_before_a_recommendation(worker, leader, metadata):
    metadata.announce("terminate")
    metadata.recommend()
    worker.poll()
    assert leader.notice()["kind"] == "terminate"


def test_token_that_has_expired_is_renewed(worker, leader, metadata):
    worker.poll()
    worker.poll()
    assert metadata.tokens == {"token-0"}
    metadata.tokens.clear()
    metadata.tokens.add("another")
    metadata.announce("terminate")
    worker.poll()
    assert leader.notice()["kind"] == "terminate"


@pytest.mark.parametrize("text", ["", "[", "[]", '"x"', "{}", '{"action": "explode"}', "[" * 60000])
def test_metadata_that_makes_no_sense_ends_nothing(worker, leader, metadata, capsys, text):
    metadata.values["spot/instance-action"] = text
    worker.poll_for(15)
    assert leader.notice() is None
    assert capsys.readouterr().out.count("The instance metadata gives no answer") == 1


def test_metadata_that_fails_is_one_line_per_change(worker, metadata, capsys):
    for silent in (False, True, False):
        metadata.silent = silent
        worker.poll_for(30)
    said = [line for line in capsys.readouterr().out.splitlines() if "metadata" in line]
    assert [line.partition(":")[0] for line in said] == [
        "The instance metadata answers.", "The instance metadata gives no answer", "The instance metadata answers.",
    ]  # fmt: skip


def test_worker_whose_leader_is_silent_for_the_timeout_shuts_down_and_says_why(worker, leader, tmp_path, capsys):
    (tmp_path / "console").touch()
    worker.poll_for(600)
    leader.stop()
    worker.poll_for(TIMEOUT_S - 60)
    assert not worker.powered_off
    worker.poll_for(70)
    assert worker.powered_off
    why = f"The leader of cluster lab at {leader.url} was not heard for 1800 s; the orphan timeout is 1800 s"
    assert capsys.readouterr().out.count(why) == 1
    assert f"toilctl: {why}: shutting down." in (tmp_path / "console").read_text()


def test_worker_that_never_heard_a_leader_shuts_down(worker, leader):
    leader.stop()
    worker.poll_for(TIMEOUT_S)
    assert not worker.powered_off
    worker.poll()
    assert worker.powered_off


def test_leader_that_comes_back_in_time_keeps_its_workers(worker, leader):
    for _ in range(3):
        leader.stop()
        worker.poll_for(TIMEOUT_S - 40)
        leader.start()
        worker.poll_for(60)
    leader.stop()
    worker.poll_for(TIMEOUT_S - 60)
    assert not worker.powered_off


def test_leader_that_is_back_just_before_the_end_is_asked_once_more(worker, leader):
    leader.stop()
    while worker.now < 1000 + TIMEOUT_S:
        worker.poll()
    leader.start()
    worker.poll()
    assert not worker.powered_off


def test_another_clusters_answer_does_not_count(worker, leader, capsys):
    worker.poll()
    leader.stop()
    leader.start("another")
    worker.poll_for(TIMEOUT_S + 60)
    assert worker.powered_off
    assert "gives no answer: another host answers at its address." in capsys.readouterr().out


def test_what_is_no_leader_at_all_does_not_count(settings, metadata):
    metadata.tokens.add(None)
    metadata.values["/"] = "Welcome."
    worker = Worker(settings | {"leader": metadata.url})
    worker.poll_for(TIMEOUT_S + 60)
    assert worker.powered_off


def test_timeout_of_0_asks_nobody_and_ends_nothing(settings, leader, metadata, capsys):
    leader.stop()
    worker = Worker(settings | {"orphan_timeout_s": 0})
    worker.poll_for(2 * TIMEOUT_S)
    assert not worker.powered_off
    assert "The leader" not in capsys.readouterr().out
    leader.start()
    metadata.announce("terminate")
    worker.poll()
    assert leader.notice()["kind"] == "terminate"


@pytest.mark.parametrize(("timeout_s", "every_s"), [(60, 15), (120, 30), (TIMEOUT_S, 30)])
def test_leader_is_asked_every_30_s_or_4_times_per_timeout(settings, monkeypatch, timeout_s, every_s):
    asked: list[float] = []
    worker = Worker(settings | {"orphan_timeout_s": timeout_s})
    monkeypatch.setattr(worker.watch.leader, "ask", lambda: asked.append(worker.now))
    worker.poll_for(4 * every_s)
    assert asked == [1000 + number * every_s for number in range(4)]


def test_host_that_does_not_go_is_told_again(settings, leader, capsys):
    leader.stop()
    worker = Worker(settings | {"power_off": ["false", "x"], "orphan_timeout_s": 60})
    worker.poll_for(120)
    worker.watch.settings["power_off"] = ["touch", str(worker.ended)]
    assert not worker.powered_off
    worker.poll()
    said = capsys.readouterr().out
    assert (said.count("shutting down"), said.count("could not be shut down")) == (1, 1)
    worker.ended.unlink()
