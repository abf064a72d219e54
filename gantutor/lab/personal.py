"""What notebook 08 shows: what a style file holds, mixtures, axes, judged paintings, and a blind comparison."""

import numpy as np
import torch

from .. import images
from ..errors import InputError
from ..personal.file import PersonalStyle
from ..personal.judging import share_interval
from ..style.losses import ContentLoss
from .painting import GAP
from .plots import COLOURS, MARKERS, Drawing, Sheet, show

GREY = "0.45"
POLES = ("painted at the low pole", "in the middle", "at the high pole")
CELL = 1.1  # inches of a picture in the triangle
BINS = 4  # of each colour in a histogram: few, as pictures that share a palette share few exact colours


def megabytes(tensors):
    """How much each kind of tensors in a style file takes, {kind: MB}; tensors {name: bytes}."""
    kinds = {"style": "statistics of the styles", "low": "poles of the axes", "high": "poles of the axes"}
    found = {}
    for name, size in tensors.items():
        kind = kinds.get(name.split(".")[0], name)
        found[kind] = found.get(kind, 0) + size / 1e6
    return found


def refusal(path):
    """What `PersonalStyle.load` says about a file that it refuses, without folders and the decoder's own words."""
    try:
        PersonalStyle.load(path)
    except InputError as error:
        sentence = str(error).replace(str(path), path.name)
        before, _, rest = sentence.partition(" (")
        return before + rest.rpartition(")")[2]
    raise AssertionError(f"{path.name} was read")


def directions(covariance):
    """How many directions a covariance (C, C) has, in effect: (Σ λ)² / Σ λ², C if all are alike, 1 for a line."""
    return (covariance.trace() ** 2 / covariance.square().sum()).item()


def dots(groups, xlabel, intervals=None, line=None, height=0.34):
    """Values {name: (n,)} as dots, a row for each name, with the mean as a bar and an interval if there is one.

    intervals: {name: (low, high)}; line: a value that is marked.
    """
    figure = Drawing(figsize=(7.2, 0.75 + height * len(groups)), layout="constrained")
    draw_dots(figure.subplots(), groups, intervals or {}, line)
    figure.axes[0].set_xlabel(xlabel)
    return figure


def judged(measures, intervals, lines, limits=None):
    """Several measures of the same groups side by side: {title: {name: (n,)}}, {title: {name: (low, high)}}.

    lines: {title: (value, words)}, a value that is marked; limits: (least, greatest) of all scales, where they compare.
    """
    rows = max(len(groups) for groups in measures.values())
    figure = Drawing(figsize=(3.1 * len(measures) + 1.4, 1.1 + 0.36 * rows), layout="constrained")
    grid = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    for axes, (title, groups) in zip(grid, measures.items(), strict=True):
        value, words = lines.get(title, (None, ""))
        draw_dots(axes, groups, intervals.get(title, {}), value)
        axes.set_title(title, fontsize=10)
        axes.set_xlim(limits)
        axes.set_xlabel(words and f"dashed: {words}", fontsize=8)
    return figure


def draw_dots(axes, groups, intervals, line):
    """The rows of `dots`; the first on top."""
    if line is not None:
        axes.axvline(line, color="black", linestyle="--", linewidth=1)
    for row, (name, values) in enumerate(groups.items()):
        color = COLOURS[row % len(COLOURS)]
        values = np.asarray(values, float)
        axes.plot(values, np.full(len(values), row), "o", color=color, alpha=0.45, markersize=5)
        axes.plot([values.mean()] * 2, [row - 0.3, row + 0.3], color=color, linewidth=3)
        if name in intervals:
            axes.plot(intervals[name], [row, row], color=color, linewidth=2)
    axes.set_yticks(range(len(groups)), list(groups), fontsize=9)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.grid(axis="x", color="0.9")


def trade(ways):
    """Style against content: {way: [(content, distance in radii, words), …]}, each a line of marks in that order."""
    figure = Drawing(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    for number, (way, places) in enumerate(ways.items()):
        content, distance, words = zip(*places, strict=True)
        axes.plot(content, distance, MARKERS[number] + "-", color=COLOURS[number], label=way, markersize=7)
        for place in zip(content, distance, words, strict=True):
            axes.annotate(place[2], place[:2], (7, 3), textcoords="offset points", fontsize=8)
    axes.axhline(1, color="black", linestyle="--", linewidth=1)
    axes.annotate(
        "the style's radius",
        (1, 1),
        (-4, 4),
        xycoords=("axes fraction", "data"),
        fontsize=8,
        ha="right",
        textcoords="offset points",
    )
    axes.margins(0.1)
    axes.set(xlabel="content lost", ylabel="distance from the style (radii)", ylim=(0, None))
    axes.legend(fontsize=8)
    return figure


def walks(rows, pictures=()):
    """Coordinates on an axis, {name: (n,)}: of three paintings (low pole, middle, high pole), which a line joins, or of
    pictures, a stroke for each, if the name is among `pictures`."""
    figure = Drawing(figsize=(7.2, 1.2 + 0.36 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for row, (name, places) in enumerate(rows.items()):
        if name in pictures:
            axes.plot(places, [row] * len(places), "|", color=GREY, markersize=13, label="liked picture")
            continue
        axes.plot(places, [row] * 3, "-", color=COLOURS[0], linewidth=1)
        for place, marker, color, label in zip(places, "<o>", COLOURS, POLES, strict=False):
            axes.plot([place], [row], marker, color=color, markersize=8, label=label)
    entries = dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))  # each once
    figure.legend(entries.values(), entries, loc="outside upper center", ncols=len(entries), fontsize=8, frameon=False)
    axes.set_yticks(range(len(rows)), list(rows), fontsize=9)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("coordinate on the axis")
    axes.grid(axis="x", color="0.9")
    return figure


def weights_of(row, column, steps):
    """The weights of three styles at a place of the triangle: row 0 is the first style alone, the corners below it
    the second and the third."""
    return [(steps - row) / steps, (row - column) / steps, column / steps]


def triangle(paintings, names):
    """Mixtures of three styles as a triangle, [[painting], [painting, painting], …], with the corners' names."""
    steps = len(paintings) - 1
    width, height = CELL * (steps + 1), CELL * (steps + 1)
    figure = Sheet(figsize=(width, height + 0.5))
    tall = height / (height + 0.5) / (steps + 1)
    for row, pictures in enumerate(paintings):
        for column, picture in enumerate(pictures):
            left = (steps - row) / 2 + column
            place = (left / (steps + 1), 0.25 / (height + 0.5) + (steps - row) * tall, 0.98 / (steps + 1), 0.98 * tall)
            show(figure.add_axes(place), picture)
    places = ((0.5, 0.995, "center", "top"), (0.005, 0.005, "left", "bottom"), (0.995, 0.005, "right", "bottom"))
    for name, (x, y, ha, va) in zip(names, places, strict=True):
        figure.text(x, y, name, ha=ha, va=va, fontsize=10)
    return figure


def along(painter, encoding, style, ends, axis, position):
    """The panel of axes: a photo painted at a place on an axis, between liked pictures from its ends. (tensor, words)

    ends: [(low, high), …] for each axis, two liked pictures (1, 3, s, s).
    """
    painting = painter.paint(encoding, style.along(axis, position)).cpu()
    side = (painting.shape[2] - GAP) // 2
    low, high = (images.resize(images.centre_crop(picture.cpu()), side) for picture in ends[axis - 1])
    canvas = torch.ones(1, 3, painting.shape[2], 2 * (side + GAP) + painting.shape[3])
    top = (painting.shape[2] - side) // 2
    canvas[..., top : top + side, :side] = low
    canvas[..., top : top + side, -side:] = high
    canvas[..., side + GAP : side + GAP + painting.shape[3]] = painting
    mark = side + GAP + round((position + 1) / 2 * (painting.shape[3] - 2 * GAP))
    canvas[..., -3 * GAP :, side + GAP : side + GAP + painting.shape[3]] = 1
    canvas[..., -GAP - 1 : -GAP + 1, side + GAP : side + GAP + painting.shape[3]] = 0.6
    canvas[..., -2 * GAP :, mark : mark + 2 * GAP] = 0
    share = style.axes[axis - 1][2]
    pole = "the right" if position > 0 else "the left"
    where = "the whole collection's mixture" if not position else f"{abs(position):.0%} of the way to {pole} pole"
    return canvas, f"Axis {axis} holds {share:.0%} of the liked pictures' variance. Painted: {where}."


def colour_histogram(picture):
    """The square roots of the shares of 64 colours in a picture (1, 3, H, W): (64,), of length one."""
    levels = (picture[0].flatten(1).clamp(0, 1) * BINS).long().clamp(max=BINS - 1)
    numbers = (levels[0] * BINS + levels[1]) * BINS + levels[2]
    return (torch.bincount(numbers, minlength=BINS**3) / len(numbers)).sqrt().cpu().numpy()


@torch.no_grad()
def content_lost(network, photo, pictures):
    """How far pictures (1, 3, H, W) are from a photo in content, by the network that paints: a list of numbers."""
    layers = network.content_layers
    losses = {layer: ContentLoss(maps) for layer, maps in network(photo, layers).items()}
    found = [network(picture, layers) for picture in pictures]
    return [sum(losses[k](maps[k]).item() for k in layers) / len(layers) for maps in found]


class BlindTest:
    """The panel of the last word: two paintings without names, on sides drawn by lot, and which is liked.

    pairs: [(one way, its painting, another way, its painting), …]. Called with the numbers of clicks on "left" and
    "right", it returns (tensor, words). `answers` holds (liked way, other way) and is told when all have been given.
    """

    def __init__(self, pairs, seed=0):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(pairs))
        halves = [((pairs[n][0], pairs[n][1]), (pairs[n][2], pairs[n][3])) for n in order]
        self.shown = [pair[::-1] if rng.random() < 0.5 else pair for pair in halves]
        self.answers, self.clicks = [], (0, 0)

    def __call__(self, left, right):
        clicks, before = (left, right), self.clicks
        self.clicks = clicks
        if clicks != before and len(self.answers) < len(self.shown):
            pair = self.shown[len(self.answers)]
            liked = 0 if left > before[0] else 1
            self.answers.append((pair[liked][0], pair[1 - liked][0]))
        done = len(self.answers)
        pair = self.shown[min(done, len(self.shown) - 1)]
        picture = images.image_grid(torch.cat([painting.cpu() for _, painting in pair]), 2, gap=3 * GAP)
        if done < len(self.shown):
            return picture, f"Pair {done + 1} of {len(self.shown)}. Which do you like better?"
        return picture, f"The last pair: {pair[0][0]} and {pair[1][0]}. {self.result()}"

    def result(self):
        """How often each way was liked against its rival, with an interval of the probability."""
        sentences = []
        for rivals in sorted({tuple(sorted(answer)) for answer in self.answers}):
            met = [answer for answer in self.answers if tuple(sorted(answer)) == rivals]
            wins = sum(answer[0] == rivals[0] for answer in met)
            low, high = share_interval(wins, len(met))
            sentences.append(
                f"You liked {rivals[0]} better than {rivals[1]} in {wins} of {len(met)}: "
                f"its chance lies between {low:.0%} and {high:.0%}."
            )
        return " ".join(sentences)
