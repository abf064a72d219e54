"""Right and wrong answers to the exercises of notebook 08, for test_checks.py."""

import hashlib

import torch

from gantutor.style.statistics import pooled


def hashed(levels=lambda p: (p * 255).round().byte(), shape=True, digits=16, layout=True):
    """A hash of a picture with one thing amiss."""

    def fingerprint(picture):
        found = levels(picture)
        rows = found.contiguous() if layout else found.permute(0, 2, 3, 1).contiguous()
        before = repr(tuple(found.shape)).encode() if shape else b""
        return hashlib.sha256(before + rows.numpy().tobytes()).hexdigest()[:digits]

    return fingerprint


def stored_as_it_lies(picture):
    levels = (picture * 255).round().byte()
    order = sorted(range(4), key=lambda dim: -levels.stride(dim))
    return hashlib.sha256(levels.permute(order).contiguous().numpy().tobytes()).hexdigest()[:16]


def hashed_in_place(picture):
    return hashed(lambda p: p.mul_(255).round_().byte())(picture)


def share(change):
    """The variance between and within, and what becomes of them."""

    def between(means, covariances):
        within = covariances.diagonal(dim1=1, dim2=2).sum(1).mean()
        gap = (means - means.mean(0)).square().sum(1).mean()
        return change(gap, within, len(means)).item()

    return between


def by_pooling(means, covariances):
    total = pooled(means, covariances, torch.ones(len(means)))[1].trace()
    return (total - covariances.mean(0).trace()) / total


def uncentred(means, covariances):
    raw = means.square().sum(1).mean()
    return raw / (raw + covariances.diagonal(dim1=1, dim2=2).sum(1).mean())


def all_entries(means, covariances):
    gap = (means - means.mean(0)).square().sum(1).mean()
    return gap / (gap + covariances.sum((1, 2)).mean())


def mixed(scale, nothing=None):
    """A mixture by scaled weights; `nothing` is what it gives if all of them are 0."""

    def mixture(weights, parts):
        w = torch.tensor(weights, dtype=parts.dtype)
        if not w.any() and nothing is not None:
            return nothing(parts)
        return torch.tensordot(scale(w), parts, dims=1)

    return mixture


def in_place(weights, parts):
    for k, weight in enumerate(weights):
        parts[k] *= weight / max(sum(weights), 1e-9)
    return parts.sum(0)


def mean_of(parts):
    return parts.mean(0)


def by_sum(w):
    return w / w.sum()


def by_odds(power=2, scale=by_sum, bound=1e-3):
    def weights(chances):
        p = chances.clamp(bound, 1 - bound)
        return scale((p / (1 - p)) ** power)

    return weights


def even_if_sure(p):
    """Where the division fails, all alike."""
    weights = by_odds(bound=0)(p)
    return weights if weights.isfinite().all() else torch.full_like(p, 1 / len(p))


def from_others(points, factor=lambda n: n / (n - 1), power=1):
    n = len(points)
    return ((points - points.mean(0)).norm(dim=1) * factor(n)) ** power


def one_by_one(points):
    rows = range(len(points))
    others = [torch.cat([points[:n], points[n + 1 :]]).mean(0) for n in rows]
    return torch.stack([(points[n] - others[n]).norm() for n in rows])


def bounds(statistic=lambda drawn: drawn.mean(1), low=0.025, high=0.975):
    """Quantiles of a statistic of the resampled values."""

    def interval(values, picks):
        found = statistic(values[picks])
        return torch.quantile(found, low).item(), torch.quantile(found, high).item()

    return interval


def spread_of_values(values, picks):
    return values.mean() - 1.96 * values.std(), values.mean() + 1.96 * values.std()


def bell(values, picks):
    means = values[picks].mean(1)
    return values.mean() - 1.96 * means.std(), values.mean() + 1.96 * means.std()


def turned(values, picks):
    low, high = bounds()(values, picks)
    return 2 * values.mean() - high, 2 * values.mean() - low


def one_deviation(values, picks):
    means = values[picks].mean(1)
    return values.mean() - means.std(), values.mean() + means.std()


def ranked(change, descending=False, order=True):
    """Average precision with one thing amiss: change(hits, ranks)."""

    def precision(distances, relevant):
        hits = relevant[distances.argsort(descending=descending)] if order else relevant
        return float(change(hits.double(), torch.arange(1, len(hits) + 1)))

    return precision


def right_precision(hits, ranks):
    return (hits.cumsum(0) / ranks * hits).sum() / hits.sum()


ANSWERS = {
    "personal.fingerprint": (
        hashed(),
        [
            (lambda p: hashed()(p) + "0", "16 hexadecimal digits"),
            (lambda p: int(hashed()(p), 16), "16 hexadecimal digits"),
            (lambda p: f"{id(p) % 2**64:016x}", "Hash the pixels, not the object"),
            (stored_as_it_lies, "call contiguous() first"),
            (hashed(lambda p: p), "Round to 8 bits"),
            (hashed(lambda p: (p * 255).byte()), "cutting off is not rounding"),
            (lambda p: hashlib.sha256(str((p * 255).round()).encode()).hexdigest()[:16], "Each counts"),
            (hashed(lambda p: (p * 255).round().byte()[..., ::2, ::2]), "Each counts"),
            (hashed(lambda p: (p * 100).round().byte()), "by one level of 255"),
            (hashed(lambda p: (p * 255).round().byte().flatten().sort().values, shape=False), "The order counts"),
            (hashed(shape=False), "the shape has to go in"),
            (hashed_in_place, "changes the picture"),
        ],
    ),
    "personal.between": (
        share(lambda gap, within, n: gap / (gap + within)),
        [
            (share(lambda gap, within, n: within / (gap + within)), "the share within"),
            (share(lambda gap, within, n: gap / within), "divide by the whole"),
            (share(lambda gap, within, n: gap), "A share is wanted"),
            (share(lambda gap, within, n: n * gap / (n - 1) / (within + n * gap / (n - 1))), "divides by n − 1"),
            (share(lambda gap, within, n: n * gap / (within + n * gap)), "summed over the pictures"),
            (share(lambda gap, within, n: gap / (n * within + gap)), "the traces are summed"),
            (share(lambda gap, within, n: (gap / (within + gap)).sqrt()), "no root"),
            (share(lambda gap, within, n: 100 * gap / (within + gap)), "not in percent"),
            (share(lambda gap, within, n: gap / 3 / (within + gap / 3)), "not averaged"),
            (uncentred, "before you square"),
            (all_entries, "on the diagonal"),
            (lambda means, covariances: means.mean(0), "a Tensor, not a number"),
            (lambda *given: by_pooling(*given) * torch.nan, "NaN"),
            (lambda *given: 0.5, "off by up to"),
        ],
    ),
    "personal.mixture": (
        mixed(by_sum, mean_of),
        [
            (mixed(lambda w: w, mean_of), "divide by their sum"),
            (mixed(lambda w: w / len(w), mean_of), "by the number of parts"),
            (lambda weights, parts: parts.mean(0), "all parts count alike"),
            (mixed(lambda w: w / w.max(), mean_of), "by the largest weight"),
            (mixed(lambda w: w.softmax(0), mean_of), "a softmax gives a part"),
            (mixed(lambda w: (w == w.max()).float() * (w.cumsum(0) <= w.max()), mean_of), "takes the strongest alone"),
            (mixed(by_sum), "divides by 0"),
            (mixed(lambda w: w / w.sum().clamp(min=1e-9)), "which is no style"),
            (mixed(by_sum, lambda parts: parts[0]), "takes the first"),
            (in_place, "changes what it is given"),
            (lambda weights, parts: parts, "the shape (3, 2, 4)"),
        ],
    ),
    "personal.on_axis": (
        lambda p: (max(0, -p), 1 - abs(p), max(0, p)),
        [
            (lambda p: (max(0, p), 1 - abs(p), max(0, -p)), "exchanged"),
            (lambda p: ((1 - p) / 2, 0, (1 + p) / 2), "straight from pole to pole"),
            (lambda p: (max(0, -p), 1, max(0, p)), "its whole weight"),
            (lambda p: (min(0, p), 1 - abs(p), max(0, p)), "left of the middle"),
            (lambda p: (-p, 1 - abs(p), p), "on its own side alone"),
            (lambda p: (abs(p), 1 - abs(p), abs(p)), "both poles count on both sides"),
            (lambda p: (max(0, -p), 1 - p, max(0, p)), "Use |p|"),
            (lambda p: (max(0, -p), abs(p), max(0, p)), "grows towards the poles"),
            (lambda p: (1 - abs(p), abs(p)), "the shape (2,)"),
            (lambda p: (max(0, -p), 1 - p * p, max(0, p)), "off by up to"),
            (lambda p: p, "not 3 numbers"),
        ],
    ),
    "personal.liked_weights": (
        by_odds(),
        [
            (by_odds(scale=lambda w: w), "divide by their sum"),
            (by_odds(1), "not squared"),
            (lambda p: by_sum(p), "shares of the chances"),
            (lambda p: by_sum(p**2), "squares the chances"),
            (lambda p: p.softmax(0), "the softmax is of the chances"),
            (lambda p: (2 * p).softmax(0), "the softmax is of the chances"),
            (by_odds(1, lambda w: w.softmax(0)), "a softmax takes logarithms"),
            (by_odds(-2), "upside down"),
            (by_odds(scale=lambda w: w / w.max()), "divides by the largest"),
            (lambda p: by_odds(1)(p) ** 2, "square before you add up"),
            (lambda p: by_sum(p.div_(1 - p) ** 2), "changes the chances"),
            (lambda p: by_odds(3)(p), "off by up to"),
            (by_odds(bound=0), "Bound the chances"),
            (even_if_sure, "it gives [0.33, 0.33, 0.33]"),
        ],
    ),
    "personal.left_out": (
        from_others,
        [
            (lambda points: from_others(points, lambda n: 1), "the point itself is in the mean"),
            (lambda points: from_others(points, lambda n: (n - 1) / n), "upside down"),
            (lambda points: from_others(points, power=2), "Take the root"),
            (lambda points: from_others(points, lambda n: n), "divide by n − 1"),
            (lambda points: from_others(points, lambda n: (n / (n - 1)) ** 0.5), "not by its root"),
            (lambda points: torch.cdist(points, points).sum(1) / (len(points) - 1), "not the distance from their mean"),
            (lambda points: torch.cdist(points, points).mean(1), "from all"),
            (lambda points: (points - points.sum(0) / (len(points) - 1)).norm(dim=1), "take it out"),
            (lambda points: points.norm(dim=1), "the distance from 0"),
            (lambda points: points - points.mean(0), "it returns differences"),
            (lambda points: points.sub_(points.mean(0)).norm(dim=1), "changes the points"),
        ],
    ),
    "personal.interval": (
        bounds(),
        [
            (lambda *given: bounds()(*given)[::-1], "low comes first"),
            (bounds(lambda drawn: drawn.flatten()), "each sample's mean first"),
            (lambda values, picks: bounds(lambda _: values)(values, picks), "those are quantiles of the values"),
            (bounds(lambda drawn: drawn.mean(0)), "means over the samples"),
            (bounds(low=0.05, high=0.95), "cut 2.5 %"),
            (bounds(low=0.0, high=1.0), "the least and the greatest"),
            (bounds(low=0.02, high=0.98), "the values are not"),
            (bell, "a bell curve"),
            (turned, "turned round"),
            (bounds(lambda drawn: drawn.median(1).values), "the median of each sample"),
            (bounds(lambda drawn: drawn.sum(1)), "the sum of each sample"),
            (spread_of_values, "the spread of the values"),
            (one_deviation, "about 68 %"),
            (lambda values, picks: [b - values.mean() for b in bounds()(values, picks)], "taken away"),
            (lambda values, picks: values.mean(), "the shape ()"),
        ],
    ),
    "personal.precision": (
        ranked(right_precision),
        [
            (ranked(right_precision, descending=True), "Near is first"),
            (ranked(right_precision, order=False), "not sorted"),
            (ranked(lambda hits, ranks: (hits.cumsum(0) / ranks).mean()), "Only relevant ranks"),
            (ranked(lambda hits, ranks: (hits.cumsum(0) / ranks * hits).mean()), "divides by all pictures"),
            (ranked(lambda hits, ranks: (hits.cumsum(0) / ranks * hits).sum()), "divide by the number of relevant"),
            (ranked(lambda hits, ranks: hits[: int(hits.sum())].mean()), "All relevant ranks count"),
            (ranked(lambda hits, ranks: (hits / ranks).sum() / hits.sum()), "cumsum"),
            (ranked(lambda hits, ranks: right_precision(hits, (ranks - 1).clamp(min=1))), "ranks begin at 1"),
            (
                ranked(lambda hits, ranks: ((hits.cumsum(0) - 1) / ranks * hits).sum() / hits.sum()),
                "counts in its share",
            ),
            (lambda distances, relevant: relevant, "not a number"),
        ],
    ),
}


def also_right():
    """Other ways to be right, by exercise."""
    return {
        "personal.between": [by_pooling],
        "personal.liked_weights": [lambda p: torch.softmax(2 * torch.logit(p, eps=1e-6), 0)],
        "personal.left_out": [one_by_one],
        "personal.on_axis": [lambda p: torch.tensor([max(0.0, -p), 1 - abs(p), max(0.0, p)])],
    }
