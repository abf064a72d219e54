"""A small modern GAN: a generator with skips to the picture, a residual discriminator, no batch normalisation.

After StyleGAN2's networks (Karras et al. 2020, figure 7), much reduced: noise modulates every block, each block adds
its own part to the picture, the discriminator is residual and sees the batch's deviation. It is meant to be trained
with R1, differentiable augmentation and an average of the weights (see `engine`).
"""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from .dcgan import doublings
from .networks import MinibatchDeviation

MOST = 8  # times the width: the most channels


def widths(size, width):
    """Channels at 4, 8, … size px: `width` at the full size, doubled at each halving, at most MOST times as many."""
    count = doublings(size)
    return [width * min(MOST, 2 ** (count - number)) for number in range(count + 1)]


class Scaled(nn.Module):
    """A layer whose weights are N(0, 1) and scaled as it runs, so that all learn at one rate (Karras et al. 2018)."""

    def __init__(self, layer, gain=2**0.5):
        super().__init__()
        self.layer = layer
        self.scale = gain / layer.weight[0].numel() ** 0.5
        nn.init.normal_(layer.weight)
        nn.init.zeros_(layer.bias)

    def forward(self, x):
        # Scaling the input scales what the weights do, and leaves the bias alone.
        return self.layer(x * self.scale)


def convolution(before, after, side, gain=2**0.5):
    return Scaled(nn.Conv2d(before, after, side, padding=side // 2), gain)


class Modulated(nn.Module):
    """A convolution of normalised maps that noise scales and shifts channel by channel, then LeakyReLU.

    Every map of every picture is normalised by itself first (adaptive instance normalisation, Karras et al. 2019),
    so that no picture depends on the batch.
    """

    def __init__(self, before, after, latent):
        super().__init__()
        self.style = Scaled(nn.Linear(latent, 2 * before), 1)
        self.convolution = convolution(before, after, 3)

    def forward(self, x, z):
        scale, shift = self.style(z)[:, :, None, None].chunk(2, 1)
        x = F.instance_norm(x) * (1 + scale) + shift
        return F.leaky_relu(self.convolution(x), 0.2)


class Generator(nn.Module):
    """Noise z (N, latent) to pictures (N, 3, size, size); values are near [0, 1] and not clipped."""

    def __init__(self, size=64, latent=128, width=16):
        super().__init__()
        self.latent = latent
        self.about = {"network": "modern", "size": size, "latent": latent, "width": width}
        channels = widths(size, width)
        self.constant = nn.Parameter(torch.randn(1, channels[0], 4, 4))
        self.blocks, self.to_rgb = nn.ModuleList(), nn.ModuleList()
        for before, after in zip([channels[0], *channels], channels, strict=False):
            self.blocks.append(nn.ModuleList([Modulated(before, after, latent), Modulated(after, after, latent)]))
            self.to_rgb.append(convolution(after, 3, 1, gain=0.3))

    def forward(self, z):
        z = F.rms_norm(z, z.shape[1:])
        x, picture = self.constant.expand(len(z), -1, -1, -1), 0.5
        for number, ((first, second), to_rgb) in enumerate(zip(self.blocks, self.to_rgb, strict=True)):
            if number:
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
                picture = F.interpolate(picture, scale_factor=2.0, mode="bilinear")
            x = second(first(x, z), z)
            picture = picture + to_rgb(x)
        return picture


class Discriminator(nn.Module):
    """Pictures (N, 3, size, size) to logits (N, 1); the last block sees how different the batch is, if told so.

    Without `deviation` no picture's logit depends on the others'.
    """

    def __init__(self, size=64, width=16, deviation=True):
        super().__init__()
        channels = widths(size, width)[::-1]
        self.from_rgb = convolution(3, channels[0], 1)
        self.blocks = nn.ModuleList(Residual(*pair) for pair in pairwise(channels))
        last = channels[-1]
        self.head = nn.Sequential(
            MinibatchDeviation() if deviation else nn.Identity(),
            convolution(last + deviation, last, 3),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            Scaled(nn.Linear(16 * last, last)),
            nn.LeakyReLU(0.2),
            Scaled(nn.Linear(last, 1), 1),
        )

    def forward(self, images):
        x = F.leaky_relu(self.from_rgb(2 * images - 1), 0.2)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


class Residual(nn.Module):
    """Two convolutions and a halving beside a short cut."""

    def __init__(self, before, after):
        super().__init__()
        self.first, self.second = convolution(before, before, 3), convolution(before, after, 3)
        self.short = Scaled(nn.Conv2d(before, after, 1), 1)

    def forward(self, x):
        long = F.leaky_relu(self.second(F.leaky_relu(self.first(x), 0.2)), 0.2)
        return F.avg_pool2d(long + self.short(x), 2) / 2**0.5
