"""The checks of notebook 06."""

import torch
from torch.nn import functional as F

from ...style.statistics import mean_and_covariance, pooled, roots
from . import Wrong, blame, exercise, need_tensor


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def same(result, wanted, tolerance=1e-4):
    return result.shape == wanted.shape and torch.allclose(result.double(), wanted.double(), atol=tolerance, rtol=1e-3)


def refuse(result, right, *mistakes):
    """Raise Wrong with the words of the first of the mistakes (tensor, words) that was made; none if all is right."""
    if same(result, right):
        return
    blame(result, right, mistakes, same)
    if not result.isfinite().all():
        raise Wrong("it holds NaN or infinite numbers.")
    raise Wrong(f"the shape is right, the values are not: they are off by up to {(result - right).abs().max():.3f}.")


def covariances(channels, seed=0):
    """A random covariance (C, C) in double precision."""
    rows = noise(4 * channels, channels, seed=seed).double() @ noise(channels, channels, seed=seed + 10).double()
    return rows.T @ rows / len(rows)


def fewest(steps, px):
    """The fewest halvings n with steps · 2ⁿ − 2 ≥ px: they see 3 · 2ⁿ − 2 px, and a kernel of 3 adds 2 · 2ⁿ."""
    return next(n for n in range(20) if steps * 2**n - 2 >= px)


@exercise(hint="how long is a step after n halvings? The kernel of 3 adds two of them. Go on until it is enough.")
def halvings(answer):
    """halvings(px): the fewest layers of kernel 4 and stride 2 whose logits, by a kernel of 3 more, see px pixels."""
    for px in (30, 38, 39, 18, 8, 150):
        ours = answer(px)
        if isinstance(ours, torch.Tensor) and ours.numel() == 1:
            ours = ours.item()
        if isinstance(ours, bool) or not isinstance(ours, int | float):
            raise Wrong(f"it returns a {type(ours).__name__}, not a number.")
        right, deaf, above = fewest(5, px), fewest(3, px), fewest(5, px + 1)
        if ours == right:
            continue
        case = f"for {px} px it is {right}, not {ours:g}."
        for mistake, words in (
            (above, f"Exactly {px} px is enough."),
            (deaf, "The layer of kernel 3 sees further, too: by two steps, which are 2ⁿ px long."),
            (5 * 2**right - 2, "That is how far they see. How many layers is wanted."),
        ):
            if ours == mistake:
                raise Wrong(f"{case} {words}")
        raise Wrong(case)
    return "Each further layer doubles what a logit judges: from grain to strokes to things."


@exercise(hint="which of the kernel's weights can reach an output whose number is a multiple of the stride?")
def pattern(answer):
    """pattern(kernel, stride): the stride values that ones become by a transposed convolution in 1-D, ends apart."""
    for width, stride in ((4, 2), (3, 2), (6, 3), (5, 1)):
        kernel = noise(width, seed=width)
        result = answer(kernel.clone(), stride)
        need_tensor(result, (stride,))
        whole = F.conv_transpose1d(torch.ones(1, 1, 16), kernel.view(1, 1, -1), stride=stride)[0, 0]
        right = whole[8 * stride : 9 * stride]
        refuse(
            result,
            right,
            (right.roll(-1), "the values are right, and begin at another output."),
            (kernel.sum().expand(stride), "that is the whole kernel. One output gets every stride-th weight only."),
            (kernel.sum().expand(stride) / stride, "that is their mean. They differ, unless the weights agree."),
            (kernel[:stride], "one input is not all: the kernels of its neighbours overlap with its own."),
        )
    return "Flat stays flat only if all these sums are equal. Nothing in a training asks for that."


@exercise(hint="what must be taken away, and by what must be divided, before the style's numbers can be put in?")
def adain(answer):
    """adain(maps, mean, deviation): the channels of maps (N, C, H, W) with the style's mean and deviation (N, C)."""
    maps = 2 + noise(2, 3, 5, 4) * torch.tensor([0.5, 1.0, 3.0]).view(1, 3, 1, 1)
    maps = maps + noise(2, 1, 1, 1, seed=4)
    mean, deviation = noise(2, 3, seed=1), 0.5 + noise(2, 3, seed=2).abs()
    given = maps.clone()
    result = answer(given, mean.clone(), deviation.clone())
    if not torch.equal(given, maps):
        raise Wrong("it changes the maps that it is given. Return new ones.")
    need_tensor(result, maps.shape)

    def to(dims, m=mean[:, :, None, None], d=deviation[:, :, None, None], shift=True):
        centred = maps - maps.mean(dims, keepdim=True)
        spread = (maps.var(dims, keepdim=True, correction=0) + 1e-8).sqrt()
        return (centred if shift else maps) / spread * d + m

    apart, m, d = maps - maps.mean((2, 3), keepdim=True), mean[:, :, None, None], deviation[:, :, None, None]
    sample = maps.std((2, 3), keepdim=True)
    if same(result, apart / sample * d + m, 1e-3):  # n or n − 1: both are deviations
        result = to((2, 3))
    refuse(
        result,
        to((2, 3)),
        (to((2, 3), m=0, d=1), "the maps are normalised, and the style is missing."),
        (to((0, 2, 3)), "it takes mean and deviation over the batch as well: each picture has its own."),
        (to((1, 2, 3)), "it takes mean and deviation over the channels as well: each channel has its own."),
        (to((1,)), "it takes mean and deviation over the channels, at each place. Positions are wanted."),
        (to((2, 3), m=0), "the style's mean is missing."),
        (to((2, 3), d=1), "the style's deviation is missing."),
        (to((2, 3), shift=False), "the maps' own mean is still in: take it away before you divide."),
        (to((2, 3), d=d**2), "deviations are given: they are not to be squared."),
        (to((2, 3), d=d.sqrt()), "deviations are given, not variances: there is no root to take."),
        (apart / maps.var((2, 3), keepdim=True, correction=0) * d + m, "it divides by the variance. Take its root."),
        (apart * d + m, "the maps' own deviation is still in: divide by it."),
        ((apart / sample + m) * d, "the mean is scaled as well: first the deviation, then the mean."),
        (apart + m, "only the means are exchanged."),
    )
    return "Means and deviations are the style's now. What the channels do together is still the photo's."


@exercise(hint="you need roots of three symmetric matrices, and a product that reads the same from both ends.")
def transport(answer):
    """transport(C, S): the matrix T with T C T = S that moves a Gaussian least, for covariances (C, C)."""
    for C, S in (
        (torch.tensor([[2.0, 1.0], [1.0, 2.0]]).double(), torch.tensor([[3.0, 1.0], [1.0, 1.5]]).double()),
        (covariances(3), covariances(3, seed=1)),
        (torch.diag(torch.tensor([1.0, 4.0])).double(), torch.diag(torch.tensor([9.0, 1.0])).double()),
        (covariances(4, seed=2), covariances(4, seed=2)),
    ):
        result = answer(C.clone(), S.clone())
        need_tensor(result, C.shape)
        result = result.double()
        (root, inverse), (goal, back) = roots(C, 1e-14), roots(S, 1e-14)
        middle = roots(root @ S @ root, 1e-14)[0]
        right = inverse @ middle @ inverse
        scale = (S.diagonal() / C.diagonal()).sqrt().diag()
        cholesky = torch.linalg.cholesky(S) @ torch.linalg.inv(torch.linalg.cholesky(C))
        backwards = back @ roots(goal @ C @ goal, 1e-14)[0] @ back
        each = C.sqrt().nan_to_num()  # the first pair has no negative entry
        entries = [each, *(out @ (each @ S @ each).sqrt() @ out for out in (torch.linalg.pinv(each), 1 / each))]
        refuse(
            result,
            right,
            (backwards, "it moves S to C: the wrong way round."),
            (goal @ inverse, "that is whitening and colouring. It arrives, and moves further than it must."),
            (cholesky, "Cholesky's factors arrive as well, and move further than they must. Roots are symmetric."),
            (scale, "that is adaptive instance normalisation: the correlations are not those of S."),
            (inverse @ root @ S @ root @ inverse, "the root of the middle, C^½ S C^½, is missing."),
            (middle, "the middle is right. C^-½ is missing, on both sides."),
            (inverse @ middle, "C^-½ belongs on both sides."),
            (middle @ inverse, "C^-½ belongs on both sides."),
            (root @ middle @ root, "outside there is C^-½, not C^½."),
            *((wrong, "a root is not that of each entry: take its eigenvectors.") for wrong in entries),
        )
    return "Symmetric, and without negative eigenvalues: it stretches, and turns nothing."


@exercise(hint="one number a place from the maps alone, and one from maps and code together; add them.")
def projection(answer):
    """projection(maps, weight, bias, code): logits (N, 1, h, w) of maps (N, C, h, w), weight (C,), code (N, C)."""
    maps, weight, bias, code = noise(2, 9, 3, 5), noise(9, seed=1), torch.tensor(0.3), noise(2, 9, seed=2)
    result = answer(maps.clone(), weight.clone(), bias.clone(), code.clone())
    n, c, h, w = maps.shape
    if isinstance(result, torch.Tensor) and result.shape == (n, h, w):
        raise Wrong("the channel's place is missing: logits are (N, 1, h, w). Sum with keepdim=True.")
    if isinstance(result, torch.Tensor) and result.shape == (n, c, h, w):
        raise Wrong("the sum over channels is missing.")
    if isinstance(result, torch.Tensor) and result.shape in ((n,), (n, 1)):
        raise Wrong("one logit a picture is left. A patch discriminator has one for each place.")
    need_tensor(result, (n, 1, h, w))
    alone = (maps * weight.view(1, c, 1, 1)).sum(1, keepdim=True)
    told, swapped, common = (
        (maps * each.view(n, c, 1, 1)).sum(1, keepdim=True)
        for each in (code, code.flip(0), code.mean(0, keepdim=True).expand(n, c))
    )
    refuse(
        result,
        alone + bias + told / c**0.5,
        (alone + bias + told, "the code's product is not divided by the root of the number of channels."),
        (alone + bias + told / c, "it is divided by C. Its root is enough to keep the size."),
        (alone + told / c**0.5, "the bias is missing."),
        (alone + bias, "the style is not in it: nobody told the discriminator."),
        (told / c**0.5, "only the style's part is there. Whether it is painted at all counts as well."),
        (told / c**0.5 + bias, "w · φ is missing."),
        ((alone + bias + told) / c**0.5, "the root divides the first part as well."),
        (alone + bias - told / c**0.5, "the code's product is added, not taken away."),
        (alone + bias + swapped / c**0.5, "each picture has its own code; these are exchanged."),
        (alone + bias + common / c**0.5, "each picture has its own code, not the mean of all."),
    )
    return "Untold, it can ask for any painting. Told, it can ask for this style."


class Rehearsal:
    """A painter that counts how often it encodes."""

    def __init__(self):
        self.encoded, self.painted = 0, 0

    def encode(self, photo):
        self.encoded += 1
        return {"photo": photo}

    def paint(self, encoding, style, seed=0):
        if not isinstance(encoding, dict):
            raise Wrong("paint takes what encode returned, not the photo itself.")
        self.painted += 1
        return encoding["photo"] * style + seed


@exercise(hint="which of the two halves of the work knows the style? The other belongs in front of the loop.")
def gallery(answer):
    """gallery(painter, photo, styles): the paintings of a photo in all styles, a list."""
    painter, photo, styles = Rehearsal(), noise(1, 3, 4, 4), [2.0, 3.0, 5.0]
    result = answer(painter, photo, styles)
    if isinstance(result, torch.Tensor) and result.shape == (3, 3, 4, 4):
        result = [*result.split(1)]
    if not isinstance(result, list | tuple):
        raise Wrong(f"it returns a {type(result).__name__}, not a list of paintings.")
    if len(result) != len(styles):
        raise Wrong(f"for {len(styles)} styles it returns {len(result)} paintings.")
    if any(not isinstance(painting, torch.Tensor) for painting in result):
        raise Wrong("what it returns are not all paintings.")
    if not all(same(painting, photo * style) for painting, style in zip(result, styles, strict=True)):
        if all(same(painting, photo * style) for painting, style in zip(result, styles[::-1], strict=True)):
            raise Wrong("the order is turned round: paintings come in the order of the styles.")
        raise Wrong("a painting is not what painter.paint(encoding, style) gives, with its usual seed.")
    if painter.encoded > 1:
        raise Wrong(f"the photo was encoded {painter.encoded} times. Once is enough for all styles.")
    if painter.painted != len(styles):
        raise Wrong(f"it painted {painter.painted} times for {len(styles)} styles.")
    return "Half of the work is done once. A slider pays for the other half alone."


@exercise(hint="what do tiles of different means add to the spread of the whole?")
def whole(answer):
    """whole(means, covariances, areas): mean (C,) and covariance (C, C) of a picture from those of its tiles."""
    maps = noise(1, 3, 4, 9) + torch.linspace(0, 3, 9)
    pieces = [maps[..., :2], maps[..., 2:5], maps[..., 5:]]
    described = [mean_and_covariance(piece) for piece in pieces]
    means, inside = (torch.cat(each) for each in zip(*described, strict=True))
    areas = torch.tensor([8.0, 12.0, 16.0])
    result = answer(means.clone(), inside.clone(), areas.clone())
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong("it does not return two things. End with: return mean, covariance.")
    mean, covariance = result
    need_tensor(mean, (3,))
    need_tensor(covariance, (3, 3))
    right_mean, right = pooled(means, inside, areas)
    even_mean, even = pooled(means, inside, torch.ones(3))
    refuse(
        mean,
        right_mean,
        (even_mean, "large tiles must count more: weigh the means by their areas."),
        (right_mean * areas.sum(), "the weights do not add up to 1: divide by the sum of the areas."),
        ((means * areas[:, None]).mean(0), "the weights do not add up to 1: divide by the sum of the areas."),
    )
    share = areas / areas.sum()
    apart = means - right_mean
    within = torch.einsum("n,ncd->cd", share, inside)
    refuse(
        covariance,
        right,
        (within, "covariances may not be averaged: tiles of different means spread the whole. Add that spread."),
        (right - within, "only the spread of the means is there; the tiles' own is missing."),
        (even, "the mean is weighed by areas, the covariance is not."),
        (within + torch.einsum("nc,nd->cd", apart, apart), "the spread of the means is not weighed by the areas."),
        (within + apart.T @ apart / 3, "the spread of the means is not weighed by the areas."),
        (within + torch.einsum("n,nc,nd->cd", share, means, means), "take the common mean away before you square."),
        (
            within + torch.einsum("n,nc->c", share, apart.square()).diag(),
            "channels spread together: not squares alone.",
        ),
        (2 * within - right, "the spread is taken away. It adds."),
    )
    return "Tiles of any size give the statistics of the whole, to the last digit: so there are no seams."


@exercise(hint="which shape has the product, and which has the weight? Both have as many numbers.")
def low_rank(answer):
    """low_rank(weight, left, right): a convolution's weight (O, I, k, k) plus left (O, r) times right (r, I k k)."""
    weight, left, right = noise(6, 4, 3, 3), noise(6, 2, seed=1), noise(2, 36, seed=2)
    given = weight.clone()
    result = answer(given, left.clone(), right.clone())
    if not torch.equal(given, weight):
        raise Wrong("it changes the weight itself. The old one is shared: return a new one.")
    if isinstance(result, torch.Tensor) and result.shape == (6, 36):
        raise Wrong("it is a matrix. A convolution wants (O, I, k, k): view it as the weight.")
    need_tensor(result, weight.shape)
    update = (left @ right).view_as(weight)
    refuse(
        result,
        weight + update,
        (update, "the old weight is missing: what is learnt is added to it."),
        (weight, "the update is missing."),
        (weight - update, "the update is added, not taken away."),
        (weight * update, "the update is added, not multiplied."),
        (weight * (1 + update), "the update is added, not multiplied."),
        (weight + update / 2, "it is divided by the rank. Here it is not."),
        (weight + (left @ right).view(6, 3, 3, 4).permute(0, 3, 1, 2), "the order of (I, k, k) is not the weight's."),
        (weight + (left @ right).view(4, 6, 3, 3).transpose(0, 1), "outputs and inputs are mixed up in the view."),
    )
    return "With left at zero nothing has changed yet: training starts from the painter that can paint."
