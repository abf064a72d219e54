"""What notebook 07 shows: maps of thumbnails, style axes, trees, how many styles there are, and likes learnt by clicks.

Places and points are arrays, pictures are tensors (1, 3, H, W) in lists.
"""

from collections import Counter

import numpy as np
import torch
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from scipy.cluster.hierarchy import dendrogram, linkage
from scipy.spatial.distance import cdist
from scipy.stats import beta
from sklearn.metrics import adjusted_rand_score, roc_auc_score
from torch.nn import functional as F
from torchvision.transforms.functional import adjust_hue

from .. import images
from ..errors import InputError
from ..painters import FAMILIES, paint
from ..personal.clusters import CLEAR, FEWEST, ONE_STYLE, answer, by_size, k_means, silhouettes
from ..personal.preference import Taste
from ..personal.space import SIZE, reduce, spread
from ..style.networks import BUNDLED_WIDTHS, VGG
from .plots import BLUE, COLOURS, GREEN, LIGHT, MARKERS, ORANGE, Drawing, Sheet, show

GREY, PALE = "0.45", "#CCCCCC"
FRAME = 3  # px around a thumbnail
DASHES = ((1, 0), (14, 5), (8, 4), (4, 2))
"""Of the frames of four styles after one another: px from dash to dash, and px of white between."""
HATCHES = ("", "///", "...", "xxx")
PUSHES = 40  # by which thumbnails that overlap are moved apart
LEVELS = 4  # of each colour in a histogram
ERRING = 0.1  # of a simulated person's answers
PALETTE = 6  # colours


def repainted(photo, family, seed):
    """A photo (1, 3, H, W), all its hues turned by some angle, repainted by a painter; the seed chooses both."""
    rng = np.random.default_rng(seed)
    return paint(adjust_hue(photo, rng.uniform(-0.5, 0.5)), family, int(rng.integers(2**31)))


def unrelated(photos, count, seed):
    """Pictures of which each has a style of its own: two painters after one another, at different scales, blended."""
    names, found = [*FAMILIES], []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        first, second = rng.choice(names, 2, replace=False)
        small = images.resize(photos[number % len(photos)], int(rng.choice([96, 128, 192])))
        under = images.resize(repainted(small, first, rng.integers(2**31)), SIZE)
        over = paint(under, second, int(rng.integers(2**31)))
        blended = under.lerp(over, rng.uniform(0.4, 1))
        found.append(blended ** float(np.exp(rng.uniform(-0.6, 0.6))))
    return found


def random_network(seed=0):
    """A network of the bundled one's shape that has learnt nothing."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return VGG(BUNDLED_WIDTHS, "average", "reflect").eval().requires_grad_(False)


def small_pixels(picture, side=32):
    """A picture's colours at side x side px: (3 side²,)."""
    return F.adaptive_avg_pool2d(picture, side).flatten().double().numpy()


def colour_histogram(picture):
    """How often each of 64 colours occurs, levels of red, green and blue in four steps each: shares (64,)."""
    steps = (picture[0].flatten(1) * LEVELS).long().clamp(max=LEVELS - 1)
    places = (steps * torch.tensor([LEVELS**2, LEVELS, 1])[:, None]).sum(0)
    return np.bincount(places.numpy(), minlength=LEVELS**3) / len(places)


def distances(points):
    """Between all points (n, m): (n, n)."""
    return cdist(points, points)


def neighbours_agree(points, labels):
    """For what share of points (n, m) the nearest other one has the same label (leave-one-out 1-NN)."""
    away = distances(points)
    np.fill_diagonal(away, np.inf)
    return float((labels[away.argmin(1)] == labels).mean())


def rand_index(points, labels, seeds=5):
    """The adjusted Rand index of K-means and the truth, the number of groups given; mean over seeds."""
    along, k = reduce(points), len(np.unique(labels))
    return float(np.mean([adjusted_rand_score(labels, k_means(along, k, seed)) for seed in range(seeds)]))


def retrieval(known, known_labels, points, labels):
    """For what share of points the nearest of the known ones has the right label."""
    return float((known_labels[cdist(points, known).argmin(1)] == labels).mean())


def interval(hits, count):
    """The Jeffreys interval, 95 %, of a share of which `hits` of `count` were seen."""
    low, high = beta.ppf([0.025, 0.975], hits + 0.5, count - hits + 0.5)
    return (0.0 if hits == 0 else float(low)), (1.0 if hits == count else float(high))


def comparison(table):
    """Scores {form: (adjusted Rand index, share of neighbours)} as bars, two for each form."""
    figure = Drawing(figsize=(8.5, 0.8 + 0.42 * len(table)), layout="constrained")
    axes, rows = figure.subplots(), np.arange(len(table))
    named = (("adjusted Rand index, K-means", BLUE), ("nearest neighbour of the same family", LIGHT))
    for number, (name, color) in enumerate(named):
        bars = axes.barh(rows + 0.38 * number, [scores[number] for scores in table.values()], 0.36, color=color)
        axes.bar_label(bars, fmt="%.2f", fontsize=8, padding=2)
        bars.set_label(name)
    axes.set(yticks=rows + 0.19, yticklabels=[*table], xlim=(0, 1.12))
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, 1.12 + 0.06 * (len(table) < 6)), ncols=2)
    return figure


def before_and_after(points, moved, labels):
    """Toy points (n, 2) by the hand that made them, before and after a linear map."""
    figure = Drawing(figsize=(8, 3.4), layout="constrained")
    titles = ("descriptors: content runs to the right", "calibrated: one hand is 1 apart")
    for axes, each, title in zip(figure.subplots(1, 2), (points, moved), titles, strict=True):
        scatter(axes, each, labels, s=28)
        axes.set_aspect("equal", "datalim")
        axes.set_title(title, fontsize=10)
    return figure


def thumbnails(pictures, side):
    """The middles of pictures as an array (n, side, side, 3)."""
    small = [images.resize(images.centre_crop(picture), side) for picture in pictures]
    return torch.cat(small).clamp(0, 1).permute(0, 2, 3, 1).numpy()


def framed(thumbs, labels):
    """Thumbnails (n, s, s, 3) in frames of their labels' colours, dashed by `DASHES`; labels None or -1: in grey."""
    labels = np.full(len(thumbs), -1) if labels is None else labels
    found = np.pad(thumbs, ((0, 0), (FRAME, FRAME), (FRAME, FRAME), (0, 0)))
    edge = np.ones(found.shape[1:3], bool)
    edge[FRAME:-FRAME, FRAME:-FRAME] = False
    along = np.indices(edge.shape).sum(0)
    for picture, label in zip(found, labels, strict=True):
        color = COLOURS[label % len(COLOURS)] if label >= 0 else PALE
        step, gap = DASHES[label % len(DASHES)] if label >= 0 else DASHES[0]
        picture[edge] = to_rgb(color)
        picture[edge & (along % step >= step - gap)] = 1
    return found


def apart(corners, side, shape):
    """Corners (n, 2), x and y in px, moved until few thumbnails of this side overlap, and all are on the canvas."""
    corners, limits, order = corners.astype(float), np.array(shape[::-1]) - side, np.arange(len(corners))
    later = np.sign(order[:, None] - order)[..., None]
    for _ in range(PUSHES):
        away = corners[:, None] - corners
        overlap = side - np.abs(away)
        hit = (overlap > 0).all(2) & (later[..., 0] != 0)
        shorter = overlap == overlap.min(2, keepdims=True)  # the way out
        pushes = np.where(hit[..., None] & shorter, overlap, 0) * np.where(away == 0, later, np.sign(away))
        corners = np.clip(corners + 0.4 * pushes.sum(1) / np.maximum(hit.sum(1), 1)[:, None], 0, limits)
    return corners


def canvas(corners, thumbs, shape):
    """A white picture (height, width, 3) with thumbnails at corners (n, 2), x and y in px."""
    page, side = np.ones((*shape, 3)), thumbs.shape[1]
    for (x, y), thumb in zip(corners.round().astype(int), thumbs, strict=True):
        page[y : y + side, x : x + side] = thumb
    return page


def map_of(places, thumbs, labels=None, shape=(420, 900)):
    """Thumbnails at places (n, 2), up to a scale that is the same in both directions: an array (height, width, 3)."""
    framed_thumbs = framed(thumbs, labels)
    side = framed_thumbs.shape[1]
    low, high = places.min(0), places.max(0)
    scale = min((np.array(shape[::-1]) - side) / np.maximum(high - low, 1e-9))
    centred = (places - (low + high) / 2) * scale * [1, -1] + (np.array(shape[::-1]) - side) / 2
    return canvas(apart(centred, side, shape), framed_thumbs, shape)


def sheet_of(pages, titles=(), width=9.0):
    """Arrays (height, width, 3) side by side, at their own proportions, under titles."""
    ratios = [page.shape[1] / page.shape[0] for page in pages]
    figure = Sheet(figsize=(width, width / sum(ratios) + 0.3 * bool(titles)), layout="constrained")
    grid = figure.subplots(1, len(pages), squeeze=False, width_ratios=ratios)[0]
    for number, (axes, page) in enumerate(zip(grid, pages, strict=True)):
        axes.imshow(page, interpolation="antialiased")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_color("0.85")
        if titles:
            axes.set_title(titles[number], fontsize=10)
    return figure


def in_rows(values, side, width):
    """Corners (n, 2) of thumbnails whose x says their value; those that would overlap lie in different rows."""
    low, high = values.min(), values.max()
    xs = (values - low) / max(high - low, 1e-9) * (width - side)
    ends, corners = [], np.zeros((len(values), 2))
    for number in np.argsort(xs, kind="stable"):
        row = next((n for n, end in enumerate(ends) if end <= xs[number]), len(ends))
        ends[row:] = [*([xs[number] + side]), *ends[row + 1 :]]
        corners[number] = xs[number], row * side
    return corners


def along(coordinates, shares, thumbs, labels, axis):
    """The panel of axes: the pictures laid along one principal axis, from 1 on. (figure, sentence)

    coordinates (n, d) are the pictures' on all axes, shares (d,) are of the whole variance.
    """
    values, ready = coordinates[:, axis - 1], framed(thumbs, labels)
    side, width = ready.shape[1], 720
    corners = in_rows(values, side, width)
    page = canvas(corners, ready, (int(corners[:, 1].max()) + side, width))
    figure = Sheet(figsize=(9, 9 * page.shape[0] / width + 0.4), dpi=80)
    axes = figure.add_axes((0, 0.3 / figure.get_figheight(), 1, 1 - 0.3 / figure.get_figheight()))
    axes.imshow(page, interpolation="antialiased")
    axes.set_axis_off()
    figure.text(0.5, 0.02, f"axis {axis}, from {values.min():.1f} to {values.max():.1f}", fontsize=10, ha="center")
    held = f"Axis {axis} holds {shares[axis - 1]:.0%} of the variance"
    return figure, f"{held}, the axes up to it {shares[:axis].sum():.0%}."


def scatter(axes, places, labels, **options):
    """Places (n, 2) as marks that tell their labels."""
    for label in np.unique(labels):
        axes.scatter(*places[labels == label].T, color=COLOURS[label], marker=MARKERS[label], **options)


def scatters(rows, names=()):
    """Places {row: {title: (places (n, 2), labels (n,) or None)}} as small plots of dots; names of the labels."""
    columns = max(map(len, rows.values()))
    figure = Drawing(figsize=(2.6 * columns + 0.5, 2.5 * len(rows)), layout="constrained")
    for row, (name, plots_of_row) in zip(figure.subplots(len(rows), columns, squeeze=False), rows.items(), strict=True):
        for axes, (title, (places, labels)) in zip(row, plots_of_row.items(), strict=True):
            if labels is None:
                axes.scatter(*places.T, s=14, color=GREY)
            else:
                scatter(axes, places, labels, s=14)
            axes.set(xticks=[], yticks=[])
            axes.set_title(title, fontsize=10)
        row[0].set_ylabel(name, fontsize=10)
    dots = [Line2D([], [], ls="", marker=MARKERS[n], ms=5, color=COLOURS[n]) for n in range(len(names))]
    if dots:
        tight = {"frameon": False, "handletextpad": 0, "columnspacing": 1}
        figure.legend(dots, names, loc="outside lower center", ncols=8, fontsize=8, **tight)
    return figure


def tree(points, thumbs, labels, cut):
    """Ward's tree of points (n, d) with a thumbnail at each leaf, and a line where it falls into `cut` groups."""
    joins = linkage(points, "ward")
    drawn = dendrogram(joins, no_plot=True)
    figure = Sheet(figsize=(10, 3.6))
    axes = figure.add_axes((0.05, 0.22, 0.94, 0.75))
    for x, y in zip(drawn["icoord"], drawn["dcoord"], strict=True):
        axes.plot(x, y, color="0.25", lw=1.2)
    axes.axhline(joins[[-cut, 1 - cut], 2].mean(), color=ORANGE, ls="--", lw=1)
    axes.set(xlim=(0, 10 * len(points)), ylim=(0, None), xticks=[], ylabel="Ward's distance where groups join")
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    below = figure.add_axes((0.05, 0.0, 0.94, 0.2))
    order = drawn["leaves"]
    below.imshow(np.concatenate([*framed(thumbs, labels)[order]], 1), aspect="equal", interpolation="antialiased")
    below.set_axis_off()
    return figure


def criteria(collections):
    """Scores {collection: {criterion: {k: score}}}: a row for each criterion, its best k ringed."""
    names = [*next(iter(collections.values()))]
    figure = Drawing(figsize=(9, 1.75 * len(names)), layout="constrained")
    grid = figure.subplots(len(names), len(collections), squeeze=False)
    for column, (collection, scores) in enumerate(collections.items()):
        for row, name in enumerate(names):
            axes, curve = grid[row, column], scores[name]
            axes.plot([*curve], [*curve.values()], "o-", color=COLOURS[row], ms=4)
            best = max(curve, key=curve.get)
            axes.plot(best, curve[best], "o", ms=12, mfc="none", mec="black")
            axes.set(xlim=(0.6, 8.4), xticks=range(1, 9))
            axes.margins(y=0.2)
            axes.tick_params(labelsize=8)
            axes.spines[["top", "right"]].set_visible(False)
            if name in ("silhouette", "stability"):
                axes.set_ylim(0, 1.1)
            if name == "silhouette":
                axes.axhline(CLEAR, color=GREY, ls=":")
            if column == 0:
                axes.set_ylabel(name, fontsize=9)
            if row == 0:
                axes.set_title(collection, fontsize=10)
    for axes in grid[-1]:
        axes.set_xlabel("number of styles k", fontsize=9)
    return figure


def in_words(found):
    """A number of styles as an answer."""
    return {0: "cannot tell", 1: "one style"}.get(found, f"{found} styles")


def sureness(answers, xlabel="share of random parts"):
    """Shares of answers {collection: {number of styles: share}}, one bar for each collection; the more, the darker."""
    figure = Drawing(figsize=(8.5, 0.6 + 0.45 * len(answers)), layout="constrained")
    axes = figure.subplots()
    for row, shares in enumerate(answers.values()):
        left = 0.0
        for found in sorted(shares):
            color = f"{0.92 - 0.09 * found:.2f}" if found else "white"
            axes.barh(row, shares[found], left=left, color=color, edgecolor="0.3", lw=0.8, height=0.7)
            short = str(found) if found else "?"
            words = in_words(found) if shares[found] >= 0.2 else short if shares[found] >= 0.04 else ""
            ink = "black" if found < 5 else "white"
            axes.text(left + shares[found] / 2, row, words, fontsize=9, ha="center", va="center", color=ink)
            left += shares[found]
    axes.set(yticks=range(len(answers)), yticklabels=[*answers], xlim=(0, 1), xlabel=xlabel)
    axes.invert_yaxis()
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure


def asked(points, seed=0):
    """One look at points (n, m), without random parts: (answer, silhouettes by k, labels)."""
    along_axes = reduce(points)
    scores, trials = silhouettes(along_axes, seed)
    found = answer(points, scores)
    return found, scores, by_size(trials[found]) if found > 1 else np.zeros(len(points), int)


class Drawer:
    """The panel of collections: `draw(families, each, lot)` takes pictures of a world at random and asks how many.

    Points (n, m), thumbnails (n, s, s, 3), and the family of each by name.
    """

    def __init__(self, points, thumbs, families):
        self.points, self.thumbs, self.families = points, thumbs, np.array(families)

    def chosen(self, families, each, lot):
        """The numbers of `each` pictures of every family."""
        rng = np.random.default_rng(lot)
        members = [np.flatnonzero(self.families == name) for name in families]
        return np.concatenate([np.sort(rng.permutation(family)[:each]) for family in members])

    def __call__(self, families, each, lot):
        if len(families) * each < 2:
            raise InputError("a map needs two pictures: choose more families, or more pictures of each")
        numbers = self.chosen(families, each, lot)
        points = self.points[numbers]
        found, scores, labels = asked(points)
        figure = Sheet(figsize=(8, 3.2), dpi=85)
        places = reduce(points)[:, :2]
        places = np.pad(places, ((0, 0), (0, 2 - places.shape[1])))
        page = map_of(places, self.thumbs[numbers], labels if found else None, (272, 449))
        left = figure.add_axes((0, 0, 0.66, 1))
        left.imshow(page, interpolation="nearest")
        left.set_axis_off()
        right = figure.add_axes((0.73, 0.17, 0.26, 0.71))
        right.bar([*scores], [*scores.values()], color=[ORANGE if k == found else "0.7" for k in scores])
        right.axhline(CLEAR, color="black", ls=":", lw=1)
        right.set(xlim=(1.3, 8.7), ylim=(0, 1), xticks=range(2, 9), xlabel="number of styles k")
        right.set_title("silhouette", fontsize=10)
        return figure, f"{len(points)} pictures by {len(families)}: {explained(points, found, scores)}"


def explained(points, found, scores):
    """Why the rule answers as it does, in a sentence."""
    if len(points) < FEWEST:
        return f"cannot tell, as there are fewer than {FEWEST}."
    best = max(scores.values())
    if found > 1:
        return f"{found} styles, as a best silhouette of {best:.2f} is over {CLEAR}."
    if found == 1:
        return f"one style. No groups (best silhouette {best:.2f}), and {spread(points):.2f} apart: as by one hand."
    return f"cannot tell. No groups (best silhouette {best:.2f}), and {spread(points):.2f} apart: over {ONE_STYLE}."


def separations(layers, labels):
    """How well each layer tells each style from the others: (styles, layers).

    `layers` are descriptors {layer: (n, d)}. The ratio is the mean squared distance to pictures of other styles over
    that among the style's own: 1 is no difference.
    """
    table = []
    for style in range(labels.max() + 1):
        inside, row = labels == style, []
        for descriptors in layers.values():
            squared = cdist(descriptors[inside], descriptors, "sqeuclidean")
            own = squared[:, inside].sum() / (inside.sum() * (inside.sum() - 1))
            row.append(squared[:, ~inside].mean() / own)
        table.append(row)
    return np.array(table)


def layer_bars(layers, table):
    """Separations (styles, layers) as groups of bars."""
    figure = Drawing(figsize=(8.5, 2.5), layout="constrained")
    axes, width = figure.subplots(), 0.8 / len(table)
    for style, row in enumerate(table):
        places = np.arange(len(layers)) + (style - (len(table) - 1) / 2) * width
        about = {"color": COLOURS[style], "hatch": HATCHES[style % len(HATCHES)], "label": f"style {style + 1}"}
        axes.bar(places, row, 0.92 * width, edgecolor="white", lw=0, **about)
    axes.axhline(1, color="black", ls=":", lw=1)
    axes.set_yscale("log")
    axes.set(xticks=range(len(layers)), xticklabels=[*layers], ylabel="others / own")
    axes.set(yticks=[1, 2, 4, 8], yticklabels=[1, 2, 4, 8])
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8)
    return figure


def portraits(pictures, points, clusters, nearest=4, farthest=2):
    """A strip for each style: its medoid, the pictures nearest to that and those farthest from it, and its palette."""
    columns = 1 + nearest + farthest
    figure = Sheet(figsize=(1.1 * columns + 1.1, 1.18 * clusters.count + 0.3), layout="constrained")
    grid = figure.subplots(clusters.count, columns + 1, squeeze=False)
    for style, row in enumerate(grid):
        order = by_distance(points, clusters, style)
        shown = [*order[: 1 + nearest], *order[max(1 + nearest, len(order) - farthest) :]]
        for axes in row:
            axes.set_axis_off()
        for axes, number in zip(row, shown, strict=False):
            show(axes, images.resize(images.centre_crop(pictures[number]), 128))
        row[0].add_patch(Rectangle((0, 0), 1, 1, transform=row[0].transAxes, fill=False, lw=5, ec=COLOURS[style]))
        row[0].text(-0.06, 0.5, f"style {style + 1}", transform=row[0].transAxes, rotation=90, ha="right", va="center")
        row[-1].imshow(common_colours([pictures[number] for number in order])[:, None], aspect="auto")
    names = ["medoid", "nearest", *[""] * (nearest - 1), *["farthest", *[""] * (farthest - 1)][:farthest], "palette"]
    for axes, name in zip(grid[0], names, strict=True):
        axes.set_title(name, fontsize=10)
    return figure


def common_colours(pictures, count=PALETTE, side=24):
    """The centres of K-means of pictures' pixels, from dark to light: (count, 3), fewer where colours are fewer."""
    pixels = torch.cat([F.adaptive_avg_pool2d(picture, side)[0].flatten(1).T for picture in pictures])
    pixels = pixels.double().clamp(0, 1).numpy()
    groups = k_means(pixels, min(count, len(np.unique(pixels, axis=0))), 0)
    centres = np.stack([pixels[groups == group].mean(0) for group in np.unique(groups)])
    return centres[np.argsort(centres.sum(1))]


def by_distance(points, clusters, style):
    """The numbers of a style's pictures, the medoid first and the farthest from it last."""
    members = np.flatnonzero(clusters.labels == style)
    away = np.linalg.norm(points[members] - points[clusters.medoids[style]], axis=1)
    return members[np.argsort(away, kind="stable")]


def curves(lines, xlabel):
    """Learning curves {name: {x: (value, low, high)}} with their intervals."""
    figure = Drawing(figsize=(9, 3), layout="constrained")
    axes = figure.subplots()
    for (name, line), color, mark in zip(lines.items(), COLOURS, MARKERS, strict=False):
        values = np.array([*line.values()])
        axes.fill_between([*line], values[:, 1], values[:, 2], color=color, alpha=0.18, lw=0)
        axes.plot([*line], values[:, 0], f"{mark}-", color=color, label=name)
    axes.set(xticks=sorted({x for line in lines.values() for x in line}), ylim=(0, 1.04), xlabel=xlabel, ylabel="share")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def histograms(results):
    """Areas under the curve {way: (people,)}: how many people got which, a plot for each way, the mean as a line.

    The first bar has those below .45, the last those from .95 to 1.
    """
    figure = Drawing(figsize=(7, 0.5 + 1.25 * len(results)), layout="constrained")
    grid = figure.subplots(len(results), 1, squeeze=False, sharex=True, sharey=True)[:, 0]
    for axes, (name, values), color in zip(grid, results.items(), COLOURS, strict=False):
        axes.hist(np.clip(values, 0.4, 1), np.linspace(0.4, 1, 13), color=color, alpha=0.75, edgecolor="white")
        axes.axvline(values.mean(), color="black", lw=1.5, ls="--")
        axes.set_title(f"{name}: mean {values.mean():.2f}", fontsize=9, loc="left")
        axes.set(ylabel="people", xlim=(0.4, 1.01))
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.spines[["top", "right"]].set_visible(False)
    grid[-1].set_xlabel("area under the ROC curve")
    return figure


def beliefs(places, stages):
    """What is believed of utilities along a line, {title: (mean (n,), deviation (n,), pairs (liked, other))}.

    Means with a band of one deviation; the pairs' pictures as triangles, up for the liked ones, down for the others.
    """
    figure = Drawing(figsize=(9, 2.6), layout="constrained")
    grid = figure.subplots(1, len(stages), sharey=True, squeeze=False)[0]
    for axes, (title, (mean, deviation, pairs)) in zip(grid, stages.items(), strict=True):
        axes.fill_between(places, mean - deviation, mean + deviation, color=BLUE, alpha=0.2, lw=0)
        axes.plot(places, mean, color=BLUE)
        for numbers, mark, color in zip(np.reshape(pairs, (-1, 2)).T.astype(int), "^v", (GREEN, ORANGE), strict=True):
            axes.plot(places[numbers], mean[numbers], mark, color=color, ms=8)
        axes.axhline(0, color="0.8", lw=0.8, zorder=0)
        axes.set(xlabel="style, in one dimension")
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    grid[0].set_ylabel("utility")
    return figure


class Person:
    """Somebody, simulated, who likes pictures of some families, and errs in a share of the answers."""

    def __init__(self, likes, seed, erring=ERRING):
        self.likes, self.rng, self.erring = np.asarray(likes, bool), np.random.default_rng(seed), erring

    def prefers(self, a, b):
        """Which of two pictures the person says is the better: (liked, other). By lot, if both or none is liked."""
        first = self.rng.random() < 0.5 if self.likes[a] == self.likes[b] else self.likes[a]
        if self.likes[a] != self.likes[b] and self.rng.random() < self.erring:
            first = not first
        return (a, b) if first else (b, a)


def learnt_taste(points, person, comparisons, seed, active=True):
    """A Taste after so many comparisons: of the most informative pairs, or of random ones."""
    taste, rng = Taste(points, seed), np.random.default_rng(seed)
    for _ in range(comparisons):
        a, b = taste.next_pair() if active else rng.choice(len(points), 2, replace=False)
        taste.prefer(*person.prefers(a, b))
    return taste


def auc(taste, points, liked):
    """How well a taste tells other pictures that are liked from those that are not: 1 always, 0.5 by chance."""
    return float(roc_auc_score(liked, taste.utilities(points)))


class Clicks:
    """The panel of likes: two pictures, and what is known of all. `draw(this, that, undo)` gets numbers of clicks."""

    def __init__(self, points, pictures, labels, seed=0, names=None):
        self.taste, self.labels = Taste(points, seed), np.asarray(labels)
        self.names = names or [f"style {style + 1}" for style in range(self.labels.max() + 1)]
        self.pictures, self.thumbs = pictures, framed(thumbnails(pictures, 36), self.labels)
        self.large = thumbnails(pictures, 150)
        self.pair, self.clicks = self.taste.next_pair(), Counter()

    def __call__(self, this, that, undo):
        now = Counter(this=this, that=that, undo=undo)
        new, self.clicks = now - self.clicks, now
        for button in new.elements():
            self.click(button)
        return self.drawn(), self.sentence()

    def click(self, button):
        """Do what a button says: this one, that one, or the latest answer taken back."""
        if button == "undo":
            if self.taste.pairs:
                self.pair = self.taste.pairs[-1]
                self.taste.forget()
            return
        a, b = self.pair
        self.taste.prefer(*((a, b) if button == "this" else (b, a)))
        self.pair = self.taste.next_pair()

    def sentence(self):
        gain = self.taste.gains()[self.pair]
        told = len(self.taste.pairs)
        return f"{told} comparison{'s' * (told != 1)} so far. The next answer is expected to tell {gain:.2f} bits."

    def drawn(self):
        figure = Sheet(figsize=(8.2, 4.1), dpi=74)
        for number, title in enumerate(("this one", "that one")):
            axes = figure.add_axes((0.03 + 0.24 * number, 0.47, 0.21, 0.44))
            axes.imshow(self.large[self.pair[number]], interpolation="antialiased")
            axes.set_axis_off()
            axes.set_title(title, fontsize=11)
        weights = self.taste.weights(self.labels)
        right = figure.add_axes((0.66, 0.52, 0.32, 0.40))
        right.barh(range(len(weights)), weights, color=COLOURS[: len(weights)])
        right.set(yticks=range(len(weights)), yticklabels=self.names, xlim=(0, max(0.5, *weights)))
        right.invert_yaxis()
        right.set_title("weight of each style", fontsize=10)
        right.tick_params(labelsize=8)
        order = self.taste.ranking()
        ranks = figure.add_axes((0.075, 0.11, 0.915, 0.29))
        places, means, deviations = range(len(order)), self.taste.mean[order], self.taste.deviation[order]
        ranks.errorbar(places, means, deviations, fmt="none", color="0.6", lw=3)
        scatter(ranks, np.column_stack([places, means]), self.labels[order], zorder=3, s=24)
        ranks.axhline(0, color="0.8", lw=0.8, zorder=0)
        ranks.set(xlim=(-0.5, len(order) - 0.5), ylim=(-3, 3), xticks=[], ylabel="utility")
        ranks.spines[["top", "right", "bottom"]].set_visible(False)
        below = figure.add_axes((0.075, 0.015, 0.915, 0.08))
        below.imshow(np.concatenate([*self.thumbs[order]], 1), aspect="auto", interpolation="antialiased")
        below.set_axis_off()
        return figure
