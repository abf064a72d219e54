"""A small modern GAN: a generator with skips to the picture, a residual discriminator, no batch normalisation.

After StyleGAN2's networks (Karras et al. 2020, figure 7), much reduced: noise modulates every convolution, whose
answer is demodulated; each block adds its own part to the picture; the discriminator is residual and sees the batch's
deviation. Sides change by 4 x 4 convolutions of stride 2, so that little is computed at the full size, and the
picture ends in a sigmoid, which makes flat and strong colours easy. It is meant to be trained with R1, an average of
the weights and, where pictures are few, augmentation (see `engine`).
"""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from .dcgan import doublings
from .networks import MinibatchDeviation

MOST = 8  # times the width: the most channels
SLOPE = 0.2  # of every LeakyReLU


def widths(size, width):
    """Channels at 4, 8, … size px: `width` at the full size, doubled at each halving, at most MOST times as many."""
    count = doublings(size)
    return [width * min(MOST, 2 ** (count - number)) for number in range(count + 1)]


def scale(weight, gain):
    """What N(0, 1) weights are multiplied by as they run, so that all learn at one rate (Karras et al. 2018)."""
    return gain / weight[0].numel() ** 0.5


class Convolution(nn.Conv2d):
    """A convolution with weights of one scale; a gain of √2 makes up for the LeakyReLU behind it."""

    def __init__(self, before, after, side, gain=2**0.5, **options):
        super().__init__(before, after, side, **options)
        self.scale = scale(self.weight, gain)
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x):
        return F.conv2d(x, self.weight * self.scale, self.bias, self.stride, self.padding)


class Linear(nn.Linear):
    """The same for vectors."""

    def __init__(self, before, after, gain=2**0.5):
        super().__init__(before, after)
        self.scale = scale(self.weight, gain)
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x):
        return F.linear(x, self.weight * self.scale, self.bias)


class Modulated(nn.Module):
    """A convolution whose inputs noise scales channel by channel; with stride 2 it doubles the side. Then LeakyReLU.

    Its answer is divided by what it would be for independent inputs of variance 1/2 (demodulation, Karras et al.
    2020, eq. 3), and moved by the noise. Both are done to the maps instead of the weights, which all pictures share.
    """

    def __init__(self, before, after, latent, stride=1):
        super().__init__()
        self.channels, self.stride = [before, after], stride
        self.style = Linear(latent, before + after, 1)
        self.weight = nn.Parameter(torch.randn(before, after, 2 + stride, 2 + stride))

    def forward(self, x, z):
        scale, shift = self.style(z).split(self.channels, 1)
        scale = 1 + scale
        power = self.weight.square().sum((2, 3)) / (2 * self.stride**2)  # a pixel is met by 1/stride² of the kernel
        norm = (scale.float().square() @ power + 1e-8).rsqrt().to(x.dtype)
        x = F.conv_transpose2d(x * scale[:, :, None, None], self.weight, stride=self.stride, padding=1)
        return F.leaky_relu(x * norm[:, :, None, None] + shift[:, :, None, None], SLOPE)


class Generator(nn.Module):
    """Noise z (N, latent) to pictures (N, 3, size, size) in [0, 1]; none depends on the others."""

    def __init__(self, size=64, latent=128, width=16):
        super().__init__()
        self.latent = latent
        self.about = {"network": "modern", "size": size, "latent": latent, "width": width}
        channels = widths(size, width)
        self.first = Linear(latent, 16 * channels[0])
        self.blocks = nn.ModuleList(
            nn.ModuleList([Modulated(before, after, latent, stride=2), Modulated(after, after, latent)])
            for before, after in pairwise(channels)
        )
        self.to_rgb = nn.ModuleList(Convolution(count, 3, 1, gain=1) for count in channels)

    def forward(self, z):
        z = F.rms_norm(z, z.shape[1:])
        x = F.leaky_relu(self.first(z), SLOPE).view(len(z), -1, 4, 4).contiguous(memory_format=torch.channels_last)
        logits = self.to_rgb[0](x)
        for (up, on), to_rgb in zip(self.blocks, self.to_rgb[1:], strict=True):
            x = on(up(x, z), z)
            logits = F.interpolate(logits, scale_factor=2.0, mode="bilinear") + to_rgb(x)
        return logits.sigmoid()


class Discriminator(nn.Module):
    """Pictures (N, 3, size, size) to logits (N, 1); the last block sees how different the batch is, if told so.

    Without `deviation` no picture's logit depends on the others'.
    """

    def __init__(self, size=64, width=16, deviation=True):
        super().__init__()
        channels = widths(size, width)[::-1]
        last = channels[-1]
        self.from_rgb = Convolution(3, channels[0], 3, padding=1)
        self.blocks = nn.ModuleList(Residual(*pair) for pair in pairwise(channels))
        self.head = nn.Sequential(
            MinibatchDeviation() if deviation else nn.Identity(),
            nn.Flatten(),
            Linear(16 * (last + deviation), last),
            nn.LeakyReLU(SLOPE),
            Linear(last, 1, 1),
        )

    def forward(self, images):
        x = F.leaky_relu(self.from_rgb(2 * images - 1), SLOPE)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


class Residual(nn.Module):
    """A convolution that halves the side, beside a short cut."""

    def __init__(self, before, after):
        super().__init__()
        self.long = Convolution(before, after, 4, stride=2, padding=1)
        self.short = Convolution(before, after, 1, gain=1)

    def forward(self, x):
        return (F.leaky_relu(self.long(x), SLOPE) + self.short(F.avg_pool2d(x, 2))) / 2**0.5
