"""The PersonalStyle file: what a collection's styles are, without the pictures, in safetensors."""

import hashlib
import json
from dataclasses import dataclass

import torch

from ..errors import InputError
from ..style.features import fingerprint, load_features
from ..style.target import PIXELS, Style
from ..tensors import read_tensors, write_tensors
from .clusters import find_styles
from .space import embed

FORMAT = "gantutor.style"
VERSION = 1


@dataclass
class PersonalStyle:
    """The styles of a collection, the largest first.

    `styles` are the statistics to paint with, `counts` the pictures of each, `tightness` their mean
    silhouettes. `features` names the network and `features_hash` its weights: statistics are of use with
    those alone. `pictures` are hashes of the liked files' pixels: names and paths are not kept.
    """

    styles: list
    counts: list
    tightness: list
    features: str
    features_hash: str
    pictures: list

    @property
    def shares(self):
        """The part of the collection that each style makes up."""
        return [count / sum(self.counts) for count in self.counts]

    def mix(self, weights):
        """One `Style` from all of them: a weight for each."""
        return Style.mixed(self.styles, weights)

    def style(self, number):
        """The `Style` with this number, counted from 1."""
        if not 1 <= number <= len(self.styles):
            raise InputError(f"there is no style {number}: this file holds styles 1 to {len(self.styles)}")
        return self.styles[number - 1]

    def network(self, device="cpu"):
        """The features that this style was learnt with."""
        network = load_features(self.features, device)
        if fingerprint(network) != self.features_hash:
            raise InputError(f"this style was learnt with other weights of the {self.features} features: learn anew")
        needed = {PIXELS, *network.style_layers}
        if any(needed - layers.keys() for style in self.styles for layers in style.levels.values()):
            raise InputError("this style lacks some layers of its features: make it again with `gantutor learn`")
        return network

    def save(self, path):
        """Write the file, whole or not at all."""
        tensors = {}
        for number, style in enumerate(self.styles):
            for size, layers in style.levels.items():
                for layer, (mean, covariance) in layers.items():
                    rows, columns = torch.triu_indices(*covariance.shape)
                    tensors[f"{number}.{size}.{layer}.mean"] = mean.cpu().contiguous()
                    tensors[f"{number}.{size}.{layer}.covariance"] = covariance.cpu()[rows, columns].contiguous()
        about = {k: getattr(self, k) for k in ("counts", "tightness", "features", "features_hash", "pictures")}
        write_tensors(tensors, path, {"format": FORMAT, "version": str(VERSION), "about": json.dumps(about)})

    @classmethod
    def load(cls, path):
        """Read a file; one that is damaged, of another kind or of a newer version gives one clear sentence."""
        tensors, metadata = read_tensors(path)
        if metadata.get("format") != FORMAT:
            raise InputError(f"{path} is no personal style: make one with `gantutor learn`")
        if metadata.get("version") != str(VERSION):
            version = metadata.get("version")
            raise InputError(f"{path} is of version {version}, this gantutor reads {VERSION}: upgrade it")
        try:
            about = json.loads(metadata["about"])
            levels = [{} for _ in about["counts"]]
            for name, mean in tensors.items():
                number, size, layer, kind = name.split(".")
                if kind == "mean":
                    packed = tensors[f"{number}.{size}.{layer}.covariance"]
                    levels[int(number)].setdefault(int(size), {})[layer] = (mean, unpacked(packed, len(mean)))
            if not levels or not all(levels):
                raise ValueError("a style without statistics")
            if not all(tensor.isfinite().all() for tensor in tensors.values()):
                raise ValueError("its statistics hold NaN or infinite values")
            if len(about["tightness"]) != len(levels) or min(about["counts"]) < 1:
                raise ValueError("its numbers do not fit its styles")
            if not isinstance(about["features"], str):
                raise ValueError("its features have no name")
            return cls([Style(dict(sorted(level.items()))) for level in levels], **about)
        except (KeyError, ValueError, IndexError, TypeError, RuntimeError) as error:
            raise InputError(f"{path} is incomplete ({error}): make it again with `gantutor learn`") from None


def unpacked(triangle, size):
    """A symmetric matrix (size, size) from its upper triangle."""
    rows, columns = torch.triu_indices(size, size)
    matrix = triangle.new_zeros(size, size)
    matrix[rows, columns] = triangle
    matrix[columns, rows] = triangle
    return matrix


def learn(pictures, network, features, seed=0, k=None, watch=iter):
    """Find the styles in liked pictures, tensors (1, 3, H, W): returns the PersonalStyle and the Clusters.

    `features` is the name under which the network was loaded; `watch` wraps the pictures while they are
    described, for a progress bar.
    """
    clusters = find_styles(embed(network, watch(pictures)), seed, k)
    groups = [[] for _ in range(clusters.count)]
    for picture, label in zip(pictures, clusters.labels, strict=True):
        groups[label].append(picture)
    style = PersonalStyle(
        styles=[Style.of(network, group) for group in groups],
        counts=[len(group) for group in groups],
        tightness=clusters.tightness,
        features=features,
        features_hash=fingerprint(network),
        pictures=[picture_hash(picture) for picture in pictures],
    )
    return style, clusters


def picture_hash(picture):
    """A hash of a picture's pixels, in 8 bits."""
    return hashlib.sha256((picture * 255).round().byte().cpu().contiguous().numpy().tobytes()).hexdigest()[:16]
