"""What somebody likes, learnt from pairs of pictures: the Bradley–Terry model with a utility that is smooth in style.

    taste = Taste(points)                 # of a style space
    a, b = taste.next_pair()              # the pair whose answer tells most
    taste.prefer(a, b)                    # a was liked better
    taste.mean, taste.deviation           # of each picture's utility

P(a is preferred to b) = 1 / (1 + exp(u_b − u_a)) (Bradley and Terry 1952). The utilities have a Gaussian process as
their prior (Chu and Ghahramani 2005): pictures of a style are liked about as much as one another. The posterior is
approximated by a Gaussian at its mode (Laplace).
"""

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import expit

from ..errors import InputError

DEVIATION = 1.5  # of a utility before anything is known
REACH = 1.0  # in the space's unit, the distance of two pictures by one hand: how far a like reaches
JITTER = 1e-6  # of the prior's variance
NODES = 12  # of the quadrature over a utility difference
MOST_NEWTON = 100


class Taste:
    """The likes of one person among pictures, points (n, m). `pairs` holds what was said: (liked better, the other)."""

    def __init__(self, points, seed=0):
        if len(points) < 2:
            raise InputError(f"{len(points)} pictures make no pair: give at least two")
        self.points = np.asarray(points, np.float64)
        self.prior = kernel(self.points, self.points) + JITTER * np.eye(len(points))
        self.rng = np.random.default_rng(seed)
        self.pairs = []
        self.mean, self.covariance = np.zeros(len(points)), self.prior.copy()

    def prefer(self, liked, other):
        """Learn that one picture is liked better than another."""
        for number in (liked, other):
            if not 0 <= number < len(self.points):
                raise InputError(f"there is no picture {number}: say 0 to {len(self.points) - 1}")
        if liked == other:
            raise InputError(f"picture {liked} cannot be better than itself: compare two pictures")
        self.pairs.append((int(liked), int(other)))
        self.fit()

    def forget(self):
        """Take the latest answer back."""
        if self.pairs:
            self.pairs.pop()
        self.fit()

    def fit(self):
        """The posterior's mode and, around it, its covariance, by Newton's method on the utility differences."""
        if not self.pairs:
            self.mean, self.covariance = np.zeros(len(self.points)), self.prior.copy()
            return
        liked, other = np.array(self.pairs).T
        across = self.prior[:, liked] - self.prior[:, other]  # covariance of utilities and differences (n, p)
        differences = across[liked] - across[other]  # of differences among themselves (p, p)
        f = np.zeros(len(self.pairs))
        for _ in range(MOST_NEWTON):
            surprise, weight = expit(-f), expit(f) * expit(-f) + 1e-9
            step = np.linalg.solve(np.eye(len(f)) + weight[:, None] * differences, weight * f + surprise)
            before, f = f, differences @ step
            if np.abs(f - before).max() < 1e-9:
                break
        self.mean = across @ expit(-f)
        noise = np.diag(1 / (expit(f) * expit(-f) + 1e-9))
        self.covariance = self.prior - across @ np.linalg.solve(differences + noise, across.T)

    @property
    def deviation(self):
        """How uncertain each utility is: standard deviations (n,), √ of the posterior's variances."""
        return np.sqrt(np.clip(self.covariance.diagonal(), 0, None))

    def chances(self):
        """Probabilities (n, n) that the row's picture is preferred to the column's."""
        return self.expected(lambda p: p)

    def gains(self):
        """What an answer about each pair would tell, in bits (n, n): the mutual information of answer and utilities.

        The answer's entropy less that which remains if the utilities are known (Houlsby et al. 2011, BALD).
        """
        return entropy(self.chances()) - self.expected(entropy)

    def expected(self, function):
        """The mean of a function of the probability over the posterior of each utility difference (n, n)."""
        variance = self.covariance.diagonal()
        spread = np.sqrt(np.clip(variance[:, None] + variance - 2 * self.covariance, 0, None))
        nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
        shares, away = weights / weights.sum(), self.mean[:, None] - self.mean
        return sum(w * function(expit(away + spread * node)) for node, w in zip(nodes, shares, strict=True))

    def next_pair(self):
        """The two pictures, not yet compared, whose comparison tells most; by lot where several tell as much."""
        gains = np.triu(self.gains(), 1)
        for a, b in self.pairs:
            gains[min(a, b), max(a, b)] = 0
        if not (gains > 0).any():
            raise InputError("all pairs have been compared: there is nothing left to ask")
        ties = np.argwhere(gains >= gains.max() * (1 - 1e-6))
        first, second = self.rng.permutation(ties[self.rng.integers(len(ties))])
        return int(first), int(second)

    def utilities(self, points):
        """The expected utilities of other pictures, points (k, m): (k,)."""
        return kernel(np.asarray(points, np.float64), self.points) @ np.linalg.solve(self.prior, self.mean)

    def ranking(self):
        """The numbers of the pictures, the best liked first."""
        return np.argsort(-self.mean, kind="stable")

    def weights(self, labels):
        """How much each style is liked, for labels (n,) from 0 on: weights that sum to 1.

        All are alike as long as nothing is known. In proportion to the squared odds that a picture of the style is
        preferred to one of another style.
        """
        labels = np.asarray(labels)
        count = labels.max() + 1
        if count == 1:
            return [1.0]
        chances = self.chances()
        wins = [chances[np.ix_(labels == style, labels != style)].mean() for style in range(count)]
        odds = np.square(np.array(wins) / (1 - np.array(wins)))
        return (odds / odds.sum()).tolist()


def kernel(one, two):
    """Prior covariance of the utilities of points (n, m) and (k, m): (n, k)."""
    return DEVIATION**2 * np.exp(-cdist(one, two, "sqeuclidean") / (2 * REACH**2))


def entropy(chance):
    """Of a yes-or-no answer, in bits."""
    chance = np.clip(chance, 1e-12, 1 - 1e-12)
    return -(chance * np.log2(chance) + (1 - chance) * np.log2(1 - chance))
