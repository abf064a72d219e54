"""A style as the package keeps it: means and covariances of features, at several sizes of the pictures."""

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
        if len(styles) != len(weights) or min(weights) < 0 or sum(weights) <= 0:
            raise InputError(f"{len(styles)} styles cannot be mixed by {weights}: give one weight of at least 0 for each")
        shares = [weight / sum(weights) for weight in weights]
        mix = {
            size: {
                layer: tuple(sum(w * s.levels[size][layer][i] for w, s in zip(shares, styles, strict=True)) for i in (0, 1))
                for layer in layers
            }
            for size, layers in styles[0].levels.items()
        }
        return cls(mix)

    def at(self, size):
        """The statistics for painting at this short side: those of the nearest size at hand."""
        return self.levels[min(self.levels, key=lambda known: abs(known - size))]

    def to(self, device):
        """The same style on a device."""
        return Style(
            {size: {k: (m.to(device), c.to(device)) for k, (m, c) in layers.items()} for size, layers in self.levels.items()}
        )
