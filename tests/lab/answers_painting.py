"""Right and wrong answers to the exercises of notebook 06, for test_checks.py."""

import torch
from torch.nn import functional as F


def halved(enough):
    """The number of halvings n by a rule of px and the step 2ⁿ."""
    return lambda px: next(n for n in range(20) if enough(px, 2**n))


right_halvings = halved(lambda px, step: 5 * step - 2 >= px)


def sums(change=lambda kernel: kernel, begin=0):
    """What ones become, of a changed kernel, begun at another output."""

    def pattern(kernel, stride):
        kernel = change(kernel)
        return torch.stack([kernel[(start + begin) % stride :: stride].sum() for start in range(stride)])

    return pattern


def normal(dims=(2, 3), power=1.0, own=1.0, centre=True, correction=0):
    """Adaptive instance normalisation with one thing amiss."""

    def adain(maps, mean, deviation):
        x = maps - maps.mean(dims, keepdim=True) if centre else maps
        x = x / maps.std(dims, keepdim=True, correction=correction) ** own
        return x * deviation[:, :, None, None] ** power + mean[:, :, None, None]

    return adain


def in_place(maps, mean, deviation):
    maps -= maps.mean((2, 3), keepdim=True)
    return maps / maps.std((2, 3), keepdim=True) * deviation[:, :, None, None] + mean[:, :, None, None]


def root(matrix, power=0.5):
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=1e-14) ** power) @ vectors.T


def right_transport(C, S):
    back = root(C, -0.5)
    return back @ root(root(C) @ S @ root(C)) @ back


def logits(alone=1.0, bias=1.0, told=1.0, power=0.5, code=lambda code: code):
    """A projection with one thing amiss."""

    def projection(maps, weight, b, given):
        c = maps.shape[1]
        first = (maps * weight.view(1, c, 1, 1)).sum(1, keepdim=True)
        second = (maps * code(given)[:, :, None, None]).sum(1, keepdim=True) / c**power
        return alone * first + bias * b + told * second

    return projection


def once(painter, photo, styles):
    encoding = painter.encode(photo)
    return [painter.paint(encoding, style) for style in styles]


def pooled(means, covariances, areas, own=1.0, spread=1.0, mean_too=True, even=False):
    share = torch.full_like(areas, 1 / len(areas)) if even else areas / areas.sum()
    mean = (share[:, None] * means).sum(0)
    apart = means - mean if mean_too else means
    between = torch.einsum("n,nc,nd->cd", share, apart, apart)
    return mean, own * torch.einsum("n,ncd->cd", share, covariances) + spread * between


def covariance_of(change):
    """The right mean with another covariance."""

    def whole(means, covariances, areas):
        return pooled(means, covariances, areas)[0], change(means, covariances, areas)

    return whole


def unweighed(means, covariances, areas):
    mean, within = pooled(means, covariances, areas, spread=0)
    apart = means - mean
    return within + apart.T @ apart


def squares_alone(means, covariances, areas):
    _, within = pooled(means, covariances, areas, spread=0)
    _, both = pooled(means, covariances, areas)
    return within + (both - within).diagonal().diag()


def updated(weight, left, right):
    return weight + (left @ right).view_as(weight)


def updated_in_place(weight, left, right):
    return weight.add_((left @ right).view_as(weight))


ANSWERS = {
    "painting.halvings": (
        right_halvings,
        [
            (halved(lambda px, step: 3 * step - 2 >= px), "The layer of kernel 3 sees further"),
            (halved(lambda px, step: 3 * step >= px), "The layer of kernel 3 sees further"),
            (halved(lambda px, step: 5 * step - 2 > px), "Exactly 38 px is enough"),
            (lambda px: 5 * 2 ** right_halvings(px) - 2, "how far they see"),
            (lambda px: 3, "for 39 px it is 4, not 3"),
            (lambda px: [3], "a list, not a number"),
            (lambda px: True, "a bool, not a number"),
        ],
    ),
    "painting.pattern": (
        sums(),
        [
            (sums(begin=1), "begin at another output"),
            (lambda kernel, stride: kernel.sum().expand(stride), "that is the whole kernel"),
            (lambda kernel, stride: kernel.sum().expand(stride) / stride, "that is their mean"),
            (lambda kernel, stride: kernel[:stride], "kernels of its neighbours"),
            (sums(torch.abs), "off by up to"),
            (lambda kernel, stride: kernel.sum(), "shape"),
            (lambda kernel, stride: sums()(kernel, stride).tolist(), "a list, not a tensor"),
        ],
    ),
    "painting.adain": (
        normal(),
        [
            (lambda maps, mean, deviation: F.instance_norm(maps), "the style is missing"),
            (normal((0, 2, 3)), "over the batch as well"),
            (normal((1, 2, 3)), "over the channels as well"),
            (normal((1,)), "Positions are wanted"),
            (lambda maps, mean, deviation: normal()(maps, 0 * mean, deviation), "style's mean is missing"),
            (normal(power=0), "style's deviation is missing"),
            (normal(centre=False), "own mean is still in"),
            (normal(power=2), "not to be squared"),
            (normal(power=0.5), "no root to take"),
            (normal(own=2), "divides by the variance"),
            (normal(own=0), "own deviation is still in"),
            (in_place, "changes the maps"),
            (lambda maps, mean, deviation: maps + mean[:, :, None, None], "off by"),
            (lambda maps, *_: maps[0], "the shape (3, 5, 4)"),
        ],
    ),
    "painting.transport": (
        right_transport,
        [
            (lambda C, S: right_transport(S, C), "wrong way round"),
            (lambda C, S: root(S) @ root(C, -0.5), "whitening and colouring"),
            (lambda C, S: torch.linalg.cholesky(S) @ torch.linalg.inv(torch.linalg.cholesky(C)), "Cholesky"),
            (lambda C, S: (S.diagonal() / C.diagonal()).sqrt().diag(), "correlations are not those of S"),
            (lambda C, S: root(C, -0.5) @ root(C) @ S @ root(C) @ root(C, -0.5), "the root of the middle"),
            (lambda C, S: root(root(C) @ S @ root(C)), "on both sides"),
            (lambda C, S: root(C, -0.5) @ root(root(C) @ S @ root(C)), "on both sides"),
            (lambda C, S: root(C) @ root(root(C) @ S @ root(C)) @ root(C), "not C^½"),
            (lambda C, S: C.sqrt(), "of each entry"),
            (lambda C, S: C**-0.5 @ (C**0.5 @ S @ C**0.5) ** 0.5 @ C**-0.5, "of each entry"),
            (lambda C, S: (C**0.5).inverse() @ (C**0.5 @ S @ C**0.5) ** 0.5 @ (C**0.5).inverse(), "of each entry"),
            (lambda C, S: right_transport(C, S) * torch.nan, "NaN"),
            (lambda C, S: right_transport(C, S)[0], "the shape (2,)"),
        ],
    ),
    "painting.projection": (
        logits(),
        [
            (logits(power=0), "not divided by the root"),
            (logits(power=1), "divided by C"),
            (logits(bias=0), "the bias is missing"),
            (logits(told=0), "nobody told"),
            (logits(alone=0, bias=0), "only the style's part"),
            (logits(alone=0), "w · φ is missing"),
            (logits(told=-1), "added, not taken away"),
            (logits(code=lambda code: code.flip(0)), "exchanged"),
            (logits(code=lambda code: code.mean(0, keepdim=True)), "not the mean of all"),
            (lambda *given: logits()(*given)[:, 0], "keepdim=True"),
            (lambda *given: logits()(*given).mean((1, 2, 3)), "one for each place"),
            (lambda maps, *_: maps, "sum over channels is missing"),
        ],
    ),
    "painting.gallery": (
        once,
        [
            (lambda p, photo, styles: [p.paint(p.encode(photo), s) for s in styles], "encoded 3 times"),
            (lambda p, photo, styles: [p.paint(photo, s) for s in styles], "not the photo itself"),
            (lambda p, photo, styles: once(p, photo, styles[:1]), "returns 1 paintings"),
            (lambda p, photo, styles: once(p, photo, styles)[::-1], "turned round"),
            (lambda p, photo, styles: p.encode(photo), "a dict, not a list"),
            (lambda p, photo, styles: styles, "not all paintings"),
            (lambda p, photo, styles: [y + 1 for y in once(p, photo, styles)], "with its usual seed"),
            (lambda p, photo, styles: once(p, photo, styles + styles)[:3], "painted 6 times"),
        ],
    ),
    "painting.whole": (
        pooled,
        [
            (lambda *given: pooled(*given, even=True), "large tiles must count more"),
            (lambda m, c, a: (pooled(m, c, a)[0] * a.sum(), c[0]), "do not add up to 1"),
            (lambda *given: pooled(*given, spread=0), "may not be averaged"),
            (lambda *given: pooled(*given, own=0), "the tiles' own is missing"),
            (covariance_of(lambda m, c, a: pooled(m, c, a, even=True)[1]), "the covariance is not"),
            (covariance_of(unweighed), "not weighed by the areas"),
            (lambda *given: pooled(*given, mean_too=False), "before you square"),
            (covariance_of(squares_alone), "not squares alone"),
            (lambda *given: pooled(*given, spread=-1), "It adds"),
            (lambda *given: pooled(*given)[1], "return mean, covariance"),
        ],
    ),
    "painting.low_rank": (
        updated,
        [
            (lambda weight, left, right: (left @ right).view_as(weight), "old weight is missing"),
            (lambda weight, left, right: weight, "the update is missing"),
            (lambda weight, left, right: 2 * weight - updated(weight, left, right), "not taken away"),
            (lambda weight, left, right: weight * (left @ right).view_as(weight), "not multiplied"),
            (lambda weight, left, right: updated(weight, left / 2, right), "divided by the rank"),
            (updated_in_place, "changes the weight itself"),
            (lambda weight, left, right: weight.flatten(1) + left @ right, "view it as the weight"),
            (
                lambda weight, left, right: weight + (left @ right).view(6, 3, 3, 4).permute(0, 3, 1, 2),
                "not the weight's",
            ),
            (
                lambda weight, left, right: weight + (left @ right).view(4, 6, 3, 3).transpose(0, 1),
                "mixed up in the view",
            ),
        ],
    ),
}
