"""Pictures of jobs, nodes and cost over time, drawn by matplotlib as SVG and PNG."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from itertools import chain, cycle
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final, Self

from toilctl.charts.picture import MOST_POINTS, Picture
from toilctl.charts.time_axis import TimeAxis
from toilctl.values.errors import UsageError
from toilctl.values.node_types import NodeType, stacking_order

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES: Final = (".svg", ".png")
_COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
"""That people tell apart who do not see all colours (Okabe and Ito, 2008), all but black."""
_INK: Final = "#333333"
_GREY: Final = "#8C8C8C"
_PALE: Final = "#BDBDBD"
_MARKS: Final = ("#C1272D", "#333333", "#8C8C8C", "#7B3F98")
_SPANS: Final = ("#FFEFC2", "#F8D7D7", "#D9E8F7", "#E4DCEF")
_LIGHTER: Final = 0.6
"""How far a spot node type's area is from its colour to white; its hatching has the colour itself."""
_HEADROOM: Final = 1.14
_WAITING: Final[Mapping[str, Any]] = {"fill": True, "color": _PALE, "linewidth": 0}
_RUNNING: Final[Mapping[str, Any]] = {"baseline": None, "color": _INK, "linewidth": 1.1}
_STYLE: Final[Mapping[Any, Any]] = {
    "font.family": ["sans-serif"], "font.sans-serif": ["DejaVu Sans", "sans-serif"], "font.size": 9.0,
    "text.color": _INK, "text.parse_math": False,
    "axes.edgecolor": _GREY, "axes.labelcolor": _INK, "axes.linewidth": 0.8, "axes.axisbelow": True,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10.5, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.titlepad": 10.0, "axes.grid": True, "grid.color": "#E8E8E8",
    "grid.linewidth": 0.7, "xtick.color": _GREY, "ytick.color": _GREY, "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK, "hatch.linewidth": 0.7, "legend.frameon": False, "legend.fontsize": 8.5,
    "legend.handlelength": 1.6, "svg.fonttype": "none", "svg.hashsalt": "toilctl", "savefig.dpi": 150,
}  # fmt: skip
"""On top of matplotlib's own defaults, never of a user's."""


def draw(pictures: Sequence[Picture], path: Path) -> tuple[Path, ...]:
    """Draw one picture, or several beside each other on the same scales. The same pictures give the same bytes.

    :param path: with the suffix .svg or .png, or without one; both files are written, each at once or not at all.
    :returns: the files, the SVG first.
    :raises UsageError: as ``check``, and when the files cannot be written.
    """
    targets = check(path)
    _write(dict(zip(targets, _rendered(pictures), strict=True)))
    return targets


def check(path: Path) -> tuple[Path, ...]:
    """Return the files that ``draw`` would write.

    :raises UsageError: for another suffix, a directory that is not there or has one of the files' names, and when
        matplotlib is not installed.
    """
    if not path.name or path.is_dir():
        raise UsageError(f"{path} is a directory.", f"Name a file in it, such as {path / 'plot.svg'}.", path=path)
    targets = tuple(path.with_suffix(suffix) for suffix in SUFFIXES)
    if path.suffix.lower() not in ("", *SUFFIXES):
        raise UsageError(f"A plot is an SVG and a PNG, and {path} is neither.", f"Name it {targets[0]}.", path=path)
    if not path.parent.is_dir():
        raise UsageError(f"There is no directory {path.parent}.", "Make it, or name one that is there.", path=path)
    if find_spec("matplotlib") is None:
        raise UsageError("The Python package matplotlib is not installed.", "pip install 'toilctl[plot]'")
    for one in filter(Path.is_dir, targets):
        raise UsageError(f"{one} would be written, and is a directory.", "Name another file.", path=one)
    return targets


def _write(files: Mapping[Path, bytes]) -> None:
    """Write files beside their places, and then put all of them there."""
    beside = {path: path.with_name(f".{path.name}.{os.getpid()}.new") for path in files}
    try:
        for path, content in files.items():
            beside[path].write_bytes(content)
        for path, new in beside.items():
            new.replace(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"{path} cannot be written: {reason}.", "Name another place.", path=path) from error
    finally:
        for new in beside.values():
            with suppress(OSError):
                new.unlink(missing_ok=True)


def _rendered(pictures: Sequence[Picture]) -> tuple[bytes, ...]:
    """Return the files' contents. matplotlib's settings are as before when this returns."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        figure = _figure(pictures)
        return tuple(_saved(figure, suffix.removeprefix(".")) for suffix in SUFFIXES)


def _saved(figure: Figure, form: str) -> bytes:
    content = BytesIO()
    figure.savefig(content, format=form, metadata={"Date": None} if form == "svg" else None)
    return content.getvalue()


@dataclass(frozen=True)
class _Scales:
    """What all columns have in common."""

    columns: int
    time: TimeAxis
    colours: Mapping[NodeType, str]
    marks: Mapping[str, str]
    """The colours of marks, by their texts."""
    spans: Mapping[str, str]

    @classmethod
    def of(cls, pictures: Sequence[Picture]) -> Self:
        """Give each node type and each kind of mark and span a colour that it has in all columns."""
        kinds = sorted({kind for one in pictures for kind in one.nodes}, key=stacking_order)
        marks = dict.fromkeys(mark.text for one in pictures for mark in one.marks)
        spans = dict.fromkeys(span.text for one in pictures for span in one.spans)
        return cls(
            len(pictures), TimeAxis.of(pictures), dict(zip(kinds, cycle(_COLOURS))), dict(zip(marks, cycle(_MARKS))),
            dict(zip(spans, cycle(_SPANS))),
        )  # fmt: skip


def _figure(pictures: Sequence[Picture]) -> Figure:
    from matplotlib.figure import Figure

    scales = _Scales.of(pictures)
    figure = Figure(figsize=(4.4 + 4.4 * len(pictures), 7.4), layout="constrained")
    grid = figure.subplots(
        3, len(pictures), sharex=True, sharey="row", squeeze=False,
        gridspec_kw={"height_ratios": (5, 5, 4), "wspace": 0.05},
    )  # fmt: skip
    for picture, (jobs, nodes, cost) in zip(pictures, grid.T, strict=True):
        jobs.set_title(_title(picture.title, len(pictures)))
        _spans((jobs, nodes, cost), picture, scales)
        _jobs(jobs, picture)
        _nodes(nodes, picture, scales)
        _cost(cost, picture, scales)
    rows = grid.tolist()
    _scale([row[0] for row in rows], pictures, scales)
    _label(rows, scales)
    _legends([row[-1] for row in rows], scales)
    figure.align_ylabels()
    return figure


def _title(text: str, columns: int) -> str:
    """Return a title that fits above its column."""
    lines = wrap(
        _clean(text), 90 if columns == 1 else 46, max_lines=3, placeholder=" …", break_on_hyphens=False
    )  # fmt: skip
    return "\n".join(lines)


def _clean(text: str) -> str:
    """Leave out characters that XML does not allow; one space is between words, as SVG has it."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def _spans(column: Sequence[Axes], picture: Picture, scales: _Scales) -> None:
    """Shade what held for a while, behind all else; the shortest can still be seen."""
    for span in picture.spans:
        end_s = max(span.end_s, span.begin_s + scales.time.ends_s / 500)
        for axes in column:
            axes.axvspan(span.begin_s, end_s, facecolor=scales.spans[span.text], linewidth=0, zorder=0)


def _jobs(axes: Axes, picture: Picture) -> None:
    """Draw who waits as an area, and who runs as a line. Times are in seconds, here and below."""
    for steps, look in ((picture.waiting, _WAITING), (picture.running, _RUNNING)):
        axes.stairs([0.0, *steps.values], [0.0, *steps.times_s, picture.ends_s], **look)


def _nodes(axes: Axes, picture: Picture, scales: _Scales) -> None:
    """Stack the node types, and put what happened above them."""
    changes = chain.from_iterable(steps.times_s for steps in picture.nodes.values())
    times = sorted({*changes, picture.ends_s})
    below = [0.0] * len(times)
    for kind, steps in picture.nodes.items():
        above = [under + steps.at(one) for under, one in zip(below, times, strict=True)]
        axes.fill_between(times, below, above, step="post", **_look(kind, scales))
        below = above
    dot_s = scales.time.ends_s / MOST_POINTS
    for text, colour in scales.marks.items():
        at = sorted({round(mark.at_s / dot_s) * dot_s for mark in picture.marks if mark.text == text})
        axes.vlines(at, 0.94, 1.0, transform=axes.get_xaxis_transform(), color=colour, linewidth=0.8)


def _look(kind: NodeType, scales: _Scales) -> Mapping[str, Any]:
    colour = scales.colours[kind]
    if kind.preemptible:
        return {"facecolor": _lighter(colour), "edgecolor": colour, "linewidth": 0, "hatch": "////"}
    return {"facecolor": colour, "linewidth": 0}


def _lighter(colour: str) -> tuple[float, ...]:
    from matplotlib.colors import to_rgb

    return tuple(one + (1 - one) * _LIGHTER for one in to_rgb(colour))


def _cost(axes: Axes, picture: Picture, scales: _Scales) -> None:
    """Draw what was spent until the end, and say what it came to."""
    usd, ends_s = picture.usd, picture.ends_s
    total = usd.values[-1] if usd.values else 0.0
    axes.plot([0.0, *usd.times_s, ends_s], [0.0, *usd.values, total], color=_INK, linewidth=1.4)
    axes.plot(ends_s, total, marker="o", markersize=4, color=_INK, clip_on=False)
    side = "right" if ends_s > scales.time.ends_s / 4 else "left"
    told = f"${total:,.{max(2, _decimals(total))}f}"
    axes.annotate(told, (ends_s, total), xytext=(0, 6), textcoords="offset points", ha=side, fontweight="bold")


def _decimals(usd: float) -> int:
    """Return how many decimals the sixth of an amount, or a rounder one below it, needs."""
    return 0 if usd >= 6 else 2 if usd >= 0.06 or not usd else 4


def _scale(rows: Sequence[Axes], pictures: Sequence[Picture], scales: _Scales) -> None:
    """Make room for the highest values of all columns, and for the longest time."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    jobs = max(max(one.waiting.highest, one.running.highest) for one in pictures)
    usd = max(one.usd.highest for one in pictures)
    tops = (max(1.0, jobs), max(1.0, *map(_most_nodes, pictures)), usd or 1.0)
    forms = ("{x:,.0f}", "{x:,.0f}", f"${{x:,.{_decimals(usd)}f}}")
    for axes, top, form in zip(rows, tops, forms, strict=True):
        axes.set_ylim(0, _HEADROOM * top)
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10], integer=axes is not rows[-1]))
        axes.yaxis.set_major_formatter(StrMethodFormatter(form))
    scales.time.apply(rows[0])


def _most_nodes(picture: Picture) -> float:
    """Return how high the stack of nodes is."""
    times = chain.from_iterable(steps.times_s for steps in picture.nodes.values())
    return max((sum(steps.at(one) for steps in picture.nodes.values()) for one in set(times)), default=0.0)


def _label(grid: Sequence[Sequence[Axes]], scales: _Scales) -> None:
    for row, label in zip(grid, ("jobs", "nodes", "cost"), strict=True):
        row[0].set_ylabel(label)
        for axes in row[1:]:
            axes.tick_params(axis="y", length=0)
    for axes in grid[-1]:
        axes.set_xlabel(scales.time.label)


def _legends(rows: Sequence[Axes], scales: _Scales) -> None:
    """Say beside the last column what is what, the top of the stack first."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    ticks: Mapping[str, Any] = {"marker": "|", "markersize": 8, "linestyle": ""}
    _legend(rows[0], [(Patch(color=_PALE), "waiting"), (Line2D([], [], color=_INK, linewidth=1.1), "running")])
    kinds = [(Patch(**_look(kind, scales)), _called(kind)) for kind in reversed(tuple(scales.colours))]
    marks = [(Line2D([], [], color=colour, **ticks), _clean(text)) for text, colour in scales.marks.items()]
    spans = [(Patch(color=colour), _clean(text)) for text, colour in scales.spans.items()]
    _legend(rows[1], [*kinds, *marks, *spans])


def _legend(axes: Axes, entries: Sequence[tuple[Artist, str]]) -> None:
    handles, labels = [handle for handle, _ in entries], [label for _, label in entries]
    axes.legend(handles, labels, loc="upper left", bbox_to_anchor=(1.01, 1.0))


def _called(kind: NodeType) -> str:
    """Name a node type, its equivalents below each other."""
    return str(kind).replace("/", "/\n") + (" (spot)" if kind.preemptible else "")
