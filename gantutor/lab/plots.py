"""Figures: each function takes data and returns a matplotlib Figure."""

import io

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..images import atomic_path, centre_crop, resize
from ..style.optimise import optimise
from ..style.target import PIXELS

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#666666")
"""What a figure tells apart, in this order. The colour-blind can tell all (Okabe and Ito 2008, with grey for their
yellow). In print the first four look alike: they need the line style or the marker of the same number too."""
BLUE, ORANGE, GREEN, _, LIGHT = COLOURS[:5]
"""BLUE and LIGHT need nothing else, but LIGHT is too pale for thin lines."""
STYLES = ("-", "--", "-.", ":") * 2
MARKERS = "os^D" * 2
THUMBNAIL = 128  # px
MOST_THUMBNAILS = 7


class Drawing(Figure):
    """A Figure that shows itself in a notebook, as PNG: curves and diagrams. Needs no pyplot and no magic line."""

    def add_subplot(self, *args, **kwargs):
        axes = super().add_subplot(*args, **kwargs)
        axes.set_prop_cycle(color=COLOURS)
        return axes

    def add_axes(self, *args, **kwargs):
        axes = super().add_axes(*args, **kwargs)
        axes.set_prop_cycle(color=COLOURS)
        return axes

    def _repr_png_(self):
        return encoded(self, format="png", metadata={"Software": None}), {"alt": alt_text(self)}


class Sheet(Figure):
    """A Figure that shows itself as JPEG: photos and paintings, whose PNGs would make notebooks heavy."""

    def _repr_jpeg_(self):
        return encoded(self, format="jpeg", pil_kwargs={"quality": 82}), {"alt": alt_text(self)}


def alt_text(figure):
    """What a figure's titles, axes and legends say, for readers who do not see it."""
    words = []
    for axes in figure.axes:
        sides = " against ".join(filter(None, (axes.get_ylabel(), axes.get_xlabel())))
        legend = axes.get_legend()
        curves = ", ".join(text.get_text() for text in legend.get_texts()) if legend else ""
        title = axes.get_title() or axes.get_title(loc="left")
        words.append(": ".join(filter(None, (title, sides, curves))))
    kind = "Plot" if isinstance(figure, Drawing) else "Pictures"
    said = "; ".join(dict.fromkeys(" ".join(each.split()) for each in words if each))  # each once
    return f"{kind}: {said}" if said else kind


def shades(count):
    """Colours for some values of one quantity, from dark to light."""
    return colormaps["viridis"](np.linspace(0, 0.85, count))


def encoded(figure, **options):
    """The bytes of a figure's picture file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, **options)
    return buffer.getvalue()


def save(figure, path):
    """Write a figure to a file, in the format of its suffix, whole or not at all."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})


def show(axes, image):
    """An image (1, 3, H, W) without axes."""
    axes.imshow(image[0].detach().clamp(0, 1).permute(1, 2, 0).cpu().numpy(), interpolation="lanczos")
    axes.set_axis_off()


def picture_row(pictures, titles, height=2.6):
    """Pictures (1, 3, H, W) side by side at one height, each under its title."""
    ratios = [p.shape[3] / p.shape[2] for p in pictures]
    figure = Sheet(figsize=(height * sum(ratios) + 0.1, height + 0.3), layout="constrained")
    for axes, picture, title in zip(
        np.atleast_1d(figure.subplots(1, len(pictures), width_ratios=ratios)), pictures, titles, strict=True
    ):
        show(axes, picture)
        axes.set_title(title, fontsize=10)
    return figure


def contact_sheet(pictures, clusters):
    """One row a style: the most typical picture first, then others of the style."""
    figure = Sheet(figsize=(1.35 * (MOST_THUMBNAILS + 1), 1.6 * clusters.count), layout="constrained")
    rows = figure.subplots(clusters.count, MOST_THUMBNAILS + 1, squeeze=False)
    for style, row in enumerate(rows):
        members = [n for n in np.flatnonzero(clusters.labels == style) if n != clusters.medoids[style]]
        shown = [clusters.medoids[style], *members[:MOST_THUMBNAILS]]
        for axes in row:
            axes.set_axis_off()
        for axes, number in zip(row, shown, strict=False):
            show(axes, centre_crop(resize(pictures[number], THUMBNAIL)))
        count, tightness = len(members) + 1, clusters.tightness[style]
        tight = "" if tightness is None else f", tightness {tightness:.2f}"
        row[0].set_title(f"style {style + 1}: {count} of {len(pictures)} pictures{tight}", fontsize=10, loc="left")
        row[0].add_patch(
            Rectangle((0, 0), 1, 1, transform=row[0].transAxes, fill=False, linewidth=3, edgecolor="black")
        )
    return figure


def style_card(personal, size=128):
    """What a style file knows, without its pictures: for each style a texture grown from noise, and the palette."""
    count, network = len(personal.styles), personal.network()
    figure = Sheet(figsize=(2.3 * count, 3.0), layout="constrained")
    rows = figure.subplots(2, count, squeeze=False, height_ratios=(6, 1))
    for number, (style, share) in enumerate(zip(personal.styles, personal.shares, strict=True)):
        coarse = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(number))
        noise = resize(coarse, size)  # no finer than optimise starts: it keeps finer details
        for state in optimise(network, noise, style, size, alpha=0):
            texture = state.image
        show(rows[0, number], texture)
        rows[0, number].set_title(f"style {number + 1} ({share:.0%})", fontsize=10)
        rows[1, number].imshow(palette(*style.levels[max(style.levels)][PIXELS])[None], aspect="auto")
        rows[1, number].set_axis_off()
    return figure


def palette(mean, covariance, colours=6):
    """Colours (6, 3) along the main axis of a colour distribution, from two deviations below the mean to two above."""
    values, vectors = torch.linalg.eigh(covariance)
    axis = vectors[:, -1] * values[-1].clamp(min=0).sqrt()
    axis = axis if axis.sum() > 0 else -axis
    return (mean + torch.linspace(-2, 2, colours)[:, None] * axis).clamp(0, 1).numpy()
