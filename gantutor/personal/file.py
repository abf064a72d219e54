"""The PersonalStyle file: what a collection's styles are, without the pictures, in safetensors."""

import json
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.distance import cdist

from ..errors import InputError
from ..style.features import fingerprint, load_features
from ..style.target import PIXELS, Style
from ..tensors import read_tensors, write_tensors
from .space import space_of

FORMAT = "gantutor.style"
VERSION = 2
MOST = 1e9  # of any number in a file
ENDS = ("low", "high")
PLAIN = (  # fields that JSON holds as they are
    "counts",
    "tightness",
    "found",
    "weights",
    "radii",
    "features",
    "features_hash",
    "space_hash",
    "pictures",
)


@dataclass
class PersonalStyle:
    """The styles of a collection, the largest first.

    `styles` are the statistics to paint with, `counts` the pictures of each, `tightness` their mean silhouettes.
    `found` is how many styles the pictures themselves speak for (0: one cannot tell; None: the number was given), and
    `answers` how often each number came out for a random part of them, {number: share}. `weights` say how much each
    style is liked; they sum to 1. `centres` (k, m) are the styles in the space of `personal.space`, `radii` what nine
    tenths of a style's pictures lie within. `axes` are the collection's principal style axes: (low, high, share), two
    Styles and the share of the variance that lies between. `features` names the network, `features_hash` its weights
    and `space_hash` the space: all numbers are of use with those alone. `pictures` are hashes of the liked files'
    pixels: names and paths are not kept.
    """

    styles: list
    counts: list
    tightness: list
    found: int | None
    answers: dict
    weights: list
    centres: torch.Tensor
    radii: list
    axes: list
    features: str
    features_hash: str
    space_hash: str
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

    def along(self, axis, position):
        """The `Style` on a principal axis, counted from 1: the whole collection's mixture at 0, the poles at ±1."""
        if not 1 <= axis <= len(self.axes):
            raise InputError(f"there is no axis {axis}: this file holds {len(self.axes) or 'none'}")
        if not -1 <= position <= 1:
            raise InputError(f"a position of {position} is off the axis: say -1 to 1")
        low, high, _ = self.axes[axis - 1]
        pole = high if position > 0 else low
        middle = Style({size: self.mix(self.shares).levels[size] for size in pole.levels})
        return Style.mixed([middle, pole], [1 - abs(position), abs(position)])

    def network(self, device="cpu"):
        """The features that this style was learnt with."""
        network = load_features(self.features, device)
        if fingerprint(network) != self.features_hash:
            raise InputError(f"this style was learnt with other weights of the {self.features} features: learn anew")
        needed = {PIXELS, *network.style_layers}
        if any(needed - layers.keys() for style in self.styles for layers in style.levels.values()):
            raise InputError("this style lacks some layers of its features: make it again with `gantutor learn`")
        return network

    def distances(self, points):
        """Distances (n, k) of points (n, m) of `space` from the styles' centres, in units of their radii."""
        return cdist(points, self.centres.double().numpy()) / np.array(self.radii)

    def space(self, network):
        """The space in which the centres lie, for the network of this style."""
        space = space_of(network)
        if space.hash != self.space_hash:
            raise InputError("this style's centres lie in another space of styles: make it again with `gantutor learn`")
        return space

    def save(self, path):
        """Write the file, whole or not at all."""
        tensors = {"centres": self.centres}
        named = {f"style.{number}": style for number, style in enumerate(self.styles)}
        for number, (*poles, _) in enumerate(self.axes):
            named |= {f"{end}.{number}": pole for end, pole in zip(ENDS, poles, strict=True)}
        for name, style in named.items():
            for size, layers in style.levels.items():
                for layer, (mean, covariance) in layers.items():
                    rows, columns = torch.triu_indices(*covariance.shape)
                    tensors[f"{name}.{size}.{layer}.mean"] = mean
                    tensors[f"{name}.{size}.{layer}.covariance"] = covariance.cpu()[rows, columns]
        about = {name: getattr(self, name) for name in PLAIN}
        about["answers"] = [[found, share] for found, share in self.answers.items()]
        about["axes"] = [share for *_, share in self.axes]
        write_tensors(tensors, path, {"format": FORMAT, "version": str(VERSION), "about": json.dumps(about)})

    @classmethod
    def load(cls, path):
        """Read a file; one that is damaged, of another kind or of another version gives one clear sentence."""
        tensors, metadata = read_tensors(path)
        if metadata.get("format") != FORMAT:
            raise InputError(f"{path} is no personal style: make one with `gantutor learn`")
        if metadata.get("version") != str(VERSION):
            version = metadata.get("version", "")
            older = version.isascii() and version.isdecimal() and int(version) < VERSION
            remedy = "make it again with `gantutor learn`" if older else "upgrade it"
            raise InputError(f"{path} is of version {version}, this gantutor reads {VERSION}: {remedy}")
        try:
            about = json.loads(metadata["about"])
            if not all(tensor.isfinite().all() for tensor in tensors.values()):
                raise ValueError("its statistics hold NaN or infinite values")
            centres, named = tensors.pop("centres"), {}
            for name, mean in tensors.items():
                kind, number, size, layer, part = name.split(".")
                if part == "mean":
                    packed = tensors[f"{kind}.{number}.{size}.{layer}.covariance"]
                    levels = named.setdefault((kind, int(number)), {})
                    levels.setdefault(int(size), {})[layer] = moments(mean, packed)
            styles = {name: Style(dict(sorted(levels.items()))) for name, levels in named.items()}
            shares, answers = about.pop("axes"), dict(map(tuple, about.pop("answers")))
            axes = [(*(styles.pop((end, number)) for end in ENDS), share) for number, share in enumerate(shares)]
            found = cls(
                [styles.pop(("style", number)) for number in range(len(about["counts"]))],
                centres=centres,
                axes=axes,
                answers=answers,
                **about,
            )
            found.check()
            return found
        except (KeyError, ValueError, IndexError, TypeError, AttributeError, RuntimeError) as error:
            raise InputError(f"{path} is incomplete ({error}): make it again with `gantutor learn`") from None

    def check(self):
        """ValueError if the parts do not fit one another, or are no numbers where these are expected."""
        count = len(self.styles)
        if not count or {
            len(each) for each in (self.counts, self.tightness, self.weights, self.radii, self.centres)
        } != {count}:
            raise ValueError("its numbers do not fit its styles")
        whole = [*self.counts, *self.answers, 0 if self.found is None else self.found]
        real = [*self.weights, *self.radii, *self.answers.values(), *(share for *_, share in self.axes)]
        real += [each for each in self.tightness if each is not None]
        if not all(type(each) is int and 0 <= each < MOST for each in whole):
            raise ValueError("its counts are none")
        if not all(type(each) in (int, float) and -MOST < each < MOST for each in real):  # and so no NaN
            raise ValueError("some of its numbers are none")
        if min(self.counts) < 1 or min(self.radii) <= 0 or min(self.weights) < 0 or sum(self.weights) <= 0:
            raise ValueError("its counts, radii or weights are too small")
        if self.centres.ndim != 2 or not isinstance(self.features, str):
            raise ValueError("its centres or its features are none")
        if not isinstance(self.pictures, list) or not all(isinstance(each, str) for each in self.pictures):
            raise ValueError("its pictures are no hashes")


def moments(mean, triangle):
    """A layer's (mean (C,), covariance (C, C)), the latter from its upper triangle; ValueError if they are none."""
    if not (mean.is_floating_point() and mean.ndim == 1 and triangle.dtype == mean.dtype):
        raise ValueError("a mean is none")
    if triangle.shape != (len(mean) * (len(mean) + 1) // 2,):
        raise ValueError("a covariance does not fit its mean")
    covariance = unpacked(triangle, len(mean))
    if (covariance.diagonal() < 0).any():
        raise ValueError("a variance is negative")
    return mean, covariance


def unpacked(triangle, size):
    """A symmetric matrix (size, size) from its upper triangle."""
    rows, columns = torch.triu_indices(size, size)
    matrix = triangle.new_zeros(size, size)
    matrix[rows, columns] = triangle
    matrix[columns, rows] = triangle
    return matrix
