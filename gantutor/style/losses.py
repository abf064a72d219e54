"""Losses for style transfer: small modules that keep their target as a buffer.

Each takes one feature map (N, C, H, W) of the output picture y and returns a number. Total loss:
alpha · content + beta · style (Gatys 2016, eq. 7).
"""

from torch import nn
from torch.nn import functional as F

from .statistics import gram_matrix, mean_and_covariance


class ContentLoss(nn.Module):
    """Mean squared difference of features, over the target's mean square so that layers compare (Gatys 2016, eq. 1)."""

    def __init__(self, target):
        super().__init__()
        self.register_buffer("target", target.detach())
        self.register_buffer("scale", self.target.square().mean() + 1e-8)

    def forward(self, features):
        return F.mse_loss(features, self.target) / self.scale


class GramLoss(nn.Module):
    """Squared distance of Gram matrices (Gatys 2016, eq. 4; Johnson 2016, eq. 4), over the target's squared norm."""

    def __init__(self, gram):
        super().__init__()
        self.register_buffer("target", gram.detach())
        self.register_buffer("scale", self.target.square().sum() + 1e-12)

    def forward(self, features):
        return (gram_matrix(features) - self.target).square().sum() / self.scale / len(features)


class MomentLoss(nn.Module):
    """Distance of the channels' means and covariances, each channel in units of the target's deviation.

    The mean term is the mean squared difference; the covariance term the squared distance over the target's
    squared norm. The layer's mean variance is added to each channel's, so that a channel which is silent in the
    target does not outweigh all others. The Gram matrix mixes both and lets the strongest channels decide alone.
    """

    def __init__(self, mean, covariance):
        super().__init__()
        variance = covariance.detach().diagonal(dim1=-2, dim2=-1).clamp(min=0)  # rounding may leave -1e-9
        weight = (variance + variance.mean(-1, keepdim=True) + 1e-8).rsqrt()
        self.register_buffer("target_mean", mean.detach())
        self.register_buffer("weight", weight)
        self.register_buffer("target", self.normalised(covariance.detach()))
        self.register_buffer("scale", self.target.square().sum().clamp(min=0.5))  # a flat target has none

    def normalised(self, covariance):
        """The covariance with every channel divided by its floored deviation."""
        return covariance * self.weight[..., :, None] * self.weight[..., None, :]

    def forward(self, features):
        mean, covariance = mean_and_covariance(features)
        mean_term = ((mean - self.target_mean) * self.weight).square().mean()
        covariance_term = (self.normalised(covariance) - self.target).square().sum() / self.scale / len(features)
        return mean_term + covariance_term


def total_variation(images):
    """Mean absolute difference of neighbouring pixels, down and across: high for noise (Rudin, Osher, Fatemi 1992)."""
    down = (images[..., 1:, :] - images[..., :-1, :]).abs().mean()
    return down + (images[..., 1:] - images[..., :-1]).abs().mean()
