"""The checks of notebook 07."""

import numpy as np
import torch
from scipy.special import expit
from sklearn.metrics import adjusted_rand_score, silhouette_samples

from ...personal.preference import entropy
from ..styles import distances, neighbours_agree
from . import Wrong, blame, exercise


def number(result):
    """The reader's result as a float; Wrong if it is none."""
    if isinstance(result, np.ndarray | torch.Tensor) and result.ndim == 0:
        result = result.item()
    if isinstance(result, bool | np.bool_) or not isinstance(result, int | float | np.number):
        shape = f" of shape {tuple(result.shape)}" if isinstance(result, np.ndarray | torch.Tensor) else ""
        raise Wrong(f"it returns a {type(result).__name__}{shape}, not a number.")
    return float(result)


def near(one, other):
    return np.isclose(one, other, rtol=1e-4, atol=1e-6)


def refuse(result, right, *mistakes):
    """Raise Wrong with the words of the first of the mistakes (number, words) that was made; none if all is right."""
    if near(result, right):
        return
    blame(result, right, mistakes, near)
    if not np.isfinite(result):
        raise Wrong("it is NaN or infinite.")
    raise Wrong(f"it is {result:.4g} where {right:.4g} is right.")


def cloud(count, dimensions, seed=0):
    return np.random.default_rng(seed).normal(size=(count, dimensions))


def pairs(counts):
    return (counts * (counts - 1) / 2).sum()


@exercise(hint="how many pairs are together in both groupings, in the first, in the second, and in all?")
def rand(answer):
    """rand(table): the adjusted Rand index, from counts (families, groups)."""
    tables = np.array([[5, 1, 0], [2, 3, 1], [0, 1, 7]]), np.array([[4, 0], [0, 4], [3, 1]]), np.array([[0, 6], [5, 0]])
    for table in tables:
        families, groups = (np.repeat(where, table.ravel()) for where in np.indices(table.shape).reshape(2, -1))
        result = number(answer(table.copy()))
        n = table.sum()
        both, rows, columns, every = pairs(table), pairs(table.sum(1)), pairs(table.sum(0)), pairs(np.array([n]))
        chance, most = rows * columns / every, (rows + columns) / 2
        squares = ((table**2).sum(), (table.sum(1) ** 2).sum(), (table.sum(0) ** 2).sum())
        by_squares = squares[1] * squares[2] / n**2
        refuse(
            result,
            adjusted_rand_score(families, groups),
            ((every + 2 * both - rows - columns) / every, "that is the plain Rand index. Take away what chance gives."),
            (both / most, "what chance gives is not taken away."),
            ((both - chance) / most, "chance must be taken away below the line as well, so that the best is 1."),
            (both - chance, "divide by the most that there could be."),
            (
                (both - chance) / (max(rows, columns) - chance),
                "below the line stands the mean of A and B, not the larger.",
            ),
            ((both - chance) / (rows + columns - chance), "below the line stands half of A + B."),
            ((both - rows * columns) / (most - rows * columns), "E is A times B over the number of all pairs: divide."),
            (
                (squares[0] - by_squares) / ((squares[1] + squares[2]) / 2 - by_squares),
                "squares are not pairs: n things make n (n − 1) / 2 pairs.",
            ),
            (table.max(1).sum() / n, "that is a share of pictures (purity). Count pairs."),
        )
    return "It does not care what the groups are called, and 0 is chance."


@exercise(hint="who is nearest to a point, if nobody forbids it?")
def neighbours(answer):
    """neighbours(points, labels): the share of points whose nearest other point has the same label."""
    for seed in range(3):
        labels = np.repeat(np.arange(4), 5)
        points = cloud(20, 3, seed) + 1.2 * np.eye(4, 3)[labels]
        given = points.copy()
        result = answer(given, labels.copy())
        if not np.array_equal(given, points):
            raise Wrong("it changes the points that it is given.")
        result = number(result)
        right, away = neighbours_agree(points, labels), distances(points)
        near_first = np.argsort(away, 1)
        same = labels[near_first] == labels[:, None]
        inner = points @ points.T
        np.fill_diagonal(inner, -np.inf)
        refuse(
            result,
            right,
            (1.0, "each point is nearest to itself: leave it out."),
            (right * 20, "a share is wanted: divide by the number of points."),
            (100 * right, "a share is wanted, from 0 to 1."),
            (1 - right, "that is the share that is wrong."),
            ((labels[away.argmax(1)] == labels).mean(), "that asks the farthest point."),
            (same[:, 2].mean(), "that is the second nearest of the others."),
            (same[:, 1:4].mean(), "that asks three neighbours. One is enough."),
            ((labels[inner.argmax(1)] == labels).mean(), "the largest inner product is not the nearest point."),
        )
    return "No grouping, no seed, no number of groups: an honest judge of descriptors."


@exercise(hint="the mean of each hand goes out, and nothing else. What is left over, n or n − 1?")
def within(answer):
    """within(points, labels): the mean over labels of the covariance of their points, by n − 1."""
    labels = np.repeat([0, 1, 2], [3, 5, 9])
    points = cloud(17, 4) * [1, 2, 0.5, 1] + 3 * cloud(3, 4, 1)[labels]
    given = points.copy()
    result = answer(given, labels.copy())
    if not np.array_equal(given, points):
        raise Wrong("it changes the points that it is given.")
    if isinstance(result, torch.Tensor):
        result = result.numpy()
    if not isinstance(result, np.ndarray):
        raise Wrong(f"it returns a {type(result).__name__}, not an array.")
    if result.shape != (4, 4):
        raise Wrong(f"it returns the shape {result.shape}, not (4, 4).")
    hands = [points[labels == label] for label in range(3)]
    each = [np.cov(hand.T) for hand in hands]
    scatter = sum(np.cov(hand.T) * (len(hand) - 1) for hand in hands)
    means = np.stack([hand.mean(0) for hand in hands])
    right = np.mean(each, 0)
    if np.allclose(result, right, atol=1e-6):
        return "The same as half the mean outer product of differences, and quicker: n terms instead of n²."
    for mistake, words in (
        (np.mean([np.cov(hand.T, bias=True) for hand in hands], 0), "divide by n − 1, as the pairs leave out i = j."),
        (np.cov(points.T), "that is the covariance of all points. Take each hand's own mean away."),
        (np.cov(means.T), "that is how the hands differ among themselves: the other half of the story."),
        (scatter / (17 - 3), "large hands count more so. Take the mean of the hands' covariances."),
        (scatter / 17, "large hands count more so. Take the mean of the hands' covariances."),
        (scatter, "that is the sum of all outer products. Divide within each hand, then take the mean."),
        (sum(each), "that is the sum over hands, not the mean."),
        (2 * right, "it is twice as much: half the outer product of a difference counts."),
        (np.mean([hand.T @ hand / (len(hand) - 1) for hand in hands], 0), "the hand's mean is still in."),
        (np.diag(np.diag(right)), "the variances are right. Directions vary together: keep what is off the diagonal."),
    ):
        if np.allclose(result, mistake, atol=1e-6):
            raise Wrong(words)
    raise Wrong(f"it is off by up to {np.abs(result - right).max():.3f}.")


@exercise(hint="a is a mean over the others of its group, and b the least of such means over the other groups.")
def silhouette(answer):
    """silhouette(points, labels, i): the silhouette of one point."""
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 2, 2, 3])
    points = cloud(10, 2, 3) + 2 * np.eye(4, 2)[labels]
    away, right = distances(points), silhouette_samples(points, labels)
    for i in (4, 1, 7, 9, 0):
        result = number(answer(points.copy(), labels.copy(), i))
        own, others = labels == labels[i], [labels == label for label in range(4) if label != labels[i]]
        if own.sum() == 1:
            refuse(result, 0.0, (1.0, "a picture alone in its group counts 0."))
            continue
        a, b = away[i, own].sum() / (own.sum() - 1), min(away[i, group].mean() for group in others)
        a_self, b_all = away[i, own].mean(), away[i, ~own].mean()
        a_near, b_near = np.sort(away[i, own])[1], away[i, ~own].min()
        squared = away[i] ** 2
        a_squared, b_squared = squared[own].sum() / (own.sum() - 1), min(squared[group].mean() for group in others)
        b_far = max(away[i, group].mean() for group in others)
        refuse(
            result,
            right[i],
            (
                (b - a_self) / max(a_self, b),
                "a is a mean over the *others* of the group: the point itself does not count.",
            ),
            ((b_all - a) / max(a, b_all), "b is a mean over one group, the next, not over all that are outside."),
            ((b_far - a) / max(a, b_far), "b belongs to the *next* group: the least of the means."),
            ((b_near - a_near) / max(a_near, b_near), "these are nearest points. Means are wanted."),
            ((b_near - a) / max(a, b_near), "b is a mean over a group, not its nearest point."),
            ((b_squared - a_squared) / max(a_squared, b_squared), "the distances are squared."),
            ((a - b) / max(a, b), "the sign is turned round: far from the others is good."),
            (b - a, "divide by the larger of a and b."),
            ((b - a) / (a + b), "below the line stands the larger of a and b, not their sum."),
            ((b - a) / b, "below the line stands the larger of a and b; where a is larger, that is a."),
            ((b - a) / min(a, b), "below the line stands the larger of a and b."),
        )
    return "Between −1 and 1, whatever the unit of the distances."


@exercise(hint="first the best score; then which numbers come near it?")
def largest(answer):
    """largest(scores, tie): the largest k whose score is no more than tie below the best."""
    for scores, tie, right in (
        ({3: 0.54, 4: 0.55, 5: 0.52, 6: 0.32}, 0.02, 4),
        ({2: 0.41, 3: 0.55, 4: 0.54, 5: 0.32}, 0.02, 4),
        ({2: 0.60, 3: 0.40, 4: 0.59, 5: 0.30, 6: 0.585}, 0.02, 6),
        ({2: 0.50, 3: 0.47, 4: 0.44, 5: 0.42, 6: 0.2}, 0.04, 3),
        ({2: 0.70, 3: 0.30}, 0.02, 2),
        ({4: 0.53, 2: 0.5, 3: 0.53}, 0.0, 4),
    ):
        result = number(answer(dict(scores), tie))
        best = max(scores.values())
        near_best = [k for k, score in scores.items() if score >= best - tie]
        chain = min(scores)
        for k in sorted(scores):
            chain = k if scores[k] >= scores[chain] - tie else chain
        if result == right:
            continue
        for mistake, words in (
            (best, "that is the score. Its number is wanted."),
            (max(scores, key=scores.get), "that is the best alone. Larger numbers that do nearly as well count too."),
            (min(near_best), "that is the smallest of those near the best."),
            (len(near_best), "that is how many come near the best."),
            (max(scores), "that is the largest number of all, however it scored."),
            (chain, "compare each score with the best, not with the one before."),
        ):
            if result == mistake:
                raise Wrong(f"for {scores} and {tie} it is {right}, not {result:g}: {words}")
        raise Wrong(f"for {scores} and {tie} it is {right}, not {result:g}.")
    return "A finer grouping that is as good shows more. With a large tie it would show what is not there."


@exercise(hint="each answer has a probability under the model. What becomes of a product of probabilities?")
def likelihood(answer):
    """likelihood(utilities, answers): the sum of log P(liked is preferred to other)."""
    utilities, answers = 1.5 * cloud(6, 1)[:, 0], [(0, 1), (2, 1), (5, 3), (4, 5), (0, 1)]
    result = number(answer(utilities.copy(), list(answers)))
    liked, other = np.array(answers).T
    gap = utilities[liked] - utilities[other]
    chances = expit(gap)
    once = np.array(sorted(set(answers))).T
    refuse(
        result,
        np.log(chances).sum(),
        (np.log(expit(-gap)).sum(), "liked and other are exchanged: it falls as the liked ones rise."),
        (-np.log(chances).sum(), "the sign is turned round: a log-likelihood is not positive."),
        (np.log(chances).mean(), "the mean is taken. The sum is wanted: more answers weigh more."),
        (chances.prod(), "that is the likelihood: take its logarithm."),
        (chances.sum(), "these are probabilities: take their logarithms before you add."),
        (np.log2(chances).sum(), "natural logarithms are meant."),
        (gap.sum(), "these are differences of utilities: they must go through the logistic function."),
        (
            np.log(expit(utilities[once[0]] - utilities[once[1]])).sum(),
            "an answer that was given twice counts twice.",
        ),
        (np.log(expit(utilities[liked])).sum(), "only the liked picture's utility is in it. The difference counts."),
        ((np.log(chances) + np.log(1 - chances)).sum(), "only what was answered counts, not what was not."),
    )
    for wide in (np.array([-800.0, 800.0]), np.array([800.0, -800.0])):
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            result = number(answer(wide, [(0, 1)]))
        if not np.isclose(result, min(0.0, wide[0] - wide[1]), atol=1e-6):
            raise Wrong(
                f"for utilities {wide.tolist()} it is {result:.4g}, as e^1600 is too much for a float: "
                "use np.logaddexp(0, other − liked)."
            )
    return "It is concave in the utilities, so there is one peak, and gradient ascent finds it."


@exercise(hint="two entropies: of the answer that you expect, and, on average, of the answer if you knew p.")
def information(answer):
    """information(chances): entropy of the mean less the mean entropy, in bits."""
    for chances in (
        np.array([0.2, 0.9, 0.6, 0.4]),
        np.array([0.05, 0.1, 0.02]),
        np.array([0.5, 0.5]),
        np.array([0.0, 1.0]),
    ):
        with np.errstate(divide="ignore", invalid="ignore"):
            result = number(answer(chances.copy()))
        whole, left = entropy(chances.mean()), entropy(chances).mean()
        if np.isnan(result):
            raise Wrong("it is NaN where a chance is 0 or 1: clip the chances before you take logarithms.")
        refuse(
            result,
            whole - left,
            (whole, "that is how open the answer is. Take away what stays open even if p is known."),
            (left, "that is what stays open if p is known. The entropy of the mean is missing."),
            (left - whole, "the sign is turned round: an answer never tells less than nothing."),
            ((whole - left) * np.log(2), "these are nats: bits want the logarithm to base 2."),
            (chances.var(), "that is a variance. It goes the same way, and is not measured in bits."),
            (chances.std(), "that is a deviation. It goes the same way, and is not measured in bits."),
            (
                -(chances.mean() * np.log2(chances.mean())) + (chances * np.log2(np.clip(chances, 1e-12, 1))).mean(),
                "a no tells as well: (1 − p) log (1 − p) is missing.",
            ),
        )
    return "Where all believe the same p, it is 0: a fair coin is as open as can be, and tells nothing."
