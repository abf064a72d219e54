"""From liked pictures to a personal style: describe, group, and keep each group's statistics."""

from dataclasses import replace

import numpy as np
import torch
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import IncrementalPCA

from ..style.features import fingerprint
from ..style.target import Style
from .clusters import CLEAR, CLEAR_UNCALIBRATED, FEWEST, by_size, find_styles, tightness
from .collection import Collection, picture_hash
from .file import PersonalStyle
from .space import AXES, SIZE, Axes, space_of

SAMPLE = 1000  # pictures by which the styles of a larger collection are found
CHUNK = 1024  # points at a time
MEMBERS = 60  # pictures, at most, whose statistics make a style, and a third of it for a pole of an axis
SHOWN_AXES = 3
POLE = 0.2  # of the pictures, at either end of an axis, whose statistics make its pole
WITHIN = 0.9  # of a style's pictures lie within its radius
LONE_RADIUS = 1.0  # of a style of few pictures: they cannot tell it


def learn(pictures, network, features, seed=0, k=None, watch=iter):
    """Find the styles in liked pictures: returns the PersonalStyle and the Clusters.

    Pictures are a `Collection` that has been described, or a list of tensors (1, 3, H, W), which `watch` wraps while
    they are described, for a progress bar. `features` is the name under which the network was loaded; `k` the number
    of styles, if it is known. Of a large collection, samples of 1,000 pictures and of 60 a style are looked at in
    full; all are grouped.
    """
    space, rng = space_of(network), np.random.default_rng(seed)
    if isinstance(pictures, Collection):
        points, hashes = pictures.points, pictures.hashes
    else:
        points, hashes = space.embed(network, watch(pictures)), [f"{picture_hash(p):016x}" for p in pictures]
    clear = CLEAR if space.calibrated else CLEAR_UNCALIBRATED
    sample = np.sort(rng.permutation(len(points))[:SAMPLE])
    seen = points[sample]
    clusters = find_styles(seen, seed, k, clear)
    if len(points) > SAMPLE:
        clusters = spread_out(points, sample, clusters, seed)

    def style_of(numbers, **options):
        chosen = np.sort(rng.permutation(numbers)[:MEMBERS])
        device = next(network.parameters()).device
        return Style.of(network, [pictures[number].to(device) for number in chosen], **options)

    members = [np.flatnonzero(clusters.labels == style) for style in range(clusters.count)]
    centres, radii = zip(*(middle(points, numbers, rng) for numbers in members), strict=True)
    axes = Axes.of(seen) if len(np.unique(seen, axis=0)) >= 2 * SHOWN_AXES else None
    style = PersonalStyle(
        styles=[style_of(numbers) for numbers in members],
        counts=[len(numbers) for numbers in members],
        tightness=clusters.tightness,
        found=clusters.found,
        answers=clusters.answers,
        weights=[len(numbers) / len(points) for numbers in members],
        centres=torch.tensor(np.stack(centres), dtype=torch.float32),
        radii=list(radii),
        axes=[] if axes is None else poles(axes, seen, sample, style_of),
        features=features,
        features_hash=fingerprint(network),
        space_hash=space.hash,
        pictures=hashes,
    )
    return style, clusters


def spread_out(points, sample, clusters, seed):
    """The Clusters of all points, given those of a sample of them (their numbers, sorted), in passes over chunks."""
    chunks = [range(start, min(start + CHUNK, len(points))) for start in range(0, len(points), CHUNK)]
    reduction = IncrementalPCA(AXES)
    for chunk in chunks:
        if len(chunk) >= AXES:
            reduction.partial_fit(points[chunk])
    seen = reduction.transform(points[sample])
    starts = np.stack([seen[clusters.labels == style].mean(0) for style in range(clusters.count)])
    grouping = MiniBatchKMeans(clusters.count, init=starts, n_init=1, random_state=seed)
    for chunk in chunks:
        if len(chunk) >= clusters.count:
            grouping.partial_fit(reduction.transform(points[chunk]))
    labels = np.concatenate([grouping.predict(reduction.transform(points[chunk])) for chunk in chunks])
    renumbered = by_size(labels)
    old = [labels[np.flatnonzero(renumbered == style)[0]] for style in range(renumbered.max() + 1)]
    medoids = [int(sample[np.linalg.norm(seen - grouping.cluster_centers_[label], axis=1).argmin()]) for label in old]
    scores = tightness(seen, renumbered[sample])
    return replace(clusters, labels=renumbered, medoids=medoids, tightness=scores)


def middle(points, numbers, rng):
    """The centre (m,) of some of the points, and the radius within which nine tenths of them lie.

    A point's own share in the centre is taken out of its distance, so that the radius holds for new pictures.
    """
    inside = points[np.sort(rng.permutation(numbers)[:SAMPLE])]
    centre, count = inside.mean(0), len(inside)
    if count < FEWEST:
        return centre, LONE_RADIUS
    return centre, float(np.quantile(np.linalg.norm(inside - centre, axis=1) * count / (count - 1), WITHIN))


def poles(axes, points, numbers, style_of):
    """For each of the first axes the (low, high) styles of the pictures at its ends, and its share of the variance."""
    along = axes.coordinates(points)
    count = min(max(2, round(POLE * len(points))), MEMBERS // 3)
    total = points.var(0, ddof=1).sum()
    found = []
    for axis in range(min(SHOWN_AXES, along.shape[1])):
        order = np.argsort(along[:, axis], kind="stable")
        ends = [style_of(numbers[chosen], sizes=(SIZE,)) for chosen in (order[:count], order[-count:])]
        found.append((*ends, float(axes.variances[axis] / total)))
    return found
