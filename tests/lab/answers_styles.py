"""Right and wrong answers to the exercises of notebook 07, for test_checks.py."""

import numpy as np
import torch
from scipy.special import expit


def pairs(counts):
    return (counts * (counts - 1) / 2).sum()


def index(share=1.0, above=1.0, below=1.0, count=pairs, most=lambda a, b: (a + b) / 2):
    """The adjusted Rand index with one thing amiss."""

    def rand(table):
        both, a, b = count(table), count(table.sum(1)), count(table.sum(0))
        chance = share * a * b / count(np.array([table.sum()]))
        return (both - above * chance) / (most(a, b) - below * chance)

    return rand


def plain_rand(table):
    both, a, b, every = pairs(table), pairs(table.sum(1)), pairs(table.sum(0)), pairs(np.array([table.sum()]))
    return (every + 2 * both - a - b) / every


def undivided(table):
    both, a, b = pairs(table), pairs(table.sum(1)), pairs(table.sum(0))
    return (both - a * b) / ((a + b) / 2 - a * b)


def difference(table):
    return pairs(table) - pairs(table.sum(1)) * pairs(table.sum(0)) / pairs(np.array([table.sum()]))


def nearest(rank=0, own=np.inf, scale=1.0, turned=False, farthest=False):
    """Leave-one-out nearest neighbours with one thing amiss."""

    def neighbours(points, labels):
        away = ((points[:, None] - points) ** 2).sum(2)
        np.fill_diagonal(away, own)
        order = np.argsort(-away if farthest else away, 1)[:, rank]
        share = (labels[order] == labels).mean()
        return scale * (1 - share if turned else share)

    return neighbours


def by_product(points, labels):
    inner = points @ points.T
    np.fill_diagonal(inner, -np.inf)
    return (labels[inner.argmax(1)] == labels).mean()


def three_neighbours(points, labels):
    away = ((points[:, None] - points) ** 2).sum(2)
    return (labels[np.argsort(away, 1)[:, 1:4]] == labels[:, None]).mean()


def moved(points, labels):
    points -= points.mean(0)
    return nearest()(points, labels)


def covariance(centre=True, left=1, mean=True, factor=1.0, change=lambda w: w):
    """Within-class covariance with one thing amiss."""

    def within(points, labels):
        found = []
        for label in np.unique(labels):
            hand = points[labels == label]
            apart = hand - hand.mean(0) if centre else hand
            found.append(apart.T @ apart / (len(hand) - left))
        return change(factor * (np.mean(found, 0) if mean else np.sum(found, 0)))

    return within


def scatter(divide):
    def within(points, labels):
        hands = [points[labels == label] for label in np.unique(labels)]
        whole = sum((hand - hand.mean(0)).T @ (hand - hand.mean(0)) for hand in hands)
        return whole / divide(len(points), len(hands))

    return within


def centred_in_place(points, labels):
    for label in np.unique(labels):
        points[labels == label] -= points[labels == label].mean(0)
    return points.T @ points / len(points)


def silhouettes(score=lambda a, b: (b - a) / max(a, b), self_too=False, other=min, power=1, alone=0.0):
    """The silhouette of a point with one thing amiss."""

    def silhouette(points, labels, i):
        away = np.linalg.norm(points - points[i], axis=1) ** power
        own = labels == labels[i]
        if own.sum() == 1:
            return alone
        a = away[own].sum() / (own.sum() - (0 if self_too else 1))
        b = other([away[labels == label].mean() for label in np.unique(labels) if label != labels[i]])
        return score(a, b)

    return silhouette


def any_outside(points, labels, i):
    away = np.linalg.norm(points - points[i], axis=1)
    own = labels == labels[i]
    if own.sum() == 1:
        return 0.0
    a, b = away[own].sum() / (own.sum() - 1), away[~own].mean()
    return (b - a) / max(a, b)


def nearest_points(points, labels, i):
    away = np.linalg.norm(points - points[i], axis=1)
    own = labels == labels[i]
    if own.sum() == 1:
        return 0.0
    a, b = np.sort(away[own])[1], away[~own].min()
    return (b - a) / max(a, b)


def right_largest(scores, tie):
    return max(k for k, score in scores.items() if score >= max(scores.values()) - tie)


def chained(scores, tie):
    best = min(scores)
    for k in sorted(scores):
        best = k if scores[k] >= scores[best] - tie else best
    return best


def told(function=lambda gap: -np.logaddexp(0, -gap), gather=np.sum, once=False):
    """The log-likelihood of answers with one thing amiss."""

    def likelihood(utilities, answers):
        liked, other = np.array(sorted(set(answers)) if once else answers).T
        return gather(function(utilities[liked] - utilities[other]))

    return likelihood


def entropy(p, base=2.0):
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return -(p * np.log(p) + (1 - p) * np.log(1 - p)) / np.log(base)


def half_entropy(p):
    p = np.clip(p, 1e-12, 1)
    return -p * np.log2(p)


def unclipped(chances):
    def raw(p):
        return -p * np.log2(p) - (1 - p) * np.log2(1 - p)

    return raw(chances.mean()) - raw(chances).mean()


ANSWERS = {
    "styles.rand": (
        index(),
        [
            (plain_rand, "the plain Rand index"),
            (index(above=0, below=0), "what chance gives is not taken away"),
            (index(below=0), "below the line as well"),
            (difference, "divide by the most"),
            (index(most=max), "not the larger"),
            (index(most=lambda a, b: a + b), "half of A + B"),
            (undivided, "over the number of all pairs"),
            (index(count=lambda counts: (counts**2).sum()), "squares are not pairs"),
            (lambda table: table.max(1).sum() / table.sum(), "purity"),
            (lambda table: np.nan, "NaN"),
            (lambda table: 7.0, "is right"),
            (lambda table: table.sum(1), "a ndarray of shape (3,), not a number"),
            (lambda table: True, "a bool, not a number"),
        ],
    ),
    "styles.neighbours": (
        nearest(),
        [
            (nearest(own=0), "nearest to itself"),
            (nearest(scale=20), "divide by the number of points"),
            (nearest(scale=100), "from 0 to 1"),
            (nearest(turned=True), "the share that is wrong"),
            (nearest(farthest=True, own=0), "the farthest point"),
            (nearest(rank=1), "the second nearest"),
            (three_neighbours, "One is enough"),
            (by_product, "inner product"),
            (moved, "changes the points"),
            (lambda points, labels: labels == labels, "not a number"),
        ],
    ),
    "styles.within": (
        covariance(),
        [
            (covariance(left=0), "divide by n − 1"),
            (lambda points, labels: np.cov(points.T), "covariance of all points"),
            (
                lambda points, labels: np.cov(np.stack([points[labels == n].mean(0) for n in range(3)]).T),
                "differ among themselves",
            ),
            (scatter(lambda points, hands: points - hands), "large hands count more"),
            (scatter(lambda points, hands: points), "large hands count more"),
            (scatter(lambda points, hands: 1), "Divide within each hand"),
            (covariance(mean=False), "not the mean"),
            (covariance(factor=2), "twice as much"),
            (covariance(centre=False), "mean is still in"),
            (covariance(change=lambda w: np.diag(np.diag(w))), "off the diagonal"),
            (covariance(factor=5), "off by up to"),
            (covariance(change=lambda w: w[0]), "the shape (4,)"),
            (covariance(change=lambda w: w.tolist()), "a list, not an array"),
            (covariance(change=lambda w: torch.tensor(w) * 2), "twice as much"),
            (centred_in_place, "changes the points"),
        ],
    ),
    "styles.silhouette": (
        silhouettes(),
        [
            (silhouettes(self_too=True), "the point itself does not count"),
            (any_outside, "not over all that are outside"),
            (silhouettes(other=max), "the least of the means"),
            (nearest_points, "Means are wanted"),
            (silhouettes(power=2), "squared"),
            (silhouettes(score=lambda a, b: (a - b) / max(a, b)), "turned round"),
            (silhouettes(score=lambda a, b: b - a), "divide by the larger"),
            (silhouettes(score=lambda a, b: (b - a) / (a + b)), "not their sum"),
            (silhouettes(score=lambda a, b: (b - a) / min(a, b)), "the larger of a and b"),
            (silhouettes(score=lambda a, b: (b - a) / b), "where a is larger"),
            (silhouettes(alone=1.0), "alone in its group counts 0"),
            (lambda points, labels, i: points[i], "not a number"),
        ],
    ),
    "styles.largest": (
        right_largest,
        [
            (lambda scores, tie: max(scores.values()), "Its number is wanted"),
            (lambda scores, tie: max(scores, key=scores.get), "the best alone"),
            (
                lambda scores, tie: min(k for k in scores if scores[k] >= max(scores.values()) - tie),
                "the smallest of those",
            ),
            (lambda scores, tie: sum(s >= max(scores.values()) - tie for s in scores.values()), "how many come near"),
            (lambda scores, tie: max(scores), "however it scored"),
            (chained, "not with the one before"),
            (lambda scores, tie: 17, "not 17"),
            (lambda scores, tie: [k for k in scores], "a list, not a number"),
        ],
    ),
    "styles.likelihood": (
        told(),
        [
            (told(lambda gap: -np.logaddexp(0, gap)), "exchanged"),
            (told(lambda gap: np.logaddexp(0, -gap)), "not positive"),
            (told(gather=np.mean), "more answers weigh more"),
            (told(expit, np.prod), "take its logarithm"),
            (told(expit), "before you add"),
            (told(lambda gap: np.log2(expit(gap))), "natural logarithms"),
            (told(lambda gap: gap), "through the logistic function"),
            (told(once=True), "counts twice"),
            (lambda u, answers: np.log(expit(u[[a for a, _ in answers]])).sum(), "The difference counts"),
            (told(lambda gap: np.log(expit(gap)) + np.log(1 - expit(gap))), "not what was not"),
            (told(lambda gap: np.log(1 / (1 + np.exp(-gap)))), "np.logaddexp"),
            (told(lambda gap: gap - np.log(1 + np.exp(gap))), "np.logaddexp"),
            (told(gather=lambda values: values), "not a number"),
        ],
    ),
    "styles.information": (
        lambda chances: entropy(chances.mean()) - entropy(chances).mean(),
        [
            (lambda chances: entropy(chances.mean()), "how open the answer is"),
            (lambda chances: entropy(chances).mean(), "entropy of the mean is missing"),
            (lambda chances: entropy(chances).mean() - entropy(chances.mean()), "turned round"),
            (lambda chances: entropy(chances.mean(), np.e) - entropy(chances, np.e).mean(), "nats"),
            (lambda chances: chances.var(), "a variance"),
            (lambda chances: chances.std(), "a deviation"),
            (lambda chances: half_entropy(chances.mean()) - half_entropy(chances).mean(), "a no tells as well"),
            (unclipped, "clip the chances"),
            (lambda chances: entropy(chances), "not a number"),
            (lambda chances: -5.0, "is right"),
        ],
    ),
}
