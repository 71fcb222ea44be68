"""The figures. Each function makes one and returns it; whoever calls it saves and closes it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from panther_hookspecs import median, median_interval
from panther_report_plots.data import Fault, Load, Samples, number
from panther_report_plots.style import COLOURS, COLUMN, FAULT, LINES, MARKERS, PAGE, PARAMETERS, label, scaled

_MOST_POINTS = 5000
_WIDE = 30
_MANY = 4
"""Curves whose names fit into a figure."""
_WIDEST = 48
"""Characters that fit beside each other below a column's width."""


@contextlib.contextmanager
def drawing() -> Iterator[Any]:
    """Give pyplot, in our style and without a screen, and put everything back afterwards."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    with mpl.rc_context(PARAMETERS):
        try:
            yield plt
        finally:
            plt.close("all")


def box(plt: Any, samples: Samples) -> Any:
    """Draw boxes with all points, one for each cell."""
    factor, unit = scaled(samples.unit, max(max(values) for values in samples.cells.values()))
    names, columns = list(samples.cells), [[value / factor for value in each] for each in samples.cells.values()]
    flat = max(map(len, names)) * len(names) > _WIDEST
    size = (COLUMN, max(1.2, 0.32 * len(names) + 0.6)) if flat else (COLUMN, 2.3)
    figure, axes = plt.subplots(figsize=size)
    drawn = axes.boxplot(
        columns,
        orientation="horizontal" if flat else "vertical",
        widths=0.5,
        showfliers=False,
        patch_artist=True,
        medianprops={"color": "black", "linewidth": 1.2},
        boxprops={"linewidth": 0.7},
        whiskerprops={"linewidth": 0.7},
        capprops={"linewidth": 0.7},
    )
    for place, (patch, values) in enumerate(zip(drawn["boxes"], columns, strict=True), 1):
        colour = COLOURS[(place - 1) % len(COLOURS)]
        patch.set_facecolor(colour + "40")
        patch.set_edgecolor(colour)
        spread = [place + 0.18 * ((7 * index % 11) / 5 - 1) for index in range(len(values))]
        axes.scatter(*((values, spread) if flat else (spread, values)), s=6, color=colour, linewidths=0, zorder=3)
    shown = [f"{name}\n(n={len(values)})" for name, values in zip(names, columns, strict=True)]
    if flat:
        axes.set_yticks(range(1, len(names) + 1), [each.replace("\n", " ") for each in shown])
        axes.set_xlabel(label(samples.name, unit))
        axes.invert_yaxis()
        axes.set_xscale(_scale(columns))
        axes.grid(visible=False, axis="y")
    else:
        axes.set_xticks(range(1, len(names) + 1), shown)
        axes.set_ylabel(label(samples.name, unit))
        axes.set_yscale(_scale(columns))
        axes.grid(visible=False, axis="x")
    return figure


def _scale(columns: Sequence[Sequence[float]]) -> str:
    """Return the scale on which values can be told apart: logarithmic where some are many times others."""
    every = [value for each in columns for value in each]
    return "log" if min(every) > 0 and max(every) > _WIDE * min(every) else "linear"


def numeric_axis(samples: Samples) -> str:
    """Return the axis of the matrix whose values are all numbers, more than one of them; empty if there is none."""
    names = next(iter(samples.axes.values()), {})
    for name in names:
        values = {number(samples.axes[cell][name]) for cell in samples.cells if name in samples.axes[cell]}
        if None not in values and len(values) > 1:
            return name
    return ""


def lines(plt: Any, samples: Samples, axis: str) -> Any:
    """Draw medians over a numeric axis, with the 95 % interval of each as a band, one line for the other axes."""
    factor, unit = scaled(samples.unit, max(max(values) for values in samples.cells.values()))
    groups: dict[str, list[tuple[float, tuple[float, ...]]]] = {}
    for cell, values in samples.cells.items():
        place = number(samples.axes[cell][axis])
        others = ", ".join(value for name, value in samples.axes[cell].items() if name != axis)
        groups.setdefault(others, []).append((place or 0.0, tuple(value / factor for value in values)))
    figure, axes = plt.subplots(figsize=(COLUMN, 2.3))
    for index, (name, points) in enumerate(groups.items()):
        points.sort()
        colour, places = COLOURS[index % len(COLOURS)], [place for place, _ in points]
        axes.plot(
            places,
            [median(values) for _, values in points],
            color=colour,
            marker=MARKERS[index % len(MARKERS)],
            label=name,
        )
        bands = [(place, found) for place, values in points if (found := median_interval(values)) is not None]
        if bands:
            low, high = [found.low for _, found in bands], [found.high for _, found in bands]
            axes.fill_between([place for place, _ in bands], low, high, color=colour, alpha=0.2, linewidth=0)
    axes.set_xlabel(axis.replace("_", " "))
    axes.set_ylabel(label(samples.name, unit))
    axes.set_yscale(_scale([values for points in groups.values() for _, values in points]))
    _name_curves(figure, axes, len(groups))
    return figure


def _name_curves(figure: Any, axes: Any, count: int) -> None:
    """Put names beside curves: into the figure where that leaves room for them, else below it."""
    if count > _MANY:
        figure.set_figheight(figure.get_figheight() + 0.16 * -(-count // 2))
        figure.legend(loc="outside lower center", ncols=2)
    elif count > 1:
        axes.legend()


def sides(samples: Samples) -> Mapping[str, list[str]]:
    """Return the values of both axes of a matrix that has just two of them; nothing where a box plot says the same."""
    names = list(next(iter(samples.axes.values()), {}))
    found = {name: list(dict.fromkeys(samples.axes[cell][name] for cell in samples.cells)) for name in names}
    return found if len(found) == 2 and all(len(each) > 1 for each in found.values()) else {}  # noqa: PLR2004


def heat_map(plt: Any, samples: Samples) -> Any:
    """Draw the medians of a matrix of two axes as colours with numbers."""
    names, (rows, columns) = list(sides(samples)), sides(samples).values()
    factor, unit = scaled(samples.unit, max(map(median, samples.cells.values())))
    table = [[float("nan")] * len(columns) for _ in rows]
    for cell, values in samples.cells.items():
        place = samples.axes[cell]
        table[rows.index(place[names[0]])][columns.index(place[names[1]])] = median(values) / factor
    longest = max(map(len, columns))
    tilted = longest > 8  # noqa: PLR2004 - characters that fit beside each other
    height = max(2.0, 0.3 * len(rows) + 0.9) + (0.03 * longest if tilted else 0)
    figure, axes = plt.subplots(figsize=(COLUMN, height))
    image = axes.imshow(table, cmap="viridis", aspect="auto")
    known = [value for row in table for value in row if value == value]  # noqa: PLR0124 - NaN differs from itself
    half = (min(known) + max(known)) / 2
    for y, row in enumerate(table):
        for x, value in enumerate(row):
            if value == value:  # noqa: PLR0124
                axes.text(
                    x,
                    y,
                    f"{value:.3g}",
                    ha="center",
                    va="center",
                    fontsize=6,
                    color="black" if value > half else "white",
                )
    axes.set_xticks(range(len(columns)), columns, rotation=30 if tilted else 0, ha="right" if tilted else "center")
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlabel(names[1])
    axes.set_ylabel(names[0])
    axes.grid(visible=False)
    figure.colorbar(image, ax=axes, label=label(samples.name, unit))
    return figure


def cdf(plt: Any, loads: Sequence[Load]) -> Any:
    """Draw the latencies of loads as distributions; what got no answer keeps a curve below 1."""
    figure, axes = plt.subplots(figsize=(COLUMN, 2.3))
    for index, load in enumerate(loads):
        _distribution(axes, load, COLOURS[index % len(COLOURS)], LINES[index // 2 % len(LINES)])
    axes.set_xscale("log")
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("latency (ms)")
    axes.set_ylabel("share of requests")
    _name_curves(figure, axes, len(loads))
    return figure


def _distribution(axes: Any, load: Load, colour: str, line: str = "-") -> None:
    found = sorted(1e3 * (each.answered - each.due) for each in load.requests if each.answered is not None)
    shares = [(index + 1) / len(load.requests) for index in range(len(found))]
    axes.step(found, shares, where="post", color=colour, linestyle=line, label=load.cell)


def scatter(plt: Any, load: Load) -> Any:
    """Draw the latency of every request over the time at which it was due, with what was broken meanwhile."""
    figure, axes = plt.subplots(figsize=(COLUMN, 2.1))
    _points(axes, load)
    return figure


def _points(axes: Any, load: Load) -> None:
    zero = load.requests[0].due
    step = max(1, len(load.requests) // _MOST_POINTS)
    chosen = load.requests[::step]
    good = [(each.due - zero, 1e3 * (each.answered - each.due)) for each in chosen if each.answered is not None]
    axes.scatter(*zip(*good, strict=True) if good else ((), ()), s=3, color=COLOURS[0], linewidths=0, rasterized=True)
    lost = [each.due - zero for each in chosen if each.answered is None]
    _faults(axes, load.faults, zero)
    axes.set_yscale("log")
    if lost:
        axes.plot(
            lost,
            [0.02] * len(lost),
            "|",
            color=FAULT,
            markersize=4,
            transform=axes.get_xaxis_transform(),
            label=f"{len(lost)} lost",
            clip_on=False,
        )
    axes.set_xlabel("time (s)")
    axes.set_ylabel("latency (ms)")
    if lost:
        axes.legend(loc="upper right", handlelength=0.5)


def _faults(axes: Any, faults: Sequence[Fault], zero: float) -> None:
    for index, each in enumerate(faults):
        axes.axvspan(each.begin - zero, max(each.over - zero, each.begin - zero + 1e-3), color=FAULT, alpha=0.15, lw=0)
        axes.annotate(
            each.what,
            (each.begin - zero, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2 + 7 * (index % 2) * (len(faults) > 2)),  # noqa: PLR2004 - many texts would overlap
            textcoords="offset points",
            fontsize=6,
            color=FAULT,
            va="bottom",
        )


def time_series(plt: Any, load: Load) -> Any:
    """Draw answers a second over time, with what was broken meanwhile."""
    zero, last = load.requests[0].due, load.requests[-1].due
    width = max((last - zero) / 60, 0.02)
    count = max(1, int((last - zero) / width))
    bins = [0] * count
    for each in load.requests:
        if each.answered is not None and each.right and 0 <= each.answered - zero < count * width:
            bins[int((each.answered - zero) / width)] += 1
    figure, axes = plt.subplots(figsize=(COLUMN, 1.8))
    axes.step(
        [index * width for index in range(count)], [each / width for each in bins], where="post", color=COLOURS[0]
    )
    _faults(axes, load.faults, zero)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("time (s)")
    axes.set_ylabel("answers (1/s)")
    return figure


def _bins(ordered: Sequence[float]) -> int | list[float]:
    """Return how many bins a histogram has, or their edges where its axis is logarithmic."""
    count = min(50, max(5, len(ordered) // 10))
    if not ordered or _scale([ordered]) == "linear":
        return count
    ratio = ordered[-1] / ordered[0]
    return [float(ordered[0] * ratio ** (index / count)) for index in range(count)] + [ordered[-1]]


def analysis(plt: Any, load: Load) -> Any:
    """Draw four views of one load: over time, as a histogram, as a distribution, as percentiles."""
    figure, ((over_time, histogram), (distribution, shares)) = plt.subplots(2, 2, figsize=(PAGE, 4.0))
    _points(over_time, load)
    found = sorted(1e3 * (each.answered - each.due) for each in load.requests if each.answered is not None)
    histogram.hist(found, bins=_bins(found), color=COLOURS[0] + "80", edgecolor=COLOURS[0], lw=0.5)
    histogram.set_xscale(_scale([found or [0.0]]))
    histogram.set_xlabel("latency (ms)")
    histogram.set_ylabel("requests")
    _distribution(distribution, load, COLOURS[0])
    distribution.set_xscale("log")
    distribution.set_ylim(0, 1.02)
    distribution.set_xlabel("latency (ms)")
    distribution.set_ylabel("share of requests")
    names = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
    heights = [found[min(len(found) - 1, int(share * len(found)))] if found else 0.0 for share in names.values()]
    bars = shares.bar(list(names), heights, color=COLOURS[0] + "80", edgecolor=COLOURS[0], lw=0.7, width=0.6)
    shares.bar_label(bars, [f"{each:.3g}" for each in heights], fontsize=6, padding=1)
    shares.set_ylabel("latency (ms)")
    shares.grid(visible=False, axis="x")
    for axes, letter in zip((over_time, histogram, distribution, shares), "abcd", strict=True):
        axes.set_title(f"({letter})", loc="left", fontweight="bold")
    return figure


def numbers(plt: Any, name: str, values: Sequence[float]) -> Any:
    """Draw a list of numbers in its order."""
    figure, axes = plt.subplots(figsize=(COLUMN, 2.1))
    axes.scatter(range(1, len(values) + 1), values, s=8, color=COLOURS[0], linewidths=0)
    axes.set_xlabel("number")
    axes.set_ylabel(label(name, ""))
    return figure


def views(plt: Any, name: str, values: Sequence[float]) -> Any:
    """Draw four views of a list of numbers: in order, as a histogram, as a distribution, as a box."""
    figure, ((order, histogram), (distribution, boxed)) = plt.subplots(2, 2, figsize=(PAGE, 4.0))
    ordered = sorted(values)
    order.plot(range(1, len(values) + 1), values, ".-", color=COLOURS[0], lw=0.6)
    order.set_xlabel("number")
    order.set_ylabel(label(name, ""))
    histogram.hist(ordered, bins=min(50, max(5, len(ordered) // 5)), color=COLOURS[0] + "80", edgecolor=COLOURS[0])
    histogram.set_xlabel(label(name, ""))
    histogram.set_ylabel("count")
    distribution.step(ordered, [(index + 1) / len(ordered) for index in range(len(ordered))], color=COLOURS[0])
    distribution.set_xlabel(label(name, ""))
    distribution.set_ylabel("share")
    boxed.boxplot(ordered, orientation="horizontal", widths=0.5, medianprops={"color": "black"})
    boxed.set_yticks([])
    boxed.set_xlabel(label(name, ""))
    return figure
