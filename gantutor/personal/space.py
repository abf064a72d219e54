"""Pictures as points whose distance is a difference of style."""

import numpy as np
import torch
from sklearn.decomposition import PCA

from ..errors import InputError
from ..images import resize
from ..style.statistics import mean_and_covariance

SIZE = 256  # px on the short side: a stroke must cover as many pixels in every picture
COMPONENTS = 32


def style_layers(network):
    """The layers that tell styles apart: all but the two shallowest, which know little more than the palette."""
    return network.style_layers[2:]


@torch.no_grad()
def describe_style(network, picture):
    """One vector for a picture (1, 3, H, W): the covariances of its deeper layers, each layer of length one.

    The upper triangle holds every entry once; off the diagonal it counts √2, so that distances are those
    of the matrices.
    """
    features = network(resize(picture, SIZE), style_layers(network))
    parts = []
    for layer in style_layers(network):
        covariance = mean_and_covariance(features[layer])[1][0].cpu().double().numpy()
        rows, columns = np.triu_indices(len(covariance))
        vector = covariance[rows, columns] * np.where(rows == columns, 1, np.sqrt(2))
        parts.append(vector / (np.linalg.norm(vector) + 1e-12))
    return np.concatenate(parts)


def embed(network, pictures):
    """Descriptors (n, d) of a list or generator of pictures (1, 3, H, W), of any sizes."""
    descriptors = [describe_style(network, picture) for picture in pictures]
    if not descriptors:
        raise InputError("there are no pictures to describe: give at least one")
    return np.stack(descriptors)


def reduce(descriptors):
    """The descriptors on their principal axes, at most 32 of them: (n, m), centred."""
    components = min(COMPONENTS, len(descriptors) - 1, descriptors.shape[1])
    return PCA(components, svd_solver="full").fit_transform(descriptors)
