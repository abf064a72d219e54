"""The styles in a collection: K-means on the reduced descriptors, the number of styles by silhouette."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_samples, silhouette_score

from ..errors import InputError
from .space import reduce

ONE_STYLE = 0.15  # a best silhouette (Rousseeuw 1987) below this says that the pictures form one group
MOST_STYLES = 8


@dataclass
class Clusters:
    """`labels` (n,) number the styles from the largest, 0, to the smallest; `silhouettes` are the scores by k.

    `medoids` are the numbers of the pictures that stand for the styles.
    """

    labels: np.ndarray
    medoids: list
    tightness: list
    silhouettes: dict

    @property
    def count(self):
        return len(self.medoids)


def find_styles(descriptors, seed, k=None):
    """Group pictures by style: descriptors (n, d) from `space.embed`. `k` is the number of styles, if it is known.

    Otherwise the k from 2 to 8 with the best mean silhouette is taken, or one style if even that is under 0.15.
    The tightness of a style is its mean silhouette: 1 is a group far from all others, 0 one that touches them; a
    single style has none. Pictures that are alike to the last bit count once: InputError for more styles than that.
    """
    different = len(np.unique(descriptors, axis=0))
    if k is not None and not 1 <= k <= different:
        raise InputError(f"{k} styles cannot be found (pictures that differ: {different}): ask for 1 to {different}")
    points = reduce(descriptors) if different > 1 else np.zeros((len(descriptors), 1))
    silhouettes = {}
    if k is None:
        trials = {}
        for candidate in range(2, min(MOST_STYLES, (len(points) - 1) // 2, different) + 1):
            trials[candidate] = KMeans(candidate, n_init=10, random_state=seed).fit_predict(points)
            silhouettes[candidate] = float(silhouette_score(points, trials[candidate]))
        best = max(silhouettes, key=silhouettes.get, default=1)
        found = silhouettes and silhouettes[best] >= ONE_STYLE
        labels = trials[best] if found else np.zeros(len(points), int)
    else:
        labels = KMeans(k, n_init=10, random_state=seed).fit_predict(points)
    labels = by_size(labels)
    count = labels.max() + 1
    tightness = [None]
    if count > 1:
        # each picture a style of its own: such a picture's silhouette is 0 by definition
        scores = silhouette_samples(points, labels) if count < len(points) else np.zeros(count)
        tightness = [float(scores[labels == style].mean()) for style in range(count)]
    return Clusters(labels, [medoid(points, labels == style) for style in range(count)], tightness, silhouettes)


def by_size(labels):
    """The same groups, renumbered from the largest to the smallest; ties by first appearance."""
    names, first, counts = np.unique(labels, return_index=True, return_counts=True)
    order = names[np.lexsort((first, -counts))]
    return np.argsort(order)[np.searchsorted(names, labels)]


def medoid(points, members):
    """The number of the picture whose distances to the other members are smallest in sum."""
    inside = np.flatnonzero(members)
    return int(inside[cdist(points[inside], points[inside]).sum(1).argmin()])
