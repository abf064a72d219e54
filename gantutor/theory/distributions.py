"""Distributions that can be sampled and whose density is known."""

import math
from dataclasses import dataclass

import torch

from ..errors import InputError


@dataclass(frozen=True)
class Mixture:
    """Gaussians of one common standard deviation around `modes` (K, d), with weights (K,) that sum to one."""

    modes: torch.Tensor
    deviation: float
    weights: torch.Tensor

    def __post_init__(self):
        if self.modes.ndim != 2 or self.weights.shape != self.modes.shape[:1]:
            raise InputError(
                f"modes are (K, d) and weights (K,), not {(*self.modes.shape,)} and {(*self.weights.shape,)}"
            )
        if not torch.isfinite(self.modes).all():
            raise InputError("some modes are NaN or infinite: give finite ones")
        if not 0 < self.deviation < math.inf:
            raise InputError(f"a standard deviation of {self.deviation} has no density: give a positive one")
        if (self.weights < 0).any() or not abs(float(self.weights.sum()) - 1) <= 1e-4:
            raise InputError(f"weights that sum to {float(self.weights.sum()):.3f} make no density: let them sum to 1")

    def sample(self, count, generator):
        """Points (count, d); `generator` is a torch.Generator."""
        chosen = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        return self.modes[chosen] + self.deviation * torch.randn(count, self.modes.shape[1], generator=generator)

    def log_density(self, points):
        """log p (N,) at points (N, d), in nats."""
        if points.ndim != 2 or points.shape[1] != self.modes.shape[1]:
            raise InputError(f"points of shape {(*points.shape,)} do not fit: give (N, {self.modes.shape[1]})")
        squared = (points[:, None] - self.modes).square().sum(-1) / self.deviation**2
        constant = points.shape[1] * math.log(self.deviation * math.sqrt(2 * math.pi))
        return torch.logsumexp(self.weights.log() - squared / 2, 1) - constant


def mixture(modes, deviation):
    """Gaussians of equal weight around modes (K, d)."""
    modes = torch.as_tensor(modes, dtype=torch.float32)
    return Mixture(modes, deviation, torch.full((len(modes),), 1 / max(1, len(modes))))


def normal(mean=0.0, deviation=1.0):
    """N(mean, deviation²) on the line: points are (N, 1)."""
    return mixture([[mean]], deviation)


def ring(count=8, radius=1.0, deviation=0.01):
    """Gaussians on a circle (Metz et al. 2017; the figures of Lin et al. 2018, "PacGAN")."""
    angles = torch.arange(count) * (2 * math.pi / count)  # linspace(0, 2π, 8) would have 0 and 2π both: 7 modes
    return mixture(radius * torch.stack([angles.cos(), angles.sin()], 1), deviation)


def grid(side=5, spacing=2.0, deviation=0.05):
    """side × side Gaussians around the origin (Lin et al. 2018, "PacGAN")."""
    line = spacing * (torch.arange(side) - (side - 1) / 2)
    return mixture(torch.cartesian_prod(line, line), deviation)


@dataclass(frozen=True)
class VerticalLine:
    """Uniform on the segment from (x, 0) to (x, 1): no density in the plane (Arjovsky et al. 2017, example 1)."""

    x: float

    def sample(self, count, generator):
        """Points (count, 2)."""
        return torch.stack([torch.full((count,), self.x), torch.rand(count, generator=generator)], 1)
