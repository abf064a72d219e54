"""How good paintings in a personal style are: shares, rankings and intervals. Arrays in, numbers out.

    distances = style.distances(points)[:, 0]           # in radii of the first style
    share_within(distances)                              # of the paintings inside it
    low, high = bootstrap_interval(distances <= 1, seed=0)

What is judged must not have been learnt from: hold some liked pictures out. The features that painted judge their own
paintings too kindly: `benchmarks/generator.py` asks another network.
"""

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score

from ..errors import InputError

RESAMPLES = 2000
LEVEL = 0.95


def share_within(distances, radius=1.0):
    """The share of distances (n,) that are at most the radius."""
    return float((filled(distances, "distances") <= radius).mean())


def bootstrap_interval(values, seed, level=LEVEL):
    """(low, high), within which the mean of values (n,) is believed to lie: the percentile bootstrap (Efron 1979).

    The quantiles of the means of `RESAMPLES` samples of n of the values, drawn with replacement. Values have to be
    independent: of several paintings of one photo, give their mean.
    """
    values = filled(values, "values")
    picks = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(values[picks].mean(1), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def average_precision(distances, relevant):
    """How well a query finds what is relevant (n,), by distances (n,): 1 if all of it comes first.

    The mean, over the relevant pictures, of the share of relevant ones among all that lie no further.
    """
    distances, relevant = ranked(distances, relevant)
    return float(average_precision_score(relevant, -distances))


def precision_at(distances, relevant, count):
    """The share of relevant pictures among the `count` nearest."""
    distances, relevant = ranked(distances, relevant)
    if not 1 <= count <= len(distances):
        raise InputError(f"there are no {count} nearest of {len(distances)} pictures: ask for 1 to {len(distances)}")
    return float(relevant[np.argsort(distances, kind="stable")[:count]].mean())


def chance_precision(relevant, count):
    """The average precision that a random order of `count` pictures has on average, `relevant` of them being so.

    A relevant picture at rank i has itself and, of the i − 1 before it, a share (relevant − 1) / (count − 1).
    """
    if not 1 <= relevant <= count:
        raise InputError(f"of {count} pictures {relevant} cannot be relevant: say 1 to {count}")
    ranks = np.arange(1, count + 1)
    others = (relevant - 1) / max(1, count - 1)
    return float(np.mean((1 + (ranks - 1) * others) / ranks))


def share_interval(times, trials, level=LEVEL):
    """(low, high) of a probability, from how many of some trials went one way (Wilson 1927); sound for few trials."""
    if trials < 1:
        return 0.0, 1.0
    interval = binomtest(int(times), int(trials)).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)


def filled(values, name):
    """Values as an array (n,) of finite floats, at least one."""
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise InputError(f"{name} of the shape {values.shape} cannot be judged: give a list of finite numbers")
    return values


def ranked(distances, relevant):
    """Distances and which of them belong to relevant pictures, checked."""
    distances, relevant = filled(distances, "distances"), np.asarray(relevant, bool)
    if relevant.shape != distances.shape:
        raise InputError(f"{relevant.size} answers do not fit {distances.size} distances: give one for each picture")
    if not relevant.any():
        raise InputError("no picture is relevant, so that none can be found: give at least one")
    return distances, relevant
