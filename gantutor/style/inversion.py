"""Features turned back into a picture: what does a layer still know?"""

from dataclasses import dataclass

import torch

from .losses import total_variation
from .target import check_finite

RATE = 0.1


@dataclass(frozen=True)
class Inversion:
    """A step of `invert`: the picture (1, 3, H, W) in [0, 1], and how far its features were before the step."""

    image: torch.Tensor
    distance: float


def invert(network, layer, photo, steps=80, smoothness=1.0, seed=0, start=None):
    """Yield an Inversion after each step: from noise to a picture with the features that photo (1, 3, H, W) has.

    `start` is a picture to start from instead of the seed's noise.

    Minimises |F(y) − F(photo)|² / |F(photo)|² + smoothness · TV(y) by Adam, whose rate falls to nothing along a
    cosine; y stays in [0, 1]. After Mahendran and Vedaldi 2015 (eq. 3), with the total variation's plain absolute
    differences instead of their power, and Adam instead of momentum.
    """
    check_finite(photo)
    with torch.no_grad():
        wanted = network(photo, [layer])[layer]
        scale = wanted.square().sum()
    if start is None:
        start = 0.5 + 0.1 * torch.randn(photo.shape, generator=torch.Generator().manual_seed(seed))
    image = start.to(photo, copy=True).requires_grad_()
    adam = torch.optim.Adam([image], RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    for _ in range(steps):
        distance = (network(image, [layer])[layer] - wanted).square().sum() / scale
        adam.zero_grad()
        (distance + smoothness * total_variation(image)).backward()
        adam.step()
        schedule.step()
        with torch.no_grad():
            image.clamp_(0, 1)
        yield Inversion(image.detach().clone(), distance.item())
