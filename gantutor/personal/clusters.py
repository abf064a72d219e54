"""The styles in a collection: how many there are, which picture belongs to which, and how sure one may be.

Points are those of `space.StyleSpace`, in which two pictures by the same hand are about 1 apart.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_samples, silhouette_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import KFold

from ..errors import InputError
from .space import reduce, spread

MOST_STYLES = 8
FEWEST = 6  # pictures of which styles can be told
CLEAR = 0.4  # a best silhouette (Rousseeuw 1987) below this says that there are no groups
CLEAR_UNCALIBRATED = 0.25  # where content and hue count too, styles lie less far apart
ONE_STYLE = 1.3  # up to this spread pictures without groups are one style, above it no style at all
COPY = 0.25  # nearer pictures are one saved twice: two by one hand lie about 1 apart
TIE = 0.02  # of a silhouette: of numbers of styles that do as well, the largest counts
FOLDS = 5
RESAMPLES = 20
PART = 0.8  # of the pictures in a resample
STARTS = 5  # of K-means


@dataclass
class Clusters:
    """`labels` (n,) number the styles from the largest, 0, to the smallest; `medoids` are the pictures in their middle.

    `tightness` is each style's mean silhouette: 1 is a group far from all others, 0 one that touches them; None for a
    single style. `found` is how many styles there are by the pictures' own evidence: 0 where one cannot tell, and then
    all of them are taken together; None if the number was given. `silhouettes` are the scores by number of styles,
    `answers` how often each number was found in a random part of the pictures, {number: share}.
    """

    labels: np.ndarray
    medoids: list
    tightness: list
    found: int | None = None
    silhouettes: dict = field(default_factory=dict)
    answers: dict = field(default_factory=dict)

    @property
    def count(self):
        return len(self.medoids)


def find_styles(points, seed, k=None, clear=CLEAR):
    """Group pictures by style: points (n, m) from a style space. `k` is the number of styles, if it is known.

    Otherwise it is the number from 2 to 8 with the best mean silhouette of K-means in random parts of the pictures, or
    the largest of several that do nearly as well. If even that is under `clear`, they are one style if they lie no
    further apart than pictures by one hand do, else one cannot tell. Copies of a picture, saved anew, count once for
    that. InputError for more styles than pictures that differ.
    """
    different = len(np.unique(points, axis=0))
    if k is not None and not 1 <= k <= different:
        raise InputError(f"{k} styles cannot be found (pictures that differ: {different}): ask for 1 to {different}")
    scores, answers, found = {}, {}, None
    if k is None:
        once = points[without_copies(points)]
        scores, answers = resampled(once, seed, clear)
        found = answer(once, scores, clear)
    along = reduce(points)
    labels = by_size(k_means(along, k or found or 1, seed))
    count = labels.max() + 1
    medoids = [medoid(along, labels == style) for style in range(count)]
    return Clusters(labels, medoids, tightness(along, labels), found, scores, answers)


def without_copies(points):
    """The numbers of points (n, m) of which no two are as near as copies of a picture are."""
    kept = []
    for number, point in enumerate(points):
        if not kept or cdist(point[None], points[kept]).min() >= COPY:
            kept.append(number)
    return kept


def answer(points, scores, clear=CLEAR):
    """How many styles points (n, m) have, given their silhouettes by number of styles; 0 if one cannot tell.

    Where the silhouettes speak for no groups, one style and pictures that have nothing to do with each other look
    alike, and only the spread tells them apart.
    """
    if len(points) < FEWEST:
        return 0
    best = max(scores.values(), default=0)
    if best >= clear:
        return max(k for k, score in scores.items() if score >= best - TIE)
    return 1 if spread(points) <= ONE_STYLE else 0


def resampled(points, seed, clear=CLEAR):
    """Silhouettes by number of styles, mean over random four fifths of the pictures, and what each part answers.

    Returns ({k: score}, {number of styles: share}), the most frequent answer first; 0 is "cannot tell". A grouping
    that holds for these very pictures only scores less than on all of them.
    """
    rng, counts, found = np.random.default_rng(seed), Counter(), {}
    for part in parts(len(points), rng):
        scores = silhouettes(reduce(points[part]), seed)[0]
        counts[answer(points[part], scores, clear)] += 1
        for k, score in scores.items():
            found.setdefault(k, []).append(score)
    means = {k: float(np.mean(each)) for k, each in sorted(found.items())}
    return means, {count: times / RESAMPLES for count, times in counts.most_common()}


def parts(count, rng):
    """The numbers of random four fifths of so many pictures, `RESAMPLES` times."""
    return [rng.permutation(count)[: round(PART * count)] for _ in range(RESAMPLES)]


def k_means(points, k, seed):
    """Labels (n,) by K-means, the best of several starts."""
    return KMeans(k, n_init=STARTS, random_state=seed).fit_predict(points)


def numbers(points):
    """The numbers of styles, above one, that are tried for these points."""
    different = len(np.unique(points.round(6), axis=0))  # copies differ by rounding errors
    return range(2, min(MOST_STYLES, (len(points) - 1) // 2, different) + 1)


def silhouettes(points, seed):
    """Mean silhouettes by number of styles, and the labels: ({k: score}, {k: labels (n,)}); points (n, d) on axes."""
    trials = {k: k_means(points, k, seed) for k in numbers(points)}
    return {k: float(silhouette_score(points, labels)) for k, labels in trials.items()}, trials


def held_out_likelihoods(points, seed):
    """Log-likelihood of a left-out point under a mixture of k Gaussians fitted to the others: {k: score}, k from 1.

    The Gaussians are round, each with a variance of its own; five folds.
    """
    folds = list(KFold(FOLDS, shuffle=True, random_state=seed).split(points))
    floor = 0.05 * points.var(0).mean() + 1e-9  # of a variance: a group of two must not shrink to a point
    scores = {}
    for k in [1, *numbers(points)]:
        mixture = GaussianMixture(k, covariance_type="spherical", n_init=2, reg_covar=floor, random_state=seed)
        scores[k] = float(np.mean([mixture.fit(points[fitted]).score(points[left]) for fitted, left in folds]))
    return scores


def stabilities(points, seed):
    """How alike two groupings are that K-means makes of two random parts of the points: {k: score} (Ben-Hur 2002).

    The adjusted Rand index on the points in both parts, mean over ten pairs of parts.
    """
    scores, chosen = {}, parts(len(points), np.random.default_rng(seed))
    for k in numbers(points):
        labels = np.full((RESAMPLES, len(points)), -1)
        for row, part in zip(labels, chosen, strict=True):
            row[part] = k_means(points[part], k, seed)
        pairs = [(a, b, (a >= 0) & (b >= 0)) for a, b in zip(labels[::2], labels[1::2], strict=True)]
        scores[k] = float(np.mean([adjusted_rand_score(a[both], b[both]) for a, b, both in pairs]))
    return scores


def tightness(points, labels):
    """Each style's mean silhouette; [None] for a single style. A style of one picture has 0 by definition."""
    count = labels.max() + 1
    if count == 1:
        return [None]
    scores = silhouette_samples(points, labels) if count < len(points) else np.zeros(count)
    return [float(scores[labels == style].mean()) for style in range(count)]


def by_size(labels):
    """The same groups, renumbered from the largest to the smallest; ties by first appearance."""
    names, first, counts = np.unique(labels, return_index=True, return_counts=True)
    order = names[np.lexsort((first, -counts))]
    return np.argsort(order)[np.searchsorted(names, labels)]


def medoid(points, members):
    """The number of the picture whose distances to the other members are smallest in sum."""
    inside = np.flatnonzero(members)
    return int(inside[cdist(points[inside], points[inside]).sum(1).argmin()])
