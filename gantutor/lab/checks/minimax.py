"""The checks of notebook 01."""

import math

import torch
from torch.nn.functional import softplus

from ...gan import losses
from ...theory import divergences
from . import Wrong, exercise, need_tensor

X = torch.linspace(-8, 10, 901, dtype=torch.float64)
DX = 0.02


def gaussian(mean, deviation=1.0):
    """N(mean, deviation²) at X."""
    return (-(((X - mean) / deviation) ** 2) / 2).exp() / (deviation * math.sqrt(2 * math.pi))


def same(result, wanted):
    """Whether a result is, everywhere, what is wanted."""
    return torch.allclose(result.double(), torch.as_tensor(wanted).double(), rtol=1e-4, atol=1e-4)


def refuse(result, *mistakes):
    """Raise Wrong if the result is one of the mistakes: pairs of a value and the sentence about it."""
    for value, words in mistakes:
        if same(result, value):
            raise Wrong(words)


def number(result):
    """The reader's result as a tensor without dimensions: a number or a tensor that holds one."""
    if isinstance(result, float | int):
        return torch.tensor(float(result))
    need_tensor(result, ())
    return result.detach()


def off(result, right):
    """The largest difference, as words."""
    return f"a value is off by {(result - right).abs().max():.2f}."


@exercise(hint="at a point where data are three times as frequent as fakes, D* says 3/4.")
def optimal_discriminator(answer):
    """optimal_discriminator(p, q): D* = p/(p + q) of p = p_data and q = p_G, at each point."""
    p, q = gaussian(0), gaussian(1.5, 0.8)
    result = answer(p.clone(), q.clone())
    need_tensor(result, p.shape)
    refuse(
        result,
        (q / (p + q), "this is 1 − D*, the probability of a fake. D says how probable it is that x is real."),
        (p / q, "this is the ratio of the densities, which can exceed 1. A probability needs p + q below the bar."),
        ((p / q).log(), "this is the logit of D*. Its sigmoid is the probability."),
        ((p > q).double(), "it decides instead of saying how probable. Use both densities, not only which is larger."),
        (p / (p + q).sum(), "no sum over the grid is wanted: each point is judged by the two densities there."),
    )
    if not same(result, p / (p + q)):
        raise Wrong(f"{off(result, p / (p + q))} Which D makes p log D + q log(1 − D) largest?")
    return "The best discriminator needs nothing but the ratio of the two densities."


@exercise(
    hint="both KL are against m = (p + q)/2, sums over the grid times dx. What does a point with p = 0 add to its own?"
)
def js(answer):
    """js(p, q, dx): the Jensen-Shannon divergence in nats, by quadrature, also where a density is 0."""
    p, q = gaussian(0), gaussian(2, 0.7)
    m, kl, right = (p + q) / 2, divergences.kl, divergences.js(p, q, DX)
    jeffreys, halves = kl(p, q, DX) + kl(q, p, DX), (kl(p, m, DX), kl(q, m, DX))
    result = number(answer(p.clone(), q.clone(), DX))
    refuse(
        result,
        (2 * right, "it is twice too large: each of the two KL weighs ½."),
        (-right, "its sign is wrong: p log(p/m), not p log(m/p)."),
        (right / math.log(2), "it is in bits. The course counts in nats: log, not log2."),
        (right / DX, "the sum is not multiplied by dx, so that it depends on the grid."),
        (right / DX / len(p), "it takes a mean over the grid, where the integral is a sum times dx."),
        *((v, "this uses KL(p‖q) and KL(q‖p). Compare p and q with their mean m.") for v in (jeffreys, jeffreys / 2)),
        *((f * h, "this is only one half of it: both p and q are compared with m.") for h in halves for f in (0.5, 1)),
        (((p * p / m).sum() + (q * q / m).sum()) * DX / 2, "the logarithm is missing: p · log(p/m)."),
    )
    if not same(result, right):
        raise Wrong(f"JS of N(0, 1) and N(2, 0.7²) is {right:.4f} nats; yours gives {result:.4f}.")
    left, other = (torch.where(side, 1.0, 0.0).double() / (side.sum() * DX) for side in (X < 0, X >= 0))
    apart = number(answer(left, other, DX))
    if not same(apart, math.log(2)):
        raise Wrong(
            f"for densities that never overlap it gives {apart:.4f}, not log 2. 0 · log 0 must be 0: torch.xlogy."
        )
    width = (X < -2).sum() * DX
    gap = number(answer((X < -2).double() / width, (X >= 2).double() / ((X >= 2).sum() * DX), DX))
    if not same(gap, math.log(2)):
        raise Wrong(
            f"where both densities are 0 it gives {gap:.4f}: p/m is 0/0 there. Take log p − log m, each by torch.xlogy."
        )
    return "It never exceeds log 2, which it reaches as soon as no point could be of both."


@exercise(hint="on a line nothing is gained by crossing: the smallest x goes to the smallest y, and so on.")
def wasserstein(answer):
    """wasserstein(x, y): W1 of two samples (N,) of the same size on the line."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(200, generator=generator), 1 + 2 * torch.randn(200, generator=generator)
    given = x.clone(), y.clone()
    result = number(answer(*given))
    if not (torch.equal(given[0], x) and torch.equal(given[1], y)):
        raise Wrong("it changes the samples that it is given. torch.sort makes new ones; sort_ does not.")
    first, second = x.sort().values, y.sort().values
    pairs, right = first - second, divergences.sampled_wasserstein(x, y)
    means = "this is the difference of the means. Going left does not pay for going right: abs before mean."
    refuse(
        result,
        ((x - y).abs().mean(), "the pairs are as they came. Sort both samples first."),
        *(((a - b).abs().mean(), "only one of the samples is sorted.") for a, b in ((first, y), (x, second))),
        *((sign * pairs.mean(), means) for sign in (1, -1)),
        (pairs.square().mean(), "this is the mean squared distance, W2 squared. W1 pays the distance itself: abs."),
        (pairs.square().mean().sqrt(), "this is W2, the root of the mean square. W1 pays the distance itself: abs."),
        (pairs.abs().sum(), "it adds up all distances. Each of the N points carries 1/N of the mass: mean."),
    )
    if not same(result, right):
        raise Wrong(f"W1 of the check's samples is {right:.3f}; yours gives {result:.3f}.")
    return "No density was needed: W1 is at home where only samples are known."


@exercise(hint="D is the sigmoid of the logit; −log of a sigmoid is a softplus. Take the mean over the batch.")
def generator_loss(answer):
    """generator_loss(logits): −E log D(G(z)), the non-saturating loss, for logits of any size."""
    logits = torch.tensor([-3.0, -0.5, 0.2, 2.0])
    D, right = logits.sigmoid(), losses.non_saturating.generator(logits)
    result = number(answer(logits.clone()))
    no_logarithm = "the logarithm is missing: −log D, not −D or 1 − D."
    no_sigmoid = "this is the mean of the logits, the Wasserstein critic's loss: σ and the logarithm are missing."
    refuse(
        result,
        ((1 - D).log().mean(), "this is log(1 − D), the saturating loss: a sure discriminator leaves it no gradient."),
        (-right, "its sign is wrong: the loss must fall when D rises."),
        *((value, no_logarithm) for value in (-D.mean(), 1 - D.mean())),
        *((value, no_sigmoid) for value in (-logits.mean(), logits.mean())),
        (softplus(-logits).sum(), "it adds up the batch. Take the mean, or the step grows with the batch."),
        (softplus(logits).mean(), "this is −log(1 − D), what the discriminator pays for fakes: the wrong direction."),
        (-D.mean().log(), "this is the logarithm of the mean. The mean of the logarithms is wanted."),
    )
    if not same(result, right):
        raise Wrong(f"for the logits −3, −0.5, 0.2, 2 it should be {right:.4f}; yours gives {result:.4f}.")
    far = number(answer(torch.tensor([-200.0])))
    if not same(far, 200.0):
        raise Wrong(f"at the logit −200 it gives {far:.0f}, not 200: sigmoid rounds to 0. Use softplus or logsigmoid.")
    return "At the logit −200 its slope is still −1. That is all that non-saturating means."


def expected_gradient(loss, theta, frozen, z, weight):
    """d/dθ E loss(log p(x)/q(x)) at x = θ + z; `frozen` tells whether the θ inside the logit is held."""
    theta = torch.tensor(theta, dtype=torch.float64, requires_grad=True)
    x, inside = theta + z, theta.detach() if frozen else theta
    return torch.autograd.grad((weight * loss(((x - inside) ** 2 - x**2) / 2)).sum(), theta)[0]


@exercise(hint="x = θ + z; the logit of D* is log p(x) − log q(x), with θ.detach() in q; then −log D* is a softplus.")
def frozen_gradient(answer):
    """frozen_gradient(theta, z, weight): d/dθ E[−log D*(θ + z)] with D* held, p = N(0, 1), q = N(θ, 1)."""
    z, weight = X - 1, gaussian(1) * DX
    for theta in (1.0, 2.0):
        result = number(answer(theta, z.clone(), weight.clone()))
        right = expected_gradient(lambda logit: softplus(-logit), theta, True, z, weight)
        thawed = expected_gradient(lambda logit: softplus(-logit), theta, False, z, weight)
        saturating = expected_gradient(lambda logit: -softplus(logit), theta, True, z, weight)
        moved = "θ in D* has moved along. D stands still while the generator steps: detach that θ."
        refuse(
            result,
            (-right, "its sign is wrong: the gradient of the loss is wanted, not the step down it."),
            *((sign * thawed, moved) for sign in (1, -1)),
            *(
                (sign * saturating, "this belongs to log(1 − D*), the saturating loss: it is that of 2 JS.")
                for sign in (1, -1)
            ),
            (theta, "this is the gradient of KL(p_G‖p_data) alone."),
            (right / len(z), "it is divided by the number of points. The weights make the mean already: sum."),
        )
        if not same(result, right):
            raise Wrong(f"at θ = {theta:g} it should be {right:.5f}; yours gives {result:.5f}.")
    return "0.60203 at θ = 1 and 1.55040 at θ = 2: the slope of KL(p_G‖p_data) − 2 JS, as theorem 2.5 says."


@exercise(hint="write the derivative of w p log D + q log(1 − D) with respect to D and set it to zero.")
def weighted_discriminator(answer):
    """weighted_discriminator(p, q, weight): the D that maximises weight · p log D + q log(1 − D)."""
    p, q, weight = gaussian(0), gaussian(1.5, 0.8), 0.6
    right = weight * p / (weight * p + q)
    result = answer(p.clone(), q.clone(), weight)
    need_tensor(result, p.shape)
    smoothed = "this is D* for a label smoothed to `weight`. A weight stands below the fraction bar too."
    refuse(
        result,
        (p / (p + q), "the weight is missing."),
        (weight * p / (p + q), smoothed),
        (p / (p + weight * q), "the weight is on the fakes. It belongs to the real points."),
        (weight * p / (weight * p + (1 - weight) * q), "1 − weight is not in the loss: fakes count in full."),
        (q / (weight * p + q), "this is 1 − D."),
    )
    if not same(result, right):
        raise Wrong(f"{off(result, right)} Set w p/D − q/(1 − D) to zero.")
    return "With the weight 0.95 it is 0.487 at p = q: even when the game is over it does not say ½."
