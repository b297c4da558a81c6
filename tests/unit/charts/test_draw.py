"""Pictures as SVG and PNG."""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest

from toilctl.charts import draw
from toilctl.charts.picture import Mark, Picture, Span, Steps, counted
from toilctl.values.errors import UsageError
from toilctl.values.node_types import NodeType

SPOT, ON_DEMAND = NodeType.parse("c4.8xlarge/c5.9xlarge:0.6"), NodeType.parse("r3.8xlarge")
HOURS = 3600.0
PICTURE = Picture(
    "as given",
    waiting=Steps((0, 600, 5 * HOURS), (40, 12, 0)),
    running=Steps((600, 2 * HOURS, 9 * HOURS), (28, 12, 0)),
    nodes={ON_DEMAND: counted([(0, 9 * HOURS)]), SPOT: counted([(600, 5 * HOURS), (600, 2 * HOURS)])},
    usd=Steps((0, 9 * HOURS), (0, 24.5)),
    marks=(Mark(2 * HOURS, "interruption"),),
)
NOTHING = Picture("nothing", Steps((), ()), Steps((), ()), {}, Steps((), ()))


def texts(svg: Path) -> list[str]:
    """Return all that can be read in an SVG."""
    root = ET.fromstring(svg.read_text())
    return ["".join(one.itertext()) for one in root.iter("{http://www.w3.org/2000/svg}text")]


def drawn(tmp_path: Path, *pictures: Picture) -> list[str]:
    return texts(draw.draw(pictures, tmp_path / "plot.svg")[0])


def size(png: Path) -> tuple[int, int]:
    content = png.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def left(path: Path) -> list[str]:
    return sorted(one.name for one in path.iterdir())


@pytest.mark.parametrize("name", ["plot", "plot.svg", "plot.png", "plot.SVG"])
def test_both_files_are_written_whichever_is_named_and_nothing_else(tmp_path: Path, name: str) -> None:
    assert draw.draw([PICTURE], tmp_path / name) == (tmp_path / "plot.svg", tmp_path / "plot.png")
    assert left(tmp_path) == ["plot.png", "plot.svg"]


def test_svg_says_what_it_shows(tmp_path: Path) -> None:
    said = drawn(tmp_path, PICTURE)
    assert {"as given", "jobs", "nodes", "cost", "time in hours"} <= set(said)
    assert {"waiting", "running", "r3.8xlarge", "interruption", "$24.50"} <= set(said)
    assert {"c4.8xlarge/", "c5.9xlarge:0.6 (spot)"} <= set(said)


def test_svg_keeps_its_words_in_a_font_that_all_have(tmp_path: Path) -> None:
    svg = draw.draw([PICTURE], tmp_path / "plot")[0].read_text()
    assert "font-family: 'DejaVu Sans', sans-serif" in svg
    assert "<dc:date>" not in svg


def test_png_is_large_enough_to_read_and_wider_for_more_pictures(tmp_path: Path) -> None:
    one, three = (size(draw.draw([PICTURE] * count, tmp_path / f"{count}")[1]) for count in (1, 3))
    assert one[0] >= 1000
    assert 800 <= one[1] == three[1]
    assert 2 * one[0] <= three[0] <= 3 * one[0]


def test_png_is_not_empty(tmp_path: Path) -> None:
    from matplotlib.image import imread

    pixels = imread(draw.draw([PICTURE], tmp_path / "plot")[1])
    colours = {tuple(round(float(part) * 255) for part in one[:3]) for row in pixels[::5, ::5] for one in row}
    # The node types': one in full, the other's lighter area.
    assert {(0x00, 0x72, 0xB2), (255, 255, 255)} <= colours
    assert any(red > 230 and 190 < green < 230 and blue < 170 for red, green, blue in colours)


def test_short_run_is_told_in_minutes(tmp_path: Path) -> None:
    short = replace(PICTURE, waiting=Steps((0, 300), (1, 0)), running=Steps((300, 1800), (1, 0)),
                    nodes={ON_DEMAND: counted([(0, 1800)])}, usd=Steps((0, 1800), (0, 1.33)), marks=())  # fmt: skip
    said = drawn(tmp_path, short)
    assert "time in minutes" in said
    assert {"0", "5", "30"} <= set(said)
    assert "interruption" not in said


def test_pictures_beside_each_other_share_their_scales_and_the_legend(tmp_path: Path) -> None:
    long = replace(PICTURE, title="--max-nodes 1", nodes={ON_DEMAND: counted([(0, 48 * HOURS)])})
    said = drawn(tmp_path, PICTURE, long)
    assert {"as given", "--max-nodes 1"} <= set(said)
    # Told once below each of the two.
    assert said.count("time in hours") == said.count("48") == 2
    assert said.count("r3.8xlarge") == said.count("waiting") == said.count("jobs") == 1


@pytest.mark.parametrize("title", ["$5 & <b>half</b> of $7", "50 % _of_ x^2 \\frac", "'quoted' día", "a --b\x00\x1b c"])
def test_title_is_shown_as_it_is_written(tmp_path: Path, title: str) -> None:
    shown = title.replace("\x00\x1b", "")
    assert shown in drawn(tmp_path, replace(PICTURE, title=title))


def test_long_title_is_broken_between_words(tmp_path: Path) -> None:
    title = "--node-types m5.xlarge,r3.8xlarge --max-nodes 40,6 --min-nodes 0,2 --idle-timeout 300"
    said = drawn(tmp_path, replace(PICTURE, title=title), PICTURE)
    first = said.index("--node-types m5.xlarge,r3.8xlarge --max-nodes")
    assert said[first + 1] == "40,6 --min-nodes 0,2 --idle-timeout 300"


@pytest.mark.parametrize("pictures", [[PICTURE], [PICTURE, NOTHING, PICTURE]])
def test_same_pictures_give_the_same_bytes(tmp_path: Path, pictures: Sequence[Picture]) -> None:
    first, again = (draw.draw(pictures, tmp_path / name) for name in ("first", "again"))
    assert [one.read_bytes() for one in first] == [one.read_bytes() for one in again]


def test_users_own_settings_of_matplotlib_change_nothing_and_stay(tmp_path: Path) -> None:
    usual = draw.draw([PICTURE], tmp_path / "usual")
    with mpl.rc_context({"lines.color": "red", "figure.facecolor": "black", "svg.fonttype": "path"}):
        other = draw.draw([PICTURE], tmp_path / "other")
        assert (mpl.rcParams["figure.facecolor"], mpl.rcParams["svg.fonttype"]) == ("black", "path")
    assert [one.read_bytes() for one in usual] == [one.read_bytes() for one in other]


def test_run_in_which_nothing_happened_is_drawn(tmp_path: Path) -> None:
    assert {"nothing", "time in minutes", "$0.00"} <= set(drawn(tmp_path, NOTHING))


@pytest.mark.parametrize(("usd", "told"), [(0.0123, "$0.0123"), (0.5, "$0.50"), (12345.678, "$12,345.68")])
def test_cost_is_told_in_as_many_digits_as_it_needs(tmp_path: Path, usd: float, told: str) -> None:
    assert told in drawn(tmp_path, replace(PICTURE, usd=Steps((0, HOURS), (0, usd))))


def test_more_node_types_than_colours_are_drawn(tmp_path: Path) -> None:
    kinds = [NodeType.parse(f"m5.{size}xlarge") for size in range(2, 12)]
    said = drawn(tmp_path, replace(PICTURE, nodes={kind: counted([(0, HOURS)]) for kind in kinds}))
    assert set(map(str, kinds)) <= set(said)


def test_very_many_marks_do_not_make_the_file_large(tmp_path: Path) -> None:
    few, many = (
        replace(PICTURE, marks=tuple(Mark(one * 9 * HOURS / count, "interruption") for one in range(count)))
        for count in (2000, 50_000)
    )
    sizes = [draw.draw([one], tmp_path / "plot")[0].stat().st_size for one in (few, many)]
    assert sizes[1] < 1.2 * sizes[0]


@pytest.mark.parametrize(
    ("name", "message", "next_step"),
    [
        ("plot.pdf", "is neither", "plot.svg"), ("missing/plot.svg", "There is no directory", "Make it"),
        ("there", "is a directory", "there/plot.svg"), ("taken.svg", "taken.png would be written", "another file"),
    ],
)  # fmt: skip
def test_path_that_cannot_be_meant_is_refused_and_nothing_is_written(
    tmp_path: Path, name: str, message: str, next_step: str
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(UsageError, match=message) as caught:
        draw.draw([PICTURE], tmp_path / name)
    assert next_step in caught.value.next_step
    assert left(tmp_path) == ["taken.png", "there"]


def test_working_directory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (".", "", ".."):
        with pytest.raises(UsageError, match="is a directory"):
            draw.check(Path(name))
    assert draw.check(Path("plot")) == (Path("plot.svg"), Path("plot.png"))


def test_missing_matplotlib_is_refused_with_the_extra_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match="matplotlib is not installed") as caught:
        draw.draw([PICTURE], tmp_path / "plot.svg")
    assert caught.value.next_step == "pip install 'toilctl[plot]'"
    assert left(tmp_path) == []


def test_full_disk_leaves_the_old_files_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("plot.svg", "plot.png"):
        (tmp_path / name).write_text("old")
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if ".png" in path.name:
            write(path, content[:100])
            raise OSError(28, "No space left on device", str(path))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UsageError, match="cannot be written: no space left on device"):
        draw.draw([PICTURE], tmp_path / "plot")
    assert left(tmp_path) == ["plot.png", "plot.svg"]
    assert {one.read_text() for one in tmp_path.iterdir()} == {"old"}


def test_what_held_for_a_while_is_shaded_and_named(tmp_path: Path) -> None:
    spans = (Span(0, 600, "paused"), Span(1200, 1200, "problem"))
    svg = draw.draw([replace(PICTURE, spans=spans)], tmp_path / "plot")[0]
    assert {"paused", "problem"} <= set(texts(svg))
    for colour in ("#ffefc2", "#f8d7d7"):
        # In each of the three rows, and in the legend.
        assert svg.read_text().count(f"fill: {colour}") == 4, colour


@pytest.mark.parametrize(
    ("hours", "shown", "not_shown"),
    [
        (9.0, {"23:00", "22 Nov", "07:00", "time (UTC)"}, {"time in hours", "22:30"}),
        (0.25, {"22:32", "22:44"}, {"22:30"}),
        (200.0, {"22 Nov", "29 Nov"}, {"00:00"}),
    ],
)
def test_picture_of_a_time_tells_round_times_of_day(
    tmp_path: Path, hours: float, shown: set[str], not_shown: set[str]
) -> None:
    ends_s = hours * HOURS
    began = datetime(2026, 11, 21, 22, 31, tzinfo=UTC)
    said = set(
        drawn(tmp_path, Picture("c", Steps((0, ends_s), (1, 0)), Steps((), ()), {}, Steps((), ()), (), (), began))
    )
    assert shown <= said
    assert not not_shown & said


def test_pictures_that_began_at_other_times_are_beside_each_other_since_their_beginnings(tmp_path: Path) -> None:
    began = datetime(2026, 11, 21, 22, 31, tzinfo=UTC)
    assert "time in hours" in drawn(tmp_path, replace(PICTURE, began_at=began), PICTURE)
