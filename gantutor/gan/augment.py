"""Differentiable augmentation: the discriminator sees every picture, real or fake, changed at random.

The changes are differentiable, so that the generator learns through them, and real and fake pictures get changes of
the same kind, so that the generator need not learn them (Zhao et al. 2020, "Differentiable augmentation").
"""

import torch
from torch.nn import functional as F

SHIFT = 1 / 8  # of the side, the most that a picture moves
HOLE = 1 / 2  # of the side, the square that is cut out
RANDOM = 8  # numbers that each picture gets; seven are used, and another count would draw other runs


def augment(images, chance):
    """Pictures (N, 3, H, W) in [0, 1] with other colours, moved, and with a hole; chance (N, 8), uniform in [0, 1).

    Each picture depends on its own row of chance alone. Values may leave [0, 1], as nothing is clipped.
    """
    brightness, saturation, contrast, *places = (column.view(-1, 1, 1, 1) for column in chance.unbind(1))
    images = images + (brightness - 0.5)
    images = stretched(images, 2 * saturation, 1)
    images = stretched(images, contrast + 0.5, (1, 2, 3))
    return cut(moved(images, *places[:2]), *places[2:4])


def stretched(images, factor, dims):
    """The distance from the mean over some dimensions, times a factor."""
    mean = images.mean(dims, keepdim=True)
    return mean + factor * (images - mean)


def moved(images, up, left):
    """Shifted by up to SHIFT of a side in each direction; what comes in is mid-grey."""
    height, width = images.shape[2:]
    rows, columns = (around(length, share) for length, share in ((height, up), (width, left)))
    padded = F.pad(images - 0.5, (1, 1, 1, 1))  # a frame of nothing: whatever lies outside is read there
    rows, columns = rows.clamp(0, height + 1), columns.clamp(0, width + 1)
    batch = torch.arange(len(images), device=images.device)[:, None, None]
    picked = padded.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2) + 0.5


def around(length, share):
    """Positions (N, length) in a row padded by one, shifted by -SHIFT … SHIFT of the length."""
    most = round(length * SHIFT)
    shift = (share.view(-1, 1) * (2 * most + 1)).long() - most
    return torch.arange(1, length + 1, device=share.device) + shift


def cut(images, down, right):
    """With a square of HOLE of a side in mid-grey, its centre anywhere."""
    inside = [
        (torch.arange(length, device=images.device) - share.view(-1, 1) * length).abs() < HOLE / 2 * length
        for length, share in zip(images.shape[2:], (down, right), strict=True)
    ]
    hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return images.masked_fill(hole, 0.5)
