"""What can be painted in: a style as statistics, as the features or patches of one picture, or one style a region.

Each answers two questions at a size, the short side in px: `losses(size)`, a loss for every layer that counts (`PIXELS`
is the picture itself), and `recoloured(photo, size)`, a photo in the style's colours, with which painting starts.
All of them have `to(device)`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from ..errors import InputError
from ..images import interpolate, resize
from .losses import MomentLoss, PatchLoss, SlicedLoss
from .statistics import match_palette, mean_and_covariance, pooled

SIZES = (64, 128, 256)  # short sides in px at which a style is described: coarse shapes, then strokes
PIXELS = "pixels"  # the picture itself counts as a layer: its palette


def describe(network, images, layers):
    """Means (N, C) and covariances (N, C, C) of the given layers, PIXELS among them, for pictures (N, 3, H, W)."""
    features = network(images, [layer for layer in layers if layer != PIXELS])
    return {layer: mean_and_covariance(images if layer == PIXELS else features[layer]) for layer in layers}


def check_finite(picture):
    """One clear sentence for a picture whose statistics would be no numbers."""
    if not picture.isfinite().all():
        raise InputError("the picture holds NaN or infinite values: load it again with images.load_image")


def nearest(sizes, size):
    """Of the sizes at hand the nearest to the one wanted, the smaller of two."""
    return min(sizes, key=lambda known: (abs(known - size), known))


@dataclass
class Style:
    """`levels[size][layer]` is the (mean (C,), covariance (C, C)) of a layer for pictures of that short side.

    `loss` compares with them: MomentLoss, Wasserstein2Loss or GramLoss of `losses`, or a function (mean, covariance)
    that gives a loss, such as partial(GramLoss.from_moments, scale="gatys").
    """

    levels: dict
    loss: Callable = MomentLoss

    @classmethod
    @torch.no_grad()
    def of(cls, network, pictures, sizes=SIZES, loss=MomentLoss):
        """The style of one picture or of several together: a list of tensors (1, 3, H, W), pooled with equal weights.

        Statistics of a set are those of all its positions together, so its palette is the whole set's.
        """
        for picture in pictures:
            check_finite(picture)
        layers = (PIXELS, *network.style_layers)
        levels = {}
        for size in sizes:
            described = [describe(network, resize(picture, size), layers) for picture in pictures]
            levels[size] = {}
            for layer in layers:
                means, covariances = (torch.cat([d[layer][i] for d in described]) for i in (0, 1))
                levels[size][layer] = pooled(means, covariances, torch.ones(len(means), device=means.device))
        return cls(levels, loss)

    @classmethod
    def mixed(cls, styles, weights):
        """Between styles: means and covariances interpolated with weights that are scaled to sum to one."""
        fair = len(styles) == len(weights) and all(0 <= weight < math.inf for weight in weights) and sum(weights) > 0
        if not fair:
            raise InputError(
                f"{len(styles)} styles cannot be mixed by {weights}: give each one weight, 0 or more, and not all 0"
            )
        if any(style.loss is not styles[0].loss for style in styles):
            raise InputError("styles that are compared by different losses cannot be mixed: give all the same loss")
        if any(style.levels.keys() != styles[0].levels.keys() for style in styles):
            raise InputError("styles that are described at different sizes cannot be mixed: describe all at the same")
        shares = [weight / sum(weights) for weight in weights]

        def between(size, layer, kind):
            return sum(share * style.levels[size][layer][kind] for share, style in zip(shares, styles, strict=True))

        levels = styles[0].levels
        mixture = {size: {k: (between(size, k, 0), between(size, k, 1)) for k in levels[size]} for size in levels}
        return cls(mixture, styles[0].loss)

    def at(self, size):
        """The statistics for painting at this short side: those of the nearest size at hand."""
        return self.levels[nearest(self.levels, size)]

    def losses(self, size):
        """A loss for every layer."""
        loss = getattr(self.loss, "from_moments", self.loss)
        return {layer: loss(*moments) for layer, moments in self.at(size).items()}

    def recoloured(self, photo, size):
        """The photo (N, 3, H, W) in the style's colours."""
        return match_palette(photo, *self.at(size)[PIXELS])

    def to(self, device):
        """The same style on a device."""
        moved = {}
        for size, layers in self.levels.items():
            moved[size] = {k: (mean.to(device), covariance.to(device)) for k, (mean, covariance) in layers.items()}
        return Style(moved, self.loss)


@dataclass
class Exemplar:
    """The style of one picture with its features' whole distribution, compared by `SlicedLoss`.

    `levels[size][layer]` is a feature map (1, C, H, W). It knows more than a mean and a covariance, takes longer, and
    can be neither pooled nor mixed.
    """

    levels: dict

    @classmethod
    @torch.no_grad()
    def of(cls, network, picture, sizes=SIZES):
        """The style of a picture (1, 3, H, W)."""
        check_finite(picture)
        levels = {}
        for size in sizes:
            small = resize(picture, size)
            levels[size] = {PIXELS: small} | network(small, network.style_layers)
        return cls(levels)

    def losses(self, size):
        """A loss for every layer."""
        return {layer: SlicedLoss(features) for layer, features in self.levels[nearest(self.levels, size)].items()}

    def recoloured(self, photo, size):
        """The photo in the picture's colours."""
        return in_colours_of(photo, self.levels[nearest(self.levels, size)][PIXELS])

    def to(self, device):
        """The same style on a device."""
        return Exemplar(
            {size: {k: maps.to(device) for k, maps in level.items()} for size, level in self.levels.items()}
        )


@dataclass
class Patches:
    """The style of one picture (1, 3, H, W) as its patches of pixels: no network, compared by `PatchLoss`."""

    picture: torch.Tensor

    def __post_init__(self):
        check_finite(self.picture)

    def losses(self, size):
        """One loss, of the pixels."""
        return {PIXELS: PatchLoss(resize(self.picture, size))}

    def recoloured(self, photo, size):
        """The photo in the picture's colours."""
        return in_colours_of(photo, self.picture)

    def to(self, device):
        """The same style on a device."""
        return Patches(self.picture.to(device))


def in_colours_of(photo, picture):
    """The photo with the mean and covariance of the picture's colours."""
    mean, covariance = mean_and_covariance(picture)
    return match_palette(photo, mean[0], covariance[0])


class Regions:
    """A style for each region: a list of (style, mask), the mask (1, 1, H, W) of the photo's shape, 1 inside.

    A region's statistics are those of the positions inside it (Gatys 2017, "Controlling perceptual factors", section
    4, with hard masks), and count by its area. Where masks overlap both styles pull, and the later one gives the
    colours to start with. Where no mask reaches, the photo stays in its own colours, and only content is asked for.
    """

    def __init__(self, parts):
        if not parts:
            raise InputError("there is no region to paint in: give at least one pair of style and mask")
        for number, (style, mask) in enumerate(parts, start=1):
            if mask.ndim != 4 or mask.shape[:2] != (1, 1) or not ((mask >= 0) & (mask <= 1)).all():
                raise InputError(f"mask {number} is no tensor (1, 1, H, W) of values from 0 to 1: convert it")
            if isinstance(style, Patches):
                raise InputError("a region has no patches, as it has no neighbours: use Style or Exemplar in regions")
        self.parts = parts

    def check(self, photo):
        """InputError if a mask does not fit the photo, or covers none of its pixels."""
        for number, (_, mask) in enumerate(self.parts, start=1):
            (height, width), (tall, wide) = mask.shape[2:], photo.shape[2:]
            if abs(height * wide - width * tall) > 0.02 * height * wide + (wide + tall) / 2:  # sides are rounded
                raise InputError(
                    f"the mask is {width} x {height} px, the photo {wide} x {tall}: give it the photo's proportions"
                )
            if not inside(mask, photo.shape[2:]).any():
                raise InputError(f"mask {number} covers no pixel at {wide} x {tall} px: draw a larger region")

    def losses(self, size):
        """For every layer a loss that looks at each region on its own."""
        regional = {}
        for style, mask in self.parts:
            for layer, loss in style.losses(size).items():
                regional.setdefault(layer, RegionalLoss()).add(loss, mask)
        return regional

    def recoloured(self, photo, size):
        """The photo (1, 3, H, W) with each region in its style's colours."""
        result = photo.clone()
        for style, mask in self.parts:
            chosen = inside(mask, photo.shape[2:]).to(photo.device)
            if chosen.any():
                result[0][:, chosen] = style.recoloured(photo[0][:, chosen][None, :, :, None], size)[0, :, :, 0]
        return result

    def to(self, device):
        """The same styles and masks on a device."""
        return Regions([(style.to(device), mask.to(device)) for style, mask in self.parts])


class RegionalLoss(nn.Module):
    """The losses of several regions, each seeing its own positions of the feature map alone."""

    def __init__(self):
        super().__init__()
        self.losses, self.masks, self.positions = nn.ModuleList(), [], {}

    def add(self, loss, mask):
        """A region's loss and its mask (1, 1, H, W)."""
        self.losses.append(loss)
        self.masks.append(mask)

    def chosen(self, number, features):
        """The numbers of a region's positions in a feature map; found once for each size."""
        key = number, features.shape[2:]
        if key not in self.positions:
            self.positions[key] = inside(self.masks[number], features.shape[2:]).flatten().nonzero()[:, 0]
        return self.positions[key].to(features.device)

    def forward(self, features):
        total, rows = features.new_zeros(()), features.flatten(2)
        for number, loss in enumerate(self.losses):
            chosen = self.chosen(number, features)
            if len(chosen):  # a small region has no position of its own in a coarse layer
                total = total + len(chosen) / rows.shape[2] * loss(rows[:, :, chosen][..., None])
        return total


def inside(mask, shape):
    """Where a mask (1, 1, h, w) covers most of a position, for maps of this shape: booleans (H, W)."""
    return interpolate(mask.float(), shape)[0, 0] > 0.5
