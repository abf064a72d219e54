"""Pictures as points whose distance is a difference of style: 1 is usual between two pictures by the same hand.

    space = space_of(network)
    points = space.embed(network, pictures)      # (n, 128)

A picture's descriptor holds the covariances of its deeper feature maps. What varies in these from picture to picture
by the same painter, with content and hue, is measured once on paintings whose painter is known, and divided out
(within-class covariance normalisation; Hatch et al. 2006). `gantutor train space` does so.
"""

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA

from ..errors import InputError
from ..images import resize
from ..style.features import WEIGHTS, fingerprint
from ..style.statistics import mean_and_covariance
from ..style.target import check_finite
from ..tensors import read_tensors, write_tensors

SIZE = 256  # px on the short side: a stroke must cover as many pixels in every picture
BINS = 2048
DIMENSIONS = 128  # of the space
SHRINK = 0.2  # of the within-style covariance towards its mean variance: it has fewer pictures than dimensions
AXES = 10  # of one collection
USUAL = 1.4  # distance of descriptors by the same hand under the bundled features, for features without a space
FORMAT = "gantutor.space.1"


def style_layers(network):
    """The layers that tell styles apart: all but the two shallowest, which know little more than the palette."""
    return network.style_layers[2:]


@torch.no_grad()
def describe_style(network, pictures):
    """Descriptors (N, BINS) of pictures (N, 3, H, W): covariances of deeper layers, each of length one, folded.

    The upper triangle of a covariance holds every entry once; off the diagonal it counts √2, so that distances are
    those of the matrices.
    """
    check_finite(pictures)
    pictures = pictures.to(next(network.parameters()).device)
    features = network(resize(pictures, SIZE), style_layers(network))
    parts = []
    for layer in style_layers(network):
        covariances = mean_and_covariance(features[layer])[1].cpu().double().numpy()
        rows, columns = np.triu_indices(covariances.shape[1])
        vectors = covariances[:, rows, columns] * np.where(rows == columns, 1, np.sqrt(2))
        parts.append(vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-12))
    return fold(np.concatenate(parts, 1))


def fold(vectors, bins=BINS):
    """Vectors (n, d) made shorter, (n, bins): each entry is added to one of the bins or subtracted, as a hash says.

    Inner products stay right on average, to √(2 / bins) of the vectors' squared lengths (feature hashing;
    Weinberger et al. 2009). The hash is splitmix64 of the entry's place: the same on every machine.
    """
    place = np.arange(1, vectors.shape[1] + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        place = (place ^ (place >> np.uint64(shift))) * np.uint64(factor)
    signs = np.where(place >> np.uint64(63), -1.0, 1.0)
    folded = np.zeros((bins, len(vectors)))
    np.add.at(folded, (place % np.uint64(bins)).astype(int), (vectors * signs).T)
    return folded.T


def embed(network, pictures):
    """Descriptors (n, BINS) of a list or generator of pictures (1, 3, H, W), of any sizes."""
    descriptors = [describe_style(network, picture) for picture in pictures]
    if not descriptors:
        raise InputError("there are no pictures to describe: give at least one")
    return np.concatenate(descriptors)


@dataclass
class StyleSpace:
    """A linear map of descriptors: points = (descriptors − mean) @ matrix, with mean (BINS,), matrix (BINS, m).

    `features_hash` is the fingerprint of the network whose descriptors these are. `calibrated` says whether content
    and hue are divided out.
    """

    mean: np.ndarray
    matrix: np.ndarray
    features_hash: str
    calibrated: bool = True

    @property
    def hash(self):
        """A short hash: points of different spaces cannot be compared."""
        data = self.features_hash.encode() + self.mean.tobytes() + self.matrix.tobytes()
        return hashlib.sha256(data).hexdigest()[:16]

    @classmethod
    def measured(cls, descriptors, labels, others, features_hash):
        """The space in which descriptors (n, BINS) with the same label lie 1 apart, root mean square, and alike in all
        directions. `others` (m, BINS) are of any pictures: they help to find the directions that matter."""
        pca = PCA(min(DIMENSIONS, len(descriptors) - 1), svd_solver="full").fit(np.concatenate([descriptors, others]))
        points = pca.transform(descriptors)
        groups = [points[labels == label] for label in np.unique(labels)]
        within = np.mean([np.cov(group.T) for group in groups], 0)
        spread = np.trace(within) / len(within)
        values, vectors = np.linalg.eigh((1 - SHRINK) * within + SHRINK * spread * np.eye(len(within)))
        whitening = vectors / np.sqrt(values)
        unit = np.sqrt(np.mean([np.mean(pdist(group @ whitening, "sqeuclidean")) for group in groups]))
        return cls(pca.mean_, pca.components_.T @ whitening / unit, features_hash)

    def points(self, descriptors):
        """Points (n, m) of descriptors (n, BINS)."""
        return (descriptors - self.mean) @ self.matrix

    def embed(self, network, pictures):
        """Points (n, m) of pictures (1, 3, H, W), of any sizes, that the space's network describes."""
        return self.points(embed(network, pictures))

    def save(self, path, record):
        """Write the space, in half precision, with the record of its making (a dict that JSON can hold)."""
        tensors = {"mean": torch.from_numpy(self.mean).half(), "matrix": torch.from_numpy(self.matrix).half()}
        about = json.dumps({"features_hash": self.features_hash, "record": record})
        write_tensors(tensors, path, {"format": FORMAT, "about": about})

    @classmethod
    def load(cls, path):
        """Read a space. InputError if the file is none, or damaged."""
        tensors, metadata = read_tensors(path)
        if metadata.get("format") != FORMAT:
            raise InputError(f"{path} holds no style space of this version: make one with `gantutor train space`")
        try:
            mean, matrix = tensors["mean"].double().numpy(), tensors["matrix"].double().numpy()
            if matrix.shape[0] != BINS or mean.shape != (BINS,):
                raise ValueError
            if not (np.isfinite(matrix).all() and np.isfinite(mean).all()):
                raise ValueError
            return cls(mean, matrix, json.loads(metadata["about"])["features_hash"])
        except (KeyError, TypeError, ValueError, IndexError):
            raise InputError(f"{path} is damaged: make it again with `gantutor train space`") from None


def space_of(network):
    """The space that belongs to a network: the bundled one, or for other features the descriptors as they are.

    In the latter content and hue count too, and only the unit is a guess from the bundled features.
    """
    space = StyleSpace.load(WEIGHTS / "style_space.safetensors")
    if space.features_hash == fingerprint(network):
        return space
    return StyleSpace(np.zeros(BINS), np.eye(BINS) / USUAL, fingerprint(network), calibrated=False)


@dataclass
class Axes:
    """The principal axes of a collection: directions (m, d) of unit length, from its mean, and their variances (d,)."""

    mean: np.ndarray
    directions: np.ndarray
    variances: np.ndarray

    @classmethod
    def of(cls, points):
        """At most `AXES` axes of points (n, m); one that leads nowhere, if all points are the same."""
        if (points == points[0]).all():
            return cls(points[0], np.zeros((points.shape[1], 1)), np.zeros(1))
        count = min(AXES, len(points) - 1, points.shape[1])
        pca = PCA(count, svd_solver="full").fit(points)
        return cls(pca.mean_, pca.components_.T, pca.explained_variance_)

    def coordinates(self, points):
        """Points (n, m) along the axes: (n, d)."""
        return (points - self.mean) @ self.directions


def reduce(points):
    """Points along their own principal axes, at most ten of them: (n, d), centred."""
    return Axes.of(points).coordinates(points)


def spread(points):
    """How far two of the points are apart, root mean square."""
    return float(np.sqrt(np.mean(pdist(points, "sqeuclidean")))) if len(points) > 1 else 0.0
