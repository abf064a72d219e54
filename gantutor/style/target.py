"""A style as the package keeps it: means and covariances of features, at several sizes of the pictures."""

import math
from dataclasses import dataclass

import torch

from ..errors import InputError
from ..images import resize
from .statistics import mean_and_covariance, pooled

SIZES = (64, 128, 256)  # short sides in px at which a style is described: coarse shapes, then strokes
PIXELS = "pixels"  # the picture itself counts as a layer: its palette


def describe(network, images, layers):
    """Means (N, C) and covariances (N, C, C) of the given layers, PIXELS among them, for pictures (N, 3, H, W)."""
    features = network(images, [layer for layer in layers if layer != PIXELS])
    return {layer: mean_and_covariance(images if layer == PIXELS else features[layer]) for layer in layers}


@dataclass
class Style:
    """`levels[size][layer]` is the (mean (C,), covariance (C, C)) of a layer for pictures of that short side."""

    levels: dict

    @classmethod
    @torch.no_grad()
    def of(cls, network, pictures, sizes=SIZES):
        """The style of one picture or of several together: a list of tensors (1, 3, H, W), pooled with equal weights.

        Statistics of a set are those of all its positions together, so its palette is the whole set's.
        """
        layers = (PIXELS, *network.style_layers)
        levels = {}
        for size in sizes:
            described = [describe(network, resize(picture, size), layers) for picture in pictures]
            levels[size] = {}
            for layer in layers:
                means, covariances = (torch.cat([d[layer][i] for d in described]) for i in (0, 1))
                levels[size][layer] = pooled(means, covariances, torch.ones(len(means), device=means.device))
        return cls(levels)

    @classmethod
    def mixed(cls, styles, weights):
        """Between styles: means and covariances interpolated with weights that are scaled to sum to one."""
        fair = len(styles) == len(weights) and all(0 <= weight < math.inf for weight in weights) and sum(weights) > 0
        if not fair:
            raise InputError(f"{len(styles)} styles cannot be mixed by {weights}: give each one weight, 0 or more")
        shares = [weight / sum(weights) for weight in weights]

        def between(size, layer, kind):
            return sum(share * style.levels[size][layer][kind] for share, style in zip(shares, styles, strict=True))

        levels = styles[0].levels
        return cls({size: {k: (between(size, k, 0), between(size, k, 1)) for k in levels[size]} for size in levels})

    def at(self, size):
        """The statistics for painting at this short side: those of the nearest size at hand, the smaller of two."""
        return self.levels[min(self.levels, key=lambda known: (abs(known - size), known))]

    def to(self, device):
        """The same style on a device."""
        moved = {}
        for size, layers in self.levels.items():
            moved[size] = {k: (mean.to(device), covariance.to(device)) for k, (mean, covariance) in layers.items()}
        return Style(moved)
