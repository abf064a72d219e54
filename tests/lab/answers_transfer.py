"""Right and wrong answers to the exercises of notebook 04, for test_checks.py."""

import torch
import torch.nn.functional as F

from gantutor.lab.checks.transfer import tutorial
from gantutor.style.losses import GRAM_SCALES
from gantutor.style.statistics import gram_matrix, with_colours_of

LIGHT = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)


def content(of_layer, join=sum, detach=True):
    """A content loss: what a layer adds, and how layers are put together."""

    def answer(features, target):
        return join([of_layer(features[k] - (target[k].detach() if detach else target[k])) for k in target])

    return answer


def square_sum(difference):
    return difference.square().sum()


def rows_of(x):
    return x.flatten(2)


def product(x, divisor):
    rows = rows_of(x)
    return rows @ rows.mT / divisor


def scrambled(x):
    rows = x.reshape(x.shape[0], -1, x.shape[1])
    return rows.mT @ rows / x[0].numel()


def centred(x):
    return gram_matrix(x - x.mean((2, 3), keepdim=True))


def exact(gram):
    return bool(torch.equal(gram(BATCH)[:1], gram(BATCH[:1])))


BATCH = torch.rand(3, 4, 5, 6, generator=torch.Generator().manual_seed(0))


def depends(gram, slack=1e-5):
    together, alone = gram(BATCH), gram(BATCH[:1])
    return len(together) != len(BATCH) or not torch.allclose(together[:1], alone, rtol=slack, atol=1e-7)


def style(join, matrix=gram_matrix, detach=True):
    """A style loss: a matrix for every picture, and how their differences become a number."""

    def answer(features, target):
        return join(matrix(features) - matrix(target.detach() if detach else target))

    return answer


def mean_square(difference):
    return difference.square().mean()


def scale_of(name, channels):
    return float(GRAM_SCALES[name](torch.zeros(1, channels, channels)))


def converted(beta, source, goal, channels):
    return beta * scale_of(source, channels) / scale_of(goal, channels)


def by_channels(beta, source, goal, channels):
    scales = {"gatys": 1 / 4, "johnson": 1, "mean": 1 / channels}
    return beta * scales[source] / scales[goal]


def no_quarter(beta, source, goal, channels):
    scales = {"gatys": 1, "johnson": 1, "mean": 1 / channels**2}
    return beta * scales[source] / scales[goal]


def for_64(beta, source, goal, channels):
    return converted(beta, source, goal, 64)


def step(picture, loss, optimiser, clear=True, clamp=True):
    if clear:
        optimiser.zero_grad()
    value = loss(picture)
    value.backward()
    optimiser.step()
    if clamp:
        with torch.no_grad():
            picture.clamp_(0, 1)
    return value


def clamped_inside(picture, loss, optimiser):
    return step(picture, lambda y: loss(y.clamp(0, 1)), optimiser, clamp=False)


def clamped_inside_too(picture, loss, optimiser):
    value = step(picture, lambda y: loss(y.clamp(0, 1)), optimiser)
    return value


def clamped_before(picture, loss, optimiser):
    with torch.no_grad():
        picture.clamp_(0, 1)
    return step(picture, loss, optimiser, clamp=False)


def clamped_copy(picture, loss, optimiser):
    value = step(picture, loss, optimiser, clamp=False)
    picture = picture.clamp(0, 1)
    return value


def never_moves(picture, loss, optimiser):
    optimiser.zero_grad()
    loss(picture).backward()
    return loss(picture)


def moves_a_copy(picture, loss, optimiser):
    return step(picture.detach().clone().requires_grad_(), loss, optimiser)


def cleared_at_the_end(picture, loss, optimiser):
    value = step(picture, loss, optimiser)
    optimiser.zero_grad()
    return value


def returns_the_picture(picture, loss, optimiser):
    step(picture, loss, optimiser)
    return [picture]


def returns_the_loss_after(picture, loss, optimiser):
    step(picture, loss, optimiser)
    return loss(picture)


def light(picture, weights=LIGHT):
    return (picture * weights).sum(1, keepdim=True)


def unclamped(photo, painting):
    return photo + light(painting - photo)


def masked(features, mask):
    inside = features.flatten(2)[..., mask.flatten()]
    return inside @ inside.mT / (features.shape[1] * inside.shape[2])


def masked_over(divisor):
    def answer(features, mask):
        inside = features.flatten(2)[..., mask.flatten()]
        return inside @ inside.mT / divisor(features, inside.shape[2])

    return answer


def positions_inside(features, mask):
    inside = features.flatten(2)[..., mask.flatten()]
    return inside.mT @ inside / features.shape[1]


ANSWERS = {
    "transfer.content_loss": (
        content(square_sum),
        [
            (content(square_sum, detach=False), "a gradient flows into the target"),
            (content(mean_square), "it is a mean"),
            (content(lambda d: square_sum(d) / 2), "it is half"),
            (content(lambda d: d.abs().sum()), "Take the square"),
            (content(lambda d: d.sum()), "cancel"),
            (content(lambda d: d.norm()), "the norm"),
            (content(square_sum, join=lambda terms: terms[-1]), "the last layer alone"),
            (content(square_sum, join=lambda terms: terms[0]), "the first layer alone"),
            (lambda y, c: content(square_sum)(y, c).detach(), "no gradient gets through it to y"),
            (lambda y, c: content(square_sum)(y, c).item(), "a plain number"),
            (content(lambda d: 3 * square_sum(d)), "is right"),
            (content(lambda d: d.square()), "your code stopped"),
            (content(lambda d: d.square(), join=lambda terms: terms[0]), "the shape (1, 3, 4, 5), not ()"),
        ],
    ),
    "transfer.gram": (
        gram_matrix,
        [
            (lambda x: rows_of(x).mT @ rows_of(x) / x[0].numel(), "inner products of positions"),
            (tutorial, "the batch is mixed in"),
            (lambda x: gram_matrix(x).sum(0), "one matrix for the whole batch"),
            (lambda x: gram_matrix(x).mean(0, keepdim=True).expand(len(x), -1, -1), "the mean of all"),
            (lambda x: product(x, 1), "the division is missing"),
            (lambda x: product(x, x[0, 0].numel()), "over H W"),
            (lambda x: product(x, x.shape[1]), "over C alone"),
            (lambda x: product(x, x.numel()), "divided by N as well"),
            (centred, "the mean has been subtracted"),
            (scrambled, "view does not turn axes"),
            (lambda x: gram_matrix(x) ** 2, "the values are not"),
            (lambda x: gram_matrix(x)[:1], "the shape (1, 3, 3), not (2, 3, 3)"),
        ],
    ),
    "transfer.mixes": (
        depends,
        [
            (lambda gram: not depends(gram), "it accuses a function that keeps pictures apart"),
            (lambda gram: True, "it accuses"),
            (lambda gram: False, "the tutorial's passes"),
            (lambda gram: len(gram(BATCH)) != len(BATCH), "the batch's mean passes"),
            (lambda gram: depends(gram, slack=0.5), "passes"),
            (lambda gram: not torch.allclose(gram(BATCH), gram_matrix(BATCH)), "it accuses the matrix that is not"),
            (lambda gram: torch.tensor(depends(gram)), "Return True or False"),
            (lambda gram: gram(BATCH[0]), "your code stopped"),
        ],
    ),
    "transfer.repaired": (
        style(mean_square),
        [
            (style(mean_square, tutorial), "the tutorial's as it was"),
            (style(mean_square, lambda x: product(x, x.numel())), "still holds a"),
            (style(mean_square, detach=False), "a gradient flows into the target"),
            (style(lambda d: d.square().mean((1, 2)).sum()), "N times too large"),
            (style(square_sum), "it is the sum"),
            (style(lambda d: mean_square(d.mean(0))), "cancel"),
            (style(mean_square, lambda x: product(x, 1)), "the division by b"),
            (style(mean_square, lambda x: product(x, x[0, 0].numel())), "b is missing"),
            (style(mean_square, lambda x: product(x, x.shape[1])), "c · d is missing"),
            (style(lambda d: mean_square(d[0])), "only the first picture"),
            (style(mean_square, centred), "is right"),
            (lambda f, t: F.mse_loss(gram_matrix(f), gram_matrix(t)).item(), "a plain number"),
        ],
    ),
    "transfer.converted": (
        converted,
        [
            (lambda beta, source, goal, channels: beta, "returns beta as it came"),
            (lambda beta, source, goal, channels: converted(beta, goal, source, channels), "Upside down"),
            (by_channels, "C², not by C"),
            (no_quarter, "1/4 of Johnson's"),
            (for_64, "with 48 channels"),
            (lambda *given: torch.tensor(converted(*given)), "A beta is a number"),
            (lambda beta, source, goal, channels: 3.0, "it gives 3"),
        ],
    ),
    "transfer.clamped_step": (
        step,
        [
            (clamped_inside, "slope 0"),
            (clamped_inside_too, "slope 0"),
            (lambda *given: step(*given, clamp=False), "leaves [0, 1]"),
            (clamped_before, "leaves [0, 1]"),
            (clamped_copy, "leaves [0, 1]"),
            (lambda *given: step(*given, clear=False), "optimiser.zero_grad()"),
            (never_moves, "has not changed"),
            (moves_a_copy, "has not changed"),
            (cleared_at_the_end, "zero_grad belongs at the beginning"),
            (returns_the_picture, "Return the loss"),
            (returns_the_loss_after, "Return the loss"),
        ],
    ),
    "transfer.luminance_only": (
        with_colours_of,
        [
            (lambda photo, painting: with_colours_of(painting, photo), "the roles are swapped"),
            (lambda photo, painting: photo + (painting - photo).mean(1, keepdim=True), "not equally bright"),
            (lambda photo, painting: photo + light(painting - photo, LIGHT.flip(1)), "turned round"),
            (lambda photo, painting: photo + light(painting), "add the difference"),
            (lambda photo, painting: light(painting).expand_as(photo), "in grey"),
            (lambda photo, painting: photo * light(painting) / light(photo), "scales the colours"),
            (lambda photo, painting: photo + (painting - photo) * LIGHT, "Add the parts up"),
            (unclamped, "Clamp the result"),
            (lambda photo, painting: painting, "the painting as it was"),
            (lambda photo, painting: photo, "the photo as it was"),
            (lambda photo, painting: light(painting), "the shape (2, 1, 4, 5)"),
            (lambda photo, painting: with_colours_of(photo, painting) / 2, "off by"),
        ],
    ),
    "transfer.masked_gram": (
        masked,
        [
            (lambda features, mask: gram_matrix(features), "the mask has no effect"),
            (lambda features, mask: gram_matrix(features * mask), "Count those inside"),
            (lambda features, mask: masked(features, ~mask), "outside the mask"),
            (masked_over(lambda features, count: count), "Divide by C too"),
            (masked_over(lambda features, count: features.shape[1]), "over C alone"),
            (masked_over(lambda features, count: 1), "the division is missing"),
            (masked_over(lambda features, count: features.shape[1] * 8), "the mask's own count"),
            (positions_inside, "inner products of positions"),
            (lambda features, mask: masked(features, mask) + 1, "neither"),
        ],
    ),
}
