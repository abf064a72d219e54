"""The DCGAN: a generator of deconvolutions and a discriminator of convolutions (Radford et al. 2016, figure 1)."""

import math
from itertools import pairwise

from torch import nn

from ..errors import InputError


def doublings(size):
    """How often 4 px must be doubled to give `size`."""
    count = math.log2(size / 4)
    if size < 16 or count != int(count):
        raise InputError(f"networks make pictures of 16, 32, 64, 128 … px, not of {size}: choose one of these")
    return int(count)


class Generator(nn.Module):
    """Noise z (N, latent) to pictures (N, 3, size, size) in [0, 1].

    Transposed convolutions of 4 x 4 with stride 2, batch normalisation, ReLU; tanh at the end, moved to [0, 1].
    `width` channels before the last layer, twice as many at each halving before. Weights start as N(0, 0.02²).
    """

    def __init__(self, size=64, latent=100, width=64):
        super().__init__()
        self.latent = latent
        self.about = {"network": "dcgan", "size": size, "latent": latent, "width": width}
        count = doublings(size)
        channels = [width * 2 ** (count - 1 - number) for number in range(count)]
        layers = [nn.ConvTranspose2d(latent, channels[0], 4, bias=False), nn.BatchNorm2d(channels[0]), nn.ReLU()]
        for before, after in pairwise(channels):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(channels[-1], 3, 4, 2, 1, bias=False), nn.Tanh())
        self.apply(start)

    def forward(self, z):
        return (self.layers(z[:, :, None, None]) + 1) / 2


class Discriminator(nn.Module):
    """Pictures (N, 3, size, size) in [0, 1] to logits (N, 1).

    Convolutions of 4 x 4 with stride 2 and LeakyReLU(0.2). `norm` is the batch normalisation of the paper;
    without it (nn.Identity) no picture's logit depends on the batch, as R1 and several processes want it.
    """

    def __init__(self, size=64, width=64, norm=nn.BatchNorm2d):
        super().__init__()
        channels = [width * 2**number for number in range(doublings(size))]
        layers = [nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
        for before, after in pairwise(channels):
            layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False), norm(after), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels[-1], 1, 4, bias=False))
        self.apply(start)

    def forward(self, images):
        return self.layers(2 * images - 1).flatten(1)


def start(module):
    """The paper's initial weights (section 4)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1, 0.02)
        nn.init.zeros_(module.bias)
