"""The checks of notebook 08."""

import string

import numpy as np
import torch
from sklearn.metrics import average_precision_score

from ...style.statistics import pooled
from . import Wrong, blame, exercise, need_tensor


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def near(result, wanted, tolerance=1e-4):
    """Whether numbers are the same, or tensors of one shape."""
    result, wanted = torch.as_tensor(result).double(), torch.as_tensor(wanted).double()
    return result.shape == wanted.shape and torch.allclose(result, wanted, atol=tolerance, rtol=1e-3)


def refuse(result, right, *mistakes):
    """Raise Wrong with the words of the first of the mistakes (value, words) that was made; none if all is right."""
    if near(result, right):
        return
    blame(result, right, mistakes, near)
    result, right = torch.as_tensor(result).double(), torch.as_tensor(right).double()
    if not result.isfinite().all():
        raise Wrong("it holds NaN or infinite numbers.")
    raise Wrong(f"the form is right, the values are not: they are off by up to {(result - right).abs().max():.3f}.")


def need_number(result):
    """The reader's result as a float. Raise Wrong unless it is a single number."""
    if isinstance(result, torch.Tensor | np.ndarray | np.generic) and result.ndim == 0:
        result = result.item()
    if isinstance(result, bool) or not isinstance(result, int | float):
        raise Wrong(f"it returns a {type(result).__name__}, not a number.")
    return float(result)


def need_numbers(result, count):
    """The reader's result as a tensor of so many numbers; a list, a tuple or a tensor will do."""
    if isinstance(result, list | tuple):
        result = torch.tensor([need_number(each) for each in result])
    if isinstance(result, np.ndarray):
        result = torch.from_numpy(result)
    if not isinstance(result, torch.Tensor):
        raise Wrong(f"it returns a {type(result).__name__}, not {count} numbers.")
    if result.shape != (count,):
        raise Wrong(f"it returns the shape {tuple(result.shape)}, not {count} numbers.")
    return result.double()


@exercise(
    hint="hashlib.sha256(...).hexdigest() takes bytes: those of the levels 0 … 255, and of the shape before them."
)
def fingerprint(answer):
    """fingerprint(picture): 16 hexadecimal digits of a picture (1, 3, H, W), from its pixels in 8 bits alone."""
    picture = torch.rand(1, 3, 40, 60, generator=torch.Generator().manual_seed(0))
    picture = (picture * 255).round() / 255
    given = picture.clone()
    first = answer(given)
    if not torch.equal(given, picture):
        raise Wrong("it changes the picture that it is given.")
    if not isinstance(first, str) or len(first) != 16 or set(first) - set(string.hexdigits):
        raise Wrong(f"{first!r:.60} is not a string of 16 hexadecimal digits: take hexdigest()[:16].")
    if answer(picture.clone()) != first:
        raise Wrong("the same pixels in another tensor have another hash. Hash the pixels, not the object.")
    if answer(picture.contiguous(memory_format=torch.channels_last)) != first:
        raise Wrong("the same picture in channels_last memory has another hash: call contiguous() first.")
    if answer((picture + 1e-5).clamp(0, 1)) != first or answer((picture - 1e-5).clamp(0, 1)) != first:
        raise Wrong("a rounding error of .00001 changes the hash. Round to 8 bits; cutting off is not rounding.")
    corners = [(0, 0, 0, 0), (0, 1, 20, 30), (0, 2, 39, 59)]
    for place in corners + [(0, 0, row, 2 * row) for row in range(1, 30)]:  # at many levels
        changed = picture.clone()
        changed[place] += 1 / 255 if changed[place] < 0.5 else -1 / 255
        if answer(changed) == first:
            raise Wrong(f"it does not see that the pixel at {place} has changed, by one level of 255. Each counts.")
    if answer(picture.flip(3)) == first or answer(picture.flip(1)) == first:
        raise Wrong("turned left to right, or with red and blue exchanged, it has the same hash. The order counts.")
    if answer(picture.reshape(1, 3, 60, 40)) == first:
        raise Wrong("60 x 40 and 40 x 60 px with the same bytes have the same hash: the shape has to go in.")
    return "It finds copies, and tells nobody what the picture shows."


@exercise(hint="the trace of a sum is the sum of the traces. Which two sums does the law of total covariance have?")
def between(answer):
    """between(means, covariances): the share of the pooled trace that lies between pictures."""
    rows = noise(5, 12, 3, seed=1) + 0.8 * noise(5, 1, 3, seed=2) + 2
    means = rows.mean(1)
    apart = rows - means[:, None]
    covariances = apart.mT @ apart / 12
    result = need_number(answer(means.clone(), covariances.clone()))
    total = pooled(means, covariances, torch.ones(5))[1].trace().item()
    within = covariances.diagonal(dim1=1, dim2=2).sum(1).mean().item()
    sums = covariances.sum().item() / 5
    gap, raw = total - within, means.square().sum(1).mean().item()
    refuse(
        result,
        gap / total,
        (within / total, "that is the share within. The rest is between."),
        (gap / within, "divide by the whole, not by what is within."),
        (gap, "that is the variance between. A share is wanted: divide by the whole."),
        (5 * gap / 4 / (within + 5 * gap / 4), "it divides by n − 1. All n pictures are the whole here: divide by n."),
        (raw / (within + raw), "take the mean of the means away before you square."),
        (5 * gap / (within + 5 * gap), "the squares are summed over the pictures. Take their mean."),
        (gap / (5 * within + gap), "the traces are summed over the pictures. Take their mean."),
        (gap / (gap + sums), "it sums all entries of the covariances. The variances are on the diagonal."),
        (gap**0.5 / total**0.5, "variances are wanted, not deviations: no root."),
        (100 * gap / total, "a share is from 0 to 1, not in percent."),
        (gap / 3 / (gap / 3 + within), "the distance is summed over channels, as the trace is, not averaged."),
    )
    alike = need_number(answer(means[:1].expand(4, -1).clone(), covariances[:4].clone()))
    if abs(alike) > 1e-5:
        raise Wrong(f"for pictures with the same mean nothing is between, and it says {alike:.3f}.")
    return "In your collection: what different palettes make of the whole, and no single picture has."


@exercise(hint="scale the weights by their sum first. What would you divide by if all are 0?")
def mixture(answer):
    """mixture(weights, parts): the weighted mean of parts (k, …), by weights that are scaled to add up to 1."""
    parts = noise(3, 2, 4)

    def right(weights):
        shares = torch.tensor(weights) / sum(weights)
        return torch.einsum("k,kij->ij", shares, parts)

    for weights in ([0.5, 0.25, 0.25], [1.0, 1.0, 0.0], [0.2, 0.0, 0.1], [3.0, 0.0, 0.0], [0, 2, 1]):
        given, kept = parts.clone(), list(weights)
        result = answer(kept, given)
        if not torch.equal(given, parts) or kept != weights:
            raise Wrong("it changes what it is given. Make new numbers.")
        need_tensor(result, parts.shape[1:])
        scaled, plain = right(weights), torch.einsum("k,kij->ij", torch.tensor(weights).float(), parts)
        if any(weights):
            softmax = torch.einsum("k,kij->ij", torch.tensor(weights).float().softmax(0), parts)
        refuse(
            result,
            scaled,
            (plain, f"for {weights} the weights do not add up to 1: divide by their sum."),
            (plain / 3, "it divides by the number of parts. Divide by the sum of the weights."),
            (parts.mean(0), "all parts count alike. Use the weights."),
            (plain / max(weights), "it divides by the largest weight. Divide by the sum."),
            (softmax, "a softmax gives a part even to a weight of 0. Divide by the sum."),
            (parts[int(np.argmax(weights))], "it takes the strongest alone. Mix."),
        )
    result = answer([0.0, 0.0, 0.0], parts.clone())
    need_tensor(result, parts.shape[1:])
    if not result.isfinite().all():
        raise Wrong("with all weights at 0 it divides by 0. Then take all parts alike.")
    refuse(
        result,
        parts.mean(0),
        (torch.zeros(2, 4), "with all weights at 0 it gives zeros, which is no style. Take all parts alike."),
        (parts[0], "with all weights at 0 it takes the first. Take all parts alike."),
    )
    return "Scaled, sliders may stand anywhere: two at 1 are the same as two at .3."


@exercise(hint="of the three weights one is always 0. Which one, left of the middle?")
def on_axis(answer):
    """on_axis(position): the weights (low, middle, high) for a position from -1 to 1."""
    for position in (0.0, 1.0, -1.0, 0.3, -0.75):
        result = need_numbers(answer(position), 3)
        p = position
        refuse(
            result,
            [max(0.0, -p), 1 - abs(p), max(0.0, p)],
            ([max(0.0, p), 1 - abs(p), max(0.0, -p)], "low and high are exchanged: the high pole is at 1."),
            ([(1 - p) / 2, 0.0, (1 + p) / 2], "it goes straight from pole to pole. At 0 is the middle alone."),
            ([max(0.0, -p), 1.0, max(0.0, p)], "the middle keeps its whole weight: the weights must add up to 1."),
            ([min(0.0, p), 1 - abs(p), max(0.0, p)], "a weight is negative. The low pole's is −p, left of the middle."),
            ([-p, 1 - abs(p), p], "a weight is negative: a pole counts on its own side alone."),
            ([abs(p), 1 - abs(p), abs(p)], "both poles count on both sides: on each side there is one."),
            ([max(0.0, -p), 1 - p, max(0.0, p)], "left of the middle, the middle's weight is above 1. Use |p|."),
            ([max(0.0, -p), abs(p), max(0.0, p)], "the middle's weight grows towards the poles: 1 − |p| is wanted."),
        )
    return "They add up to 1 everywhere, and the style changes without a jump."


@exercise(hint="how often does a style with a chance of ¾ win for each time that it loses? And with a chance of 1?")
def liked_weights(answer):
    """liked_weights(chances): weights (k,) that add up to 1, in proportion to the squared odds of chances (k,)."""
    for chances in ([0.8, 0.4, 0.3], [0.9, 0.6], [0.2, 0.7, 0.6, 0.5], [0.5, 0.5, 0.5]):
        p = torch.tensor(chances)
        given = p.clone()
        result = need_numbers(answer(given), len(chances))
        if not torch.equal(given, p):
            raise Wrong("it changes the chances that it is given.")
        odds = p / (1 - p)
        refuse(
            result,
            odds**2 / (odds**2).sum(),
            (odds**2, "they do not add up to 1: divide by their sum."),
            (odds / odds.sum(), "the odds are not squared."),
            (p / p.sum(), "those are shares of the chances. Odds are p / (1 − p)."),
            (p**2 / (p**2).sum(), "it squares the chances. Odds are p / (1 − p)."),
            (p.softmax(0), "the softmax is of the chances. It belongs to 2 log(p / (1 − p))."),
            ((2 * p).softmax(0), "the softmax is of the chances. It belongs to 2 log(p / (1 − p))."),
            (odds.softmax(0), "a softmax takes logarithms: of the odds themselves it is too much."),
            ((odds**2).softmax(0), "a softmax takes logarithms: of the odds themselves it is too much."),
            (odds**-2 / (odds**-2).sum(), "the least liked gets the most: the odds are upside down."),
            (odds**2 / (odds**2).max(), "it divides by the largest. Weights add up to 1: divide by the sum."),
            (odds**2 / odds.sum() ** 2, "square before you add up: the sum is that of the squares."),
        )
    for chances, sure in (([1.0, 0.5, 0.4], [0]), ([1.0, 0.3, 1.0], [0, 2]), ([0.0, 0.6, 0.7], [])):
        result = need_numbers(answer(torch.tensor(chances)), 3)
        if not result.isfinite().all():
            raise Wrong(f"for chances of {chances} it divides by 0. Bound the chances before you take odds.")
        if abs(result.sum() - 1) > 1e-4 or any(abs(result[place] - 1 / len(sure)) > 0.01 for place in sure):
            raise Wrong(f"for chances of {chances} it gives {[round(w, 2) for w in result.tolist()]}.")
    return "Twice the odds, four times the weight: clicks that agree soon decide."


@exercise(
    hint="how does the mean of the others differ from the mean of all? The point's own share, 1 / n, is taken out."
)
def left_out(answer):
    """left_out(points): each point's distance from the mean of all the others, points (n, m): (n,)."""
    for n in (6, 2):
        points = noise(n, 4, seed=n) + 3
        given = points.clone()
        result = answer(given)
        if not torch.equal(given, points):
            raise Wrong("it changes the points that it is given.")
        if isinstance(result, torch.Tensor) and result.shape == points.shape:
            raise Wrong("it returns differences. A distance is one number for each point: norm(dim=1).")
        need_tensor(result, (n,))
        naive = (points - points.mean(0)).norm(dim=1)
        pairs = torch.cdist(points, points)
        refuse(
            result,
            naive * n / (n - 1),
            (naive, "the point itself is in the mean. Leave it out: with few points that matters."),
            (naive * (n - 1) / n, "the factor is upside down: from the centre of the others it is further."),
            ((naive * n / (n - 1)) ** 2, "those are squared distances. Take the root."),
            (naive * n, "it is n times too far: divide by n − 1."),
            (naive * (n / (n - 1)) ** 0.5, "without its own share the distance grows by n / (n − 1), not by its root."),
            (pairs.sum(1) / (n - 1), "that is the mean distance from the others, not the distance from their mean."),
            (pairs.mean(1), "that is the mean distance from all, not the distance from the mean of the others."),
            ((points - points.sum(0) / (n - 1)).norm(dim=1), "the point itself is in the sum: take it out."),
            (points.norm(dim=1), "it is the distance from 0. Take the mean of the others away."),
        )
    return "So a radius from eight pictures holds for the ninth."


@exercise(hint="values[picks] has a row for each sample. Which mean, and then which two quantiles?")
def interval(answer):
    """interval(values, picks): the 2.5 % and 97.5 % quantiles of the means of values (n,) resampled by picks (B, n)."""
    source = torch.Generator().manual_seed(0)
    values = torch.rand(7, generator=source) ** 2
    picks = torch.randint(7, (400, 7), generator=source)
    result = need_numbers(answer(values.clone(), picks.clone()), 2)
    drawn = values[picks]

    def quantiles(of, low=0.025, high=0.975):
        return torch.stack([torch.quantile(of, low), torch.quantile(of, high)])

    means, mean = drawn.mean(1), values.mean()
    right, ordered = quantiles(means), means.sort().values
    between = ordered[[9, 389]], ordered[[10, 390]]  # quantiles can be interpolated in several ways
    if ((between[0] - 1e-5 <= result) & (result <= between[1] + 1e-5)).all() or near(result, right):
        return "It is narrow where photos agree, and says nothing about photos unlike these seven."
    refuse(
        result,
        right,
        (right.flip(0), "low comes first."),
        (quantiles(drawn.flatten()), "those are quantiles of the values. Take each sample's mean first."),
        (quantiles(values), "those are quantiles of the values. Resample, and take each sample's mean."),
        (quantiles(drawn.mean(0)), "it takes means over the samples. Each row is a sample: mean(1)."),
        (quantiles(means, 0.05, 0.95), "5 % are cut off at each end. 95 % are to remain: cut 2.5 %."),
        (quantiles(means, 0.0, 1.0), "those are the least and the greatest mean. Cut 2.5 % at each end."),
        (quantiles(drawn.median(1).values), "the median of each sample, not its mean."),
        (quantiles(drawn.sum(1)), "the sum of each sample, not its mean."),
        (torch.stack([mean - 1.96 * values.std(), mean + 1.96 * values.std()]), "that is the spread of the values."),
        (torch.stack([mean - means.std(), mean + means.std()]), "that is one deviation to each side: about 68 %."),
        (torch.stack([mean - 1.96 * means.std(), mean + 1.96 * means.std()]), "that supposes a bell curve. Count."),
        (2 * mean - right.flip(0), "it is turned round about the mean."),
        (right - mean, "the mean has been taken away."),
    )
    raise AssertionError("refuse has raised")


@exercise(hint="sort by distance. At each relevant rank, which share of the list up to there is relevant?")
def precision(answer):
    """precision(distances, relevant): average precision of pictures by their distances (n,)."""
    cases = (
        ([0.3, 0.1, 0.4, 0.2, 0.5], [1, 0, 1, 1, 0]),
        ([5.0, 4.0, 3.0, 2.0, 1.0, 0.5], [1, 1, 0, 0, 0, 0]),
        ([0.2, 0.9, 0.1, 0.7], [0, 0, 1, 0]),
    )
    for distances, marks in cases:
        far, relevant = torch.tensor(distances), torch.tensor(marks).bool()
        result = need_number(answer(far.clone(), relevant.clone()))
        hits = relevant[far.argsort()].double()
        ranks, count = torch.arange(1, len(far) + 1), hits.sum()
        shares = hits.cumsum(0) / ranks
        unsorted = (relevant.double().cumsum(0) / ranks)[relevant].mean()
        refuse(
            result,
            average_precision_score(relevant.numpy(), -far.numpy()),
            (average_precision_score(relevant.numpy(), far.numpy()), "the furthest come first. Near is first."),
            (unsorted, "the list is not sorted by distance."),
            (shares.mean(), "it takes the mean over all ranks. Only relevant ranks count."),
            ((shares * hits).sum() / len(far), "it divides by all pictures. Divide by the number of relevant ones."),
            ((shares * hits).sum(), "divide by the number of relevant pictures."),
            (hits[: int(count)].mean(), "that is the precision of the first few. All relevant ranks count."),
            ((hits / ranks).sum() / count, "at a relevant rank, the relevant ones before it count as well: cumsum."),
            ((hits.cumsum(0) / (ranks - 1).clamp(min=1) * hits).sum() / count, "ranks begin at 1."),
            (((hits.cumsum(0) - 1) / ranks * hits).sum() / count, "the relevant picture itself counts in its share."),
        )
    return "1 if all that is liked lies nearest, whatever comes after."
