import numpy as np
from scipy import ndimage

from .brushwork import flat_regions, random_field, shift_colours, unit, wobble


def watercolour(photo, rng):
    """Washes of transparent pigment on white paper: each absorbs light, pools in places, and dries dark at its rim."""
    scale, shape = unit(photo), photo.shape
    colours = wobble(shift_colours(photo, rng, 0.06, (0.9, 1.3)), rng, 2.5 * scale, power=2.6)
    labels, palette = flat_regions(colours, rng, rng.integers(6, 9), smooth=3 * scale)
    paper = np.full(shape, 0.975, np.float32)
    for region, pigment in enumerate(palette):
        paper *= wash(labels == region, pigment, rng, scale)
    grain = random_field(rng, shape, 0.6)
    return paper * (1 + 0.018 * grain[..., None])


def wash(region, pigment, rng, scale):
    """Light that one wash lets through (H, W, 3), by Beer's law: the exponential of minus its density."""
    ragged = ndimage.gaussian_filter(wobble(region.astype(np.float32), rng, 1.6 * scale, power=2.4), scale)
    cover = ((ragged - 0.35) / 0.3).clip(0, 1)
    inside = cover > 0.5
    rim = ndimage.gaussian_filter(np.exp(-ndimage.distance_transform_edt(inside) / (2 * scale)) * inside, 0.5 * scale)
    pools = ndimage.gaussian_filter(rng.standard_normal(region.shape), 14 * scale)
    pools = (pools / pools.std()).clip(-2, 2)
    density = cover * (0.62 + 0.16 * pools + 0.05 * random_field(rng, region.shape, 1.2) + 0.75 * rim).clip(0.1, 1.6)
    return np.exp(-1.5 * density[..., None] * (1 - pigment).clip(0.03, 1) ** 1.3)
