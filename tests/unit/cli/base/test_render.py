from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from toilctl.cli.base import render
from toilctl.system import progress
from toilctl.values.cluster import Role
from toilctl.values.errors import NotFoundError
from toilctl.values.node_types import NodeTypes


@dataclass(frozen=True)
class Thing:
    node_types: NodeTypes
    role: Role
    path: Path
    ids: frozenset[str]


THING = Thing(NodeTypes.parse("c4.8xlarge:0.6,r3.8xlarge"), Role.LEADER, Path("/x"), frozenset({"b", "a"}))


@pytest.fixture
def as_json():
    render.set_output(render.Output.JSON)
    yield
    render.set_output(render.Output.TEXT)


def test_json_envelope(capsys, as_json):
    render.show("thing", THING, str)
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"toilctl", "schema", "kind", "data"}
    assert (document["schema"], document["kind"]) == (1, "thing")
    assert document["data"] == {
        "node_types": ["c4.8xlarge:0.6", "r3.8xlarge"], "role": "leader", "path": "/x", "ids": ["a", "b"]
    }  # fmt: skip


def test_json_error_goes_to_stdout_with_its_facts(capsys, as_json):
    render.show_error(NotFoundError("No.", "Look elsewhere.", where=Path("/x")))
    error = json.loads(capsys.readouterr().out)["error"]
    assert error == {"code": "not-found", "message": "No.", "next_step": "Look elsewhere.", "facts": {"where": "/x"}}


def test_columns_are_aligned_and_numbers_to_the_right():
    assert render.table(("NAME", "N"), [("a", 1), ("long", 100), ("none", None)]) == (
        "NAME  N\na     1\nlong  100\nnone  -"
    )
    assert render.table(("NAME", "N"), [("a", 1), ("b", 100)]) == "NAME    N\na       1\nb     100"


def test_pairs_leave_out_what_is_not_there():
    assert render.pairs({"a": 1, "bcd": "x", "e": None, "f": ""}, indent=" ") == " a    1\n bcd  x"


def test_only_long_steps_leave_a_line(capsys, monkeypatch):
    monkeypatch.setattr(progress, "SHOW_AFTER_S", 2.0)
    progress.done("short", 1.9)
    progress.done("long", 12.34)
    assert capsys.readouterr().err == "    12.3 s  long\n"


def test_debug_is_silent_unless_asked(capsys):
    progress.set_debug(False)
    progress.debug("x")
    assert capsys.readouterr().err == ""


STEERS = "\x1b[2J\x1b]0;title\x07\u202e\u2028\x85\x7f\r"


def test_nothing_that_is_shown_steers_a_terminal(capsys):
    forged = f"x{STEERS}\nError: forged"
    render.show("thing", forged, lambda _: render.table(("NAME",), [(forged,)]) + "\n" + render.pairs({"name": forged}))
    render.show_error(NotFoundError(forged, STEERS))
    progress.note(STEERS)
    progress.done(STEERS, 60)
    said = capsys.readouterr()
    assert all(line.isprintable() for line in (said.out + said.err).split("\n"))
    # A cell is one line, whatever is in it.
    assert len(said.out.splitlines()) == 3


def test_json_is_ascii_that_steers_nothing(capsys, as_json):
    render.show("thing", {STEERS: [STEERS]}, str)
    said = capsys.readouterr().out
    assert said.isascii()
    assert said.replace("\n", "").isprintable()
    assert json.loads(said)["data"] == {STEERS: [STEERS]}


def test_one_cell_of_any_length_does_not_widen_all_rows_without_bound() -> None:
    shown = render.table(("A", "B"), [("x" * 10**6, 1), *[("y", 2)] * 100])
    assert len(shown) < 110 * (render.MOST_IN_A_CELL + 10)
    assert "x…" in shown
