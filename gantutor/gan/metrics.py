"""How well points (N, d) cover a mixture whose modes are known (Lin et al. 2018, "PacGAN", section 4.1).

The paper takes 2,500 points. A point belongs to the mode nearest to it, and is of high quality if it lies within
three standard deviations of that mode.
"""

import torch

from ..errors import InputError

NEAR = 3  # standard deviations; of a 2-D Gaussian's own points 1 − exp(−9/2) = 98.89 % are that near


def nearest(points, mixture):
    """The number of the nearest mode (N,) and the distance to it in standard deviations (N,)."""
    if points.ndim != 2 or points.shape[1] != mixture.modes.shape[1] or not len(points):
        raise InputError(f"points of shape {(*points.shape,)} cannot be judged: give (N, {mixture.modes.shape[1]})")
    if not torch.isfinite(points).all():
        raise InputError("some points are NaN or infinite: the training diverged, lower its learning rates")
    distance, mode = torch.cdist(points, mixture.modes, compute_mode="donot_use_mm_for_euclid_dist").min(1)
    return mode, distance / mixture.deviation


def high_quality(points, mixture):
    """Share of the points that are of high quality, from 0 to 1."""
    _, distance = nearest(points, mixture)
    return (distance < NEAR).double().mean().item()


def modes_covered(points, mixture):
    """How many modes have at least one point of high quality."""
    mode, distance = nearest(points, mixture)
    return len(mode[distance < NEAR].unique())


def reverse_kl(points, mixture):
    """KL(q‖p) in nats of the points' shares of the modes q from the true weights p: Σ q log(q/p).

    "Reverse" as in the paper: the generated distribution comes first. 0 if every mode has its share, log K if one of
    K equal modes has all; finite also where modes are missed. Every point counts for its nearest mode, of high
    quality or not (the authors' code drops the others): this is about balance alone.
    """
    mode, _ = nearest(points, mixture)
    q = torch.bincount(mode, minlength=len(mixture.modes)).double() / len(mode)
    return (torch.xlogy(q, q) - torch.xlogy(q, mixture.weights.double())).sum().item()


def overlap(points, mixture):
    """Σ min(q, p) over the modes, from 0 to 1: the weight p of the true modes that points of high quality fill.

    q is the share of all points that are of high quality and in the mode. One figure for coverage and quality: many
    modes are also "covered" by a generator that scatters its points everywhere, and one mode can be hit perfectly.
    """
    mode, distance = nearest(points, mixture)
    q = torch.bincount(mode[distance < NEAR], minlength=len(mixture.modes)).double() / len(mode)
    return torch.minimum(q, mixture.weights.double()).sum().item()
