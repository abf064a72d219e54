"""How good are pictures? Distances between the features of real and of generated ones, by torchmetrics.

The features are an argument, so that the figures can be had offline: means of the bundled network's deeper layers
here, Inception's where its weights can be had. Figures by different features do not compare.
"""

import warnings

import torch
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from ..errors import InputError

SUBSETS = 50


class LayerMeans(nn.Module):
    """Pictures (N, 3, H, W) to the means (N, d) of some layers' channels, all layers one after the other.

    `network` answers as those of style.features do. Strong and weak layers count alike: each is divided by `scales`,
    which `of` takes from real pictures.
    """

    def __init__(self, network, layers, scales=None):
        super().__init__()
        self.network, self.layers = network, layers
        self.scales = scales or dict.fromkeys(layers, 1.0)
        self.num_features = sum(network.channels[layer] for layer in layers)

    @classmethod
    def of(cls, network, layers, real):
        """With scales that give the features of real pictures a mean square of 1 in each layer."""
        raw = cls(network, layers)(real).split([network.channels[layer] for layer in layers], 1)
        return cls(network, layers, {k: x.square().mean().sqrt().item() for k, x in zip(layers, raw, strict=True)})

    @torch.no_grad()
    def forward(self, images):
        taps = self.network(images, self.layers)
        return torch.cat([taps[layer].mean((2, 3)) / self.scales[layer] for layer in self.layers], 1)


class Inception(nn.Module):
    """The 2048 features that FID and KID are usually quoted with, of pictures (N, 3, H, W) in [0, 1].

    torch-fidelity's port of the Inception network, whose weights (about 100 MB) it downloads.
    """

    num_features = 2048

    def __init__(self):
        super().__init__()
        from torchmetrics.image.fid import NoTrainInceptionV3

        self.network = NoTrainInceptionV3("inception-v3-compat", ["2048"])

    def forward(self, pictures):
        return self.network((pictures.clamp(0, 1) * 255).round().byte())


def kernel_distance(features, real, fake, seed=0, batch=64):
    """KID (Binkowski et al. 2018) of two sets of pictures (N, 3, H, W), and its standard deviation.

    Unbiased, so that two sets of the same kind give about 0, and negative values too. KID is the mean over SUBSETS
    random halves of the smaller set, of at most 1,000 pictures. The deviation is theirs: it says about how far KID
    would be with other pictures of the same kinds (delete-half jackknife, Shao and Wu 1989), and too much rather than
    too little where a set has more than twice the pictures of a half.
    """
    size = min(len(real), len(fake), 2000) // 2
    if size < 2:
        raise InputError(f"{len(real)} real and {len(fake)} generated pictures are too few: give at least 4 of each")
    with warnings.catch_warnings(action="ignore"):  # that it keeps all features: it must
        metric = KernelInceptionDistance(features, subsets=SUBSETS, subset_size=size).to(real.device)
    with torch.random.fork_rng():  # torchmetrics draws the subsets from torch's global generator
        torch.manual_seed(seed)
        mean, deviation = fed(metric, real, fake, batch).compute()
    return float(mean), float(deviation)


def frechet_distance(features, real, fake, batch=64):
    """FID (Heusel et al. 2017) of two sets of pictures (N, 3, H, W): biased upwards for few pictures."""
    metric = FrechetInceptionDistance(features).to(real.device)
    return float(fed(metric, real, fake, batch).compute())


def fed(metric, real, fake, batch):
    """The metric with both sets taken in."""
    for pictures, is_real in ((real, True), (fake, False)):
        for some in pictures.split(batch):
            metric.update(some, real=is_real)
    return metric
