"""The checks of notebook 04."""

import torch
import torch.nn.functional as F

from ...style.losses import GRAM_SCALES
from ...style.statistics import gram_matrix, with_colours_of
from . import Wrong, exercise, need_tensor

STEPS = 60  # of `clamped_step`: from 1.2 to 0.5 at a rate of 0.05, with time to spare
LUMINANCE = (0.299, 0.587, 0.114)
NAMES = ("gatys", "johnson", "mean")


def maps(*shape, seed=0):
    """Feature maps as a ReLU leaves them: not negative, and far from mean 0."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).relu()


def pictures(*shape, seed=0):
    """Pictures in [0, 1]."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def same(result, wanted):
    """Whether a result is, up to rounding, what is wanted."""
    wanted = torch.as_tensor(wanted)
    close = {"rtol": 1e-4, "atol": 1e-6}
    return result.shape == wanted.shape and torch.allclose(result.detach().double(), wanted.double(), **close)


def refuse(result, *mistakes):
    """Raise Wrong if the result is one of the mistakes: pairs of a value and the sentence about it."""
    for value, words in mistakes:
        if same(result, value):
            raise Wrong(words)


def number(result):
    """The reader's loss as a tensor without dimensions."""
    if isinstance(result, float | int):
        raise Wrong("it returns a plain number: no gradient gets through it. Return a tensor, without .item().")
    need_tensor(result, ())
    if not result.requires_grad:
        raise Wrong("no gradient gets through it to y. Detach the target alone.")
    return result


@exercise(hint="which of the two has to stand still, and what runs over what: layers, channels, positions?")
def content_loss(answer):
    """content_loss(features, target): Σ over layers of Σ_i ‖F_i(y) − F_i(c)‖²; both are {layer: (1, C, H, W)}."""
    shapes = {"relu3_2": (1, 3, 4, 5), "relu4_3": (1, 4, 2, 3)}
    y = {k: maps(*shape, seed=1).requires_grad_() for k, shape in shapes.items()}
    c = {k: maps(*shape, seed=2).requires_grad_() for k, shape in shapes.items()}
    result = number(answer(y, c))
    apart = {k: (y[k] - c[k]).detach() for k in shapes}
    right = sum(difference.square().sum() for difference in apart.values())
    deep, shallow = apart["relu4_3"].square().sum(), apart["relu3_2"].square().sum()
    refuse(
        result,
        (right / 2, "it is half of what it should be. Gatys's loss has a ½; the formula here has none."),
        (sum(d.square().mean() for d in apart.values()), "it is a mean. This formula has a sum: no division."),
        (sum(d.abs().sum() for d in apart.values()), "it adds up |difference|. Take the square."),
        (sum(d.sum() for d in apart.values()), "differences of both signs cancel. Take the square."),
        (sum(d.norm() for d in apart.values()), "it is the norm. Its square is wanted."),
        (deep, "it is right for the last layer alone. Add all layers up."),
        (shallow, "it is right for the first layer alone. Add all layers up: is return inside the loop?"),
    )
    if not same(result, right):
        raise Wrong(f"it gives {result.item():.2f} where {right.item():.2f} is right.")
    result.backward()
    if any(target.grad is not None for target in c.values()):
        raise Wrong("the value is right, but a gradient flows into the target as well. Detach it: it stands still.")
    return "The target is a constant. A graph behind it would cost memory, and backward a second time would fail."


@exercise(hint="which axes must become one long vector, and which stay? Try (2, 3, 4, 5) on paper.")
def gram(answer):
    """gram(features): 𝒢 (N, C, C) of features (N, C, H, W), over C H W."""
    features = maps(2, 3, 4, 5)
    n, c, h, w = features.shape
    result = answer(features.clone())
    x = features.flatten(2)
    if isinstance(result, torch.Tensor):
        if result.shape in ((n, h * w, h * w), (h * w, h * w)):
            raise Wrong("these are inner products of positions. Channels are wanted, (N, C, C): swap the factors.")
        if result.shape == (n * c, n * c):
            raise Wrong("the batch is mixed in: channels of one picture meet those of another. Keep N apart.")
        if result.shape == (c, c):
            raise Wrong("there is one matrix for the whole batch. Each picture has its own.")
    need_tensor(result, (n, c, c))
    right = gram_matrix(features)
    centred = x - x.mean(2, keepdim=True)
    scrambled = features.reshape(n, h * w, c)
    joint = right.mean(0, keepdim=True).expand(n, c, c)
    refuse(
        result,
        (right * c * h * w, "the division is missing: a picture of twice the side would get four times the matrix."),
        (right * c, "it is over H W. Johnson's is over C H W."),
        (right * h * w, "it is over C alone. Divide by the positions too."),
        (right / n, "it is divided by N as well: a picture's matrix must not depend on how many others come along."),
        (right * n, "it is N times too large: the pictures' number has no place in it."),
        (centred @ centred.mT / (c * h * w), "that is the covariance over C: the mean has been subtracted first."),
        (
            torch.stack([torch.cov(m, correction=0) for m in x]),
            "that is the covariance. A Gram matrix is not centred.",
        ),
        (
            scrambled.mT @ scrambled / (c * h * w),
            "view does not turn axes: channels and positions are scrambled.",
        ),
        (joint, "every picture gets the mean of all. Each has its own."),
        (joint * n, "every picture gets the sum over all. Each has its own."),
        (
            torch.stack([torch.corrcoef(m) for m in x]),
            "those are correlations. Inner products are wanted.",
        ),
    )
    if not same(result, right):
        raise Wrong("the shape is right, the values are not. Each entry is Σ over positions of F_i F_j, over C H W.")
    return "C × C numbers, whatever the size of the picture."


@exercise(hint="call gram twice, with more and with less company for one picture: what must not change?")
def mixes(answer):
    """mixes(gram): whether a picture's matrix depends on the rest of its batch."""

    def summed(x):
        return gram_matrix(x).sum(0, keepdim=True)

    def averaged(x):
        return gram_matrix(x).mean(0, keepdim=True).expand(len(x), -1, -1)

    def by_batch(x):
        return gram_matrix(x) / len(x)

    def neighbour(x):
        return gram_matrix(x) + 1e-2 * gram_matrix(x.roll(1, 0))

    cases = [
        ("a function that keeps pictures apart", gram_matrix, False),
        ("the matrix that is not divided", lambda x: gram_matrix(x) * x[0].numel(), False),
        ("the tutorial's", tutorial, True),
        ("one that sums over the batch", summed, True),
        ("one that gives every picture the batch's mean", averaged, True),
        ("one that divides by N", by_batch, True),
        ("one that adds a hundredth of the neighbour's matrix", neighbour, True),
    ]
    for name, function, wanted in cases:
        result = answer(function)
        if not isinstance(result, bool):
            raise Wrong(f"it returns a {type(result).__name__}. Return True or False.")
        if result == wanted:
            continue
        if wanted:
            raise Wrong(f"{name} passes, though a picture's matrix changes with its batch. Compare [:1] of both.")
        raise Wrong(f"it accuses {name}. Allow for rounding: torch.allclose.")
    return "Such a test takes one line, and finds the fault that a batch of one can never show."


@exercise(hint="which axis must survive the view? And what happens to the divisor when a grows?")
def repaired(answer):
    """repaired(features, target): the tutorial's style loss for batches (N, C, H, W), each picture with its own."""
    features, target = maps(3, 4, 5, 6, seed=3).requires_grad_(), maps(3, 4, 5, 6, seed=4).requires_grad_()
    n, c, h, w = features.shape
    result = number(answer(features, target))
    mine, its = gram_matrix(features).detach(), gram_matrix(target).detach()
    right = (mine - its).square().mean()
    mixed = [tutorial(x.detach()) for x in (features, target)]
    refuse(
        result,
        (F.mse_loss(*mixed), "that is the tutorial's as it was: the pictures' channels meet each other's."),
        (right / n**2, "the divisor still holds a, the number of pictures: with three the loss is a ninth."),
        (right * n, "it is N times too large: the mean over the pictures is wanted, not their sum."),
        ((mine - its).square().sum(), "it is the sum. The tutorial takes the mean: F.mse_loss."),
        ((mine - its).mean(0).square().mean(), "matrices of different pictures cancel. Compare each, then average."),
        (right * (c * h * w) ** 2, "the division by b · c · d is missing."),
        (right * c**2, "b is missing in the divisor."),
        (right * (h * w) ** 2, "c · d is missing in the divisor."),
        ((mine - its)[0].square().mean(), "only the first picture counts."),
    )
    if not same(result, right):
        raise Wrong(f"it gives {result.item():.2g} for three pictures where {right.item():.2g} is right.")
    result.backward()
    if target.grad is not None:
        raise Wrong("the value is right, but a gradient flows into the target as well. Detach it.")
    return "For one picture nothing has changed. That is why nobody noticed."


def tutorial(x):
    """The Gram matrix of PyTorch's tutorial, as it stands: all pictures of the batch in one matrix."""
    a, b, c, d = x.shape
    rows = x.reshape(a * b, c * d)
    return rows @ rows.T / (a * b * c * d)


@exercise(hint="the table of section 4 has one unit for all. What is beta times it, before and after?")
def converted(answer):
    """converted(beta, source, goal, channels): the beta that gives the same total under another normalisation."""
    for channels in (64, 48):
        scales = {name: float(GRAM_SCALES[name](torch.zeros(1, channels, channels))) for name in NAMES}
        for source in NAMES:
            for goal in NAMES:
                result, beta = answer(1e6, source, goal, channels), 1e6
                if not isinstance(result, float | int):
                    raise Wrong(f"it returns a {type(result).__name__}. A beta is a number.")
                right = beta * scales[source] / scales[goal]
                if abs(result - right) < 1e-6 * right:
                    continue
                case = f"from {source} to {goal} with {channels} channels it gives {result:g}, not {right:g}"
                if all(answer(beta, *pair, channels) == beta for pair in ((source, goal), ("mean", "johnson"))):
                    raise Wrong(f"{case}. It returns beta as it came.")
                if abs(result - beta * scales[goal] / scales[source]) < 1e-6 * result:
                    raise Wrong(f"{case}. Upside down: where the loss is divided by more, beta has to be larger.")
                if any(abs(result / right - factor) < 1e-6 * factor for factor in (channels, 1 / channels)):
                    raise Wrong(f"{case}. A mean over C × C entries divides by C², not by C.")
                if any(abs(result / right - factor) < 1e-6 for factor in (0.25, 0.5, 2, 4)):
                    raise Wrong(f"{case}. Gatys's scale is 1/4 of Johnson's.")
                raise Wrong(f"{case}.")
    return "So a beta says nothing until one knows by what its style loss is divided. And each layer has its own C."


@exercise(hint="what is the slope of clamp at 1.2? So on which side of the step does it belong?")
def clamped_step(answer):
    """clamped_step(picture, loss, optimiser): one step, after which the picture is in [0, 1]; returns the loss."""
    start = torch.tensor([-0.4, 0.1, 0.9, 1.2]).view(1, 1, 1, 4).expand(1, 3, 1, 4)
    picture = start.clone().requires_grad_()
    optimiser = torch.optim.SGD([picture], 0.05)

    def loss(y):
        return (y - 0.5).square().sum()

    first = answer(picture, loss, optimiser)
    if not isinstance(first, float | int | torch.Tensor):
        raise Wrong(f"it returns a {type(first).__name__}. Return the loss.")
    inside = same(torch.as_tensor(first), loss(start.clamp(0, 1)))
    if torch.equal(picture, start):
        raise Wrong("the picture has not changed. optimiser.step() is what moves it; work on picture itself.")
    for _ in range(STEPS):
        answer(picture, loss, optimiser)
    if inside and not torch.allclose(picture[..., [0, 3]], torch.full((1, 3, 1, 2), 0.5), atol=0.05):
        raise Wrong(
            "pixels that began outside [0, 1] never move: in the loss clamp has slope 0 there. Clamp after the step."
        )
    if not torch.allclose(picture, torch.full_like(picture, 0.5), atol=0.05):
        raise Wrong("after 60 steps it has not arrived. Are old gradients added to new ones? optimiser.zero_grad().")

    picture = torch.full((1, 3, 1, 4), 0.9).requires_grad_()
    optimiser = torch.optim.SGD([picture], 1.0)
    result = answer(picture, lambda y: (y - 2).square().sum(), optimiser)
    if not picture.is_leaf:
        raise Wrong("the picture is no leaf of the graph any more. Clamp in place: picture.clamp_(0, 1).")
    if picture.detach().max() > 1:
        raise Wrong(
            "after the step the picture leaves [0, 1]. Clamp it then, in place: the optimiser holds this very tensor."
        )
    if picture.grad is None:
        raise Wrong("the gradient has gone: nothing to look at is left. zero_grad belongs at the beginning.")
    if not same(torch.as_tensor(result), 12 * 1.1**2):
        raise Wrong("it does not return the loss of the picture as it came. Return the loss.")
    return "A step, then the border. A pixel on the border still has its gradient, and can come back."


@exercise(hint="by how much does each pixel's light have to change? Grey light is the same amount of all three.")
def luminance_only(answer):
    """luminance_only(photo, painting): the painting's luminance with the photo's hues, clamped."""
    photo, painting = 0.3 + 0.4 * pictures(2, 3, 4, 5, seed=5), 0.3 + 0.4 * pictures(2, 3, 4, 5, seed=6)
    result = answer(photo.clone(), painting.clone())
    need_tensor(result, photo.shape)
    weights = torch.tensor(LUMINANCE).view(1, 3, 1, 1)

    def light(picture, weights=weights):
        return (picture * weights).sum(1, keepdim=True)

    thirds = torch.full_like(weights, 1 / 3)
    refuse(
        result,
        (painting, "that is the painting as it was."),
        (photo, "that is the photo as it was."),
        (with_colours_of(painting, photo), "the roles are swapped: this is the photo's light in the painting's hues."),
        (
            photo + light(painting - photo, thirds),
            "the colours are not equally bright: weigh them, do not average.",
        ),
        (photo + light(painting - photo, weights.flip(1)), "the weights are turned round: red comes first here."),
        (photo + light(painting), "the photo's own luminance is still there: add the difference of the two."),
        (light(painting).expand_as(photo), "that is the painting in grey: the photo's hues are missing."),
        (
            photo * light(painting) / light(photo),
            "that scales the colours. Add the difference of the luminances.",
        ),
        (photo + (painting - photo) * weights, "each colour gets its own part alone. Add the parts up first: .sum(1)."),
    )
    right = with_colours_of(photo, painting)
    if not same(result, right):
        raise Wrong(f"a value is off by {(result - right).abs().max():.2f}.")
    if answer(torch.tensor([0.9, 0.2, 0.2]).view(1, 3, 1, 1), torch.ones(1, 3, 1, 1)).max() > 1:
        raise Wrong("a bright red comes out above 1. Clamp the result.")
    return "Hatching in the photo's colours. Where a colour is clamped, its luminance is no longer the painting's."


@exercise(hint="a Gram matrix does not care where its positions come from, only how many: which of them go in?")
def masked_gram(answer):
    """masked_gram(features, mask): 𝒢 (N, C, C) of the positions where mask (H, W) is True."""
    features = maps(2, 3, 4, 5, seed=7)
    mask = torch.zeros(4, 5, dtype=torch.bool)
    mask[1:3, 1:] = True
    n, c, h, w = features.shape
    result = answer(features.clone(), mask.clone())
    inside = features.flatten(2)[..., mask.flatten()]
    count = inside.shape[2]
    right = inside @ inside.mT / (c * count)
    if isinstance(result, torch.Tensor) and result.shape == (n, count, count):
        raise Wrong("these are inner products of positions. Channels are wanted: (N, C, C).")
    need_tensor(result, (n, c, c))
    outside = features.flatten(2)[..., ~mask.flatten()]
    refuse(
        result,
        (gram_matrix(features), "that is the matrix of all positions: the mask has no effect."),
        (
            right * count / (h * w),
            "it is divided by all H W positions: small regions look pale. Count those inside.",
        ),
        (outside @ outside.mT / (c * (h * w - count)), "those are the positions outside the mask."),
        (right * c, "it is over the positions alone. Divide by C too."),
        (right * c * count, "the division is missing: C times the number of positions inside."),
        (right * count, "it is over C alone. Divide by the number of positions inside too."),
    )
    if not same(result, right):
        raise Wrong("it is neither the matrix of the region nor one of the usual mistakes. Pick the positions first.")
    whole = answer(features.clone(), torch.ones(4, 5, dtype=torch.bool))
    if not same(whole, gram_matrix(features)):
        raise Wrong("with a mask of True everywhere it should be the plain matrix. Does it use the mask's own count?")
    return "Regions are that simple because a Gram matrix does not care where its positions come from."
