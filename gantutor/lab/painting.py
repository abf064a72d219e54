"""What notebook 06 shows: small generators and their faults, loss landscapes, transported colours, mixtures."""

import time

import numpy as np
import torch
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from torch.nn import functional as F

from .. import datasets, images
from ..errors import InputError
from ..painters import paint
from ..sources import Pictures, tile
from ..style.generator import SIZE, moved, ridged
from ..style.optimise import TotalLoss
from ..style.statistics import mean_and_covariance, roots
from ..style.target import Style
from .plots import BLUE, LIGHT, ORANGE, Drawing, Sheet

GAP = 4  # px between the pictures of a sheet
PERIOD = 4  # px, after which the faults of two layers that double the side repeat
GREY = "0.45"
MARKS = (("o", "white"), ("^", BLUE), ("s", ORANGE))


def square(name, size=SIZE):
    """The middle of a bundled picture as (1, 3, size, size)."""
    return images.resize(images.centre_crop(images.load_image(datasets.bundled(name))), size)


def by_painter(family, seed=3):
    """The bundled flower, repainted by one of the package's painters: (1, 3, SIZE, SIZE)."""
    return paint(square("photos/flower.jpg"), family, seed)


def stripes(width=40):
    """Broad slanting stripes, (1, 3, SIZE, SIZE): a style whose unit is larger than a stroke."""
    rows, columns = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    dark, light = (torch.tensor(colour).view(1, 3, 1, 1) for colour in ([0.1, 0.15, 0.4], [0.95, 0.85, 0.6]))
    return torch.where((rows + columns) // width % 2 == 0, dark, light)


def pictures(names):
    """Bundled pictures as squares of SIZE px, for training: Pictures."""
    return Pictures(torch.cat([(square(name) * 255).round().byte() for name in names]))


def tiles_of(names, size, each, seed=0):
    """`each` random tiles of bundled pictures, mixed: (N, 3, size, size), the same from the seed."""
    found = []
    for number, name in enumerate(names):
        picture, rng = images.load_image(datasets.bundled(name)), np.random.default_rng([seed, number])
        found += [tile(picture, size, rng) for _ in range(each)]
    order = torch.randperm(len(found), generator=torch.Generator().manual_seed(seed))
    return torch.cat(found)[order]


def told_apart(paintings, photos, side=8):
    """For what share of paintings (N, 3, H, W) the photo that each was made from is the one most like it.

    Likeness is the correlation of lightness at `side` x `side` px, whatever its sign. Chance gives 1 / N.
    """
    lights = []
    for pictures in (paintings, photos):
        light = F.adaptive_avg_pool2d(pictures.mean(1, keepdim=True), side).flatten(1)
        lights.append(F.normalize(light - light.mean(1, keepdim=True), dim=1))
    nearest = (lights[0] @ lights[1].T).abs().argmax(1)
    return (nearest == torch.arange(len(nearest), device=nearest.device)).float().mean().item()


def repeating(pictures, period=PERIOD):
    """Of the detail inside squares of `period` px the share that is the same in all: 1 for a grid, 0 for none.

    Pictures (N, 3, H, W), H and W multiples of the period.
    """
    squares = pictures.unflatten(3, (-1, period)).unflatten(2, (-1, period))  # (N, 3, rows, period, columns, period)
    detail = squares - squares.mean((3, 5), keepdim=True)
    pattern = detail.mean((0, 2, 4), keepdim=True)
    return (pattern.square().mean() / detail.square().mean().clamp(min=1e-12)).item()


def overlaps(kernel, stride, places=12):
    """The panel of transposed convolutions: how many inputs reach each pixel, and a flat input with random weights.

    Returns (figure, sentence).
    """
    ones = torch.ones(1, 1, places, places)
    counts = F.conv_transpose2d(ones, torch.ones(1, 1, kernel, kernel), stride=stride)[0, 0]
    weights = torch.randn(1, 3, kernel, kernel, generator=torch.Generator().manual_seed(1)) / kernel
    flat = F.conv_transpose2d(ones, weights, stride=stride)[0]
    edge = kernel  # px, where neighbours are missing
    counts, flat = counts[edge:-edge, edge:-edge], flat[:, edge:-edge, edge:-edge]
    figure = Drawing(figsize=(7.2, 3), layout="constrained")
    left, right = figure.subplots(1, 2)
    drawn = left.imshow(
        counts.numpy(), cmap="viridis", vmin=0, vmax=max(4, counts.max().item()), interpolation="nearest"
    )
    figure.colorbar(drawn, ax=left, shrink=0.8)
    left.set_title("inputs that reach a pixel", fontsize=10)
    shown = ((flat - flat.mean()) / (4 * flat.std() + 1e-6) + 0.5).clamp(0, 1)
    right.imshow(shown.permute(1, 2, 0).numpy(), interpolation="nearest")
    right.set_title("a flat input, random weights", fontsize=10)
    for axes in (left, right):
        axes.set(xticks=[], yticks=[])
    found = sorted({round(count) for count in counts.flatten().tolist()})
    even = "The counts are even" if len(found) == 1 else "The counts are uneven"
    return figure, f"{even}: {', '.join(map(str, found))}."


BOXES = {
    "pix2pix": (
        [("photo", 0, 1), ("G", 1, 1), ("painting", 2, 1), ("D", 3, 1), ("its pair", 2, 0)],
        [(0, 1, ""), (1, 2, ""), (2, 3, "fake"), (4, 3, "real"), (2, 4, "L1")],
    ),
    "CycleGAN": (
        [
            ("photo", 0, 1),
            ("G", 1, 1),
            ("painting", 2, 1),
            ("D", 3, 1),
            ("others", 3, 0),
            ("back", 2, 0),
            ("photo?", 1, 0),
        ],
        [(0, 1, ""), (1, 2, ""), (2, 3, "fake"), (4, 3, "real"), (2, 5, ""), (5, 6, ""), (6, 0, "L1")],
    ),
    "here": (
        [
            ("photo", 0, 1),
            ("G", 1, 1),
            ("painting", 2, 1),
            ("D", 3, 1),
            ("others", 3, 0),
            ("features", 2, 0),
            ("style", 1, 0),
        ],
        [(0, 1, ""), (1, 2, ""), (2, 3, "fake"), (4, 3, "real"), (2, 5, "content\nand style"), (6, 1, "")],
    ),
}
"""Three ways to train a painter: boxes (words, column, row) and arrows (from, to, words where two are compared)."""


def schemes():
    """Three ways to train a network that makes paintings of photos, side by side."""
    figure = Drawing(figsize=(12, 2.3), layout="constrained")
    for axes, (title, (boxes, arrows)) in zip(figure.subplots(1, len(BOXES)), BOXES.items(), strict=True):
        places, drawn = [(1.5 * column, 1.35 * row) for _, column, row in boxes], []
        for (words, _, _), (x, y) in zip(boxes, places, strict=True):
            color = {"G": BLUE, "D": ORANGE, "back": BLUE}.get(words, GREY)
            box = FancyBboxPatch((x - 0.4, y - 0.16), 0.8, 0.32, "round,pad=0.08", fc="white", ec=color, lw=1.6)
            drawn.append(axes.add_patch(box))
            axes.text(x, y, words, fontsize=9, ha="center", va="center", color=color)
        for start, end, words in arrows:
            style = {"linestyle": "--" if words else "-", "mutation_scale": 12, "color": "black", "lw": 1.1}
            ends = {"patchA": drawn[start], "patchB": drawn[end], "shrinkA": 1, "shrinkB": 1}
            axes.add_patch(FancyArrowPatch(places[start], places[end], arrowstyle="-|>", **style, **ends))
            (x, y), (u, v) = places[start], places[end]
            if y == v:  # there is room above the arrow
                axes.text((x + u) / 2, y + 0.3, words, fontsize=8, ha="center", va="bottom")
            else:
                axes.text((x + u) / 2 + 0.08, (y + v) / 2, words, fontsize=8, ha="left", va="center")
        axes.set(xlim=(-0.6, 5.2), ylim=(-0.4, 1.9))
        axes.set_title(title, fontsize=11)
        axes.set_axis_off()
    return figure


def pull(gradient):
    """A gradient (1, 3, H, W) as a picture of what a step down it adds: grey where nothing."""
    return (0.5 - gradient / (6 * gradient.std() + 1e-12)).clamp(0, 1)


def grid_of(rows, names=(), height=1.45):
    """Pictures {title: [(1, 3, H, W), …]}, a row for each title; names stand over the columns."""
    columns, above = max(map(len, rows.values())), 0.25 if names else 0  # inches, for the names
    longest = max(len(line) for title in rows for line in title.split("\n"))
    words = max(1.1, 0.15 + 0.07 * longest)  # inches, for the titles
    shape = (height * columns + words, height * len(rows) + above)
    figure = Sheet(figsize=shape, dpi=90)
    figure.subplots_adjust(words / shape[0], 0, 1, 1 - above / shape[1], hspace=0.03, wspace=0.03)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for row, (title, pictures) in zip(grid, rows.items(), strict=True):
        for axes in row:
            axes.set(xticks=[], yticks=[])
            axes.set_frame_on(False)
        for axes, picture in zip(row, pictures, strict=False):
            pixels = picture[0].detach().float().cpu().clamp(0, 1).permute(1, 2, 0)
            axes.imshow(pixels.numpy(), interpolation="lanczos" if len(pixels) > 100 else "nearest")
        row[0].set_ylabel(title, fontsize=9, rotation=0, ha="right", va="center")
    for axes, name in zip(grid[0], names, strict=False):
        axes.set_title(name, fontsize=9)
    return figure


def between(photo, first, second, u, v):
    """The picture photo + u (first − photo) + v (second − photo), clamped to [0, 1]."""
    return (photo + u * (first - photo) + v * (second - photo)).clamp(0, 1)


def contours(axes, places, values):
    """A term's values (n, n), rows for v and columns for u, as lines of equal height over the plane."""
    drawn = axes.contourf(places.numpy(), places.numpy(), values.numpy(), levels=10, cmap="viridis")
    for (marker, color), (u, v) in zip(MARKS, ((0, 0), (1, 0), (0, 1)), strict=True):
        axes.plot(u, v, marker, color=color, markeredgecolor="black", markersize=8)
    axes.set_aspect("equal")
    return drawn


def star(axes, u, v, size):
    """A white star at a place, whole at the edge of the axes too."""
    axes.plot(u, v, "*", color="white", markeredgecolor="black", markersize=size, clip_on=False, zorder=5)


def landscape(places, terms):
    """Loss terms {name: (n, n)} over the plane through a photo (circle), a generator's painting (triangle) and the
    optimiser's (square); places (n,) are the coordinates in both directions. A star marks each term's least value."""
    figure = Drawing(figsize=(2.5 * len(terms), 2.3), layout="constrained")
    for axes, (title, values) in zip(figure.subplots(1, len(terms), squeeze=False)[0], terms.items(), strict=True):
        figure.colorbar(contours(axes, places, values), ax=axes, shrink=0.8)
        row, column = divmod(int(values.argmin()), len(places))
        star(axes, float(places[column]), float(places[row]), 13)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("towards the generator's", fontsize=8)
    figure.axes[0].set_ylabel("towards the optimiser's", fontsize=8)
    return figure


def weighing(pictures, places, terms, alpha, beta, gamma, smooth):
    """The panel of weights: the total loss over the plane, and the best picture in the window. (figure, sentence)

    pictures are the three that span it; terms has content, style, adversarial and smooth as `landscape` takes them.
    """
    weights = {"content": alpha, "style": beta, "adversarial": gamma, "smooth": smooth}
    if not any(weights.values()):
        raise InputError("all weights are 0, so that nothing is asked for: raise one of them")
    total = sum(weight * terms[name] for name, weight in weights.items())
    row, column = divmod(int(total.argmin()), len(places))
    u, v = float(places[column]), float(places[row])
    figure = Sheet(figsize=(4.9, 2.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    figure.colorbar(contours(left, places, total), ax=left, shrink=0.8)
    star(left, u, v, 15)
    left.set_xlabel("towards the generator's", fontsize=8)
    left.set_ylabel("towards the optimiser's", fontsize=8)
    left.set_title("total loss", fontsize=10)
    right.imshow(between(*pictures, u, v)[0].permute(1, 2, 0).cpu().numpy(), interpolation="lanczos")
    right.set_axis_off()
    right.set_title("the best picture in the window", fontsize=10)
    return figure, f"Best at u = {u:.2f}, v = {v:.2f}, at the star: a picture of {nearest_corner(u, v)}."


def nearest_corner(u, v):
    """Which of the plane's three pictures a place is nearest to, in words."""
    corners = {
        "mostly photo": (0, 0),
        "mostly the generator's painting": (1, 0),
        "mostly the optimiser's painting": (0, 1),
    }
    return min(corners, key=lambda name: (u - corners[name][0]) ** 2 + (v - corners[name][1]) ** 2)


def by_deviations(mean, covariance, goal_mean, goal):
    """Adaptive instance normalisation as a linear map: matrix (N, C, C), offset (N, C)."""
    scale = (goal.diagonal(dim1=-2, dim2=-1) / covariance.diagonal(dim1=-2, dim2=-1)).sqrt()
    return scale.diag_embed(), goal_mean - scale * mean


def by_whitening(mean, covariance, goal_mean, goal):
    """Whitening, then colouring (Li et al. 2017), as a linear map."""
    matrix = roots(goal, 1e-12)[0] @ roots(covariance, 1e-12)[1]
    return matrix, goal_mean - (matrix @ mean[..., None])[..., 0]


def by_transport(mean, covariance, goal_mean, goal):
    """Optimal transport, as `style.generator.transport` has it."""
    root, inverse = roots(covariance, 1e-12)
    matrix = inverse @ roots(root @ goal @ root, 1e-16)[0] @ inverse
    return matrix, goal_mean - (matrix @ mean[..., None])[..., 0]


WAYS = {
    "adaptive instance normalisation": by_deviations,
    "whitening and colouring": by_whitening,
    "optimal transport": by_transport,
}


def recoloured(photo, liked, way, share=1.0):
    """A photo's colours moved a share of the way to a liked picture's statistics: a picture, not clipped."""
    (mean, covariance), (goal_mean, goal) = mean_and_covariance(photo), mean_and_covariance(liked)
    return photo.lerp(moved(photo, *WAYS[way](mean, ridged(covariance), goal_mean, ridged(goal))), share)


def recolouring(photo, liked, way, share):
    """The panel of colours: a recoloured photo, and its colours over those of the liked picture. (figure, sentence)"""
    result = recoloured(photo, liked, way, share)
    figure = Sheet(figsize=(4.4, 2.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.imshow(result[0].clamp(0, 1).permute(1, 2, 0).numpy(), interpolation="lanczos")
    left.set_axis_off()
    goal, colours = (picture[0].flatten(1)[:, ::41].T.clamp(0, 1).numpy() for picture in (liked, result))
    right.scatter(goal[:, 0], goal[:, 2], s=8, color="0.85", label="the liked picture's")
    right.scatter(colours[:, 0], colours[:, 2], s=3, c=colours)
    right.set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 1], yticks=[0, 1], aspect="equal", xlabel="red", ylabel="blue")
    right.legend(fontsize=7, loc="upper left")
    covariances = [mean_and_covariance(picture)[1] for picture in (result, photo, liked)]
    left = (covariances[0] - covariances[2]).norm() / (covariances[1] - covariances[2]).norm()
    moves = (result - photo).square().mean().sqrt()
    return figure, f"Of the distance of the covariances {left:.0%} is left; colours moved by {moves:.3f} on average."


def halves(costs):
    """Milliseconds {side: {half: ms}} as bars of two parts, one below the other."""
    figure = Drawing(figsize=(7, 0.9 + 0.35 * len(costs)), layout="constrained")
    axes, lefts = figure.subplots(), [0.0] * len(costs)
    for half, color, ink in zip(next(iter(costs.values())), (BLUE, LIGHT), ("white", "black"), strict=True):
        values = [parts[half] for parts in costs.values()]
        drawn = axes.barh(list(costs), values, left=lefts, color=color, label=half)
        axes.bar_label(drawn, fmt="%.0f", label_type="center", color=ink, fontsize=9)
        lefts = [left + value for left, value in zip(lefts, values, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds")
    axes.legend(fontsize=8)
    return figure


def milliseconds(work, repeats=5):
    """The shortest of some runs of work(), in milliseconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - start))
    return min(times)


@torch.no_grad()
def distances(network, photo, style, paintings):
    """How far paintings {name: (1, 3, H, W)} are, by the network: {name: (content, style as a share of the photo's)}.

    The network and the losses are those that paint, so they judge kindly.
    """
    loss = TotalLoss(network, photo, style.losses(SIZE)).to(photo.device)
    start = loss(photo)[1]
    found = {name: loss(painting) for name, painting in paintings.items()}
    return {name: (content.item(), (style / start).item()) for name, (content, style) in found.items()}


def mixing(painter, encoding, styles, weights, seed, thumbnails):
    """The panel of mixtures: thumbnails above, each with a bar as long as its weight, and the painting. (tensor, words)

    styles: of which the painting is a mixture; thumbnails (n, 3, s, s) are pictures of them.
    """
    if not sum(weights):
        weights = [1.0] * len(weights)
    painting = painter.paint(encoding, Style.mixed(styles, weights), seed).cpu()
    side = (painting.shape[3] - GAP * (len(styles) - 1)) // len(styles)
    strip = images.image_grid(images.resize(thumbnails, side), len(styles), gap=GAP)
    canvas = torch.ones(1, 3, strip.shape[2] + 3 * GAP + painting.shape[2], painting.shape[3])
    canvas[..., : strip.shape[2], : strip.shape[3]] = strip
    for number, weight in enumerate(weights):
        left = number * (side + GAP)
        bar = slice(left, left + round(side * weight / sum(weights)))
        canvas[..., strip.shape[2] + GAP : strip.shape[2] + 2 * GAP, bar] = 0
    canvas[..., strip.shape[2] + 3 * GAP :, :] = painting
    shares = ", ".join(f"{weight / sum(weights):.0%}" for weight in weights)
    return canvas, f"The statistics are mixed: {shares}."


def sheet_rows(sheet, names, wanted, height=0.85):
    """Rows of a sheet (1, 3, H, W) of pictures, which has one for each of `names`, with their names at the left."""
    step = (sheet.shape[2] + GAP) / len(names)
    rows = [sheet[..., round(step * n) : round(step * (n + 1)) - GAP, :] for n in map(names.index, wanted)]
    width, words = height * sheet.shape[3] / rows[0].shape[2], 1.6  # inches
    figure = Sheet(figsize=(width + words, height * len(rows)), dpi=90)
    figure.subplots_adjust(left=words / (width + words), right=1, bottom=0, top=1, hspace=0.04)
    for axes, row, name in zip(figure.subplots(len(rows), 1, squeeze=False)[:, 0], rows, wanted, strict=True):
        axes.imshow(row[0].permute(1, 2, 0).numpy(), interpolation="lanczos")
        axes.set(xticks=[], yticks=[])
        axes.set_frame_on(False)
        axes.set_ylabel(name.replace(" ", "\n", 1), fontsize=9, rotation=0, ha="right", va="center")
    return figure
