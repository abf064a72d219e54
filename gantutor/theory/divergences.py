"""Divergences of two densities, in nats: by quadrature on a uniform grid, and by samples.

By quadrature p and q are tensors of one shape: the densities' values at the points of a grid, whose cells have the
length (area, volume) dx. The sum over the grid times dx stands for the integral. It is accurate where the densities
are smooth and vanish at the grid's ends; use float64. Results are tensors without dimensions, through which autograd
differentiates. A density that is negative, infinite, or does not integrate to one within TOLERANCE is an InputError.

By samples (`sampled_…`) p and q have `sample(count, generator)` and `log_density(points)`, as in `distributions`.
"""

import math

import torch
from scipy.stats import wasserstein_distance

from ..errors import InputError

TOLERANCE = 1e-3
"""How far from 1 a density's integral may be."""
LEAST_LOG = -100.0
"""What stands for log 0 in `game_value`, as in torch.nn.BCELoss."""


def kl(p, q, dx):
    """Kullback-Leibler KL(p‖q) = ∫ p log(p/q): from 0 to ∞, which it is where p has mass and q none."""
    check_densities(p, q, dx)
    return torch.special.xlogy(p, ratio(p, q)).sum() * dx


def js(p, q, dx):
    """Jensen-Shannon: ½ KL(p‖m) + ½ KL(q‖m) with m = (p + q)/2. From 0 to log 2 (Goodfellow et al. 2014, theorem 1)."""
    check_densities(p, q, dx)
    to_mean = [torch.special.xlogy(d, 2 * ratio(d, p + q)) for d in (p, q)]
    return (to_mean[0] + to_mean[1]).sum() * dx / 2


def total_variation(p, q, dx):
    """½ ∫ |p − q|: the largest difference in probability that p and q give to one event, from 0 to 1."""
    check_densities(p, q, dx)
    return (p - q).abs().sum() * dx / 2


def pearson(p, q, dx):
    """Pearson's χ²(p‖q) = ∫ (p − q)²/q: from 0 to ∞."""
    check_densities(p, q, dx)
    return ((p - q) * (ratio(p, q) - 1)).sum() * dx


def wasserstein(p, q, dx):
    """W1 on the line, ∫ |F_p − F_q| of the distribution functions: mass times distance moved, in units of x.

    p and q are (N,): in the plane there is no such formula.
    """
    check_densities(p, q, dx)
    if p.ndim != 1:
        raise InputError(f"W1 by quadrature needs densities (N,) on a line, not {tuple(p.shape)}: use samples")
    return ((p - q).cumsum(0) * dx).abs().sum() * dx


def ratio(p, q):
    """p/q, and 0 where p is 0, whatever q is."""
    return torch.where(p > 0, p / torch.where(p > 0, q, 1), 0)


def optimal_discriminator(p, q):
    """D* = p/(p + q), the largest V can be made at each point (Goodfellow et al. 2014, proposition 1).

    p is p_data, q is p_G. Where both are 0 any value is optimal: ½ stands there.
    """
    check_values(p, q)
    return torch.where(p + q > 0, ratio(p, p + q), 0.5)


def game_value(D, p, q, dx):
    """V(D, G) = ∫ p log D + ∫ q log(1 − D) of Goodfellow et al. 2014, eq. 1, with p = p_data and q = p_G.

    D holds probabilities on the grid. The logarithm of 0 counts as −100: D* rounds to 1 where q is small, not zero.
    """
    check_densities(p, q, dx)
    if D.shape != p.shape or not ((D >= 0) & (D <= 1)).all():
        raise InputError(
            f"D must hold probabilities, one at each of the {tuple(p.shape)} points: use sigmoid on logits"
        )
    return (p * floored_log(D) + q * floored_log(1 - D)).sum() * dx


def floored_log(x):
    """log x, and LEAST_LOG at 0, where its gradient is 0: clamping log 0 would make that NaN."""
    return torch.where(x > 0, torch.where(x > 0, x, 1).log().clamp(min=LEAST_LOG), LEAST_LOG)


def check_densities(p, q, dx):
    """InputError unless p and q are two densities on one grid."""
    check_values(p, q)
    if not dx > 0:
        raise InputError(f"dx is {dx:g}: give the length of a grid cell, which is positive")
    for name, density in (("p", p), ("q", q)):
        total = density.sum().item() * dx
        if not abs(total - 1) <= TOLERANCE:
            raise InputError(
                f"{name} integrates to {total:.4g} and not to 1 within {TOLERANCE}: "
                f"use a wider or finer grid, or divide {name} by {name}.sum() * dx"
            )


def check_values(p, q):
    """InputError unless p and q have one shape and no value that a density cannot have."""
    if p.shape != q.shape:
        raise InputError(f"p has the shape {tuple(p.shape)} and q {tuple(q.shape)}: evaluate both on one grid")
    for name, density in (("p", p), ("q", q)):
        if not (torch.isfinite(density) & (density >= 0)).all():
            raise InputError(f"{name} has values that are negative, infinite or NaN: give a density, not its logarithm")


def sampled_kl(p, q, count, generator):
    """KL(p‖q), the mean of log p − log q over `count` samples of p. Unbiased; single terms may be negative."""
    x = p.sample(count, generator)
    return (p.log_density(x) - q.log_density(x)).mean()


def sampled_js(p, q, count, generator):
    """JS(p, q), from `count` samples of each. Unbiased; every term is at most ½ log 2, so it is steady."""
    x, y = p.sample(count, generator), q.sample(count, generator)
    to_mean = [d.log_density(points) - log_mean(p, q, points) for d, points in ((p, x), (q, y))]
    return (to_mean[0].mean() + to_mean[1].mean()) / 2


def sampled_total_variation(p, q, count, generator):
    """½ ∫ |p − q| = ∫ max(0, p − q), from `count` samples of p. Unbiased; every term is between 0 and 1."""
    x = p.sample(count, generator)
    return (1 - (q.log_density(x) - p.log_density(x)).exp()).clamp(min=0).mean()


def sampled_pearson(p, q, count, generator):
    """χ²(p‖q), the mean of (p/q − 1)² over `count` samples of q.

    Unbiased, and worthless where p has wider tails than q: rare samples carry the sum.
    """
    y = q.sample(count, generator)
    return ((p.log_density(y) - q.log_density(y)).exp() - 1).square().mean()


def sampled_wasserstein(x, y):
    """W1 of samples x (N,) or (N, 1) and y on the line: no density is needed (scipy.stats.wasserstein_distance).

    Consistent (exact as N → ∞) but biased: never too small on average, as W1 is convex. Two samples of one distribution
    never have the distance 0.
    """
    return torch.tensor(wasserstein_distance(x.reshape(-1), y.reshape(-1)))


def log_mean(p, q, points):
    """log((p + q)/2) at points."""
    return torch.logaddexp(p.log_density(points), q.log_density(points)) - math.log(2)
