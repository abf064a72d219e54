"""Penalties on the slope ∇D of the discriminator's logit with respect to its input.

Each is called as penalty(discriminator, real, fake, generator) on batches (N, ...), `generator` being a
torch.Generator, and gives a number to add to the discriminator's loss. Two things make a penalty: the `points`
where the slope is taken, and the `cost` of a slope.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..errors import InputError


def slope(discriminator, points):
    """Norms (N,) of the logit's gradient with respect to each of the points (N, ...).

    If the discriminator looks at several points at once (packing, batch statistics), it is the gradient of the sum
    of all logits.
    """
    points = points.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(points).sum(), points, create_graph=True)
    return norms(gradient)


def norms(gradient):
    """Norms (N,) of gradients (N, ...)."""
    return (gradient.flatten(1).square().sum(1) + 1e-12).sqrt()  # + 1e-12: √ has no derivative at 0


@dataclass(frozen=True)
class Penalty:
    """points(real, fake, generator) gives points (N, ...); cost(slopes (N,)) gives a number."""

    points: Callable
    cost: Callable

    def __call__(self, discriminator, real, fake, generator):
        return self.cost(slope(discriminator, self.points(real, fake, generator)))


def r1(gamma):
    """γ/2 · E‖∇D(x)‖² on real points x (Mescheder et al. 2018, eq. 9): where the data are, D should be flat.

    Some code has γ or 10 where γ/2 is here.
    """
    if not gamma >= 0:
        raise InputError(f"gamma {gamma} would reward steep discriminators: use one of at least 0")
    return Penalty(lambda real, fake, generator: real, lambda slopes: gamma / 2 * slopes.square().mean())


def gradient_penalty(weight):
    """weight · E(‖∇D(x̂)‖ − 1)² on x̂ = ε·real + (1 − ε)·fake, ε uniform for each pair (Gulrajani et al. 2017, eq. 3).

    It belongs to the Wasserstein loss: the best 1-Lipschitz critic has slope 1 between real and fake. On real points
    alone it would be no WGAN-GP.
    """
    if not weight >= 0:
        raise InputError(f"a weight of {weight} would reward wrong slopes: use one of at least 0")
    return Penalty(between, lambda slopes: weight * (slopes - 1).square().mean())


def between(real, fake, generator):
    """A random point on the line from each real one to its fake, all (N, ...)."""
    share = torch.rand(len(real), *[1] * (real.ndim - 1), generator=generator).to(real.device)
    return share * real + (1 - share) * fake
