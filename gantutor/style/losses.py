"""Losses for style transfer: small modules that keep their target as a buffer.

Each takes one feature map (N, C, H, W) of the output picture y and returns a number. Total loss:
alpha · content + beta · style (Gatys 2016, eq. 7).

A style loss is made from what a style keeps of a layer. Gram, moments and Wasserstein-2 need its mean and covariance
alone, so that a style file can hold them; the sliced ones need the feature map of a picture.
"""

import torch
from torch import nn
from torch.nn import functional as F

from ..errors import InputError
from .statistics import bures, gram_matrix, mean_and_covariance, random_directions, roots, sorted_answers

GRAM_SCALES = {
    "gatys": lambda gram: 1 / 4,
    "johnson": lambda gram: 1.0,
    "mean": lambda gram: 1 / gram[0].numel(),
    "relative": lambda gram: 1 / (gram.square().sum() / len(gram) + 1e-12),
}
"""By what |ΔG|² is multiplied, for the Gram matrix G over C H W.

"gatys" is 1/(4 C² (H W)²) for the matrix that is not divided (Gatys 2016, eq. 4), "johnson" the plain square (Johnson
2016, eq. 4), "mean" the mean over the C² entries (d2l, PyTorch's tutorial), "relative" one over the target's square:
with it alone, layers of any width and strength count alike.
"""


class ContentLoss(nn.Module):
    """Mean squared difference of features, over the target's mean square so that layers compare (Gatys 2016, eq. 1)."""

    def __init__(self, target):
        super().__init__()
        self.register_buffer("target", target.detach())
        self.register_buffer("scale", self.target.square().mean() + 1e-8)

    def forward(self, features):
        return F.mse_loss(features, self.target) / self.scale


class GramLoss(nn.Module):
    """Squared distance of Gram matrices, scaled by one of `GRAM_SCALES`; the target is (C, C) or (1, C, C)."""

    def __init__(self, gram, scale="relative"):
        super().__init__()
        if scale not in GRAM_SCALES:
            raise InputError(f"no scale is called {scale!r}: choose one of {', '.join(GRAM_SCALES)}")
        gram = gram.detach() if gram.ndim == 3 else gram.detach()[None]
        self.register_buffer("target", gram)
        self.register_buffer("scale", torch.as_tensor(GRAM_SCALES[scale](gram)))

    @classmethod
    def from_moments(cls, mean, covariance, scale="relative"):
        """The second moment is covariance + mean meanᵀ; over C it is the Gram matrix over C H W."""
        return cls((covariance + mean[..., :, None] * mean[..., None, :]) / mean.shape[-1], scale)

    def forward(self, features):
        return (gram_matrix(features) - self.target).square().sum() * self.scale / len(features)


class MomentLoss(nn.Module):
    """Distance of the channels' means and covariances, each channel in units of the target's deviation.

    The mean term is the mean squared difference; the covariance term the squared distance over the target's
    squared norm. The layer's mean variance is added to each channel's, so that a channel which is silent in the
    target does not outweigh all others. The Gram matrix mixes both and lets the strongest channels decide alone.
    Targets are (C,) and (C, C), or (N, C) and (N, C, C): one for each picture of a batch.
    """

    def __init__(self, mean, covariance):
        super().__init__()
        variance = covariance.detach().diagonal(dim1=-2, dim2=-1).clamp(min=0)  # rounding may leave -1e-9
        weight = (variance + variance.mean(-1, keepdim=True) + 1e-8).rsqrt()
        self.register_buffer("target_mean", mean.detach())
        self.register_buffer("weight", weight)
        self.register_buffer("target", self.normalised(covariance.detach()))
        self.register_buffer("scale", self.target.square().sum((-2, -1)).clamp(min=0.5))  # a flat target has none

    def normalised(self, covariance):
        """The covariance with every channel divided by its floored deviation."""
        return covariance * self.weight[..., :, None] * self.weight[..., None, :]

    def between(self, mean, covariance):
        """The distance of each picture (N,), from its mean (N, C) and covariance (N, C, C)."""
        mean_term = ((mean - self.target_mean) * self.weight).square().mean(-1)
        return mean_term + (self.normalised(covariance) - self.target).square().sum((-2, -1)) / self.scale

    def forward(self, features):
        return self.between(*mean_and_covariance(features)).mean()


class Wasserstein2Loss(nn.Module):
    """Squared Wasserstein-2 distance between the Gaussians of picture and target, over the target's second moment.

    The Gaussians have the features' means and covariances (Mroueh 2020, "Wasserstein style transfer"). In double
    precision inside, as square roots of nearly singular matrices need it.
    """

    def __init__(self, mean, covariance):
        super().__init__()
        covariance = covariance.detach().double()
        self.register_buffer("target_mean", mean.detach().double())
        self.register_buffer("target_trace", covariance.diagonal(dim1=-2, dim2=-1).sum(-1))
        self.register_buffer("root", roots(covariance, floor=1e-24)[0])
        self.register_buffer("scale", self.target_mean.square().sum(-1) + self.target_trace + 1e-8)

    def forward(self, features):
        mean, covariance = (moment.double() for moment in mean_and_covariance(features))
        spread = bures(self.root.double(), self.target_trace, covariance)
        distance = (mean - self.target_mean).square().sum(-1) + spread
        return (distance / self.scale).mean().to(features.dtype)


class SlicedLoss(nn.Module):
    """Sliced Wasserstein-2 distance of the features' whole distribution, over the target's mean square.

    Positions are projected onto random directions, sorted, and compared in order (Heitz 2021, "A sliced Wasserstein
    loss for neural texture synthesis"). There each step draws new directions; here a loss keeps its own, at right
    angles to each other, so that the targets are sorted once and L-BFGS sees one function.
    """

    def __init__(self, target, directions=32, seed=0):
        super().__init__()
        self.sort(target.detach(), random_directions(directions, (target.shape[1], 1, 1), seed))

    def sort(self, target, kernels):
        """Keep the directions and the target's sorted answers to them."""
        self.register_buffer("kernels", kernels.to(target))
        self.register_buffer("target", sorted_answers(target, self.kernels))
        self.register_buffer("scale", self.target.square().mean() + 1e-8)

    def forward(self, features):
        mine, target = sorted_answers(features, self.kernels), self.target
        if mine.shape[2] != target.shape[2]:  # other numbers of positions are matched between the ranks
            target = F.interpolate(target, mine.shape[2], mode="linear")
        return F.mse_loss(mine, target.expand_as(mine)) / self.scale


class PatchLoss(SlicedLoss):
    """Sliced Wasserstein-2 distance of the patches of two pictures (1, 3, H, W), over the target's mean square.

    A random direction in the space of patches is a random convolution kernel (Elnekave and Weiss 2022, "Generating
    natural images with direct patch distributions matching"; their code takes absolute differences and draws more
    directions, anew in each step). No network looks: patches of pixels are all.
    """

    def __init__(self, target, side=7, directions=64, seed=0):
        nn.Module.__init__(self)
        self.sort(target.detach(), random_directions(directions, (target.shape[1], side, side), seed))


def total_variation(images):
    """Mean absolute difference of neighbouring pixels, down and across: high for noise (Rudin, Osher, Fatemi 1992)."""
    down = (images[..., 1:, :] - images[..., :-1, :]).abs().mean()
    return down + (images[..., 1:] - images[..., :-1]).abs().mean()
