"""Small generators and discriminators for points, and layers that let a discriminator see several samples at once.

A discriminator here maps (N, ...) to logits (N, 1). Its input layers may do more: `Pack` and `MinibatchDeviation`
are layers, so that a remedy against mode collapse is a line in a network and the training loop stays as it is.
"""

from itertools import pairwise

import torch
from torch import nn

from ..errors import InputError


def mlp(inputs, outputs, width=128, hidden=2, seed=0):
    """Linear layers with ReLU between: (N, inputs) to (N, outputs), `hidden` layers of `width` units.

    Weights and biases start uniform in ±1/√inputs of their layer, PyTorch's own default, drawn from `seed`.
    """
    if min(inputs, outputs, width) < 1 or hidden < 0:
        raise InputError(
            f"an mlp of {inputs} to {outputs}, {hidden} x {width} has no units: let every size be positive"
        )
    randomness = torch.Generator().manual_seed(seed)
    sizes = [inputs, *[width] * hidden, outputs]
    layers = []
    for number, (before, after) in enumerate(pairwise(sizes)):
        linear = nn.utils.skip_init(nn.Linear, before, after)
        for parameter in linear.parameters():
            nn.init.uniform_(parameter, -(before**-0.5), before**-0.5, generator=randomness)
        layers += [nn.ReLU(), linear] if number else [linear]
    return nn.Sequential(*layers)


class Pack(nn.Module):
    """Joins `count` samples into one: (N, d, ...) to (N / count, count · d, ...) (Lin et al. 2018, "PacGAN").

    In front of a discriminator it lets the verdict be about several samples, all real or all fake, so that fakes
    which are too much alike give themselves away. Vectors are joined end to end, images by their channels.
    """

    def __init__(self, count):
        super().__init__()
        self.count = count

    def forward(self, samples):
        if len(samples) % self.count:
            raise InputError(f"a batch of {len(samples)} cannot be packed by {self.count}: use a multiple of it")
        return samples.reshape(len(samples) // self.count, self.count * samples.shape[1], *samples.shape[2:])


class MinibatchDeviation(nn.Module):
    """Tells every sample how different the batch is (Karras et al. 2018, section 3).

    Appends one feature, or one channel to images, that holds the standard deviation over the batch, averaged over
    all features: (N, d, ...) to (N, d + 1, ...). The paper does so in groups of 4; here the batch is the group.
    """

    def forward(self, features):
        deviation = (features.var(0, correction=0) + 1e-8).sqrt().mean()  # + 1e-8: the root has no slope at 0
        return torch.cat([features, deviation.expand(len(features), 1, *features.shape[2:])], 1)
